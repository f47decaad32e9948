/* Good images in: sent into a set, looked at, learnt from. */
"use strict";

const LOOKS = { "": {}, image: { rows: "image" }, patches: { rows: "patches" }, tiles: { tiles: 640 } };
let set = null;

/* Names of what was to be sent into the set that is gone on with, and did not arrive. */
let missing = new Set();

/* What is in folders whose names speak of defects is learnt if a person says so; as `oneclass check` warns. */
const alsoOdd = (n, folders) => confirm(`${page.count(n, "image is", "images are")} in folders whose names speak of defects: ${folders.slice(0, 3).join(", ")}. All that is sent is learnt as good. OK sends them, too; Cancel leaves them out.`);

/* The folder that was chosen tells nothing where there are others in it. */
const onlyGood = (files) => {
  const bad = new RegExp(page.byId("drop").dataset.bad, "i");
  const folders = (file) => page.named(file).split("/").slice(0, -1);
  const sounding = (file) => folders(file).slice(folders(file).length > 1 ? 1 : 0).find((name) => bad.test(name));
  const odd = files.filter(sounding);
  return !odd.length || alsoOdd(odd.length, [...new Set(odd.map(sounding))]) ? files : files.filter((file) => !odd.includes(file));
};

/* Those that the set does not have. That is by folder, name and size, which raw pictures may share: a person says so. */
const unknown = async (files) => {
  const { known } = await page.ask("PUT", `/api/v1/sets/${set}/expected`, { names: files.map(page.named), bytes: files.map((file) => file.size) });
  const [n, all] = [known.length, files.length];
  const some = all === 1 ? "This image is" : n === all ? `All of these ${page.count(all, "image")} are` : `${n.toLocaleString("en")} of these ${page.count(all, "image")} ${n === 1 ? "is" : "are"}`;
  if (!n || !confirm(`${some} here already, by folder, name and size. OK sends ${n === all ? "none" : "only the others"}; Cancel sends ${all === 1 ? "it again" : "all"}.`)) return files;
  const places = new Set(known);
  return files.filter((_, i) => !places.has(i));
};

if (page.byId("drop")) page.onFiles(async (chosen) => {  /* who may only look has nowhere to drop any */
  try {
    if (!set) await goOn(chosen);
    const rest = chosen.filter((file) => missing.has(page.named(file)));
    missing = new Set();
    const asked = rest.length ? rest : chosen;
    let files = onlyGood(asked);
    const out = asked.length - files.length;
    if (out) page.say(`${page.count(out, "image")} left out${files.length ? "" : ": none is left to be sent"}.`, !files.length);
    if (!files.length) return;
    page.byId("checked").replaceChildren();
    const had = Boolean(set);
    set ??= (await page.ask("POST", "/api/v1/sets")).id;
    files = await unknown(files);
    if (files.length) await page.ask("PUT", `/api/v1/sets/${set}/expected`, { names: files.map(page.named) });
    const arrived = new Map();
    const { whole, failed } = !files.length ? { whole: true, failed: [] } : await page.sendAll(files, "sent", (file) =>
      page.askPatiently("POST", `/api/v1/sets/${set}/images`, file, { "X-File-Name": encodeURIComponent(page.named(file)), "Content-Type": "application/octet-stream" }).then((said) => arrived.set(file, said.file)));
    if (!whole) { await stopped(had, rest.length > 0, files.filter((file) => !arrived.has(file)), arrived.values()); return; }
    /* Those for which there was no room are missing. Where even that cannot be written, what was noted before stands. */
    const lost = failed.filter((one) => one.status === 507).map((one) => page.named(one.file));
    const { same } = await page.ask("PUT", `/api/v1/sets/${set}/expected`, { names: lost, ended: true }).catch((problem) => { if (problem.status !== 507) throw problem; return {}; });
    if (same && !same.learning) {
      await page.ask("DELETE", `/api/v1/sets/${set}`);
      set = same.id;
    }
    await look();
    if (same) tellSame(same);
  } catch (problem) { stays(problem); }
});

