// Model files of other exporters, told in this house's own metadata.
//
// `export.py` of YOLOv5 and the `ultralytics` package write networks that decode their boxes themselves, to pixels of
// the input. They are told by the shape of their one output, for an input of H × W:
//
//     yolov5       (1, na · cells, 5 + nc): centre x, centre y, width, height, objectness, classes
//     yolov8       (1, 4 + nc, cells): centre x, centre y, width, height, classes
//     end-to-end   (1, n, 6): x1, y1, x2, y2, score, class id; what NMS leaves, or a network that needs none
//
// where cells = Σ H/s · W/s over the strides s, and all scores are probabilities. The metadata's values are what
// Python's `str` makes of them: `names` "{0: 'person', 1: 'bicycle'}", `stride` "32", `task` "detect".
// https://docs.ultralytics.com/modes/export/

import { escape } from "../escape.js";

const NMS = "it has NMS inside, which OpenCV does not run; export it again without NMS";
const DYNAMIC = "it is quantized dynamically, which OpenCV does not run; take the float32 file that it was made of";
const INTEGERS = "it is quantized in operators of integers (QOperator); quantize it in the format QDQ";
/** Operators that OpenCV cannot run, by what writes them: what such a file is, and the way out. */
export const UNSUPPORTED = {
  NonMaxSuppression: NMS, EfficientNMS_TRT: NMS, BatchedNMS_TRT: NMS, BatchedNMSDynamic_TRT: NMS, RoiAlign: NMS,
  DynamicQuantizeLinear: DYNAMIC, ConvInteger: DYNAMIC, MatMulInteger: DYNAMIC, DynamicQuantizeLSTM: DYNAMIC,
  QLinearConv: INTEGERS, QLinearMatMul: INTEGERS, QLinearAdd: INTEGERS,
  Shape: "export it again with simplify and without dynamic",
};

export const LAYOUTS = ["yolov5", "yolov8", "end-to-end"];
const MAX_CLASSES = 10_000;

const OWN = ["strides", "anchors", "reg_max", "masks", "keypoints", "crop", "decoded"];
const STRIDES = [4, 8, 16, 32, 64];
const MAX_ANCHORS = 9; // of each cell
const COLUMNS = { // what networks have that have so many columns more than classes
  "yolov5 180": "a network for oriented boxes (yolov5_obb)",
  "yolov5 10": "yolov5-face, with 5 points",
  "yolov5 32": "an export for segmentation, with 32 mask coefficients",
  "yolov8 1": "an export for oriented boxes, with their angle",
  "yolov8 32": "an export for segmentation, with 32 mask coefficients",
};
const STRING = String.raw`'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"`;
const ITEM = new RegExp(String.raw`\s*(?:(\d{1,9})\s*:\s*)?(${STRING})\s*(,|$)`, "sy");
const ESCAPE = /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)/gsu;
const LETTERS = { n: "\n", r: "\r", t: "\t" };

/** A model of another kind than can be run; the text, which follows the file's name, says what it is. */
export class ExportError extends Error {}

/**
 * Give a file's metadata as this house writes it; as it is, unless another exporter wrote the file.
 *
 * @param {Map<string, string>} metadata
 * @param {[number, number]} size the input's height and width
 * @param {boolean} dynamic whether they are free
 * @param {(number | null)[][]} outputs the shapes of the outputs; null is a side that the file leaves free
 * @param {number} input_scale 255 if the network takes pixels from 0 to 255
 *
 * Throws ExportError for a model that is neither of this project nor one of those above.
 */
export function own_metadata(metadata, size, dynamic, outputs, input_scale = 1) {
  if (OWN.some((key) => metadata.has(key)) || outputs.every((shape) => shape.length === 4)) return metadata;
  const task = metadata.get("task") ?? "detect";
  if (task !== "detect") {
    throw new ExportError(`is an export for the task '${escape(task, 40)}', and of exports only detectors are run`);
  }
  const given = metadata.has("names") ? read_names(metadata.get("names")) : null;
  const { layout, classes } = layout_of(outputs, given?.length, size);
  const unknown = layout === "yolov5" && could_be_oriented(classes) ? 0 : classes; // 0, too, where the shape doesn't tell
  const names = given ?? Array.from({ length: unknown }, (_, i) => `class${i}`);
  const stride = metadata.get("stride") ?? "32";
  if (!/^[1-9]\d{0,3}$/.test(stride)) throw new ExportError(`has a stride '${escape(stride, 40)}' in its metadata`);
  const values = { task: "detect", decoded: layout, imgsz: size, size_multiple: Number(stride), dynamic };
  if (names.length) values.names = names;
  if (input_scale !== 1) values.input_scale = input_scale;
  const own = new Map(Object.entries(values).map(([key, value]) => [key, JSON.stringify(value)]));
  return own.set("producer", metadata.get("producer") ?? "");
}

