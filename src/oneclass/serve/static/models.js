/* A model file in, a report out; a model deleted, or got back. */
"use strict";

const upload = page.byId("upload-model");
if (upload) {
  page.byId("model-file").addEventListener("change", (event) => {
    const file = event.target.files[0];
    const name = page.byId("model-name");
    if (file && !name.value) name.value = file.name.replace(/\.oneclass$/, "").replace(/[^A-Za-z0-9 ._-]/g, "-").slice(0, 60);
  });
  upload.addEventListener("submit", async (event) => {
    event.preventDefault();
    const name = page.byId("model-name").value.trim();
    try {
      const made = await page.ask("PUT", `/api/v1/models/${encodeURIComponent(name)}/file`, page.byId("model-file").files[0], { "Content-Type": "application/octet-stream" });
      page.sayNext((made.serves ? `${made.model} is in use now.` : `It became version ${made.version} of ${made.model}, and is not in use yet.`) + (made.can_learn ? "" : " It can score, but not learn more."));
      location.href = `${page.prefix}/models/${encodeURIComponent(made.model)}`;
    } catch (problem) { page.say(problem.message); }
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-report]");
  if (!button) return;
  button.disabled = true;
  try {
    const job = await page.ask("POST", `/api/v1/models/${encodeURIComponent(button.dataset.name)}/report`, { version: Number(button.dataset.report) });
    await htmx.ajax("GET", `${page.prefix}/parts/job/${job.id}`, { target: "#reporting", swap: "innerHTML" });
  } catch (problem) { page.say(problem.message); }
  button.disabled = false;
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-delete], [data-restore]");
  if (!button) return;
  try {
    if (button.dataset.delete) {
      const name = button.dataset.delete;
      if (!confirm(`Delete ${name} with all its versions? It can be got back for 30 days.`)) return;
      await page.ask("DELETE", `/api/v1/models/${encodeURIComponent(name)}`);
      page.sayNext(`${name} is deleted. It can be got back on this page for 30 days.`);
    } else {
      await page.ask("POST", `/api/v1/deleted/${button.dataset.restore}/restore`);
      page.sayNext(`${button.dataset.name} is back.`);
    }
    location.href = `${page.prefix}/models`;
  } catch (problem) { page.say(problem.message); }
});
