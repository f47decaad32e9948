/* A model file in; a model deleted, or got back. */
"use strict";

/* How many images a model file learnt, and for which rate, by its beginning as modelfile.py writes it; null where it is none. */
const learntBy = async (file) => {
  try {
    if (await file.slice(0, 8).text() !== "ONECLASS") return null;
    const bytes = new DataView(await file.slice(12, 20).arrayBuffer()).getBigUint64(0, true);
    const { card } = JSON.parse(await file.slice(20, 20 + Number(bytes)).text());
    return { images: card.fit.n_images, rate: card.false_alarms };
  } catch { return null; }  /* damaged: the server says so */
};

const upload = page.byId("upload-model");
if (upload) {
  const [chosen, field, help, problem] = ["model-file", "model-name", "model-name-help", "model-problem"].map(page.byId);
  const names = JSON.parse(upload.dataset.names);
  const usual = help.textContent;
  let guessed = "";
  const show = (text) => { problem.textContent = text; problem.hidden = !text; tell(); };
  const tell = () => {
    const name = field.value.trim();
    /* What the file would become is not said beside why it did not. */
    const alike = problem.hidden && names.find((one) => one.toLowerCase() === name.toLowerCase());
    const said = !alike ? usual : alike === name ? `There is a model ${name}: the file becomes a new version of it.` : `There is a model ${alike}, which differs only in capitals: take that name, or another one.`;
    if (help.textContent !== said) help.textContent = said;
    help.className = alike ? "banner calm" : "muted small";
  };
  /* A file of quite another part is told by what it learnt. */
  const question = async (name, used) => {
    const learnt = used && await learntBy(chosen.files[0]);
    const both = learnt ? `${chosen.files[0].name} learnt ${page.count(learnt.images, "good image")}, for ${page.percent(learnt.rate)} false alarms. Version ${used.version} of ${name}, in use, learnt ${page.count(used.card.fit.n_images, "good image")}, and goes by ${page.percent(used.false_alarms)}.\n\n` : "";
    return `${both}There is a model ${name} already. Take this file in as a new version of it? It is not used before you say so.`;
  };
  field.addEventListener("input", () => show(""));
  chosen.addEventListener("change", () => {
    const file = chosen.files[0];
    if (field.value === guessed) {
      guessed = file && /\.oneclass$/i.test(file.name) ? file.name.replace(/\.oneclass$/i, "").replace(/[^A-Za-z0-9 ._-]/g, "-").slice(0, 60).replace(/^[ .]+|[ .]+$/g, "") : "";
      field.value = guessed;
    }
    show("");
  });
  upload.addEventListener("submit", async (event) => {
    event.preventDefault();
    const name = field.value.trim();
    const address = `/api/v1/models/${encodeURIComponent(name)}`;
    show("");
    await page.busy(upload.querySelector("[type=submit]"), "Taking it in \u2026", async () => {
      try {
        const versions = names.includes(name) ? (await page.ask("GET", address)).versions : [];
        const before = versions.map((one) => one.version);
        if (before.length && !confirm(await question(name, versions.find((one) => one.serves)))) return;
        const made = await page.ask("PUT", `${address}/file`, chosen.files[0], { "Content-Type": "application/octet-stream" });
        if (before.includes(made.version)) {
          show(`${chosen.files[0].name} is version ${made.version} of ${name} already, byte for byte. It was not taken in again.`);
          return;
        }
        page.sayNext((made.serves ? `${made.model} is in use now.` : `The file became version ${made.version} of ${made.model}, which is not in use yet.`) + (made.can_learn ? "" : " This version can score, but not learn more."));
        location.href = `${page.prefix}/models/${encodeURIComponent(made.model)}`;
      } catch (error) { show(`${chosen.files[0].name}: ${error.message.replace(/^the model: (refused: )?/, "")}`); }
    });
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-delete], [data-restore]");
  if (!button) return;
  const { delete: name, version: number, restore, said } = button.dataset;
  const [asked, method, path, told] = number
    ? [`Delete version ${number} of ${name}? ${button.dataset.lost}`, "DELETE", `/api/v1/models/${encodeURIComponent(name)}/versions/${number}`, `Version ${number} of ${name} is deleted. The page Models gets it back for 30 days.`]
    : name
      ? [`Delete ${name} with all its versions? ${button.dataset.lost}`, "DELETE", `/api/v1/models/${encodeURIComponent(name)}`, `${name} is deleted. It can be got back on this page for 30 days.`]
      : [null, "POST", `/api/v1/deleted/${restore}/restore`, said];
  if (asked && !confirm(asked)) return;
  await page.busy(button, restore ? "Getting it back \u2026" : "Deleting \u2026", async () => {
    const back = await page.ask(method, path);
    const used = restore && back.versions.find((one) => one.serves);
    page.sayNext(used ? `${told} Version ${used.version} is in use.` : told);
    if (number) location.reload();
    else location.href = `${page.prefix}/models`;
    return true;
  });
});
