// One tensor of a model file: that it lies in the file itself, none in another one, is of one of the types in TYPES,
// that its payload is exactly as long as its dimensions and its type say, and its numbers are finite (3 and 4 in
// `graph.js`).

import { decode_name, kinds } from "./protobuf.js";
import { escape } from "../escape.js";

export const MAX_DIMENSIONS = 8;
export const MAX_VALUES = 4096; // of a list among the attributes, and of a tensor whose numbers are looked at

const TENSOR = kinds({
  dims: [1, "int", "many"],
  data_type: [2, "int"],
  segment: [3, "span"],
  float_data: [4, "span"],
  int32_data: [5, "span"],
  string_data: [6, "span", "many"],
  int64_data: [7, "span"],
  name: [8, "name"],
  raw_data: [9, "span"],
  double_data: [10, "span"],
  uint64_data: [11, "span"],
  external_data: [13, "span", "many"],
  data_location: [14, "int"],
});
const PAYLOADS = ["raw_data", "float_data", "int32_data", "int64_data", "double_data"];

/** By data_type: its name, bytes of a number of raw_data, the other field that may hold it, and how one is read. */
export const TYPES = new Map([
  [1, ["float32", 4, "float_data", (view, at) => view.getFloat32(at, true)]],
  [2, ["uint8", 1, "int32_data", (view, at) => view.getUint8(at)]],
  [3, ["int8", 1, "int32_data", (view, at) => view.getInt8(at)]],
  [6, ["int32", 4, "int32_data", (view, at) => view.getInt32(at, true)]],
  [7, ["int64", 8, "int64_data", (view, at) => Number(view.getBigInt64(at, true))]],
  [9, ["bool", 1, "int32_data", (view, at) => view.getUint8(at)]],
  [10, ["float16", 2, "", (view, at) => half(view.getUint16(at, true))]],
  [11, ["float64", 8, "double_data", (view, at) => view.getFloat64(at, true)]],
]);
// Of those with fractions: a view of the words that hold an exponent, its bits, and each how manieth word holds one.
const EXPONENTS = {
  float32: [Uint32Array, 0x7f800000, 1],
  float16: [Uint16Array, 0x7c00, 1],
  float64: [Uint32Array, 0x7ff00000, 2], // the upper half is the second one
};

/** The graph is one that no converter writes; the text says what is wrong with it. */
export class GraphError extends Error {}

/** A name within a message. */
export function show(name) {
  return `'${escape(decode_name(name), 80)}'`;
}

/** Multiply the sides of a shape. */
export function product(sides) {
  return sides.reduce((all, side) => all * side, 1);
}

/**
 * Read a TensorProto.
 *
 * @returns {{name: string, tensor: {dims: number[], values: number[], whole: boolean}}} dims: its shape; values: the
 *   numbers, flat; empty if there are more than MAX_VALUES: weights; whole: whether they are of a type without
 *   fractions
 *
 * Throws GraphError or WireError.
 */
export function read_tensor(reader, span) {
  const parts = reader.message(span, TENSOR);
  const name = parts.name ?? "", title = `the tensor ${show(name)}`;
  if (parts.external_data.length || parts.data_location) throw new GraphError(`${title} keeps its numbers in another file`);
  const type = parts.data_type ?? 0;
  if (!TYPES.has(type) || parts.segment || parts.string_data.length || parts.uint64_data) {
    throw new GraphError(`${title} is of the type ${type}, which no network needs`);
  }
  const [type_name, size, other, read] = TYPES.get(type);
  const { dims } = parts;
  if (dims.length > MAX_DIMENSIONS || !dims.every((side) => side >= 0 && side < 2 ** 31)) {
    throw new GraphError(`${title} has unusable dimensions`);
  }
  const count = product(dims), whole = !(type_name in EXPONENTS);
  const payloads = PAYLOADS.filter((label) => parts[label] !== null);
  if (!payloads.length && !count) return { name, tensor: { dims, values: [], whole } };
  if (payloads.length !== 1 || ![...(other ? [other] : []), "raw_data"].includes(payloads[0])) {
    throw new GraphError(`${title} does not keep its numbers where the type ${type_name} has them`);
  }
  const place = parts[payloads[0]], length = place.end - place.start;
  const varints = payloads[0] === "int32_data" || payloads[0] === "int64_data";
  if ((varints ? count_varints(reader.buffer, place) : length / size) !== count) {
    throw new GraphError(`${title} has ${length} bytes, not the ${count} numbers of type ${type_name} that it states`);
  }
  if (!whole && !all_finite(reader.buffer, place, type_name)) {
    throw new GraphError(`${title} holds numbers that are not finite`);
  }
  let values = [];
  if (count <= MAX_VALUES) {
    values = varints ? reader.integers(place) : Array.from({ length: count }, (_, i) => read(reader.view, place.start + i * size));
  }
  return { name, tensor: { dims, values, whole } };
}

/** Count the numbers that are packed into a field: each ends with a byte below 0x80; NaN if the last one does not end. */
function count_varints(buffer, { start, end }) {
  let found = 0;
  for (let i = start; i < end; i++) found += buffer[i] < 0x80;
  return end > start && buffer[end - 1] >= 0x80 ? NaN : found;
}

/** Say whether no number has an exponent of ones only, as infinities and what is not a number have. */
function all_finite(buffer, { start, end }, type_name) {
  const [View, ones, step] = EXPONENTS[type_name];
  const view = new View(buffer.slice(start, end).buffer); // a copy, because it must lie on a multiple
  for (let i = step - 1; i < view.length; i += step) {
    if ((view[i] & ones) === ones) return false;
  }
  return true;
}

/** The number that 16 bits of a float16 are. */
function half(bits) {
  const exponent = (bits >> 10) & 0x1f, fraction = bits & 0x3ff;
  const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
  return bits & 0x8000 ? -size : size;
}
