// Reading the model file: the network's bytes for OpenCV, and what the file says about itself.
//
// The file is ONNX, that is a protobuf message. Its graph is checked, its metadata read; nothing else matters.
// Field numbers: https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto

import { ModelError } from "./errors.js";
import { check_function, check_graph } from "./graph.js";
import { BYTES, Reader, WireError } from "./protobuf.js";
import { find_task } from "./tasks.js";
import { MAX_SIDE, whole } from "./values.js";

export const MAX_BYTES = 2 ** 31 - 1; // protobuf's own limit
const MAX_CLASSES = 100_000;
const MAX_NAME = 1000; // letters of a class name
const MAX_VALUE = 2 ** 24; // bytes of a metadata value

const MODEL = { producer_name: 2, producer_version: 3, graph: 7, metadata: 14, training: 20, functions: 25 };
const ENTRY = { key: 1, value: 2 };

const CONVERT = "convert its checkpoint with: python -m convert CHECKPOINT.pt";

/**
 * Check an ONNX file.
 *
 * @param {Uint8Array} bytes of the file
 * @param {string} path what to call it in messages
 * @returns {{buffer: Uint8Array, metadata: Map<string, string>}} the bytes in the form for OpenCV, and the
 *   metadata_props; among them, as `producer`, the program that wrote the file. The bytes are a copy that
 *   differs from the file in one respect: `Swish` nodes lose their domain, so that OpenCV takes them for its
 *   own layer of that name.
 *
 * Throws ModelError if it isn't an ONNX model, or one that could harm.
 */
export function read_model(bytes, path = "the model") {
  if (bytes.length > MAX_BYTES) throw new ModelError(`${path} has ${bytes.length} bytes, more than an ONNX file can have`);
  const begins_with = (...values) => values.every((value, i) => bytes[i] === value);
  if (begins_with(0x50, 0x4b, 3, 4) || begins_with(0x80, 2)) {
    throw new ModelError(`${path} is a PyTorch checkpoint, not an ONNX model; ${CONVERT}`);
  }
  const buffer = bytes.slice();
  try {
    return { buffer, metadata: walk_model(buffer) };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new ModelError(`${path} is not an ONNX model, or a damaged one: ${error.message}`);
  }
}

/** Collect a ModelProto's metadata, check its graph, and free its Swish nodes from their domain. */
function walk_model(buffer) {
  const reader = new Reader(buffer);
  const metadata = new Map();
  let name = "", version = "", graphs = 0;
  for (const field of reader.fields(0, buffer.length)) {
    if (field.wire_type !== BYTES) continue;
    if (field.number === MODEL.metadata) {
      const entry = new Map();
      for (const part of reader.fields(field.start, field.end)) entry.set(part.number, part);
      if (entry.has(ENTRY.key) && entry.has(ENTRY.value)) {
        metadata.set(reader.text(entry.get(ENTRY.key), MAX_NAME), reader.text(entry.get(ENTRY.value), MAX_VALUE));
      }
    } else if (field.number === MODEL.producer_name) {
      name = reader.text(field, MAX_NAME);
    } else if (field.number === MODEL.producer_version) {
      version = reader.text(field, MAX_NAME);
    } else if (field.number === MODEL.graph) {
      if (++graphs > 1) throw new WireError("it holds more than one graph");
      // SiLU is written as a function `Swish` of the model's own domain. OpenCV looks for a layer called
      // `domain.Swish`, finds none, and would refuse the file, although it has a layer `Swish`. Under another
      // field number of the same length the domain is skipped as unknown.
      check_graph(reader, field, (domain) => (buffer[domain.tag] = (15 << 3) | BYTES));
    } else if (field.number === MODEL.functions) {
      check_function(reader, field);
    } else if (field.number === MODEL.training) {
      throw new WireError("it holds graphs for training");
    }
  }
  if (!graphs) throw new WireError("it holds no graph");
  if (!metadata.has("producer")) metadata.set("producer", [name, version].filter(Boolean).join(" "));
  return metadata;
}

