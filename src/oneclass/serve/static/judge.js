/* One image's own page: what a person says of it, by a button or its key; the arrows lead on. */
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.target.matches("input, select, textarea")) return;
  const next = document.querySelector(`.steps a[aria-keyshortcuts="${CSS.escape(event.key)}"]`);
  if (next) { event.preventDefault(); next.click(); }
});

const judge = page.byId("judge");
if (judge) {
  judge.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-say]");
    if (!button) return;
    try {
      await page.ask("POST", `/api/v1/predictions/${judge.dataset.id}/review`, { verdict: button.dataset.say || null, seen: judge.dataset.review || null });
      page.sayNext(button.dataset.say ? "Noted." : "Taken back.");
    } catch (problem) {
      if (problem.status !== 409) { page.sayWhy(problem); return; }
      page.sayNext(problem.message);  /* somebody was quicker: their verdict is shown */
    }
    location.reload();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.matches("input, select, textarea")) return;
    const button = judge.querySelector(`[aria-keyshortcuts~="${CSS.escape(event.key.toLowerCase())}"]`);
    if (button) button.click();
  });
}
