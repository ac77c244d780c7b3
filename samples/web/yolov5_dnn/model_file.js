// Reading the model file: the network's bytes for OpenCV, and what the file says about itself.
//
// The file is ONNX, that is a protobuf message. Its graph is checked, its metadata read; nothing else matters.
// Field numbers: https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto

import { InputError, ModelError, printable } from "./errors.js";
import { check_function, check_graph } from "./graph.js";
import { BYTES, Reader, WireError } from "./protobuf.js";
import { items, whole } from "./tasks/metadata.js";
import { find_task } from "./tasks/tasks.js";
import { MAX_SIDE, shown } from "./values.js";

export const MAX_BYTES = 2 ** 31 - 1; // protobuf's own limit
const MAX_NAME = 1000; // bytes of a key or of a producer
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
        const key = reader.text(entry.get(ENTRY.key), MAX_NAME);
        if (metadata.has(key)) throw new WireError(`it has the metadata '${printable(key)}' twice`);
        metadata.set(key, reader.text(entry.get(ENTRY.value), MAX_VALUE));
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
 * @returns {object} frozen (ModelInfo):
 *   head: the task, an object of a class in tasks/, which knows what the outputs mean, and the rest of the metadata;
 *   task: its name; names: of the classes, by class id;
 *   strides, anchors: of each head map, in pixels, [width, height] pairs; empty where a task has none;
 *   imgsz: [height, width] the network was converted for; dynamic: whether it takes other sizes;
 *   size_multiple: what they must be divisible by;
 *   fold: 1 if the network takes the three colours, 2 if squares of 2 × 2 pixels as `to_blob` folds them;
 *   source: file name and SHA-256 of the checkpoint, if known; producer: the program that wrote the file.
 *
 * Throws ModelError, which names the value that is missing or wrong.
 */
export function read_info(metadata, path = "the model", { names, anchors, strides } = {}) {
  const given = Object.entries({ names, anchors, strides }).filter(([, value]) => value !== undefined && value !== null);
  const values = { ...COMMON, ...Object.fromEntries(given) };
  try {
    const name = metadata.has("task") ? from_json(metadata, "task", path) : "detect";
    const keys = new Set([...metadata.keys(), ...given.map(([key]) => key)]);
    const Task = find_task(name, keys);
    const missing = Task.needs.filter((key) => !keys.has(key));
    if (missing.length) {
      const also = missing.every((key) => ["names", "anchors", "strides"].includes(key));
      throw new ModelError(
        `${path} lacks the metadata ${missing.join(", ")}; ${CONVERT}` +
          (also ? ", or give Detector the arguments names, anchors and strides" : ""),
      );
    }
    for (const key of [...Task.needs, ...Task.optional, ...Object.keys(COMMON)]) {
      if (metadata.has(key) && !given.some(([other]) => other === key)) values[key] = from_json(metadata, key, path);
    }
    return Object.freeze(check_info(Task, values, metadata.get("producer") ?? ""));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ModelError(`${path} has unusable metadata: ${error.message}`);
  }
}

// What every file may say, and what counts where it does not. Without size_multiple it is the largest stride.
const COMMON = { imgsz: [640, 640], size_multiple: null, dynamic: false, fold: 1, source: null };

function from_json(metadata, key, path) {
  try {
    return JSON.parse(metadata.get(key));
  } catch {
    throw new ModelError(`${path} has damaged metadata: ${key} is not JSON`);
  }
}

/** Check what every file has. Throws RangeError for what is not right. */
function check_info(Task, values, producer) {
  const head = new Task(values);
  const { dynamic, source } = values;
  const coarsest = Math.max(1, ...head.strides);
  const size_multiple = values.size_multiple === null ? coarsest : whole(values.size_multiple, "size_multiple");
  if (size_multiple % coarsest) {
    throw new RangeError(`size_multiple ${size_multiple} is not divisible by the stride ${coarsest}`);
  }
  if (items(values.imgsz, "imgsz").length !== 2) throw new RangeError("imgsz must be a height and a width");
  const [height, width] = values.imgsz.map((side) => whole(side, "imgsz"));
  if (height % size_multiple || width % size_multiple) {
    throw new RangeError(`imgsz ${height} × ${width} is not divisible by ${size_multiple}, as the network needs it`);
  }
  if (typeof dynamic !== "boolean") throw new RangeError("dynamic must be true or false");
  const fold = whole(values.fold, "fold");
  const finest = head.strides.length ? Math.min(...head.strides) : size_multiple;
  if (finest % fold) throw new RangeError(`fold ${fold} does not divide the stride ${finest}`);
  if (source !== null && (typeof source !== "object" || Array.isArray(source))) {
    throw new RangeError("source must be an object");
  }
  const { names, strides, anchors } = head;
  return {
    head, task: Task.task, names, strides, anchors, imgsz: [height, width], size_multiple, dynamic, fold, source, producer,
  };
}

/**
 * Choose the input's size [h, w]: the model's own, or `imgsz`, a side or [h, w], rounded up to what fits.
 *
 * `free`: whether the model takes another size than its own. Throws InputError for a size that it can't have.
 */
export function input_size(imgsz, info, free) {
  if (imgsz === null || imgsz === undefined) return info.imgsz;
  const sides = Array.isArray(imgsz) ? [...imgsz] : [imgsz];
  if (sides.length === 1) sides.push(sides[0]);
  if (sides.length !== 2 || !sides.every((side) => Number.isInteger(side) && side > 0 && side <= MAX_SIDE)) {
    throw new InputError(`imgsz must be one or two whole numbers from 1 to ${MAX_SIDE}, not ${shown(imgsz)}`);
  }
  const [height, width] = sides.map((side) => Math.ceil(side / info.size_multiple) * info.size_multiple);
  if (!free && (height !== info.imgsz[0] || width !== info.imgsz[1])) {
    throw new InputError(
      `this model takes ${info.imgsz[0]} × ${info.imgsz[1]} only, not ${height} × ${width}; convert its ` +
        `checkpoint with --imgsz ${height} ${width}, or with --focus conv for a free size`,
    );
  }
  return [height, width];
}
