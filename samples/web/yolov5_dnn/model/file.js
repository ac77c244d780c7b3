// Reading the model file: the network's bytes for OpenCV, and what the file says about itself.
//
// The file is ONNX, that is a protobuf message. The fields that matter are walked by hand (`protobuf`). What the walk
// promises stands in `graph.js`.
// Field numbers: https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto

import { InputError, ModelError } from "../errors.js";
import { ExportError, own_metadata, UNSUPPORTED } from "./foreign.js";
import { check_function, HIDDEN, read_graph } from "./graph.js";
import { input_scale } from "./input_scale.js";
import { GraphError } from "./tensors.js";
import { BYTES, kinds, MAX_NAME, Reader, WireError } from "./protobuf.js";
import { items, whole } from "../tasks/metadata.js";
import { find_task } from "../tasks/tasks.js";
import { MAX_SIDE, shown } from "../values.js";
import { escape } from "../escape.js";

export const MAX_BYTES = 2 ** 31 - 1; // protobuf's own limit
const MAX_METADATA = 100;
const MAX_CHANNELS = 16; // of the input
const MAX_TEXT = 2 ** 20; // bytes of one text of metadata

const MODEL = kinds({
  producer_name: [2, "span"],
  producer_version: [3, "span"],
  graph: [7, "span"],
  metadata_props: [14, "span", "many"],
  training_info: [20, "span", "many"],
  functions: [25, "span", "many"],
});
const ENTRY = kinds({ key: [1, "span"], value: [2, "span"] });

const CONVERT = "convert its checkpoint with: python -m convert CHECKPOINT.pt";

/**
 * Read an ONNX file.
 *
 * @param {Uint8Array} bytes of the file
 * @param {string} path what to call it in messages
 * @returns {{buffer: Uint8Array, metadata: Map<string, string>}} (ModelFile) the bytes in the form for OpenCV, and the
 *   metadata_props (among them, as `producer`, the program that wrote the file). The bytes are a copy that differs from the file in one respect: `Swish` nodes lose their domain, so that OpenCV
 *   takes them for its own layer of that name.
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
  return { buffer, metadata: refusing(path, () => walk_model(buffer)) };
}

/** Make a ModelError of what is thrown of a file's bytes. */
function refusing(path, work) {
  try {
    return work();
  } catch (error) {
    if (error instanceof WireError) throw new ModelError(`${path} is not an ONNX model, or a damaged one: ${error.message}`);
    if (error instanceof GraphError) throw new ModelError(`${path} is refused: ${error.message}`);
    if (error instanceof ExportError) throw new ModelError(`${path} ${error.message}; ${CONVERT}`);
    throw error;
  }
}

/**
 * Collect a ModelProto's metadata, check its graph, and free its Swish nodes from their domain. Returns the metadata.
 *
 * SiLU is written as a function `Swish` of the model's own domain. OpenCV looks for a layer called `domain.Swish`,
 * finds none, and would refuse the file, although it has a layer `Swish`. Under another field number of the same
 * length the domain is skipped as unknown.
 */
function walk_model(buffer) {
  const reader = new Reader(buffer);
  const parts = reader.message({ start: 0, end: buffer.length }, MODEL);
  if (!parts.graph) throw new WireError("it holds no graph");
  if (parts.training_info.length) throw new GraphError("it has a part for training");
  if (parts.metadata_props.length > MAX_METADATA) throw new GraphError(`it has more than ${MAX_METADATA} texts of metadata`);
  const metadata = new Map();
  for (const place of parts.metadata_props) {
    const entry = reader.message(place, ENTRY);
    if (!entry.key || !entry.value) continue;
    const key = reader.text(entry.key, MAX_NAME);
    if (metadata.has(key)) throw new GraphError(`it has the metadata '${escape(key, 80)}' twice`);
    metadata.set(key, reader.text(entry.value, MAX_TEXT));
  }
  const producer = [parts.producer_name, parts.producer_version].map((place) => (place ? reader.text(place, MAX_NAME) : ""));
  if (!metadata.has("producer")) metadata.set("producer", producer.filter(Boolean).join(" "));
  for (const place of parts.functions) check_function(reader, place);
  const graph = read_graph(reader, parts.graph);
  for (const domain of graph.domains) buffer[domain.tag] = (HIDDEN << 3) | BYTES;
  const unsupported = graph.nodes.find((node) => Object.hasOwn(UNSUPPORTED, node.op_type));
  if (unsupported) {
    const reason = UNSUPPORTED[unsupported.op_type];
    throw new GraphError(`${unsupported.title} is of an operator that is unknown here; ${reason}`);
  }
  const [, channels, , last] = graph.input_dims;
  if ([1, 3].includes(last) && ![1, 3].includes(channels)) {
    throw new ExportError("takes its channels last, (N, H, W, C), as TensorFlow does; export it with channels first");
  }
  const free = graph.input_dims.slice(2).includes(null);
  const told = own_metadata(metadata, input_size_of(graph, metadata), free, graph.output_dims, input_scale(graph));
  const unsaid = unsaid_channels(channels, told);
  if (unsaid !== null) told.set("channels", String(unsaid));
  return told;
}

