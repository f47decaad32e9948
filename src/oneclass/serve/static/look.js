/* Colour and boxes over an image, on and off. */
"use strict";

/* Small pictures are shown larger, as far as the page has room; under twice their size they stay sharp. */
const enlarge = (picture) => {
  const stage = picture.closest(".canvas");
  const alone = picture.closest(".alone");
  const [wide, high] = alone ? [stage.clientWidth, Math.max(innerHeight / 2, innerHeight - stage.getBoundingClientRect().top - scrollY - 90)] : [Math.min(640, stage.clientWidth), innerHeight / 2];
  const room = Math.min(wide / picture.naturalWidth, high / picture.naturalHeight);
  const times = room < 2 ? room : Math.floor(room);
  const sized = alone || times > 1;
  picture.classList.toggle("enlarged", sized);
  if (sized) picture.width = Math.floor(times * picture.naturalWidth);
};
document.addEventListener("load", (event) => { if (event.target.matches?.(".stage .whole")) enlarge(event.target); }, true);
for (const picture of document.querySelectorAll(".stage .whole")) if (picture.complete && picture.naturalWidth) enlarge(picture);

/* What is drawn stays so on the next picture, and on this one loaded anew, as long as the window is open. */
const layers = { heat: true, boxes: false, ...JSON.parse(sessionStorage.getItem("layers") || "{}") };
const showLayers = () => {
  const stage = document.querySelector("[data-stage]");
  if (!stage) return;
  stage.classList.toggle("hide-heat", !layers.heat);
  stage.classList.toggle("show-boxes", layers.boxes);
  for (const key of document.querySelectorAll(".look .ramp-key")) key.hidden = !layers.heat;
  for (const button of document.querySelectorAll("[data-layer]"))
    button.setAttribute("aria-pressed", layers[button.dataset.layer]);
};
const toggleLayer = (name) => {
  layers[name] = !layers[name];
  sessionStorage.setItem("layers", JSON.stringify(layers));
  showLayers();
};
showLayers();
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-layer]");
  if (button) toggleLayer(button.dataset.layer);
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  if (event.key.toLowerCase() === "h") toggleLayer("heat");
  if (event.key.toLowerCase() === "b") toggleLayer("boxes");
});
document.body.addEventListener("htmx:afterSwap", showLayers);
