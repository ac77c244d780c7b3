// The Detector's public surface, with the embedded model.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Classifier, Detector, InputError, letterbox, load_model, merge_windows, ModelError, STAGES, tile_windows, to_blob, to_channels,
} from "../../samples/web/yolov5_dnn.js";
import { load_opencv, picture, read_bytes } from "./helpers.js";

const cv = await load_opencv();
const bytes = read_bytes("weights/codes.onnx");

test("a detector says what its model is", async () => {
  const detector = await Detector.load(cv, bytes);
  assert.deepEqual(detector.info.names, ["qr_code", "data_matrix", "aztec", "pdf417", "barcode", "aruco"]);
  assert.deepEqual(detector.imgsz, [288, 288]);
  assert.equal(detector.settings.conf_thres, 0.25);
  detector.dispose();
});

test("timings name the stages", async () => {
  const detector = await Detector.load(cv, bytes);
  const timings = {};
  detector.detect(picture({ height: 200, width: 300 }), {}, timings);
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
  assert.deepEqual(detector.detect(image, {}, timings), merge_windows(parts, windows, [150, 200], 0.45, 30));
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
  const classes = [class_id];
  const some = detector.detect(image, { classes });
  assert.deepEqual(some, all.filter((each) => each.class_id === class_id));
  assert.deepEqual(detector.detect(image, { classes, max_det: 1 }), some.slice(0, 1));
  assert.deepEqual(detector.detect(image, { conf_thres: 1 }), []);
  assert.deepEqual(detector.detect(image), all); // as it was made
  assert.throws(() => detector.detect(image, { conf: 1 }), { constructor: InputError, message: /^there is no setting "conf"/ });
  assert.throws(() => detector.detect(image, { multi_label: 1 }), InputError);
  const { blob, place } = detector.prepare(image);
  const own = { shape: blob.shape, data: blob.data.slice() };
  assert.deepEqual(detector.decode(detector.forward(blob), place, { classes }), some);
  detector.prepare(picture({ height: 40, width: 64 }));
  assert.deepEqual(detector.decode(detector.forward(own), place), all);
  assert.throws(() => detector.forward({ shape: own.shape, data: own.data.slice(1) }), InputError);
  detector.dispose();
});