/** Tell the layout, and how many classes it has; 0 where the shape doesn't tell. */
function layout_of(outputs, names, size) {
  if (outputs.length === 1 && outputs[0].length === 3) {
    const [batch, a, b] = outputs[0];
    if ((batch ?? 1) !== 1) throw new ExportError(`takes ${batch} images at once; export it again for one`);
    const { usual, cells } = cells_of(size);
    if (b > 5 && (usual.includes(a / 3) || is_multiple(a, cells))) {
      return { layout: "yolov5", classes: check_classes(b - 5, names, "yolov5") };
    }
    if (b > 5 && b - 5 === names && (a ?? Infinity) > 1000) return { layout: "yolov5", classes: b - 5 };
    if (b > 5 && a > 1000 && cells.includes(a)) {
      throw new ExportError(
        `gives ${b} numbers for each cell, as YOLOX does, whose boxes are of another kind; of other families' networks ` +
          "only those of YOLOv5 and of ultralytics are run",
      );
    }
    if (a > 4 && (usual.includes(b) || (b > 1000 && cells.includes(b)) || a - 4 === names)) {
      return { layout: "yolov8", classes: check_classes(a - 4, names, "yolov8") };
    }
    if (b === 6) return { layout: "end-to-end", classes: 0 };
    if (b > 5 && b - 5 === names) return { layout: "yolov5", classes: b - 5 };
  }
  const shapes = outputs.slice(0, 5).map((shape) => `(${shape.map((side) => side ?? "any").join(", ")})`).join(" and ");
  throw new ExportError(`is ${kind_of(outputs)}: its outputs are ${shapes}`);
}

/** How many cells the heads of a network have together: `usual` ones of P4, P5 and P6 networks, `cells` of rarer ones, too. */
function cells_of([height, width]) {
  const each = STRIDES.map((s) => Math.floor(height / s) * Math.floor(width / s));
  const sum = (first, last) => each.slice(first, last).reduce((all, count) => all + count);
  const usual = [sum(1, 3), sum(1, 4), sum(1, 5)];
  return { usual, cells: [...usual, sum(0, 4), sum(0, 5), sum(2, 4)] };
}

/** Whether these many rows are several anchors for each cell; few rows could also be an end-to-end network's. */
function is_multiple(rows, cells) {
  return rows > 1000 && cells.some((count) => rows % count === 0 && rows / count >= 2 && rows / count <= MAX_ANCHORS);
}

/**
 * Whether so many columns could be DOTA's 15 to 18 classes, or the like, and 180 for the angle. Their names are then not
 * made up: only who knows them knows that all the columns are classes.
 */
const could_be_oriented = (columns) => columns > 180 && columns <= 200;

/** Check that there are as many columns of classes as names, if there are names. */
function check_classes(columns, names, layout) {
  if (names === undefined || columns === names) return columns;
  const more = columns - names;
  let known = COLUMNS[`${layout} ${more}`];
  if (!known && layout === "yolov8" && more > 0 && more % 3 === 0) known = `an export for poses, with ${more / 3} keypoints`;
  const seems = known ? `: it seems to be ${known}` : "";
  throw new ExportError(`has ${columns} columns for classes, and ${names} names${seems}`);
}

/** Say what a network seems to be. */
function kind_of(outputs) {
  const ranks = outputs.map((shape) => shape.length);
  if (ranks[0] === 2) return "a classifier of another exporter";
  if (ranks[0] === 3 && ranks[1] === 4) return "a segmentation network of another exporter";
  if (ranks.includes(5)) {
    return "a YOLOv5 whose head maps are of another order, as export.py up to v6.1 and --train give them";
  }
  return "no detector that is known here";
}

/**
 * Read the names of the classes: a Python literal, a dict by class id or a list, of strings alone.
 *
 * Throws ExportError for anything else; nothing is evaluated.
 */
export function read_names(text) {
  const literal = text.trim();
  if (!/^\{.*\}$|^\[.*\]$/s.test(literal)) {
    throw new ExportError(`has names in its metadata that are no dict or list: '${escape(literal, 60)}'`);
  }
  const body = literal.slice(1, -1).trimEnd(), is_list = literal[0] === "[";
  const names = new Map();
  for (let position = 0; position < body.length; position = ITEM.lastIndex) {
    ITEM.lastIndex = position;
    const item = ITEM.exec(body);
    if (!item || (item[1] === undefined) !== is_list) {
      throw new ExportError(`has names in its metadata that break at '${escape(body.slice(position), 40)}'`);
    }
    const number = is_list ? names.size : Number(item[1]);
    names.set(number, item[2].slice(1, -1).replace(ESCAPE, (_, letter) => character(letter)));
    if (names.size > MAX_CLASSES) throw new ExportError(`has more than ${MAX_CLASSES} names in its metadata`);
  }
  const numbers = Array.from(names.keys(), (_, i) => i);
  if (!names.size || !numbers.every((number) => names.has(number))) {
    throw new ExportError("has class names in its metadata that are not numbered 0, 1, 2, …");
  }
  return numbers.map((number) => names.get(number));
}

/** The character that an escape stands for, without its backslash. */
function character(letter) {
  if (!/^[xuU]./u.test(letter)) return LETTERS[letter] ?? letter;
  const code = parseInt(letter.slice(1), 16);
  return code < 0x110000 && !(code >= 0xd800 && code < 0xe000) ? String.fromCodePoint(code) : "\ufffd";
}