/* What was here before stays, whatever was being added to it. */
const stopped = async (had, going, left, arrived) => {
  if (!had) { await page.ask("DELETE", `/api/v1/sets/${set}`); set = null; page.say("Stopped. Nothing was kept."); return; }
  if (going) missing = new Set(left.map(page.named));  /* and the server knows which are */
  else {
    for (const file of arrived) await page.ask("DELETE", `/api/v1/sets/${set}/images/${encodeURIComponent(file)}`);
    await page.ask("PUT", `/api/v1/sets/${set}/expected`, { names: [], ended: true });
  }
  await look();
  page.say(going ? "Stopped. What had arrived is kept; give the same images again to go on." : "Stopped. Nothing of what you gave last is kept; the images of before are.", true);
};

/* What was sent before came without the question about folders, or was left in the midst of it: it is asked anew. */
const ready = async () => {
  const known = (await page.ask("GET", "/api/v1/sets")).sets.find((one) => one.id === set);
  if (!known) return;
  missing = new Set(known.missing);
  const odd = Object.values(known.folders).flat();
  if (!odd.length || alsoOdd(odd.length, Object.keys(known.folders))) return;
  for (const file of odd) await page.ask("DELETE", `/api/v1/sets/${set}/images/${encodeURIComponent(file)}`);
};

/* Who left while these were sent, and gives them again, need not send all of them again. */
const goOn = async (chosen) => {
  const names = new Set(chosen.map(page.named));
  const { sets } = await page.ask("GET", "/api/v1/sets");
  const left = sets.find((one) => one.images && one.missing.length && one.images + one.missing.length <= chosen.length && one.missing.every((name) => names.has(name)));
  if (!left) return;
  const some = page.sentence(page.someOf(left.images, left.images + left.missing.length, "image"));
  const [was, is] = left.images === 1 ? ["was", "is"] : ["were", "are"];
  const here = left.arriving ? `${some} ${is} here, and the last one came just now: another window may be sending the rest.` : `${some} ${was} sent before the page was left, and ${is} here.`;
  if (!confirm(`${here} OK goes on with ${left.images === 1 ? "it" : "them"}: only ${left.missing.length === 1 ? "the one that is missing is" : `the ${left.missing.length.toLocaleString("en")} that are missing are`} sent. Cancel sends all anew, as a set of its own.`)) return;
  set = left.id;
  await ready();
};

/* Why nothing more comes of what was begun; it stays, and what was to be learnt from is gone. */
const banner = (...words) => {
  const line = document.createElement("p");
  line.className = "banner";
  line.setAttribute("role", "alert");
  line.append(...words);
  page.byId("checked").replaceChildren(line);
  line.scrollIntoView({ block: "nearest" });
};

/* Somebody has removed the same set on another page, or learns from it: nothing is left to begin here. */
const GONE = ["learnt_from", "no_set"];
const gone = (problem) => {
  set = null;
  const link = document.createElement("a");
  [link.href, link.textContent] = [`${page.prefix}/learn`, "Open Learn anew"];
  if (problem.error === "no_set") banner("The images that were sent here were removed meanwhile, or learnt from, in another window. Choose the same folder or files again to send them anew.");
  else banner(...page.linked(`${page.sentence(problem.message)} `), link, ".");
};
const stays = (problem) => (GONE.includes(problem.error) ? gone(problem) : banner(page.sentence(problem.message)));