test("load_model gives the class that the file is for", async () => {
  const detector = await load_model(cv, bytes, { imgsz: 64, conf_thres: 0.5 });
  assert.ok(detector instanceof Detector);
  assert.equal(detector.settings.conf_thres, 0.5);
  assert.equal(detector.info.task.name, "detect");
  detector.dispose();
  await assert.rejects(Classifier.load(cv, bytes, { path: "x.onnx" }), {
    name: "ModelError", message: "x.onnx is no classifier; it is for Detector",
  });
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

/**
 * Make a model file: a network of `channels` whose only layer finds a box in every cell of 8 × 8 pixels that have 255
 * in the channel `which`.
 */
function finder(channels, which, said = {}) {
  const varint = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
  const number = (field, value) => [...varint(field << 3), ...varint(value)];
  const part = (field, content) => [...varint((field << 3) | 2), ...varint(content.length), ...content];
  const text = (field, value) => part(field, new TextEncoder().encode(value));
  const tensor = (name, shape, values) => part(5, [
    ...shape.flatMap((side) => number(1, side)), ...number(2, 1), ...text(8, name),
    ...part(9, new Uint8Array(Float32Array.from(values).buffer)),
  ]);
  const value = (field, name, shape) => {
    const sides = shape.flatMap((side) => part(1, number(1, side)));
    return part(field, [...text(1, name), ...part(2, part(1, [...number(1, 1), ...part(2, sides)]))]);
  };
  const integers = (name, values) => part(5, [...text(1, name), ...values.flatMap((each) => number(8, each)), ...number(20, 7)]);
  const weights = new Float32Array(7 * channels * 64);
  for (const row of [4, 5]) weights.fill(40 / 64, (row * channels + which) * 64, (row * channels + which + 1) * 64);
  const conv = ["images", "w", "b"].flatMap((name) => text(1, name));
  const node = [
    ...conv, ...text(2, "out0"), ...text(4, "Conv"), ...integers("kernel_shape", [8, 8]), ...integers("strides", [8, 8]),
  ];
  const graph = [
    ...part(1, node), ...text(2, "one"), ...tensor("w", [7, channels, 8, 8], weights),
    ...tensor("b", [7], [0, 0, 0, 0, -20, -20, -20]), ...value(11, "images", [1, channels, 64, 64]),
    ...value(12, "out0", [1, 7, 8, 8]),
  ];
  const metadata = { names: ["a", "b"], strides: [8], anchors: [[[10, 14]]], imgsz: [64, 64], ...said };
  const props = Object.entries(metadata).flatMap(([key, each]) => part(14, [...text(1, key), ...text(2, JSON.stringify(each))]));
  return Uint8Array.from([...number(1, 7), ...part(7, graph), ...part(8, number(2, 12)), ...props]);
}

/** An array of one value, another in the cell of row 3 and column 2, in the channel `which`. */
function cell(channels, which, value, others = 0) {
  const data = new Uint8Array(64 * 64 * channels).fill(others);
  for (let y = 24; y < 32; y++) for (let x = 16; x < 24; x++) data[(y * 64 + x) * channels + which] = value;
  return { data, width: 64, height: 64, channels };
}

test("each channel comes where it belongs", async () => {
  for (const channels of [1, 2, 3, 4, 5, 16]) {
    for (const which of [0, channels - 1]) {
      const detector = await Detector.load(cv, finder(channels, which));
      assert.equal(detector.info.channels, channels);
      const image = cell(channels, which, 255);
      const found = detector.detect(image);
      assert.deepEqual(found.map(({ box }) => box), [[15, 21, 25, 35]]);
      image.data = image.data.map((value, i) => (i % channels === which ? 0 : 255)); // all but the one
      assert.deepEqual(detector.detect(image), []);
      detector.choose_tiles(32);
      assert.ok(detector.detect({ ...image, data: image.data.fill(255) }).length > 0);
      detector.dispose();
    }
  }
});

test("a model of one channel gets pixels in grey, as OpenCV makes it", () => {
  const pixels = picture({ height: 9, width: 14 });
  const { data, channels } = to_channels(cv, pixels, 1);
  assert.equal(channels, 1);
  // What cv2.cvtColor computes: weights of 15 bits, rounded.
  const grey = (r, g, b) => (9798 * r + 19235 * g + 3735 * b + 16384) >> 15;
  const expected = Array.from({ length: 9 * 14 }, (_, i) => grey(...pixels.data.subarray(4 * i, 4 * i + 3)));
  assert.deepEqual(Array.from(data), expected);
});

test("an array is scaled and padded channel by channel", () => {
  const planes = Array.from({ length: 5 }, (_, c) => Uint8Array.from({ length: 30 * 20 }, (_, i) => (i * (c + 3)) % 256));
  const data = Uint8Array.from({ length: 5 * 600 }, (_, i) => planes[i % 5][Math.floor(i / 5)]);
  const size = { width: 30, height: 20 };
  const { canvas } = letterbox(cv, { data, ...size, channels: 5 }, [16, 16], null);
  const blob = to_blob(canvas);
  planes.forEach((plane, c) => {
    const alone = letterbox(cv, { data: plane, ...size, channels: 1 }, [16, 16], null).canvas;
    assert.equal(alone.data[0], 114);
    assert.deepEqual(blob.subarray(256 * c, 256 * (c + 1)), to_blob(alone));
  });
});

test("another number of channels than the model's is refused, and both are said", async () => {
  const pixels = picture({ height: 64, width: 64 });
  for (const [channels, image, given] of [[4, pixels, 3], [5, cell(4, 0, 0), 4], [1, cell(3, 0, 0), 3], [3, cell(4, 0, 0), 4]]) {
    const detector = await Detector.load(cv, finder(channels, 0));
    const message = `the image has ${given} channels, and the model takes ${channels}`;
    assert.throws(() => detector.detect(image), { constructor: InputError, message });
    assert.throws(() => detector.detect({ ...image, channels: 0 }), InputError);
    detector.dispose();
  }
  const refused = (model, message) => assert.rejects(Detector.load(cv, model), (error) => error.message.includes(message));
  await refused(finder(4, 0, { channels: 5 }), "its metadata says 5 channels, and its network's input has 4");
  await refused(finder(17, 0), "channels must be whole numbers from 1 to 16, not 17");
  await refused(finder(8, 0, { channels: 2, fold: 2 }), "an input of 2 channels cannot be folded");
});
