// Judge images by an exported model in Node. Needs: npm install onnxruntime-web
//
// node node.mjs parts.onnx image.ppm ...    (binary PPM or PGM: other formats need a decoder)
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const [file, ...paths] = process.argv.slice(2);
if (!paths.length) {
  console.error("expected: node node.mjs parts.onnx image.ppm ...");
  process.exit(1);
}
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(new Uint8Array(await readFile(file)));

// (1, height, width, channels) uint8 from the bytes of a binary PPM (P6) or PGM (P5)
function pixels(path, bytes) {
  const head = /^P([56])\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString("latin1", 0, 64));
  if (!head) {
    console.error(`${path}: no binary PPM or PGM of 8 bits`);
    process.exit(1);
  }
  const [, kind, width, height] = head.map(Number);
  const values = new Uint8Array(bytes.subarray(head[0].length));
  return new ort.Tensor("uint8", values, [1, height, width, kind === 6 ? 3 : 1]);
}

for (const path of paths) {
  const found = await session.run({ images: pixels(path, await readFile(path)) });
  const verdict = found.is_anomaly.data[0] ? "anomaly" : "fine";
  console.log(`${path},${found.score.data[0].toFixed(6)},${found.p_value.data[0].toFixed(6)},${verdict}`);
}
