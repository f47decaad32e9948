/* The queue, made for the keyboard: R, G (as F), U, S, and Z to go back. */
"use strict";

const queue = page.byId("queue");
if (queue) {
  const history = [];
  let before = null;
  let busy = false;
  const model = encodeURIComponent(queue.dataset.model);
  const lessons = page.byId("lessons");
  const current = () => queue.querySelector("[data-id]");

  const show = async (more) => {
    await htmx.ajax("GET", `${page.prefix}/parts/review?model=${model}${more}`, { target: "#queue", swap: "innerHTML" });
    for (const button of queue.querySelectorAll("[data-undo]")) button.disabled = !history.length;
    const title = page.byId("review-title");
    if (title) title.focus({ preventScroll: true });
  };
  /* What somebody else has said meanwhile is shown, and nothing is noted over it. */
  const say = async (id, verdict, seen) => {
    try {
      await page.ask("POST", `/api/v1/predictions/${id}/review`, { verdict, seen });
      return true;
    } catch (problem) {
      if (problem.status !== 409) throw problem;
      await show(`&at=${id}`);
      page.sayWhy(problem);
      return false;
    }
  };
  /* Counts as they are now, also of what others said meanwhile; what waits since is shown at the end of the queue. */
  const count = () => {
    const told = document.querySelector("[data-waiting-of]");
    if (!told) return;
    const waiting = JSON.parse(told.dataset.waitingOf);
    const own = waiting[queue.dataset.model] || 0;
    for (const option of document.querySelectorAll("#model option")) option.textContent = `${option.value} (${waiting[option.value] || 0} waiting)`;
    const place = queue.querySelector("p[data-waiting]");
    if (place) place.textContent = `${own} waiting`;
    if (queue.querySelector("[data-none]") && own && !busy) onwards();
  };
  /* The model was deleted, maybe in another window: nothing that is said of it would be shown anywhere. */
  const gone = (message) => {
    const card = document.createElement("section"), title = document.createElement("h2"), text = document.createElement("p"), link = document.createElement("a");
    card.className = "card";
    title.textContent = `${queue.dataset.model} is gone`;
    title.tabIndex = -1;
    text.textContent = page.sentence(message);
    link.href = `${page.prefix}/models`;
    link.textContent = "To the models";
    card.append(title, text, link);
    queue.replaceChildren(card);
    lessons.remove();
    history.length = 0;
    page.byId("say").replaceChildren();
    title.focus();
  };
  const reviewed = () => htmx.trigger(document.body, "reviewed");
  document.body.addEventListener("htmx:afterSettle", (event) => { if (event.detail.target.id === "lessons") count(); });
  document.body.addEventListener("htmx:responseError", (event) => { if (event.detail.xhr.status === 404) gone(page.messageOf(event.detail.xhr)); });
  /* Nothing changes under the hand of who is at it. */
  const others = page.calmly(400, () => { if (!lessons.contains(document.activeElement) || document.activeElement === lessons) reviewed(); });
  page.on({ review: others, model: others, prediction: page.calmly(3000, () => { if (queue.querySelector("[data-none]")) others(); }) }, others);
  let opened = [];
  document.body.addEventListener("htmx:beforeSwap", () => { opened = [...document.querySelectorAll("#lessons details[open]")].map((one) => one.id); });
  document.body.addEventListener("htmx:afterSwap", () => { for (const id of opened) page.byId(id)?.setAttribute("open", ""); });
  const onwards = () => show(before === null ? "" : `&before=${before}`);

  const act = async (what) => {
    const card = current();
    if (busy || (what !== "undo" && !card?.querySelector(what === "skip" ? "[data-skip]" : "[data-say]"))) return;
    busy = true;
    try {
      if (what === "undo") {
        const last = history.pop();
        if (last === undefined) return;
        before = last.before;
        const took = last.said && last.said !== last.seen;
        if (took && !await say(last.id, null, last.said)) return;
        await show(`&at=${last.id}`);
        page.say(took ? "Taken back." : "Back at the one before.");
      } else {
        const id = Number(card.dataset.id), seen = card.dataset.review || null;
        const said = what === "skip" ? null : what;
        if (said && !await say(id, said, seen)) return;
        history.push({ id, before, said, seen });
        page.byId("say").replaceChildren();  /* it was about the one before */
        if (!said) before = id;
        await onwards();
      }
    } catch (problem) {
      if (problem.status === 404) gone(problem.message);
      else page.sayWhy(problem);
    } finally {
      busy = false;
      reviewed();  /* whatever came of it */
    }
  };

  const KEYS = { r: "real", g: "false_alarm", f: "false_alarm", u: "unsure", s: "skip", z: "undo" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.matches("input, select, textarea")) return;
    const what = KEYS[event.key.toLowerCase()];
    if (what) { event.preventDefault(); act(what); }
  });
  queue.addEventListener("click", (event) => {
    const button = event.target.closest("[data-say], [data-skip], [data-undo]");
    if (!button) return;
    act(button.dataset.say || ("skip" in button.dataset ? "skip" : "undo"));
  });

  lessons.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-learn]");
    if (!button) return;
    const anyway = [...lessons.querySelectorAll("[data-anyway]:checked")].map((one) => Number(one.dataset.anyway));
    const some = button.dataset.learn ? { predictions: button.dataset.learn.split(" ").map(Number) } : {};
    await page.busy(button, "Beginning to learn \u2026", async () => {
      await page.ask("POST", `/api/v1/models/${model}/update`, { ...some, anyway, yes: "yes" in button.dataset });
      lessons.focus({ preventScroll: true });  /* the button goes */
      page.byId("say").replaceChildren();  /* how far it is stands where the button was */
      reviewed();
      return true;
    });
  });
}
