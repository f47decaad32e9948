/* The queue, made for the keyboard: R, F, U, S, and Z to go back. */
"use strict";

const queue = page.byId("queue");
if (queue) {
  const history = [];
  let before = null;
  let busy = false;
  const model = encodeURIComponent(queue.dataset.model);
  const current = () => queue.querySelector("[data-id]");

  const show = async (more) => {
    await htmx.ajax("GET", `${page.prefix}/parts/review?model=${model}${more}`, { target: "#queue", swap: "innerHTML" });
    for (const button of queue.querySelectorAll("[data-undo]")) button.disabled = !history.length;
    const waits = queue.querySelector("[data-waiting]");
    const option = document.querySelector("#model option:checked");
    if (waits && option) option.textContent = `${option.value} (${waits.dataset.waiting} waiting)`;
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
      page.say(problem.message);
      return false;
    }
  };
  const onwards = () => show(before === null ? "" : `&before=${before}`);

  const act = async (what) => {
    const card = current();
    if (busy || (!card && what !== "undo")) return;
    busy = true;
    try {
      if (what === "undo") {
        const last = history.pop();
        if (last === undefined) return;
        before = last.before;
        if (last.said && !await say(last.id, last.seen, last.said)) return;
        await show(`&at=${last.id}`);
        page.say("Taken back.");
      } else {
        const id = Number(card.dataset.id), seen = card.dataset.review || null;
        const said = what === "skip" ? null : what;
        if (said && !await say(id, said, seen)) return;
        history.push({ id, before, said, seen });
        if (!said) before = id;
        await onwards();
      }
      htmx.trigger(document.body, "reviewed");
    } catch (problem) {
      page.say(problem.message);
    } finally { busy = false; }
  };

  const KEYS = { r: "real", f: "false_alarm", u: "unsure", s: "skip", z: "undo" };
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

  page.byId("lessons").addEventListener("click", async (event) => {
    const button = event.target.closest("[data-learn]");
    if (!button) return;
    const some = button.dataset.learn ? { predictions: button.dataset.learn.split(" ").map(Number) } : {};
    await page.busy(button, "Beginning to learn \u2026", async () => {
      await page.ask("POST", `/api/v1/models/${model}/update`, { ...some, yes: "yes" in button.dataset });
      page.byId("lessons").focus({ preventScroll: true });  /* the button goes */
      htmx.trigger(document.body, "reviewed");
      return true;
    });
  });
}
