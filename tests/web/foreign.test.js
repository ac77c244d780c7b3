// Model files of other exporters: the same words as Python's. tests/web/test_web.py writes the folder that FOREIGN names:
// model files and foreign.json, which says what Python makes of them, and of texts of names.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Detector, ModelError } from "../../samples/web/yolov5_dnn.js";
import { own_metadata, read_names } from "../../samples/web/yolov5_dnn/model/foreign.js";
import { load_opencv } from "./helpers.js";

const folder = process.env.FOREIGN;
const { files, names, layouts } = JSON.parse(fs.readFileSync(path.join(folder, "foreign.json"), "utf8"));
const cv = await load_opencv();

for (const { file, refused, options, info } of files) {
  test(`${file}: ${refused ?? "read"}`, async () => {
    const load = () =>
      Detector.load(cv, new Uint8Array(fs.readFileSync(path.join(folder, file))), { path: file, ...options });
    if (refused !== null) return void (await assert.rejects(load, (error) => {
      assert.ok(error instanceof ModelError, error.stack);
      assert.equal(error.message, refused);
      return true;
    }));
    const detector = await load();
    const { settings: { iou_thres }, free_size, info: { names, imgsz, dynamic, size_multiple, producer } } = detector;
    assert.deepEqual({ iou_thres, free_size, names, imgsz, dynamic, size_multiple, producer }, info);
    detector.dispose();
  });
}

test("names are read as Python reads them", () => {
  for (const { text, read, refused } of names) {
    if (refused === null) assert.deepEqual(read_names(text), read);
    else assert.throws(() => read_names(text), { message: refused });
  }
});

test("a megabyte of names is read, or refused, in a moment", () => {
  const start = process.cpuUsage();
  assert.equal(read_names(`['${"a".repeat(2 ** 20)}']`)[0].length, 2 ** 20);
  assert.equal(read_names(`['${"\\\\".repeat(2 ** 19)}']`)[0].length, 2 ** 19);
  assert.throws(() => read_names(`['${"\\'".repeat(2 ** 19)}]`), /break at/);
  assert.throws(() => read_names(`[${" ".repeat(2 ** 20)}1]`), /break at/);
  assert.throws(() => read_names(`[${"'a',".repeat(2 ** 18)}]`), /more than 10000 names/);
  const { user, system } = process.cpuUsage(start);
  assert.ok((user + system) / 1000 < 2000, `${(user + system) / 1000} ms`);
});

test("layouts are told as Python tells them", () => {
  for (const { metadata, shape, decoded } of layouts) {
    const own = own_metadata(new Map(Object.entries(metadata)), [640, 640], false, [shape]);
    assert.equal(JSON.parse(own.get("decoded")), decoded, `${shape}`);
  }
});
