/* What all pages share: requests with the page's token, words for people, dropped files, events. */
"use strict";

const page = {
  prefix: document.body.dataset.prefix,
  csrf: document.querySelector("meta[name=csrf]").content,
  byId: (id) => document.getElementById(id),
  HIDDEN: /^\.|^(thumbs\.db|desktop\.ini)$/i,
  leftOut: [],
  out: null,  /* of what is given: images, those that failed, and what was given beside them */
  complaints: [],  /* what was said of each of these, as `complain` takes it */
  FINISHING: 5000,  /* milliseconds that are given to what is on its way when somebody stops */
  waiting: 0,  /* images that were given and whose turn has not come */
  round: 0,  /* times that somebody stopped */
  given: 0,  /* times that files were given and are not through yet: the first of these are being sent */

  /* One request to the service; its JSON, or an Error whose message is for people. */
  async ask(method, path, body, headers = {}) {
    const plain = body === undefined || body instanceof Blob;
    const signal = page.stopper?.signal;
    let answer;
    try {
      answer = await fetch(page.prefix + path, {
        method,
        body: plain ? body : JSON.stringify(body),
        headers: { "X-CSRF-Token": page.csrf, ...(plain ? {} : { "Content-Type": "application/json" }), ...headers },
        signal,
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw Object.assign(new Error(page.SILENT), { silent: true });
    }
    page.answered();
    if (answer.ok && !answer.headers.get("Content-Type").startsWith("application/json")) return answer.blob();
    const said = await answer.json().catch((error) => {
      if (signal?.aborted) throw signal.reason;
      if (answer.ok) throw Object.assign(new Error(page.SILENT), { silent: true });  /* it broke off */
      return {};
    });
    if (answer.ok) return said;
    const problem = new Error(said.message || `The server answered ${answer.status}.`);
    [problem.status, problem.error] = [answer.status, said.error];
    problem.retry = Number(answer.headers.get("Retry-After")) || 0;
    throw problem;
  },

  /* The same, patient while the server is busy or gone: what was on its way when it went is sent again. */
  async askPatiently(method, path, body, headers) {
    for (let tries = 0; ; tries++) {
      try {
        return await page.ask(method, path, body, headers);
      } catch (problem) {
        if (problem.silent) page.waits();
        else if (![429, 503].includes(problem.status) || tries > 30) throw problem;
        await new Promise((done) => setTimeout(done, 1000 * (problem.retry || 1)));
      }
    }
  },

  /* What the service answers, as a file of the person's own. */
  async save(path, body, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await page.ask("POST", path, body));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  },

  /* What is said of a job goes once that is over. */
  say(text, stays = false, job = null) {
    const place = page.byId("say");
    page.saidOf = job;
    const line = document.createElement("p");
    line.append(...page.linked(text));
    place.replaceChildren(line);
    clearTimeout(page.saying);
    /* As long as it takes to read it. */
    if (!stays) page.saying = setTimeout(() => place.replaceChildren(), Math.max(6000, 75 * text.length));
  },

  /* The address of a model's page in a sentence as a link. */
  linked: (text) => text.split(/(\/models\/[\w.%~-]*[\w%~-])/).map((part, i) => {
    if (i % 2 === 0) return part;
    const link = document.createElement("a");
    [link.href, link.textContent] = [page.prefix + part, part];
    return link;
  }),

  /* What went wrong, as a sentence. */
  sayWhy(problem) { page.say(page.sentence(problem.message)); },

  /* As RATES_FROM in words.py. */
  RATES_FROM: { learnt: "the rate that it was learnt for", set: "the rate that was set", nearest: "the nearest that it supports to the rate that was set" },
  percent: (share) => `${(100 * share).toLocaleString("en", { maximumSignificantDigits: 3 })}\u00a0%`,

  SILENT: "The server does not answer. Is it still running?",
  WAITS: "The server does not answer. Is it still running? This page goes on by itself once it does.",
  waits() { if (!page.byId("say").firstChild) page.say(page.WAITS, true); },
  answered() { if (page.byId("say").textContent === page.WAITS) page.byId("say").replaceChildren(); },

  /* While something is under way its button says so, keeps the focus, and takes no second press.
     It stays so if the work gives true: the page is about to be loaded anew. */
  async busy(button, words, work) {
    const before = [...button.childNodes];
    button.setAttribute("aria-disabled", "true");
    button.replaceChildren(words);
    page.say(words);
    let leaves = false;
    try { leaves = await work(); } catch (problem) { page.sayWhy(problem); }
    if (leaves) return;
    button.removeAttribute("aria-disabled");
    if (button.textContent === words) button.replaceChildren(...before);
    const line = page.byId("say").firstChild;
    if (line && line.textContent === words) page.byId("say").replaceChildren();
  },

  /* The sentence on drift, as one that stands on its own. */
  drift: (text) => page.unbroken(text.replace(/^drift: /, "").replace("called anomalies", "called odd").replace("should be normal", "are good").replace(/\bnormal (one|image)/g, "good $1").replace(/^./, (first) => first.toUpperCase())),

  /* The same on the page that is opened next, such as this one anew. */
  sayNext: (text) => sessionStorage.setItem("say", text),

  /* No line ends between a number and its %. */
  unbroken: (text) => text.replace(/(\d) %/g, "$1\u00a0%"),

  /* What the server said of a part of a page that it did not give. */
  messageOf(request) {
    try { return page.sentence(JSON.parse(request.responseText).message); } catch { return `The server answered ${request.status}.`; }
  },
  sentence: (text) => text.replace(/^./, (first) => first.toUpperCase()),

  count: (n, one, many = one + "s") => `${n.toLocaleString("en")} ${n === 1 ? one : many}`,

  /* `3 of the 8 images`, `all 8 images`, `the image`: n of some, at least one; names.py says the same. */
  someOf(n, all, one) {
    if (n === 1 && all === 1) return `the ${one}`;
    return n === all ? `all ${page.count(all, one)}` : `${n.toLocaleString("en")} of the ${page.count(all, one)}`;
  },

  span(seconds) {
    if (seconds < 90) return page.count(Math.max(1, Math.round(seconds)), "second");
    return seconds < 5400 ? page.count(Math.round(seconds / 60), "minute") : page.count(Math.round(seconds / 3600), "hour");
  },

  /* How an image is named with its folders, in whichever way it was chosen. */
  named: (file) => (file.webkitRelativePath || file.within || file.name).slice(0, 500),

  /* The last folder and the file, as with_folder in words.py. */
  withFolder: (name) => name.split("/").slice(-2).join("/"),

  /* Files that were dropped or chosen, folders walked through; those that are no images are counted. */
  async walk(entry, found, empty) {
    if (entry.isFile) {
      const file = await new Promise((done, failed) => entry.file(done, failed));
      file.within = entry.fullPath.slice(1);
      found.push(file);
      return;
    }
    const reader = entry.createReader();
    const [before, within] = [found.length, empty.length];
    for (;;) {
      const some = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!some.length) break;
      for (const inner of some) await page.walk(inner, found, empty);
    }
    if (found.length === before) empty.splice(within, Infinity, entry.fullPath.slice(1));  /* it alone, not each in it */
  },

  /* Calls `use` with the images of each time that some are given, one time after the other: what is given while others
     are being sent waits its turn, and is `more` of the same. */
  onFiles(use) {
    let last = Promise.resolve(), before = 0;
    const inTurn = (images, leftOut, empty) => {
      const round = page.round;
      const more = page.given > 0 && before === round;
      before = round;
      page.given++;
      page.waiting += images.length;
      if (!images.length) page.say("There is no image among these files.");
      else if (more) page.say(`${page.count(images.length, "more image")}: sent as soon as those before are.`);
      last = last.then(async () => {
        page.waiting -= images.length;
        if (page.round !== round) return;  /* stopped meanwhile */
        if (!more) page.complainOfNone();
        page.leftOut = leftOut;
        page.out.others += leftOut.length;
        page.complainOfOthers(empty);
        if (page.out.failed) page.sayOut();
        if (images.length) await use(images, more);
      }).catch(page.sayWhy).finally(() => { page.given--; });
    };
    const drop = page.byId("drop");
    const suffixes = new Set(drop.dataset.suffixes.split(" "));
    const isImage = (name) => suffixes.has(name.slice(name.lastIndexOf(".")).toLowerCase());
    const choose = (files, empty = []) => {
      const images = [...files].filter((f) => isImage(f.name) && !f.name.startsWith("."));
      images.sort((a, b) => page.named(a).localeCompare(page.named(b), "en", { numeric: true }));
      const taken = new Set(images);
      inTurn(images, [...files].filter((f) => !taken.has(f) && !page.HIDDEN.test(f.name)), empty);
    };
    for (const [button, input] of [["choose-files", "files"], ["choose-folder", "folder"]]) {
      page.byId(button).addEventListener("click", () => page.byId(input).click());
      page.byId(input).addEventListener("change", (event) => { choose(event.target.files); event.target.value = ""; });
    }
    /* Files may fall anywhere on the page: who misses the field by a finger means it all the same. A picture
       of the page itself, dragged by accident, is called a file by browsers, too. */
    let ofThePage = false;
    window.addEventListener("dragstart", () => { ofThePage = true; });
    window.addEventListener("dragend", () => { ofThePage = false; });
    const holdsFiles = (event) => !ofThePage && event.dataTransfer.types.includes("Files");
    for (const kind of ["dragenter", "dragover"])
      window.addEventListener(kind, (event) => {
        if (!holdsFiles(event)) return;
        event.preventDefault();
        drop.classList.add("over");
      });
    window.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
    window.addEventListener("drop", async (event) => {
      drop.classList.remove("over");
      if (!holdsFiles(event)) return;
      event.preventDefault();
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
      const [found, empty] = [[], []];
      try {
        for (const entry of entries) await page.walk(entry, found, empty);
      } catch { page.say("Some of these files cannot be read."); }
      choose(entries.length ? found : event.dataTransfer.files, empty);
    });
  },

  /* Send files, a few at a time, with progress and a way to stop: `whole` if it was not stopped, `failed` why
     some of them, each a `file`, were left out. What would be said of each, as of a model that is gone, ends it,
     and is thrown. */
  async sendAll(files, verb, send) {
    const [box, bar, text, left] = ["uploading", "upload-bar", "upload-text", "upload-left"].map(page.byId);
    const stopper = page.stopper = new AbortController();
    let stopped = false, patience = 0;
    /* What is on its way is finished, so that no verdict is lost that the server has given; but not for ever. */
    page.byId("upload-stop").onclick = () => {
      if (stopped) return;
      stopped = true;
      page.round++;
      if (page.given > 1) page.say("Stopped; what you gave after these is not sent, either.");
      patience = setTimeout(() => stopper.abort(), page.FINISHING);
      show();
    };
    box.hidden = false;
    bar.max = files.length;
    page.out.all += files.length;
    if (page.out.failed) page.sayOut();
    const began = performance.now();
    const failed = [];
    let next = 0, done = 0, refused = null;
    const show = () => {
      bar.value = done;
      text.textContent = `${done.toLocaleString("en")} of ${page.count(files.length, "image")} ${verb}${page.leftOut.length ? `, ${page.count(page.leftOut.length, "other file")} left out` : ""}`;
      const going = done > 3 && done < files.length;
      if (going) text.textContent += ",";
      left.textContent = stopped ? "stopping: those on their way are finished" : going ? `about ${page.span((performance.now() - began) / 1000 / done * (files.length - done))} left` : "";
    };
    show();
    const worker = async () => {
      while (next < files.length && !stopped && !stopper.signal.aborted) {
        const file = files[next++];
        try {
          await send(file);
        } catch (problem) {
          if (problem.name === "AbortError" || refused) return;  /* an answer that is cut off says nothing */
          if ([401, 403, 404].includes(problem.status) || problem.error === "no_set") { refused ??= problem; stopper.abort(); return; }
          failed.push(Object.assign(problem, { file }));
          page.complain(page.named(file), problem.message);
          page.out.failed++;
          page.sayOut();
        }
        done++;
        show();
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    clearTimeout(patience);
    const whole = !stopped && !stopper.signal.aborted;
    page.stopper = null;
    box.hidden = true;
    if (refused) throw refused;
    return { whole, failed };
  },

  /* What was given beside images; a folder that was chosen, not dropped, names no empty ones: browsers leave them out. */
  complainOfOthers(empty) {
    for (const file of page.leftOut) page.complain(page.named(file), /\.(zip|7z|rar|tar|tgz|gz|bz2|xz)$/i.test(file.name) ? "it is an archive. Unpack it, and give the folder." : "its name is not one of an image.");
    for (const folder of empty) page.complain(folder, "there is nothing in this folder.", folder);
  },

  complainOfNone() {
    page.out = { all: 0, failed: 0, others: 0 };
    page.complaints = [];
    for (const place of ["upload-out", "upload-errors", "upload-more"].map(page.byId)) place.hidden = true;
    for (const list of document.querySelectorAll("#upload-errors, #upload-more ul")) list.replaceChildren();
  },

  /* The list that a page had when it was left. */
  complainAgain(out, complaints) {
    page.complainOfNone();
    page.out = out;
    for (const [name, message, shown] of complaints) page.complain(name, message, shown);
    if (out.failed) page.sayOut();
  },

  /* How many of the images that were sent are left out; what was given beside them has its lines alone. */
  sayOut() {
    const [out, { failed: n, all }] = [page.byId("upload-out"), page.out];
    out.hidden = false;
    const others = page.out.others ? ` and ${page.count(page.out.others, "other file")}` : "";
    out.textContent = `${page.sentence(page.someOf(n, all, "image"))}${others} ${n === 1 && !others ? "was" : "were"} left out:`;
  },

  /* What is wrong with a file, without its first bytes, and in the words that words.py has for it. */
  forPeople: (detail) => JSON.parse(document.body.dataset.plainer)
    .reduce((told, [said, plainer]) => told.replaceAll(said, plainer), detail.replace(/ \(it begins with b(?:'.*?'|".*?")\)/, "")),

  /* The first ones stand there, all others are unfolded. */
  complain(name, message, shown = page.withFolder(name)) {
    page.complaints.push([name, message, shown]);
    const [errors, more] = ["upload-errors", "upload-more"].map(page.byId);
    errors.hidden = false;
    const full = errors.children.length >= 30;
    const list = full ? more.querySelector("ul") : errors;
    const line = document.createElement("li");
    const bold = document.createElement("b");
    bold.textContent = shown;
    bold.title = name;
    const told = page.forPeople(message.replace(/^[^:]*: /, "").replace(/ \[\w+\]$/, ""));
    line.append(bold, " was left out: ", /[.?]$/.test(told) ? told : `${told}.`);
    line.title = message;
    list.append(line);
    more.hidden = !full;
    if (full) more.querySelector("summary").textContent = `And ${list.children.length.toLocaleString("en")} more`;
  },

  /* Events of the server, as long as somebody sees the page: a browser has six connections to a server, and a window
     behind others must not keep one. What was missed meanwhile, `again` brings. */
  on(kinds, again) {
    let events = null;
    const listen = () => {
      events = new EventSource(`${page.prefix}/api/v1/events`);
      for (const [kind, use] of Object.entries(kinds))
        events.addEventListener(kind, (event) => use(JSON.parse(event.data)));
    };
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) { events?.close(); events = null; }
      else if (!events) { listen(); again(); }
    });
    if (!document.hidden) listen();
  },

  /* Call at most every so many milliseconds, and once more at the end. */
  calmly(wait, use) {
    let timer = null;
    return () => { timer ??= setTimeout(() => { timer = null; use(); }, wait); };
  },
};

