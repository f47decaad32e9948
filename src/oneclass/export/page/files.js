// A file to pixels as `oneclass score` reads it, upright and on white, or an error with a sentence.
// A browser decodes; it says neither that it made 8 bits of 16 nor that there are more frames.

const SEVERAL = "it holds several frames, and only one can be judged";
const DEEP = "it has more than 8 bits, and the model learnt from images of 8";
const TURNED = "its EXIF says that it is turned, and not every browser turns a WebP: save it upright";
const ORIENTATION = 0x0112; // of EXIF; 1 is upright
const HEAD = 1 << 16; // bytes in which an AVIF says how deep it is

// The picture of a Blob, on a canvas; throws where it cannot be judged.
export async function canvasOf(file) {
  if (!file.size) throw new Error("the file is empty");
  const why = refusal(new DataView(await file.arrayBuffer()));
  if (why) throw new Error(why);
  let bitmap;
  try { // turned by EXIF, as browsers do unless they are told not to
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Error("this browser cannot read it: it is no image, damaged, or of an unknown format");
  }
  return onWhite(bitmap, bitmap.width, bitmap.height);
}

export function onWhite(picture, width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, width, height);
  pen.drawImage(picture, 0, 0);
  return canvas;
}

// Why a file is refused, or undefined; what is damaged is left to the browser.
function refusal(view) {
  try {
    if (text(view, 1, 3) === "PNG") return ofPng(view);
    if (text(view, 0, 4) === "GIF8") return ofGif(view);
    if (text(view, 0, 4) === "RIFF" && text(view, 8, 4) === "WEBP") return ofWebp(view);
    if (text(view, 4, 4) === "ftyp") return ofAvif(view);
  } catch (problem) {
    if (!(problem instanceof RangeError)) throw problem; // the file ends before its parts do
  }
}

function text(view, at, n) {
  let found = "";
  for (let i = at; i < at + n; i += 1) found += String.fromCharCode(view.getUint8(i));
  return found;
}

function ofPng(view) {
  if (view.getUint8(24) > 8) return DEEP;
  for (let at = 8, kind; (kind = text(view, at + 4, 4)) !== "IDAT"; at += 12 + view.getUint32(at)) {
    if (kind === "acTL" && view.getUint32(at + 8) > 1) return SEVERAL;
  }
}

function ofGif(view) {
  const palette = (flags) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let frames = 0;
  for (let at = 13 + palette(view.getUint8(10)); ;) {
    const kind = String.fromCharCode(view.getUint8(at));
    if (kind === ",") {
      frames += 1;
      if (frames > 1) return SEVERAL;
      at += 11 + palette(view.getUint8(at + 9));
    } else if (kind === "!") at += 2;
    else return undefined;
    while (view.getUint8(at)) at += 1 + view.getUint8(at); // blocks of up to 255 bytes, then an empty one
    at += 1;
  }
}

function ofWebp(view) {
  let frames = 0;
  for (let at = 12; at + 8 <= view.byteLength;) {
    const [kind, length] = [text(view, at, 4), view.getUint32(at + 4, true)];
    frames += kind === "ANMF" ? 1 : 0;
    if (frames > 1) return SEVERAL;
    if (kind === "EXIF" && turned(new DataView(view.buffer, at + 8, length))) return TURNED;
    at += 8 + length + (length % 2);
  }
}

function turned(exif) {
  const start = text(exif, 0, 4) === "Exif" ? 6 : 0;
  const little = text(exif, start, 2) === "II";
  const entries = start + exif.getUint32(start + 4, little);
  for (let i = 0; i < exif.getUint16(entries, little); i += 1) {
    const at = entries + 2 + 12 * i;
    const value = exif.getUint16(at + 8, little);
    if (exif.getUint16(at, little) === ORIENTATION) return value > 1 && value <= 8;
  }
  return false;
}

function ofAvif(view) {
  if (text(view, 8, 4) === "avis") return SEVERAL;
  const head = text(view, 0, Math.min(HEAD, view.byteLength));
  for (let at = head.indexOf("pixi"); at >= 0; at = head.indexOf("pixi", at + 4)) {
    for (let i = 0; i < view.getUint8(at + 8); i += 1) if (view.getUint8(at + 9 + i) > 8) return DEEP;
  }
}