/**
 * Make what a model file says about its network (ModelInfo) from its metadata, checking every value.
 *
 * `names`, `anchors` (by output, in pixels) and `strides` replace the file's. With all three given, the file
 * needs no metadata: its network then counts as one of fixed size, 640 × 640 unless the file says other.
 *
 * @returns {object} frozen; its fields, of which a task has those that it needs:
 *   names: of the classes, by class id; task: an entry of TASKS in tasks.js;
 *   strides: by output, in pixels; anchors: by output, [width, height] pairs in pixels of the network's input;
 *   masks: mask coefficients; keypoints: their number; reg_max: bins of a distance;
 *   crop, mean, std: how a classifier's image is prepared;
 *   imgsz: [height, width] the network was converted for; dynamic: whether it takes other sizes;
 *   size_multiple: what they must be divisible by;
 *   fold: 1 if the network takes the three colours, 2 if squares of 2 × 2 pixels as `to_blob` folds them;
 *   source: file name and SHA-256 of the checkpoint, if known; producer: the program that wrote the file.
 *
 * Throws ModelError, which names the value that is missing or wrong.
 */
export function read_info(metadata, path = "the model", { names, anchors, strides } = {}) {
  const values = { imgsz: [640, 640], task: "detect", dynamic: false, fold: 1, source: null };
  for (const [key, text] of metadata) {
    if (!KEYS.has(key)) continue;
    try {
      values[key] = JSON.parse(text);
    } catch {
      throw new ModelError(`${path} has damaged metadata: ${key} is not JSON`);
    }
  }
  for (const [key, value] of Object.entries({ names, anchors, strides })) {
    if (value !== undefined && value !== null) values[key] = value;
  }
  try {
    const task = find_task(values);
    const missing = task.keys.filter((key) => !(key in values));
    if (missing.length) {
      throw new ModelError(
        `${path} lacks the metadata ${missing.join(", ")}; ${CONVERT}` +
          (missing.every((key) => ["names", "anchors", "strides"].includes(key))
            ? ", or give Detector the arguments names, anchors and strides"
            : ""),
      );
    }
    return Object.freeze(check_info(values, task, metadata.get("producer") ?? ""));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ModelError(`${path} has unusable metadata: ${error.message}`);
  }
}

const KEYS = new Set([
  "names", "anchors", "strides", "imgsz", "task", "dynamic", "fold", "size_multiple", "source", "masks",
  "keypoints", "reg_max", "crop", "mean", "std",
]);

/** Turn plain values into a ModelInfo. Throws RangeError for what is not right. */
function check_info(values, task, producer) {
  const { names, imgsz, dynamic, source } = values;
  for (const key of ["names", "imgsz"]) {
    if (!Array.isArray(values[key])) throw new RangeError(`${key} must be a list`);
  }
  if (!names.length || !names.every((name) => typeof name === "string")) {
    throw new RangeError("names must be a list of strings");
  }
  if (names.length > MAX_CLASSES || names.some((name) => name.length > MAX_NAME)) {
    throw new RangeError(`names must be at most ${MAX_CLASSES}, of at most ${MAX_NAME} letters each`);
  }
  const own = task.check(values, names.length); // strides and so on
  const coarsest = Math.max(1, ...own.strides);

  if (imgsz.length !== 2) throw new RangeError("imgsz must be a height and a width");
  const [height, width] = imgsz.map((side) => whole(side, "imgsz", MAX_SIDE));
  const size_multiple = whole(values.size_multiple ?? coarsest, "size_multiple", MAX_SIDE);
  if (own.strides.some((stride) => size_multiple % stride)) {
    throw new RangeError(`size_multiple ${size_multiple} is not divisible by the strides ${own.strides.join(", ")}`);
  }
  if (height % size_multiple || width % size_multiple) {
    throw new RangeError(`imgsz ${height} × ${width} is not divisible by ${size_multiple}`);
  }
  if (typeof dynamic !== "boolean") throw new RangeError("dynamic must be true or false");
  const fold = whole(values.fold, "fold", MAX_SIDE);
  const finest = own.strides.length ? Math.min(...own.strides) : size_multiple;
  if (finest % fold) throw new RangeError(`fold ${fold} does not divide the stride ${finest}`);
  if (source !== null && (typeof source !== "object" || Array.isArray(source))) {
    throw new RangeError("source must be an object");
  }
  return { names, task, imgsz: [height, width], dynamic, size_multiple, fold, source, producer, ...own };
}
