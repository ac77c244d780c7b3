// Compare what computes the network: CPU milliseconds of a forward pass, one thread each, interleaved in one process.
//
//     npm install --no-save onnxruntime-web    # to compare with it
//     node bench.js [MODEL.onnx]
//
// CPU time, because it does not matter to it what else the machine does; the least of all rounds and the median.

import fs from "node:fs";

import { load_opencv } from "./page/opencv.js";
import { Network, read_info, read_model } from "./yolov5_dnn.js";

const ROUNDS = Number(process.env.ROUNDS ?? 30);
const [path = "installed/codes.onnx"] = process.argv.slice(2);
const bytes = new Uint8Array(fs.readFileSync(path));
const { buffer, metadata } = read_model(bytes, path);
const info = read_info(metadata, path);
const shape = info.imgsz; // onnxruntime takes no other

// A picture of no meaning, the same for all.
const input = Float32Array.from({ length: 3 * shape[0] * shape[1] }, (_, i) => ((i * 2654435761) % 256) / 255);

/** A backend by name: from nothing to its outputs, a list of Float32Array. */
const backends = {};

for (const [name, file] of [
  ["OpenCV.js, npm package", "node_modules/@opencvjs/web/lib/opencv_js.js"],
  ["OpenCV.js, own build with SIMD", "opencv/simd/opencv_js.js"],
]) {
  if (!fs.existsSync(new URL(file, import.meta.url))) continue;
  const wasm = new URL(file.replace(/js$/, "wasm"), import.meta.url);
  const options = fs.existsSync(wasm) ? { wasmBinary: fs.readFileSync(wasm) } : {};
  const network = new Network(await load_opencv(new URL(file, import.meta.url), options), buffer, info, path);
  backends[name] = async () => {
    network.blob(...shape).set(input);
    return network.forward().map(({ data }) => data);
  };
}

const ort = await import("onnxruntime-web/wasm").catch(() => null);
if (ort) {
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], intraOpNumThreads: 1 });
  backends["onnxruntime-web, SIMD"] = async () => {
    const outputs = await session.run({ images: new ort.Tensor("float32", input, [1, 3, ...shape]) });
    return info.task.outputs.map((name) => outputs[name].data);
  };
}

const reference = (await Object.values(backends)[0]()).map((data) => data.slice());
const largest = Math.max(...reference.map((data) => data.reduce((most, each) => Math.max(most, Math.abs(each)), 0)));
const rows = {};
for (const [name, run] of Object.entries(backends)) {
  const outputs = await run();
  const apart = Math.max(...reference.map((data, i) => data.reduce((most, each, k) => Math.max(most, Math.abs(each - outputs[i][k])), 0)));
  rows[name] = { times: [], apart };
}
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, run] of Object.entries(backends)) {
    const start = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(start);
    rows[name].times.push((user + system) / 1000);
  }
}

console.log(`${path}, ${shape.join(" × ")}, ${ROUNDS} rounds, Node ${process.version}; largest logit ${largest.toFixed(1)}\n`);
console.log("| | least CPU ms | median CPU ms | times the last one's least | furthest from the first |\n| --- | ---: | ---: | ---: | ---: |");
for (const { times } of Object.values(rows)) times.sort((a, b) => a - b);
const [last] = Object.values(rows).at(-1).times;
for (const [name, { times, apart }] of Object.entries(rows)) {
  const [least, median] = [times[0], times[times.length >> 1]];
  console.log(`| ${name} | ${least.toFixed(0)} | ${median.toFixed(0)} | ${(least / last).toFixed(2)} | ${apart.toExponential(0)} |`);
}
process.exit(0);
