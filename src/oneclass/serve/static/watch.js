/* Watched folders: new ones, pausing, and no more. */
"use strict";

const newWatch = page.byId("new-watch");
if (newWatch) {
  const [hook, only] = [page.byId("watch-hook"), page.byId("watch-only")];
  const able = () => { only.disabled = !hook.value.trim(); };  /* without an address nobody is told */
  hook.addEventListener("input", able);
  able();
  newWatch.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = new FormData(newWatch);
    await page.busy(event.submitter || newWatch.querySelector("[type=submit]"), "Looking at the folder \u2026", async () => {
      const { images, whole, outside } = await page.ask("POST", "/api/v1/watches/look", { folder: form.get("folder"), model: form.get("model") });
      const first = images ? `${whole ? "" : "More than "}${page.count(images, "image is", "images are")} in this folder that ${images === 1 ? "was" : "were"} not scored by such a watch yet: ${images === 1 ? "it is" : "they are"} scored first, then each that arrives. ` : "";
      const led = outside ? `${page.count(outside, "link leads", "links lead")} out of the folders that this server may read: ${outside === 1 ? "it is" : "they are"} not followed. ` : "";
      if ((first || led) && !confirm(`${first}${led}Watch it?`)) return;
      const made = await page.ask("POST", "/api/v1/watches", {
        folder: form.get("folder"), model: form.get("model"), webhook: form.get("webhook") || null, only_anomalies: form.get("only_anomalies") === "on",
      });
      page.byId("secret").hidden = !made.webhook;
      page.byId("secret-text").textContent = made.secret;
      const twice = made.beside.length ? ` ${page.count(made.beside.length, "other watch", "other watches")} of this folder, or of one in it or around it, ${made.beside.length === 1 ? "has" : "have"} the same model: each picture in both is scored once for each of them.` : "";
      page.say(`${made.folder} is watched from now on.${twice}`);
      htmx.trigger(document.body, "watch-changed");
    });
  });
}
page.byId("watches").addEventListener("click", async (event) => {
  const button = event.target.closest("[data-watch], [data-unwatch]");
  if (!button) return;
  button.setAttribute("aria-disabled", "true");  /* until it is done: no second press */
  try {
    if (button.dataset.watch) await page.ask("PATCH", `/api/v1/watches/${button.dataset.watch}`, { state: button.dataset.state });
    else if (!confirm(`Watch ${button.dataset.folder} no longer? Its verdicts and its table stay; watched again, it goes on where it ended.`)) return;
    else {
      await page.ask("DELETE", `/api/v1/watches/${button.dataset.unwatch}`);
      page.say(`${button.dataset.folder} is watched no longer.`);
      page.byId("watch-folder")?.focus();  /* the button goes */
    }
    htmx.trigger(document.body, "watch-changed");
  } catch (problem) { page.sayWhy(problem); } finally { button.removeAttribute("aria-disabled"); }
});

/* What somebody opened stays open while the folders are shown anew. */
let opened = [];
document.body.addEventListener("htmx:beforeSwap", () => { opened = [...document.querySelectorAll("#watches details[open]")].map((one) => one.id); });
document.body.addEventListener("htmx:afterSwap", () => { for (const id of opened) page.byId(id)?.setAttribute("open", ""); });
