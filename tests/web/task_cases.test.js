// The golden cases of what tasks beside plain detection do, and of the labels' places.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Candidates, decode_anchor_free } from "../../samples/web/yolov5_dnn.js";
import { place_labels } from "../../samples/web/yolov5_dnn/drawing/labels.js";
import { make_bitmaps, to_image } from "../../samples/web/yolov5_dnn/stages/masks.js";
import { encode } from "../../samples/web/yolov5_dnn/results/rle.js";
import { find_task } from "../../samples/web/yolov5_dnn/tasks/tasks.js";
import { cases, close, load_opencv, to_head } from "./helpers.js";

const cv = await load_opencv();

function check_candidates(golden, run) {
  if (golden.error) return void assert.throws(run, { name: golden.error });
  const found = run();
  const { xyxy, scores, class_ids, extra = [] } = golden.candidates;
  assert.deepEqual(Array.from(found.class_ids), class_ids);
  close(found.xyxy, xyxy.flat(), 1e-3);
  close(found.scores, scores, 1e-6);
  close(found.extra, extra.flat(), 1e-4);
}

for (const golden of cases("anchor_free")) {
  test(`anchor-free: ${golden.name}`, () => {
    const { strides, reg_max, conf_thres, multi_label } = golden;
    check_candidates(golden, () => decode_anchor_free(golden.heads.map(to_head), strides, reg_max, conf_thres, multi_label));
  });
}

for (const golden of cases("tasks")) {
  test(`task: ${golden.name}`, () => {
    const { task, metadata, conf_thres, multi_label } = golden;
    const outputs = golden.heads.map(to_head);
    if (task === "segment") outputs.push({ shape: [metadata.masks, 1, 1], data: new Float32Array(metadata.masks) });
    const Task = find_task(task, new Set(Object.keys(metadata)));
    check_candidates(golden, () => new Task(metadata).decode(outputs, conf_thres, multi_label));
  });
}

for (const golden of cases("masks")) {
  test(`mask: ${golden.name}`, () => {
    const kept = new Candidates(
      Float32Array.from(golden.xyxy), Float32Array.of(1), Int32Array.of(0), Float32Array.from(golden.coefficients),
    );
    const [bitmap] = make_bitmaps(cv, to_head(golden.prototypes), kept, golden.canvas_hw);
    assert.deepEqual(columns(bitmap, golden.canvas_hw), unpacked(golden.canvas_counts));
    const mask = columns(to_image(cv, bitmap, golden.placement, golden.image_hw), golden.image_hw);
    const expected = unpacked(golden.counts), either = unpacked(golden.either_counts);
    const wrong = mask.filter((value, i) => value !== expected[i] && !either[i]);
    assert.equal(wrong.length, 0, `${wrong.length} of ${mask.length} pixels`);
  });
}

for (const golden of cases("rle")) {
  test(`RLE: ${golden.name}`, () => {
    const { window, left, top, image_hw } = golden;
    const data = Uint8Array.from(window.join(""), Number);
    const mask = { left, top, width: window[0]?.length ?? 0, height: window.length, data, size: image_hw };
    assert.deepEqual(encode(mask), { size: image_hw, counts: golden.counts });
  });
}

for (const golden of cases("labels")) {
  test(`labels: ${golden.name}`, () => {
    assert.deepEqual(place_labels(golden.boxes, golden.sizes, golden.image_hw), golden.places);
  });
}

/** All pixels of an image, down the columns, of a bitmap that is a part of it. */
function columns({ left, top, width, height, data }, [rows, sides]) {
  const pixels = Array(rows * sides).fill(0);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) pixels[(left + x) * rows + top + y] = data[y * width + x];
  }
  return pixels;
}

/** The pixels of runs of 0 and 1 in turn. */
function unpacked(counts) {
  return counts.flatMap((count, i) => Array(count).fill(i % 2));
}
