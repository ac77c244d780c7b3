// What the tests share: where things lie, OpenCV.js, golden cases and the pictures they are about.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";

export const ROOT = new URL("../../", import.meta.url);
export const WEB = new URL("samples/web/", ROOT);

/** Load OpenCV.js, the npm package's or the one that OPENCV_JS names. */
export async function load_opencv() {
  const file = process.env.OPENCV_JS
    ? new URL(process.env.OPENCV_JS, `file://${process.cwd()}/`)
    : new URL("node_modules/@opencvjs/web/lib/opencv_js.js", WEB);
  const wasm = new URL(file.href.replace(/js$/, "wasm")); // Node's fetch reads no files
  const options = fs.existsSync(wasm) ? { wasmBinary: fs.readFileSync(wasm) } : {};
  return (await import(file)).default(options);
}

export function read_bytes(path) {
  return new Uint8Array(fs.readFileSync(new URL(path, ROOT)));
}

/** Read the golden cases of a stage. */
export function cases(name) {
  return JSON.parse(fs.readFileSync(new URL(`tests/cases/${name}.json`, ROOT), "utf8"));
}

/** Make a golden case's picture, {data: RGBA, width, height}, as the twins' `to_bgr` has it. */
export function picture({ height, width, channels = 3 }) {
  const data = new Uint8ClampedArray(4 * height * width);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 4) {
      const value = (c) => (7 * x + 13 * y + 31 * c + ((x * y) % 17)) % 256;
      const [b, g, r] = channels === 1 ? [value(0), value(0), value(0)] : [value(0), value(1), value(2)];
      data.set([r, g, b, channels === 4 ? value(3) : 255], i);
    }
  }
  return { data, width, height };
}

export function sha256(bytes) {
  return createHash("sha256").update(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)).digest("hex");
}

/** Make a golden case's array, {shape, data}, whose data may hold "NaN". */
export function to_head({ shape, data }) {
  return { shape, data: Float32Array.from(data, Number) };
}

/** Check that numbers are the expected ones, within a tolerance. */
export function close(found, expected, tolerance) {
  assert.equal(found.length, expected.length);
  expected.forEach((value, i) => assert.ok(Math.abs(found[i] - value) <= tolerance, `${found[i]} is not ${value}`));
}
