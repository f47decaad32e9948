/* Images in, verdicts out; what others send appears, too. */
"use strict";

const tiles = page.byId("tiles");
if (tiles) {
  const model = tiles.dataset.model;
  const path = `/api/v1/models/${encodeURIComponent(model)}/score`;
  const seen = { fine: 0, unclear: 0, anomaly: 0, learnt: 0 };
  let only = page.byId("only").getAttribute("aria-pressed") === "true";
  const some = ["watch", "rate", "review"].map((key) => (tiles.dataset[key] ? `&${key}=${tiles.dataset[key]}` : "")).join("");

  const newest = () => Math.max(0, ...[...tiles.querySelectorAll("[data-id]")].map((tile) => Number(tile.dataset.id)));
  const address = (more) => `${page.prefix}/parts/tiles?model=${encodeURIComponent(model)}${only ? "&only=true" : ""}${some}${more}`;
  const fetchTiles = async (more) => {
    const answer = await fetch(address(more));
    const holder = document.createElement("ul");
    holder.innerHTML = answer.ok ? await answer.text() : "";
    return [...holder.children];
  };
  let busy = false;
  const refresh = page.calmly(400, async () => {
    if (busy) { refresh(); return; }
    busy = true;
    const have = new Set([...tiles.children].map((tile) => tile.dataset.id));
    let fresh = [];
    try {
      fresh = (await fetchTiles(`&after=${newest()}`)).filter((tile) => !have.has(tile.dataset.id));
    } catch { /* the server is gone; the next verdict brings these, too */ }
    fresh.forEach((tile) => tile.classList.add("new"));
    tiles.prepend(...fresh);
    htmx.process(tiles);
    page.byId("nothing").hidden = tiles.children.length > 0;
    for (const old of [...tiles.querySelectorAll("[data-id]")].slice(240)) old.remove();
    busy = false;
  });

  /* The rate, or the version in use, may be changed elsewhere: this page must not go on promising what was. */
  const promise = page.calmly(300, async () => {
    const holder = document.createElement("div");
    try {
      const answer = await fetch(`${page.prefix}/parts/promise?model=${encodeURIComponent(model)}`);
      holder.innerHTML = answer.ok ? await answer.text() : "";
    } catch { return; }  /* the server is gone; the page asks anew when it is seen again */
    const [old, now] = [page.byId("promise"), holder.querySelector("#promise")];
    if (!now || now.dataset.model !== model || old.isEqualNode(now)) return;
    const other = now.dataset.version !== old.dataset.version;
    old.replaceWith(now);
    for (const button of document.querySelectorAll("[data-report]")) button.dataset.report = now.dataset.version;
    page.say(other ? `Version ${now.dataset.version} of ${model} is in use now.` : "The rate of false alarms was changed: see above.");
  });
  page.on({
    prediction: (event) => { if (event.model === model) refresh(); },
    model: (event) => { if (event.name === model) promise(); },
  }, () => { refresh(); promise(); });

  const summary = (last) => {
    const n = seen.fine + seen.unclear + seen.anomaly;
    page.byId("summary").textContent = !n ? "" : `Of ${page.count(n, "image")} that you sent, ${seen.anomaly ? page.count(seen.anomaly, "is odd", "are odd") : "none is odd"}${seen.unclear ? ", " + page.count(seen.unclear, "is unclear", "are unclear") : ""}.${seen.learnt ? ` The model learnt from ${seen.learnt < n ? `${seen.learnt.toLocaleString("en")} of them` : n === 1 ? "it" : "all of them"} as good: what it says of ${seen.learnt === 1 ? "that one" : "these"} proves nothing, so send others.` : ""}${last && last.drift ? " " + page.drift(last.drift) : ""}`;
  };
  const mine = [];  /* the ids of what was sent from this page, in the order of the files; 0 where there is none yet */
  let places = [];  /* in it, of the files that were given last, and while they were sent */
  const send = async (file, name, place = mine.push(0) - 1) => {
    const said = await page.askPatiently("POST", path, file, { "X-File-Name": encodeURIComponent(name), "Content-Type": "application/octet-stream" });
    for (const one of said.predictions) { seen[one.verdict]++; seen.learnt += one.learnt ? 1 : 0; mine[place] = one.id; }
    summary(said);
    const save = page.byId("save");
    save.hidden = false;
    save.textContent = `Save ${page.count(mine.filter(Boolean).length, "verdict")} as CSV`;
    refresh();
  };
  if (page.byId("drop"))
    page.onFiles(async (files, more) => {
      if (!more) places = [];
      const own = files.map(() => mine.push(0) - 1);
      places.push(...own);
      if (!more) summary();  /* without what was left out of others before */
      let why = "";
      let whole = false;
      try {
        ({ whole } = await page.sendAll(files, "scored", (file) => send(file, page.named(file), own[files.indexOf(file)])));
      } catch (problem) { why = page.sentence(problem.message); }
      const missing = places.filter((place) => !mine[place]).length;
      if (!missing) return;
      const without = `${page.someOf(missing, places.length, "image")} ${missing === 1 ? "has" : "have"} no verdict`;
      page.byId("summary").textContent += why ? ` ${why} ${page.sentence(without)}.` : whole ? ` ${page.sentence(without)}; the list above says why.` : ` Stopped: ${without}.`;
    });
  /* Who opens a picture and comes back in this window finds the batch as it was; what is sent then begins a new one. */
  const kept = some ? null : JSON.parse(sessionStorage.getItem("batch"));
  const before = kept && kept.model === model ? kept.ids : [];
  if (kept?.model === model) {
    page.byId("summary").textContent = kept.summary;
    if (kept.out && page.byId("drop")) page.complainAgain(kept.out, kept.complaints);
  }
  if (before.length) {
    page.byId("save").hidden = false;
    page.byId("save").textContent = `Save ${page.count(before.length, "verdict")} as CSV`;
  }
  window.addEventListener("pagehide", () => {
    const ids = mine.filter(Boolean);
    let summary = page.byId("summary").textContent;
    if (page.given) {
      const [left, all] = [places.filter((place) => !mine[place]).length + page.waiting, places.length + page.waiting];
      summary += ` You left this page while they were sent: ${page.someOf(left, all, "image")} ${left === 1 ? "has" : "have"} no verdict here. Give them again.`;
    }
    if (!ids.length && !places.length && !page.given) return;
    const keep = (more) => sessionStorage.setItem("batch", JSON.stringify({ model, ids, summary, ...more }));
    try { keep({ out: page.out, complaints: page.complaints }); } catch { keep({}); }  /* there are a few megabytes of room */
  });
  page.byId("save").addEventListener("click", (event) => page.busy(event.currentTarget, "Saving \u2026", () =>
    page.save("/api/v1/predictions.csv", { predictions: mine.some(Boolean) ? mine.filter(Boolean) : before }, `${model} ${new Date().toISOString().slice(0, 10)}.csv`)));

  /* The button for older ones makes way for them: the first of these has the focus then. */
  let follows = -1;
  tiles.addEventListener("click", (event) => { if (event.target.closest(".more button")) follows = tiles.children.length - 1; });
  document.body.addEventListener("htmx:afterSettle", () => {
    if (follows >= 0) tiles.children[follows]?.querySelector("a, button")?.focus();
    follows = -1;
  });

  page.byId("only").addEventListener("click", async (event) => {
    only = !only;
    const here = new URL(location.href);  // so does who comes back from a picture
    if (only) here.searchParams.set("only", "true"); else here.searchParams.delete("only");
    history.replaceState(history.state, "", here);
    event.currentTarget.setAttribute("aria-pressed", only);
    tiles.replaceChildren(...await fetchTiles(""));
    htmx.process(tiles);
    const nothing = page.byId("nothing");
    nothing.textContent = nothing.dataset[only ? "only" : "all"];
    nothing.hidden = tiles.children.length > 0;
  });
  const showHeat = (on) => {
    document.body.classList.toggle("no-heat", !on);
    page.byId("heat").setAttribute("aria-pressed", on);
    sessionStorage.setItem("where", on);  /* stays so when one comes back from a picture */
  };
  showHeat(sessionStorage.getItem("where") !== "false");
  page.byId("heat").addEventListener("click", () => showHeat(document.body.classList.contains("no-heat")));

  /* A picture of the browser's camera, as a PNG: no compression that the model never saw. */
  const video = page.byId("camera-video");
  const close = () => {
    for (const track of video.srcObject ? video.srcObject.getTracks() : []) track.stop();
    video.srcObject = null;
    page.byId("camera").hidden = true;
    page.byId("camera-open").hidden = false;
  };
  if (page.byId("camera-open")) {
    page.byId("camera-open").addEventListener("click", async () => {
      try {
        if (!navigator.mediaDevices) throw new Error("A browser lends its camera only to https pages and to this machine itself.");
        video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } }, audio: false });
        await video.play();
        page.byId("camera").hidden = false;
        page.byId("camera-open").hidden = true;
        page.byId("camera-shoot").focus();
      } catch (problem) { page.say(`No camera: ${problem.message}`); }
    });
    page.byId("camera-close").addEventListener("click", close);
    page.byId("camera-shoot").addEventListener("click", async () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
      canvas.getContext("2d").drawImage(video, 0, 0);
      const picture = await new Promise((done) => canvas.toBlob(done, "image/png"));
      try { await send(picture, `camera ${new Date().toLocaleTimeString("en-GB")}.png`); } catch (problem) { page.sayWhy(problem); }
    });
  }
}
