// The same detections as Python's, from the same pixels. tests/web/test_web.py writes the folder that PARITY names:
// models, pictures as R G B A bytes, and what Python found in them.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Classifier, Detector, letterbox, to_blob, to_dict } from "../../samples/web/yolov5_dnn.js";
import { load_opencv, sha256 } from "./helpers.js";

const PIXELS = 0.5, SCORE = 1e-3, KEYPOINT = 0.1, PROBABILITY = 1e-4;
const MASK = 0.995, MASKS = 0.999; // of the pixels of one mask, and of all, that are the same

const folder = process.env.PARITY;
const cv = await load_opencv();

const entries = JSON.parse(fs.readFileSync(path.join(folder, "parity.json"), "utf8"));

for (const { model, images } of entries.filter(({ task }) => task === "classify")) {
  test(model, async () => {
    const classifier = await Classifier.load(cv, new Uint8Array(fs.readFileSync(path.join(folder, model))));
    for (const { file, width, height, classes } of images) {
      const image = { data: new Uint8ClampedArray(fs.readFileSync(path.join(folder, file))), width, height };
      const found = classifier.classify(image, classes.length);
      assert.deepEqual(found.map(({ class_id, name }) => [class_id, name]), classes.map(({ class_id, name }) => [class_id, name]));
      found.forEach(({ probability }, i) => {
        const apart = Math.abs(probability - classes[i].probability);
        assert.ok(apart <= PROBABILITY, `${file}: ${classes[i].name} ${apart}`);
      });
    }
    classifier.dispose();
  });
}

for (const { model, options, images } of entries.filter(({ task }) => task !== "classify")) {
  test(`${model} ${JSON.stringify(options)}`, async (t) => {
    const bytes = new Uint8Array(fs.readFileSync(path.join(folder, model)));
    const detector = await Detector.load(cv, bytes, options);
    let worst_box = 0, worst_score = 0, worst_mask = 1, boxes = 0;
    const masks = { either: 0, both: 0 }; // pixels
    for (const { file, width, height, blob_sha256, detections } of images) {
      const image = { data: new Uint8ClampedArray(fs.readFileSync(path.join(folder, file))), width, height };
      const multiple = detector.info.dynamic ? detector.info.size_multiple : null;
      const { canvas } = letterbox(cv, image, detector.imgsz, multiple);
      assert.equal(sha256(to_blob(canvas, detector.info.fold)), blob_sha256, `${file}: another blob`);

      const found = to_dict(detector.detect(image));
      const unmatched = [...found];
      assert.equal(found.length, detections.length, `${file}: another number of boxes`);
      for (const expected of detections) {
        const distance = ({ box }) => Math.max(...box.map((edge, i) => Math.abs(edge - expected.box[i])));
        const match = unmatched
          .filter((each) => each.class_id === expected.class_id && each.name === expected.name)
          .sort((a, b) => distance(a) - distance(b))[0];
        assert.ok(match, `${file}: nothing matches ${JSON.stringify(expected)}`);
        assert.ok(distance(match) <= PIXELS, `${file}: ${distance(match)} px`);
        assert.ok(Math.abs(match.score - expected.score) <= SCORE, `${file}: score ${match.score}, ${expected.score}`);
        assert.deepEqual(Object.keys(match).sort(), Object.keys(expected).sort());
        expected.keypoints?.forEach((point, i) => {
          const apart = Math.max(...point.map((value, axis) => Math.abs(value - match.keypoints[i][axis])));
          assert.ok(apart <= KEYPOINT, `${file}: a keypoint ${apart} px`);
        });
        if (expected.mask) {
          const { either, both } = compare(match.mask, expected.mask);
          assert.ok(both >= MASK * either, `${file}: ${both} of ${either} pixels of a mask are the same`);
          masks.either += either;
          masks.both += both;
          worst_mask = Math.min(worst_mask, either ? both / either : 1);
        }
        unmatched.splice(unmatched.indexOf(match), 1);
        worst_box = Math.max(worst_box, distance(match));
        worst_score = Math.max(worst_score, Math.abs(match.score - expected.score));
        boxes++;
      }
    }
    assert.ok(boxes > 0);
    assert.ok(masks.both >= MASKS * masks.either, `${masks.both} of ${masks.either} pixels of masks are the same`);
    t.diagnostic(`${images.length} images, ${boxes} boxes, at most ${worst_box.toExponential(1)} px and ` +
      `${worst_score.toExponential(1)} of score apart${masks.either ? `; masks the same by ${worst_mask} and more` : ""}`);
    detector.dispose();
  });
}

/** Count the pixels of either of two masks, as COCO's RLE, and of both. */
function compare(a, b) {
  assert.deepEqual(a.size, b.size);
  const [first, second] = [a, b].map(pixels);
  const sums = { either: 0, both: 0 };
  first.forEach((value, i) => {
    sums.either += value | second[i];
    sums.both += value & second[i];
  });
  return sums;
}

/** Read COCO's RLE: bytes of 0 and 1, column by column. */
function pixels({ size, counts: text }) {
  const counts = [];
  for (let i = 0; i < text.length; ) {
    let value = 0, shift = 0, group;
    do {
      group = text.charCodeAt(i++) - 48;
      value |= (group & 31) << shift;
      shift += 5;
    } while (group & 32);
    if (group & 16) value -= 2 ** shift;
    counts.push(counts.length > 2 ? value + counts.at(-2) : value);
  }
  const mask = new Uint8Array(size[0] * size[1]);
  let position = 0;
  counts.forEach((count, i) => mask.fill(i % 2, position, (position += count)));
  assert.equal(position, mask.length);
  return mask;
}
