/* A report on what a version said, written while its progress is shown. */
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-report]");
  if (!button) return;
  await page.busy(button, "Beginning the report \u2026", async () => {
    const job = await page.ask("POST", `/api/v1/models/${encodeURIComponent(button.dataset.name)}/report`, { version: Number(button.dataset.report) });
    const card = button.closest("li, section");
    if (!card.contains(page.byId("reporting"))) card.append(page.byId("reporting"));  /* below the button: nothing moves under the mouse */
    await htmx.ajax("GET", `${page.prefix}/parts/job/${job.id}`, { target: "#reporting", swap: "innerHTML" });
  });
});