/* The very same pictures are here already: of a set that waits no second copy is kept. */
const tellSame = (same) => {
  const line = document.createElement("p");
  [line.className, line.id] = ["banner calm", "same-set"];
  line.setAttribute("role", "status");
  const at = new Date(1000 * same.at).toLocaleString("en-GB", { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" });
  const which = `${same.images === 1 ? "This image is" : `These ${page.count(same.images, "image")} are`} the set that was sent on ${at} already, byte for byte`;
  line.textContent = same.learning
    ? `${which}, and ${same.learning} is being learnt from it. Learn from them again only if you want another model, or another version of it; else start over with others.`
    : `${which}. No second copy was kept: you go on with that set. Learn from it below, take images out, or drop others to add them.`;
  page.byId("checked").prepend(line);
};

/* See what is in the set, and offer to learn from it. */
const look = async () => {
  const job = await page.ask("POST", "/api/v1/jobs/check", { set })
    .catch((problem) => { if (!GONE.includes(problem.error)) throw problem; gone(problem); });
  if (!job) return;
  page.byId("waiting")?.remove();
  await htmx.ajax("GET", `${page.prefix}/parts/check/${job.id}`, { target: "#checked", swap: "innerHTML" });
};

/* What another window has removed is removed. */
const removed = (key) => page.ask("DELETE", `/api/v1/sets/${key}`).catch((problem) => { if (problem.error !== "no_set") throw problem; });

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-go-on], [data-drop-set]");
  if (!button) return;
  try {
    if (button.dataset.dropSet) {
      const [n, one] = [Number(button.dataset.images), button.dataset.images === "1"];
      const ends = "arriving" in button.dataset ? "They are being sent just now, it seems from another window: removing them ends that. " : "";
      if (!confirm(`${ends}Remove ${one ? "this image" : `these ${page.count(n, "image")}`}? ${one ? "It" : "They"} would have to be sent again.`)) return;
      await removed(button.dataset.dropSet);
      button.closest("li").remove();
      if (!document.querySelector("#waiting li")) page.byId("waiting").remove();
      page.byId("choose-folder").focus();
      page.say(one ? "It is removed." : "They are removed.");
      return;
    }
    set = button.dataset.goOn;
    page.byId("step-images").hidden = false;
    await page.busy(button, "Looking at them \u2026", async () => {
      await ready();
      await look();
      button.closest("[id^=job-]")?.remove();
    });
  } catch (problem) { page.sayWhy(problem); }
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-take-out], [data-take-all]");
  if (!button) return;
  button.disabled = true;
  try {
    opened = [...document.querySelectorAll("#checked details[open] > summary")].map((one) => one.textContent);
    ticked = anyway();
    set = button.closest("[data-set]").dataset.set;
    for (const file of button.dataset.takeAll ? JSON.parse(button.dataset.takeAll) : [button.dataset.takeOut])
      await page.ask("DELETE", `/api/v1/sets/${set}/images/${encodeURIComponent(file)}`);
    await look();
  } catch (problem) {
    button.disabled = false;
    if (GONE.includes(problem.error)) gone(problem); else page.sayWhy(problem);
  }
});

/* What was open when an image was taken out is open again, so that the next one can be, and what was ticked is. */
let opened = [], ticked = [];
document.body.addEventListener("htmx:afterSwap", () => {
  if (!document.querySelector("#checked [data-set]")) return;
  const again = [...document.querySelectorAll("#checked details > summary")].filter((one) => opened.includes(one.textContent));
  for (const summary of again) summary.parentElement.open = true;
  if (again.length) again[0].focus();
  for (const box of document.querySelectorAll("#checked [name=anyway]")) if (ticked.includes(box.value)) box.click();
  ticked = [];
  opened = [];
});

/* Other images can be given as soon as the job that was begun here has ended, however it did. */
document.body.addEventListener("htmx:load", () => {
  const images = page.byId("step-images");
  if (images && !document.querySelector("#learning .working")) images.hidden = false;
});

