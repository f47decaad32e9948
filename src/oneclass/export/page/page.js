// The page: an image in, verdict and heatmap out. Everything is computed here.
import * as ort from "./ort.wasm.bundle.min.mjs";
import { canvasOf, onWhite } from "./files.js";

// As in results/overlay.py, in units of the model's heat scale.
const CALM = 0.5;
const HOT = 2;
const RAMP = [[0, 255, 176, 0, 0], [0.2, 255, 176, 0, 0.35], [0.55, 254, 97, 0, 0.6], [1, 220, 38, 127, 0.8]];
const PAUSE_MS = 200; // between two images of the camera
const MOST_ROWS = 100; // of the list; what fell off it is forgotten

const by = (id) => document.getElementById(id);
const kept = [];
const tally = { fine: 0, anomaly: 0, unjudged: 0 }; // of all files, also of those that fell off the list
let session, record, stream, shown;
let queue = Promise.resolve(); // a session computes one image at a time

async function start() {
  say("Loading the model ...", "");
  ort.env.wasm.numThreads = 1; // more would need headers that a simple server does not send
  ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };
  record = await (await fetch("model.json")).json();
  session = await ort.InferenceSession.create("model.onnx", { executionProviders: ["wasm"] });
  const { fit, false_alarms: rate } = record.card;
  by("about").textContent = `oneclass · learnt from ${fit.n_images} normal images`;
  say("How odd is this image?", `Choose, drop or film one. About ${percent(rate)} of normal images are called anomalies all the same.`);
  by("heat-switch").hidden = !record.outputs.anomaly_map;
}

// Judge the pixels of a canvas: RGBA in, {score, p, odd, map} out, or {why} where nothing can be said.
async function judge(canvas) {
  const { width, height } = canvas;
  const rgba = canvas.getContext("2d", { willReadFrequently: true }).getImageData(0, 0, width, height).data;
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    rgb[to++] = rgba[from];
    rgb[to++] = rgba[from + 1];
    rgb[to++] = rgba[from + 2];
  }
  if (nothingToSee(rgb)) return { why: "all of it has one colour, and the model learnt from no such image" };
  const images = new ort.Tensor("uint8", rgb, [1, height, width, 3]);
  const found = await session.run({ images });
  const map = found.anomaly_map;
  return {
    score: found.score.data[0],
    p: found.p_value.data[0],
    odd: Boolean(found.is_anomaly.data[0]),
    map: map && { values: map.data, height: map.dims[1], width: map.dims[2] },
  };
}

// Whether all pixels have one colour, and none such was learnt; models of before do not say.
function nothingToSee(rgb) {
  const learnt = record.card.fit.one_colour;
  if (!learnt || !rgb.every((value, i) => value === rgb[i % 3])) return false;
  const ends = (k) => [Math.min, Math.max].map((most) => most(...learnt.map((colour) => colour[k])));
  return ![0, 1, 2].every((k) => ends(k)[0] <= rgb[k] && rgb[k] <= ends(k)[1]); // of none: Infinity
}

async function judgeFile(file) {
  say("Judging ...", file.name);
  let result = { name: file.name };
  try {
    const canvas = await canvasOf(file);
    result = { ...result, canvas, ...(await judge(canvas)) };
  } catch (problem) {
    result.why = problem.message;
  }
  tally[result.why ? "unjudged" : result.odd ? "anomaly" : "fine"] += 1;
  kept.unshift(result);
  kept.length = Math.min(kept.length, MOST_ROWS);
  show(result);
  list();
}

function judgeFiles(files) {
  stopCamera();
  for (const file of files) queue = queue.then(() => judgeFile(file));
}

function show(result) {
  shown = result;
  const { canvas, score, p, odd, map, name, why } = result;
  const image = by("image");
  if (canvas) {
    [image.width, image.height] = [canvas.width, canvas.height];
    image.getContext("2d").drawImage(canvas, 0, 0);
    image.classList.toggle("small", canvas.width < 200);
  }
  image.hidden = !canvas;
  by("hint").hidden = Boolean(canvas);
  by("stage").classList.toggle("full", Boolean(canvas));
  if (map) paint(map, canvas);
  by("map").hidden = !map || !by("heat").checked;
  if (why) return say("This one cannot be judged", `${name}: ${why}.`);
  by("verdict").className = odd ? "anomaly" : "normal";
  say(odd ? "An anomaly" : "Fine", `${name}: ${inWords(p)} (score ${score.toPrecision(4)}).`, true);
}

