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
const session = await opened(file).catch((problem) => {
  const [why] = problem.message.split("\n"); // the runtime's own may go on for long
  console.error(`${file}: is no model that 'oneclass export' wrote: ${why}`);
  process.exit(1);
});

async function opened(file) {
  const session = await ort.InferenceSession.create(new Uint8Array(await readFile(file)));
  if (!session.outputNames.includes("is_anomaly")) throw new Error("it gives no is_anomaly");
  return session;
}

// (1, height, width, channels) uint8 from the bytes of a binary PPM (P6) or PGM (P5)
function pixels(bytes) {
  const head = /^P([56])\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString("latin1", 0, 64));
  if (!head) throw new Error("no binary PPM or PGM of 8 bits");
  const [, kind, width, height] = head.map(Number);
  const shape = [1, height, width, kind === 6 ? 3 : 1];
  const values = new Uint8Array(bytes.subarray(head[0].length)).slice(0, height * width * shape[3]);
  if (values.length < height * width * shape[3]) throw new Error("ends before its last pixel");
  return new ort.Tensor("uint8", values, shape);
}

for (const path of paths) {
  try {
    const found = await session.run({ images: pixels(await readFile(path)) });
    const verdict = found.is_anomaly.data[0] ? "anomaly" : "fine";
    console.log(`${path},${found.score.data[0].toFixed(6)},${found.p_value.data[0].toFixed(6)},${verdict}`);
  } catch (problem) {
    console.error(`${path}: ${problem.message}`);
    process.exitCode = 1;
  }
}
