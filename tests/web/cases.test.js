// The golden cases of tests/cases, which Python and C++ read, too.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  class_colour, decode, letterbox, line_width, merge_windows, ModelError, nms, read_info, read_model, text_colour,
  text_size, tile_windows, to_blob, unletterbox,
} from "../../samples/web/yolov5_dnn.js";
import { to_classifier_blob } from "../../samples/web/yolov5_dnn/results/classification.js";
import { cases, close, load_opencv, picture, sha256, to_head } from "./helpers.js";

const cv = await load_opencv();

for (const golden of cases("letterbox")) {
  test(`letterbox: ${golden.name}`, () => {
    const image = picture(golden.image);
    const { canvas, placement } = letterbox(cv, image, golden.imgsz, golden.multiple);
    assert.deepEqual([canvas.height, canvas.width, 3], golden.canvas.shape);
    const bgr = new Uint8Array(3 * canvas.height * canvas.width);
    for (let i = 0; i < canvas.height * canvas.width; i++) {
      for (let c = 0; c < 3; c++) bgr[3 * i + c] = canvas.data[4 * i + 2 - c];
    }
    assert.equal(sha256(bgr), golden.canvas.sha256);
    assert.deepEqual(placement, golden.placement);
    assert.equal(sha256(to_blob(canvas, golden.fold)), golden.blob.sha256);
    const boxes = unletterbox(Float32Array.from(golden.xyxy.flat()), placement, [image.height, image.width]);
    assert.deepEqual(Array.from(boxes), golden.unletterboxed.flat());
  });
}

for (const golden of cases("decode")) {
  test(`decode: ${golden.name}`, () => {
    const heads = golden.heads.map(to_head);
    const run = () =>
      decode(heads, golden.anchors, golden.strides, golden.layout, golden.conf_thres, golden.multi_label);
    if (golden.error) {
      assert.throws(run, { name: golden.error });
      return;
    }
    const found = run();
    const { xyxy, scores, class_ids, extra } = golden.candidates;
    assert.deepEqual(Array.from(found.class_ids), class_ids);
    assert.deepEqual(Array.from(found.extra), extra.flat());
    close(found.xyxy, xyxy.flat(), 1e-3);
    close(found.scores, scores, 1e-6);
  });
}

for (const golden of cases("nms")) {
  test(`nms: ${golden.name}`, () => {
    const candidates = {
      xyxy: Float32Array.from(golden.xyxy.flat()),
      scores: Float32Array.from(golden.scores),
      class_ids: Int32Array.from(golden.class_ids),
    };
    assert.deepEqual(nms(candidates, golden.iou_thres, golden.max_det, golden.agnostic), golden.kept);
  });
}

/** The pixels of rectangles x1 y1 x2 y2, or of a mask, as indices into an image of [h, w]. */
const filled = (rectangles, [, width]) => {
  const pixels = new Set();
  for (const [x1, y1, x2, y2] of rectangles) {
    for (let y = y1; y < y2; y++) for (let x = x1; x < x2; x++) pixels.add(y * width + x);
  }
  return [...pixels].sort((a, b) => a - b);
};
const pixels_of = ({ left, top, width, data }, [, image_width]) =>
  Array.from(data.keys()).filter((i) => data[i]).map((i) => (top + Math.floor(i / width)) * image_width + left + (i % width))
    .sort((a, b) => a - b);

for (const golden of cases("tiles")) {
  test(`tiles: ${golden.name}`, () => {
    const { image_hw, windows } = golden;
    if (golden.side) {
      assert.deepEqual(tile_windows(image_hw, golden.side), windows);
      return;
    }
    const parts = golden.parts.map((part, w) =>
      part.scores.map((score, i) => {
        const found = { class_id: part.class_ids[i], name: `c${part.class_ids[i]}`, score, box: part.xyxy[i] };
        if (part.keypoints) found.keypoints = part.keypoints[i];
        if (part.masks) {
          const [left, top, right, bottom] = part.masks[i];
          const [width, height] = [right - left, bottom - top];
          const size = [windows[w][3] - windows[w][1], windows[w][2] - windows[w][0]];
          found.mask = { left, top, width, height, data: new Uint8Array(width * height).fill(1), size };
        }
        return found;
      }),
    );
    const merged = merge_windows(parts, windows, image_hw, golden.iou_thres, golden.max_det, golden.agnostic);
    const expected = golden.merged;
    assert.deepEqual(merged.map((each) => each.class_id), expected.class_ids);
    assert.deepEqual(merged.map((each) => each.score), expected.scores);
    close(merged.flatMap((each) => each.box), expected.xyxy.flat(), 1e-3);
    if (expected.keypoints) assert.deepEqual(merged.map((each) => each.keypoints), expected.keypoints);
    if (expected.masks) {
      merged.forEach(({ mask }, i) => {
        assert.deepEqual(mask.size, image_hw);
        assert.deepEqual(pixels_of(mask, image_hw), filled(expected.masks[i], image_hw));
      });
    }
  });
}

for (const golden of cases("crop")) {
  test(`crop: ${golden.name}`, () => {
    const [, channels, height, width] = golden.blob.shape;
    const blob = new Float32Array(channels * height * width);
    const [mean, std] = [golden.mean, golden.std].map((colours) => colours.map(Math.fround));
    to_classifier_blob(cv, picture(golden.image), golden.imgsz, golden.crop, mean, std, () => blob);
    if (golden.blob.sha256) assert.equal(sha256(blob), golden.blob.sha256);
    else close(blob, golden.blob.data, 1e-4);
  });
}

for (const golden of cases("model_file")) {
  test(`model file: ${golden.name}`, () => {
    const file = new Uint8Array(Buffer.from(golden.file, "base64"));
    if (golden.error) {
      const refused = () => read_info(read_model(file, "red.onnx").metadata, "red.onnx");
      assert.throws(refused, (error) => {
        assert.ok(error instanceof ModelError);
        assert.ok(error.message.includes(golden.error), error.message);
        assert.ok(error.message.startsWith("red.onnx "), error.message);
        assert.match(error.message, /^[^\p{Cc}]{1,400}$/u);
        return true;
      });
      return;
    }
    const { buffer, metadata } = read_model(file);
    assert.equal(sha256(buffer), golden.buffer_sha256);
    const info = read_info(metadata);
    for (const [key, value] of Object.entries(golden.info)) {
      assert.deepEqual(key === "task" ? info.task.name : info[key], value, key);
    }
  });
}

for (const golden of cases("hostile_models")) {
  test(`hostile model: ${golden.name}`, () => {
    const file = new Uint8Array(Buffer.from(golden.file, "base64"));
    const read = () => read_model(file);
    if (golden.refused === null || golden.shapes) return void read(); // what OpenCV is left with, SECURITY.md says
    assert.throws(read, (error) => {
      assert.ok(error instanceof ModelError, error.stack);
      assert.ok(error.message.includes(golden.refused), error.message);
      assert.match(error.message, /^[^\p{Cc}]{1,600}$/u);
      return true;
    });
  });
}

test("draw: class_colour, text_colour, line_width and text_size", () => {
  const [colours, texts, sizes] = cases("draw");
  const reversed = (list) => list.map((colour) => [...colour].reverse()); // B G R in the file
  assert.deepEqual(colours.class_ids.map(class_colour), reversed(colours.colours));
  assert.deepEqual(reversed(texts.backgrounds).map(text_colour), reversed(texts.colours));
  assert.deepEqual(sizes.sizes.map(line_width), sizes.line_widths);
  assert.deepEqual(sizes.sizes.map(text_size), sizes.text_sizes);
});
