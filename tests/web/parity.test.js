// The same detections as Python's, from the same pixels. tests/test_web.py writes the folder that PARITY names:
// models, pictures as R G B A bytes, and what Python found in them.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Detector, letterbox, to_blob } from "../../samples/web/yolov5_dnn.js";
import { load_opencv, sha256 } from "./house.js";

const PIXELS = 0.5, SCORE = 1e-3;

const folder = process.env.PARITY;
const cv = await load_opencv();

for (const { model, options, images } of JSON.parse(fs.readFileSync(path.join(folder, "parity.json"), "utf8"))) {
  test(`${model} ${JSON.stringify(options)}`, async (t) => {
    const bytes = new Uint8Array(fs.readFileSync(path.join(folder, model)));
    const detector = await Detector.load(cv, bytes, options);
    let worst_box = 0, worst_score = 0, boxes = 0;
    for (const { file, width, height, blob_sha256, detections } of images) {
      const image = { data: new Uint8ClampedArray(fs.readFileSync(path.join(folder, file))), width, height };
      const stride = detector.info.dynamic ? detector.info.size_multiple : null;
      const { canvas } = letterbox(cv, image, detector.imgsz, stride);
      assert.equal(sha256(to_blob(canvas, detector.info.fold)), blob_sha256, `${file}: another blob`);

      const found = detector.detect(image);
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
        unmatched.splice(unmatched.indexOf(match), 1);
        worst_box = Math.max(worst_box, distance(match));
        worst_score = Math.max(worst_score, Math.abs(match.score - expected.score));
        boxes++;
      }
    }
    assert.ok(boxes > 0);
    t.diagnostic(`${images.length} images, ${boxes} boxes, at most ${worst_box.toExponential(1)} px and ` +
      `${worst_score.toExponential(1)} of score apart`);
    detector.dispose();
  });
}
