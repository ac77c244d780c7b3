// Put beside the page what it needs from elsewhere, into the folder `installed`: the embedded model, a picture
// to try, the licences, and files.json, which says what there is: the builds of OpenCV.js to choose from, and
// all files that the page needs without a network. `npm ci` runs this; so does build-opencv.sh.

import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
process.chdir(here);

const PACKAGES = ["@opencvjs/web", "zxing-wasm"];
const BUILDS = [ // of OpenCV.js, the fastest first
  { file: "opencv/threads/opencv_js.js", simd: true, threads: true },
  { file: "opencv/simd/opencv_js.js", simd: true, threads: false },
  { file: "node_modules/@opencvjs/web/lib/opencv_js.js", simd: false, threads: false },
];
const PAGE = [
  "index.html", "style.css", "page.js", "worker.js", "service_worker.js", "manifest.webmanifest", "yolov5_dnn.js",
  ...inside("page"), ...inside("yolov5_dnn"), ...inside("icons"),
];
const READER = [
  "node_modules/zxing-wasm/dist/es/reader/index.js", "node_modules/zxing-wasm/dist/es/share.js",
  "node_modules/zxing-wasm/dist/reader/zxing_reader.wasm",
];

function inside(folder) {
  const entries = fs.readdirSync(folder, { withFileTypes: true });
  return entries.flatMap((each) => (each.isDirectory() ? inside(`${folder}/${each.name}`) : [`${folder}/${each.name}`]));
}

fs.mkdirSync("installed", { recursive: true });
fs.copyFileSync("../../weights/codes.onnx", "installed/codes.onnx");
fs.copyFileSync("../../samples/cluttered.jpg", "installed/cluttered.jpg");
const licences = [
  ...PACKAGES.map((name) => [name, fs.readFileSync(`node_modules/${name}/LICENSE`, "utf8")]),
  ...inside("licences").map((file) => [path.basename(file, ".txt"), fs.readFileSync(file, "utf8")]),
];
fs.writeFileSync(
  "installed/licences.txt",
  licences.map(([name, text]) => `${"=".repeat(78)}\n${name}\n${"=".repeat(78)}\n\n${text.trim()}\n`).join("\n\n"),
);

const builds = BUILDS.filter(({ file }) => fs.existsSync(file)).map((build) => ({
  ...build,
  files: build.file.startsWith("opencv/") ? inside(path.dirname(build.file)) : [build.file],
}));
const files = [
  ...PAGE, ...READER, "installed/codes.onnx", "installed/cluttered.jpg", "installed/licences.txt",
];
const hash = createHash("sha256");
for (const file of [...files, ...builds.flatMap((build) => build.files)]) hash.update(fs.readFileSync(file));
const version = hash.digest("hex").slice(0, 16);
fs.writeFileSync("installed/files.json", JSON.stringify({ version, builds, files }, null, 1) + "\n");
console.log(`installed: ${builds.map((build) => build.file).join(", ")}`);