/**
 * Give the image's channels for a file that does not say them, if they are not the usual 3; or null.
 *
 * `stated`: those of the graph's input. Throws GraphError if the metadata says another number.
 */
function unsaid_channels(stated, metadata) {
  let fold, told;
  try {
    [fold, told] = [["fold", 1], ["channels", 3]].map(([key, usual]) => JSON.parse(metadata.get(key) ?? usual));
  } catch {
    return null; // `read_info` says what is wrong
  }
  if (![fold, told].every((value) => Number.isInteger(value) && value > 0)) return null;
  if (!stated || stated === told * fold ** 2) return null;
  if (metadata.has("channels")) {
    throw new GraphError(`its metadata says ${told} channels, and its network's input has ${stated}`);
  }
  return fold === 1 ? stated : null;
}

/** Height and width of the input: those that the graph states, or the metadata, if they are usable; or 640. */
function input_size_of(graph, metadata) {
  const stated = graph.input_dims.slice(2);
  if (!stated.includes(null)) return stated;
  let sides = [];
  try {
    sides = JSON.parse(metadata.get("imgsz"));
  } catch {
    // of other ones `read_info` says what is wrong
  }
  const usable = Array.isArray(sides) && sides.length === 2 && sides.every((side) => side > 0 && side <= MAX_SIDE);
  return stated.map((side, i) => side ?? (usable ? Math.floor(sides[i]) : 640));
}

/**
 * Make what a model file says about its network (ModelInfo) from its metadata, checking every value.
 *
 * `names`, `anchors` (by output, in pixels) and `strides` replace the file's. With all three given, the file
 * needs no metadata: its network then counts as one of fixed size, 640 × 640 unless the file says other.
 *
 * @returns {object} frozen (ModelInfo):
 *   task: an object of a class in tasks/, which knows what the outputs mean, and the rest of the metadata;
 *   names: of the classes, by class id;
 *   strides, anchors: of each head map, in pixels, [width, height] pairs; empty where a task has none;
 *   imgsz: [height, width] the network was converted for; dynamic: whether it takes other sizes;
 *   size_multiple: what they must be divisible by;
 *   fold: 1 if the network takes the three colours, 2 if squares of 2 × 2 pixels as `to_blob` folds them;
 *   channels: how many the input has: 3, R G B; 1, grey; others are taken as they are given;
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
        `${path} lacks the metadata ${missing.join(", ")}; ` +
          (metadata.get("decoded") === '"yolov5"' ? ORIENTED : "") + CONVERT +
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

// Where `foreign` makes no names up.
const ORIENTED = "with 181 to 200 columns for classes it could be a network for oriented boxes (yolov5_obb); ";

// What every file may say, and what counts where it does not. Without size_multiple it is the largest stride.
const COMMON = { imgsz: [640, 640], size_multiple: null, dynamic: false, fold: 1, source: null, channels: 3 };

function from_json(metadata, key, path) {
  try {
    return JSON.parse(metadata.get(key));
  } catch {
    throw new ModelError(`${path} has damaged metadata: ${key} is not JSON`);
  }
}

/** Check what every file has. Throws RangeError for what is not right. */
function check_info(Task, values, producer) {
  const task = new Task(values);
  const { dynamic, source } = values;
  const coarsest = Math.max(1, ...task.strides);
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
  const finest = task.strides.length ? Math.min(...task.strides) : size_multiple;
  if (finest % fold) throw new RangeError(`fold ${fold} does not divide the stride ${finest}`);
  const channels = whole(values.channels, "channels", MAX_CHANNELS);
  if (channels !== 3 && fold !== 1) throw new RangeError(`an input of ${channels} channels cannot be folded`);
  if (channels !== 3 && !Task.any_channels) throw new RangeError(`the task ${Task.task} takes 3 channels, not ${channels}`);
  if (source !== null && (typeof source !== "object" || Array.isArray(source))) {
    throw new RangeError("source must be an object");
  }
  const { names, strides, anchors } = task;
  return {
    task, names, strides, anchors, imgsz: [height, width], size_multiple, dynamic, fold, channels, source,
    producer,
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
