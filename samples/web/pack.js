// Copy all that the page needs into a folder, for a static host:
//
//     node pack.js FOLDER
//
// `_headers`, which some hosts follow (Cloudflare Pages, Netlify), lets the page use threads.

import fs from "node:fs";
import path from "node:path";

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node pack.js FOLDER");
  process.exit(2);
}
const here = path.dirname(new URL(import.meta.url).pathname);
const { builds, files } = JSON.parse(fs.readFileSync(path.join(here, "installed/files.json"), "utf8"));
const all = new Set([...files, ...builds.flatMap((build) => build.files), "installed/files.json"]);
for (const file of all) {
  const copy = path.join(folder, file);
  fs.mkdirSync(path.dirname(copy), { recursive: true });
  fs.copyFileSync(path.join(here, file), copy);
}
const headers = ["Cross-Origin-Opener-Policy: same-origin", "Cross-Origin-Embedder-Policy: require-corp"];
fs.writeFileSync(path.join(folder, "_headers"), ["/*", ...headers.map((header) => `  ${header}`), ""].join("\n"));
console.log(`${folder}: ${all.size} files, with OpenCV.js as ${builds.map((build) => build.file).join(", ")}`);