// A p-value in words; the smallest one says that no held-out image was as odd, not how rare this is.
function inWords(p) {
  const n = record.card.calibration.n_held_out;
  if (p <= 1.5 / (n + 1)) return `odder than all ${n.toLocaleString("en")} good images that it was compared with`;
  return p <= 0.5 ? `${percent(p)} of normal images look at least as odd` : "half of the normal images or more look odder";
}

// The map in colour, over the image; smoothed by the browser, its numbers never are.
function paint(map, canvas) {
  const small = document.createElement("canvas");
  [small.width, small.height] = [map.width, map.height];
  const pixels = new ImageData(map.width, map.height);
  map.values.forEach((value, i) => {
    const heat = Math.min(1, Math.max(0, (value / record.heat_scale - CALM) / (HOT - CALM)));
    const above = Math.max(1, RAMP.findIndex(([place]) => place >= heat));
    const [low, high] = [RAMP[above - 1], RAMP[above]];
    const share = (heat - low[0]) / (high[0] - low[0]);
    const colour = low.map((v, k) => v + share * (high[k] - v));
    pixels.data.set([colour[1], colour[2], colour[3], 255 * colour[4]], 4 * i);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  const over = by("map");
  const grow = Math.max(1, 512 / Math.max(canvas.width, canvas.height));
  [over.width, over.height] = [Math.round(canvas.width * grow), Math.round(canvas.height * grow)];
  const pen = over.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(small, 0, 0, over.width, over.height);
}

function list() {
  const n = tally.fine + tally.anomaly + tally.unjudged;
  by("list").hidden = n < 2;
  const [told, last] = [(k) => tally[k].toLocaleString("en"), n > MOST_ROWS ? ` · listed: the last ${MOST_ROWS}` : ""];
  by("list").caption.textContent = `fine: ${told("fine")} · anomalies: ${told("anomaly")} · cannot be judged: ${told("unjudged")}${last}`;
  by("list").tBodies[0].replaceChildren(...kept.map((result) => {
    const row = document.createElement("tr");
    row.tabIndex = 0;
    row.append(...(result.why ? unjudgedCells(result) : judgedCells(result)));
    row.onclick = () => show(result);
    row.onkeydown = (event) => { if (event.key === "Enter") show(result); };
    return row;
  }));
}

const judgedCells = ({ name, odd, p, score }) =>
  [cell(name), cell(odd ? "anomaly" : "fine", odd ? "anomaly" : ""), cell(p.toPrecision(2), "n"), cell(score.toPrecision(4), "n")];

function unjudgedCells({ name, why }) {
  const reason = cell(`cannot be judged: ${why}`, "why");
  reason.colSpan = 3;
  return [cell(name), reason];
}

function cell(text, kind = "") {
  const made = document.createElement("td");
  made.textContent = text;
  made.className = kind;
  return made;
}

async function film() {
  if (stream) return stopCamera();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (problem) {
    return say("There is no camera here", `${problem.message}. Browsers allow it on https and on localhost.`);
  }
  by("camera").textContent = "Stop the camera";
  const video = by("video");
  video.srcObject = stream;
  await video.play();
  while (stream) {
    const canvas = onWhite(video, video.videoWidth, video.videoHeight);
    show({ name: "camera", canvas, ...(await judge(canvas)) });
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
}

function stopCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  by("camera").textContent = "Use the camera";
}

function say(verdict, sentence, judged = false) {
  if (!judged) by("verdict").className = "";
  by("verdict").textContent = verdict;
  by("sentence").textContent = sentence;
}

const percent = (share) => `${(100 * share).toPrecision(2).replace(/\.0$/, "")}\u00a0%`;

by("files").onchange = (event) => judgeFiles(event.target.files);
by("camera").onclick = () => film().catch((problem) => say("The camera stopped", problem.message));
by("heat").onchange = (event) => { by("map").hidden = !event.target.checked || !shown?.map; };
addEventListener("dragover", (event) => { event.preventDefault(); by("stage").classList.add("over"); });
addEventListener("dragleave", () => by("stage").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  by("stage").classList.remove("over");
  judgeFiles(event.dataTransfer.files);
});
start().catch((problem) => say("The model cannot be loaded", problem.message));