const left = sessionStorage.getItem("say");
if (left) { sessionStorage.removeItem("say"); page.say(left); }
/* Loaded anew, a page stays with its model, whichever was used last, or has more waiting, by then. */
const about = document.querySelector("#queue, #tiles, #monitor");
if (about) {
  const address = new URL(location.href);
  address.searchParams.set("model", about.dataset.model);
  history.replaceState(history.state, "", address);
}
/* Who leaves while files are on their way is asked: the rest would not be sent. */
window.addEventListener("beforeunload", (event) => { if (page.given) event.preventDefault(); });
/* What a page asks for again and again would stand still without a word where the server is gone, or refuses. */
document.body.addEventListener("htmx:sendError", page.waits);
let refusal = "";
document.body.addEventListener("htmx:responseError", (event) => {
  refusal = page.messageOf(event.detail.xhr);
  if (page.byId("say").textContent !== refusal) page.say(refusal, true);
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful && refusal && page.byId("say").textContent === refusal) page.byId("say").replaceChildren();
});
document.body.addEventListener("htmx:afterOnLoad", page.answered);
document.body.addEventListener("htmx:afterSwap", () => {
  if (page.saidOf && !document.querySelector(`[data-cancel="${CSS.escape(page.saidOf)}"]`)) {
    page.saidOf = null;
    page.byId("say").replaceChildren();
  }
  for (const newer of document.querySelectorAll("[data-replaces]")) page.byId(newer.dataset.replaces)?.remove();
  const target = document.querySelector("[data-focus]");
  if (target) { target.removeAttribute("data-focus"); target.focus({ preventScroll: false }); }
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.submit();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("[aria-disabled=true]")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);
document.addEventListener("click", async (event) => {
  const cancel = event.target.closest("[data-cancel]");
  const take = event.target.closest("[data-take]");
  if (cancel) await page.busy(cancel, "Cancelling \u2026", async () => {
    await page.ask("DELETE", `/api/v1/jobs/${cancel.dataset.cancel}`);
    if (cancel.isConnected) page.say("The job ends as soon as it can.", false, cancel.dataset.cancel);
  });
  if (take) await page.busy(take, `Taking version ${take.dataset.take} into use \u2026`, async () => {
    const name = encodeURIComponent(take.dataset.name);
    /* Where it stands beside the button already, it is not asked once more. */
    const against = "warned" in take.dataset ? "" : await (await page.ask("GET", `/parts/taking/${name}/${take.dataset.take}`)).text();
    if (against && !confirm(against)) return;
    const taken = await page.ask("POST", `/api/v1/models/${name}/take`, { version: Number(take.dataset.take) });
    page.sayNext(`Version ${taken.version} of ${take.dataset.name} is in use now, at ${page.percent(taken.false_alarms)}, ${page.RATES_FROM[taken.rate_from]}.`);
    location.replace(location.pathname + location.search);  /* begins at its top, where the model is named */
    return true;
  });
});
