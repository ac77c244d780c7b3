// Compare the builds of OpenCV.js, and numbers of threads, as the page runs them: wall milliseconds of a forward pass in
// the page's worker, in Chromium, interleaved.
//
//     node bench_threads.js [MODEL.onnx [PICTURE]]
//
// Wall time, because that is what threads save: the machine must be idle. The least of all rounds and the median. CHROMIUM
// names the program, ROUNDS says how many rounds.

import fs from "node:fs";
import path from "node:path";

import { ISOLATED, launch, serve } from "../../tests/web/browser.js";

const ROUNDS = Number(process.env.ROUNDS ?? 30);
const [model = "installed/codes.onnx", picture = "installed/cluttered.jpg"] = process.argv.slice(2);
process.env.CHROMIUM ??= "/usr/bin/chromium";

const { builds } = JSON.parse(fs.readFileSync(new URL("installed/files.json", import.meta.url), "utf8"));
const server = await serve(ISOLATED);
const browser = await launch();
const page = await browser.newPage();
await page.goto(`${server.url}installed/files.json`); // anything of the same origin
const { cores, rows } = await page.evaluate(measure, {
  builds, rounds: ROUNDS, name: path.basename(model), model: fs.readFileSync(model, "base64"), picture: fs.readFileSync(picture, "base64"),
});
await browser.close();
await server.close();

/** Runs within the page: [build, threads, milliseconds of each round, boxes] for each backend. */
async function measure({ builds, rounds, name, model, picture }) {
  const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes(picture)]));
  const cores = navigator.hardwareConcurrency;

  /** A worker of the page: `ask` it for an action. */
  const start = async (file, threads) => {
    const worker = new Worker("/worker.js", { type: "module" });
    const ask = (message) =>
      new Promise((resolve, reject) => {
        worker.onerror = reject;
        worker.onmessage = ({ data }) => (data.error === undefined ? resolve(data) : reject(new Error(data.error)));
        worker.postMessage(message);
      });
    const { threads: used } = await ask({ action: "start", url: `${location.origin}/${file}`, threads });
    if (used !== threads) throw new Error(`${file} uses ${used} threads, not ${threads}`);
    const { info } = await ask({ action: "load", bytes: bytes(model), path: name });
    const settings = { ...info, classes: null, imgsz: null, read: false };
    return async () => ask({ action: "look", bitmap: await createImageBitmap(image), settings });
  };

  const rows = [];
  for (const { file, threads } of builds) {
    for (const count of threads ? [1, 2, 4].filter((count) => count === 1 || count <= cores) : [1]) {
      const look = await start(file, count);
      const { found } = await look(); // the first one is slower
      rows.push({ file, count, look, times: [], boxes: found.map(({ class_id, score, box }) => [class_id, score, ...box]) });
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const { look, times } of rows) times.push((await look()).timings.forward);
  }
  return { cores, rows: rows.map(({ look, ...row }) => row) };
}

const { boxes: expected } = rows.at(-1); // of the npm package
console.log(`${model}, ${picture}, ${ROUNDS} rounds, ${cores} cores, Chromium ${browser.version()}\n`);
console.log("| OpenCV.js | threads | least ms | median ms | furthest from the npm package's boxes |\n| --- | ---: | ---: | ---: | ---: |");
for (const { file, count, times, boxes } of rows) {
  const sorted = times.sort((a, b) => a - b);
  const apart = boxes.length === expected.length
    ? `${Math.max(...boxes.flatMap((box, i) => box.map((value, k) => Math.abs(value - expected[i][k])))).toExponential(0)} px`
    : `${boxes.length} boxes, not ${expected.length}`;
  const name = file.startsWith("opencv/") ? file.split("/")[1] : "npm package";
  console.log(`| ${name} | ${count} | ${sorted[0].toFixed(1)} | ${sorted[sorted.length >> 1].toFixed(1)} | ${apart} |`);
}