document.addEventListener("click", async (event) => {
  if (!event.target.closest("[data-start-over]")) return;
  try {
    const before = set;
    set = null;
    page.byId("checked").replaceChildren();
    await htmx.ajax("GET", `${page.prefix}/learn`, { target: "#step-images", select: "#waiting", swap: "afterend" });
    page.byId("choose-folder").focus();
    /* Not what another window has removed or learnt from, nor what all was taken out of. */
    const kept = before && document.querySelector(`#waiting [data-set="${before}"]`);
    page.say(`${kept ? "What was sent is kept, see below. " : ""}Choose other images.`);
  } catch (problem) { page.sayWhy(problem); }
});
const tellName = () => {
  const name = page.byId("fit-name").value.trim();
  const options = [...document.querySelectorAll("#names option")];
  const known = options.find((option) => option.value.toLowerCase() === name.toLowerCase());
  const gone = JSON.parse(page.byId("fit").dataset.deleted);
  const [help, said] = [page.byId("name-help"), !known && Object.hasOwn(gone, name) ? `A model ${name} was deleted, and can be got back on the page Models: this makes version ${gone[name]} of it.` : known && known.value !== name ? `There is a model ${known.value}, which differs only in capitals: take that name, or another one.` : known ? `This makes version ${known.dataset.next} of ${name}, in use at once.` : "You will find the model again under this name: letters without accents, digits, spaces, points, - and _, with no point at its ends."];
  if (help.textContent !== said) help.textContent = said;
  help.className = known || Object.hasOwn(gone, name) ? "banner calm" : "muted small";
};
document.addEventListener("input", (event) => { if (event.target.id === "fit-name") tellName(); });
/* What is shown of the set, by the time of asking, with so many more that are to be learnt all the same. */
const checkedNow = async (more = 0) => {
  const text = await (await page.ask("GET", `/parts/check/${document.querySelector("#checked > [id^=check-]").id.replace("check-", "")}?anyway=${more}`)).text();
  return new DOMParser().parseFromString(text, "text/html");
};
/* Which models there are, by the time of asking: another window may have learnt, set a rate, or deleted one since. */
const askNames = async () => {
  const now = await checkedNow();
  const fresh = now.getElementById("fit");
  if (!fresh) return;
  page.byId("names")?.remove();
  if (now.getElementById("names")) page.byId("fit").append(now.getElementById("names"));
  page.byId("fit").dataset.deleted = fresh.dataset.deleted;
  tellName();
};
/* What was called really odd is learnt only if it is ticked. */
const anyway = () => [...document.querySelectorAll("#checked [name=anyway]:checked")].map((one) => one.value);
document.addEventListener("change", async (event) => {
  if (event.target.name !== "anyway") return;
  const [form, more] = [page.byId("fit"), anyway().length];
  form.querySelector("[type=submit]").textContent = `Learn from ${page.count(Number(form.dataset.images) + more, "image")}`;
  /* Of how many good ones one may be called odd goes by that, too. */
  const rates = (await checkedNow(more).catch(() => null))?.getElementById("fit-rate");
  const shown = page.byId("fit-rate");
  if (!rates || !shown || more !== anyway().length) return;
  const chosen = shown.value;
  shown.replaceChildren(...rates.children);
  const same = [...shown.options].find((option) => option.value === chosen && !option.disabled);
  shown.value = same ? chosen : "";
});
/* Which rate of false alarms is in force now, which will be, and which if one goes back. */
const alsoRate = (known, chosen) => {
  const { version, next, rate, from, learntFor, images, pictures } = known.dataset;
  const ends = from === "learnt" ? "" : " The one that was set ends with that.";
  const before = images === pictures ? "" : ` (of the ${images} that version ${version} learnt from only ${pictures} did)`;
  const provided = chosen.dataset.needs ? `, if at least ${chosen.dataset.needs} of these images count as different pictures${before}; with fewer ${chosen.value ? "nothing is learnt" : "it is as near to that as they allow"}` : "";
  const back = rate === learntFor ? `Back at version ${version}, it would be ${learntFor} again` : `Back at version ${version}, it would be ${learntFor}, the rate that it was learnt for, not ${rate}`;
  return `Version ${next} of ${known.value} will be learnt from these images alone, and used at once instead of version ${version}.\n\nFalse alarms of good images: ${rate} now, ${page.RATES_FROM[from]}. With version ${next} it is what you chose, ${chosen.dataset.rate}${provided}.${ends} ${back}.\n\nGo on?`;
};
document.addEventListener("submit", async (event) => {
  if (event.target.id !== "fit") return;
  event.preventDefault();
  const form = new FormData(event.target);
  const rate = form.get("false_alarms");
  await page.busy(event.submitter || event.target.querySelector("[type=submit]"), "Beginning to learn \u2026", async () => {
    const help = page.byId("name-help"), read = help.textContent;
    await askNames();
    const known = [...document.querySelectorAll("#names option")].find((option) => option.value === form.get("name").trim());
    const asked = known ? alsoRate(known, page.byId("fit-rate").selectedOptions[0]) : help.textContent !== read ? `${help.textContent}\n\nGo on?` : null;
    if (asked && !confirm(asked)) return;
    const job = await page.ask("POST", "/api/v1/jobs/fit", {
      name: form.get("name").trim(), set: event.target.dataset.set, false_alarms: rate ? Number(rate) : null, anyway: anyway(), ...LOOKS[form.get("look")],
    }).catch((problem) => { if (!GONE.includes(problem.error)) throw problem; gone(problem); });
    if (!job) return;
    set = null;
    page.byId("checked").replaceChildren();
    await htmx.ajax("GET", `${page.prefix}/parts/job/${job.id}`, { target: "#learning", swap: "innerHTML" });
    page.byId("step-images").hidden = !!document.querySelector("#learning .working");
  });
});
