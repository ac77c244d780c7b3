// The Detector's public surface, with the embedded model.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Detector, InputError, merge_windows, ModelError, STAGES, tile_windows } from "../../samples/web/yolov5_dnn.js";
import { load_opencv, picture, read_bytes } from "./helpers.js";

const cv = await load_opencv();
const bytes = read_bytes("weights/codes.onnx");

test("a detector says what its model is", async () => {
  const detector = await Detector.load(cv, bytes);
  assert.deepEqual(detector.info.names, ["qr_code", "data_matrix", "aztec", "pdf417", "barcode", "aruco"]);
  assert.deepEqual(detector.imgsz, [288, 288]);
  assert.equal(detector.conf_thres, 0.25);
  detector.dispose();
});

test("timings name the stages", async () => {
  const detector = await Detector.load(cv, bytes);
  const timings = {};
  detector.detect(picture({ height: 200, width: 300 }), timings);
  assert.deepEqual(Object.keys(timings), STAGES);
  assert.ok(Object.values(timings).every((ms) => ms >= 0 && ms < 60_000));
  detector.dispose();
});

test("tiles are detected in one by one, and what is found there is merged", async () => {
  const detector = await Detector.load(cv, bytes, { imgsz: 96, conf_thres: 0.001, max_det: 30 });
  const image = picture({ height: 150, width: 200 });
  const windows = tile_windows([150, 200], 100);
  const parts = windows.map(([left, top, right, bottom]) => {
    const part = { width: right - left, height: bottom - top, data: [] };
    for (let y = top; y < bottom; y++) {
      part.data.push(...image.data.subarray(4 * (y * 200 + left), 4 * (y * 200 + right)));
    }
    return detector.detect({ ...part, data: Uint8ClampedArray.from(part.data) });
  });
  assert.ok(parts.slice(1).flat().length > 0);
  const whole = detector.detect(image);
  detector.choose_tiles(100);
  const timings = {};
  assert.deepEqual(detector.detect(image, timings), merge_windows(parts, windows, [150, 200], detector.iou_thres, 30));
  assert.deepEqual(Object.keys(timings), STAGES);
  detector.choose_tiles(200); // no larger than a tile
  assert.deepEqual(detector.detect(image), whole);
  detector.dispose();
});

test("memory stays as it is over 300 images of alternating sizes", async () => {
  const detector = await Detector.load(cv, bytes, { imgsz: 96 });
  const probe = new cv.Mat(1, 1, cv.CV_8UC1);
  const heap = () => probe.data.buffer.byteLength;
  const images = [[60, 96], [96, 60], [200, 300], [33, 90]].map(([height, width]) => picture({ height, width }));
  for (let i = 0; i < 20; i++) detector.detect(images[i % 4]);
  const before = heap();
  for (let i = 0; i < 300; i++) detector.detect(images[i % 4]);
  assert.equal(heap(), before);
  for (let i = 0; i < 8; i++) (await Detector.load(cv, bytes, { imgsz: 96 })).dispose();
  const after_loading = heap();
  for (let i = 0; i < 8; i++) (await Detector.load(cv, bytes, { imgsz: 96 })).dispose();
  assert.equal(heap(), after_loading);
  probe.delete();
  detector.dispose();
});

const refusals = [
  [{ conf_thres: 1.5 }, "conf_thres must be a number from 0 to 1, not 1.5"],
  [{ iou_thres: "0.5" }, 'iou_thres must be a number from 0 to 1, not "0.5"'],
  [{ conf_thres: NaN }, "conf_thres must be a number from 0 to 1, not NaN"],
  [{ max_det: 0 }, "max_det must be a whole number of at least 1, not 0"],
  [{ classes: ["person"] }, 'there is no class "person"; the model has 0 to 5: "qr_code, data_matrix'],
  [{ classes: [6] }, "there is no class 6"],
  [{ imgsz: 9000 }, "imgsz must be one or two whole numbers from 1 to 8192, not 9000"],
  [{ tiles: 31 }, "tiles must be a whole number of at least 32 pixels, not 31"],
  [{ imgsz: [64, 64, 64] }, "imgsz must be one or two whole numbers"],
];
for (const [options, message] of refusals) {
  test(`refused: ${JSON.stringify(options)}`, async () => {
    await assert.rejects(Detector.load(cv, bytes, options), (error) => {
      assert.ok(error instanceof InputError);
      assert.ok(error.message.includes(message), error.message);
      return true;
    });
  });
}

test("what is not an image is refused", async () => {
  const detector = await Detector.load(cv, bytes, { imgsz: 64 });
  const wrong = [
    null, {}, { data: [1, 2, 3, 4], width: 1, height: 1 }, { data: new Uint8Array(4), width: 0, height: 1 },
    { data: new Uint8Array(4), width: 1, height: 2 }, { data: new Float32Array(4), width: 1, height: 1 },
  ];
  for (const image of wrong) assert.throws(() => detector.detect(image), InputError);
  assert.ok(Array.isArray(detector.detect({ data: new Uint8Array(4), width: 1, height: 1 })));
  detector.dispose();
});

test("classes and thresholds choose", async () => {
  const detector = await Detector.load(cv, bytes, { conf_thres: 0, imgsz: 64 });
  const image = picture({ height: 64, width: 64 });
  const all = detector.detect(image);
  assert.ok(all.length > 3);
  assert.ok(all.every((each, i) => i === 0 || each.score <= all[i - 1].score));
  const class_id = all[0].class_id;
  detector.choose_classes([class_id]);
  const some = detector.detect(image);
  assert.deepEqual(some, all.filter((each) => each.class_id === class_id));
  detector.max_det = 1;
  assert.deepEqual(detector.detect(image), some.slice(0, 1));
  detector.choose_classes(null);
  detector.conf_thres = 1;
  assert.deepEqual(detector.detect(image), []);
  detector.dispose();
});

test("a model that OpenCV cannot load is a ModelError with a cause", async () => {
  const own = await load_opencv(); // it ends
  const broken = bytes.slice();
  const at = Buffer.from(broken).indexOf("nearest", 0, "latin1"); // how a Resize rounds
  broken.set(new TextEncoder().encode("nearesu"), at);
  await assert.rejects(Detector.load(own, broken, { path: "x.onnx" }), (error) => {
    assert.ok(error instanceof ModelError);
    assert.match(error.message, /^OpenCV cannot load x\.onnx: /);
    assert.ok(error.cause);
    return true;
  });
});
