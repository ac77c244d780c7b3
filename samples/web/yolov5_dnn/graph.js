// What a model file's graph must hold to before OpenCV sees a byte of it. OpenCV's importer believes a file:
// it opens whatever external data names, reads past the end of a tensor that is shorter than its dimensions
// say, and divides by strides of 0.
// Field numbers: https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto

import { printable } from "./errors.js";
import { BYTES, FIXED32, FIXED64, VARINT, WireError } from "./protobuf.js";

const GRAPH = { node: 1, initializer: 5, input: 11, sparse_initializer: 15 };
const FUNCTION = { input: 4, node: 7 };
const NODE = { input: 1, output: 2, op_type: 4, attribute: 5, domain: 7 };
const ATTRIBUTE = { name: 1, i: 3, t: 5, g: 6, ints: 8, tensors: 10, graphs: 11, sparse_tensor: 22, sparse_tensors: 23 };
const TENSOR = {
  dims: 1, data_type: 2, segment: 3, float_data: 4, int32_data: 5, int64_data: 7, name: 8, raw_data: 9,
  double_data: 10, uint64_data: 11, external_data: 13, data_location: 14,
};

const MAX_NAME = 1024; // bytes of the name of a node, a tensor, an operator
const MAX_NODES = 100_000;
const MAX_NUMBER = 65_536; // of kernels, strides, dilations, groups and pads
const POSITIVE = new Set(["kernel_shape", "strides", "dilations", "group"]); // attributes
const NOT_NEGATIVE = new Set(["pads", "output_padding"]);

// data_type: bytes of one element, and the field that holds elements which aren't raw
const { float_data, double_data, int32_data, int64_data, uint64_data } = TENSOR;
const TYPES = new Map([
  [1, [4, float_data]], [2, [1, int32_data]], [3, [1, int32_data]], [4, [2, int32_data]], [5, [2, int32_data]],
  [6, [4, int32_data]], [7, [8, int64_data]], [9, [1, int32_data]], [10, [2, int32_data]], [11, [8, double_data]],
  [12, [4, uint64_data]], [13, [8, uint64_data]], [16, [2, int32_data]],
]);
const FLOAT = 1, FLOAT16 = 10, DOUBLE = 11, BFLOAT16 = 16;
const PAYLOADS = new Set([float_data, double_data, int32_data, int64_data, uint64_data]);

/**
 * Check a GraphProto or, with `fields` FUNCTION, a FunctionProto.
 *
 * @param {Reader} reader
 * @param {(node: object) => void} on_swish called with the domain's field of every Swish node that has one
 * Throws WireError.
 */
export function check_graph(reader, graph, on_swish) {
  check(reader, graph, GRAPH, on_swish);
}

export function check_function(reader, graph) {
  check(reader, graph, FUNCTION, () => {});
}

function check(reader, graph, fields, on_swish) {
  const written = new Set(["", "images"]); // an empty name is an input left out; "images" is every model's input
  const read = new Map(); // name: what reads it
  let nodes = 0;
  for (const part of reader.fields(graph.start, graph.end)) {
    if (part.number === fields.sparse_initializer) throw new WireError("it holds sparse tensors");
    if (part.wire_type !== BYTES) continue;
    if (part.number === fields.initializer) {
      written.add(check_tensor(reader, part, true));
    } else if (part.number === fields.input) {
      written.add(fields === GRAPH ? value_name(reader, part) : reader.text(part, MAX_NAME));
    } else if (part.number === fields.node) {
      if (++nodes > MAX_NODES) throw new WireError(`it has more than ${MAX_NODES} nodes`);
      check_node(reader, part, written, read, on_swish);
    }
  }
  for (const [name, reader_of_it] of read) {
    if (!written.has(name)) {
      throw new WireError(`a node ${printable(reader_of_it)} reads '${printable(name)}', which nothing writes`);
    }
  }
}

function value_name(reader, value) {
  for (const part of reader.fields(value.start, value.end)) {
    if (part.number === 1) return reader.text(part, MAX_NAME);
  }
  return "";
}

function check_node(reader, node, written, read, on_swish) {
  let op_type = "", domain = null;
  const inputs = [], attributes = [];
  for (const part of reader.fields(node.start, node.end)) {
    if (part.number === NODE.op_type) op_type = reader.text(part, MAX_NAME);
    else if (part.number === NODE.domain) domain = part;
    else if (part.number === NODE.input) inputs.push(reader.text(part, MAX_NAME));
    else if (part.number === NODE.output) written.add(reader.text(part, MAX_NAME));
    else if (part.number === NODE.attribute) attributes.push(part);
  }
  for (const name of inputs) read.set(name, op_type);
  for (const attribute of attributes) check_attribute(reader, attribute, op_type);
  if (op_type === "Swish" && domain) on_swish(domain);
}

function check_attribute(reader, attribute, op_type) {
  if (attribute.wire_type !== BYTES) throw new WireError(`there is no attribute at byte ${attribute.tag}`);
  let name = "";
  const numbers = [];
  for (const part of reader.fields(attribute.start, attribute.end)) {
    if (part.number === ATTRIBUTE.name) {
      name = reader.text(part, MAX_NAME);
    } else if (part.number === ATTRIBUTE.t || part.number === ATTRIBUTE.tensors) {
      check_tensor(reader, part, false);
    } else if (part.number === ATTRIBUTE.i || part.number === ATTRIBUTE.ints) {
      numbers.push(part);
    } else if (part.number === ATTRIBUTE.g || part.number === ATTRIBUTE.graphs) {
      throw new WireError(`a node ${printable(op_type)} holds a graph of its own`);
    } else if (part.number === ATTRIBUTE.sparse_tensor || part.number === ATTRIBUTE.sparse_tensors) {
      throw new WireError("it holds sparse tensors");
    }
  }
  const least = POSITIVE.has(name) ? 1 : NOT_NEGATIVE.has(name) ? 0 : -Infinity;
  if (least === -Infinity) return;
  for (const value of numbers.flatMap((part) => reader.numbers(part))) {
    if (value < least || value > MAX_NUMBER) {
      throw new WireError(`a node ${printable(op_type)} has ${name} of ${value}, not ${least} to ${MAX_NUMBER}`);
    }
  }
}

/** Check a TensorProto, and with `finite` its values, too. Returns its name. */
function check_tensor(reader, tensor, finite) {
  if (tensor.wire_type !== BYTES) throw new WireError(`there is no tensor at byte ${tensor.tag}`);
  let name = "", type = 0, elements = 1, external = false;
  const payload = [];
  for (const part of reader.fields(tensor.start, tensor.end)) {
    if (part.number === TENSOR.name) name = reader.text(part, MAX_NAME);
    else if (part.number === TENSOR.data_type) [type] = reader.numbers(part);
    else if (part.number === TENSOR.dims) {
      for (const side of reader.numbers(part)) {
        if (side < 0) throw new WireError(`a tensor has a dimension of ${side}`);
        elements *= side;
      }
    } else if (part.number === TENSOR.external_data || part.number === TENSOR.segment) external = true;
    else if (part.number === TENSOR.data_location) external ||= reader.numbers(part)[0] !== 0;
    else if (part.number === TENSOR.raw_data || PAYLOADS.has(part.number)) payload.push(part);
  }
  const label = `the tensor '${printable(name)}'`;
  if (external) throw new WireError(`${label} lies in another file, and external data is not read`);
  if (!TYPES.has(type)) throw new WireError(`${label} has the type ${type}, which no network here needs`);
  const [size, field] = TYPES.get(type);
  const raw = payload.some((part) => part.number === TENSOR.raw_data);
  if (payload.some((part) => part.number !== (raw ? TENSOR.raw_data : field)) || (raw && payload.length > 1)) {
    throw new WireError(`${label} holds its values in more than one way, or in the wrong one`);
  }
  const found = payload.reduce((sum, part) => sum + count(reader, part, raw ? size : 0), 0);
  if (found !== elements) {
    throw new WireError(`${label} holds ${found} values, but its dimensions make ${elements}`);
  }
  if (finite && [FLOAT, FLOAT16, DOUBLE, BFLOAT16].includes(type)) {
    for (const part of payload) {
      if (part.number !== int32_data && !all_finite(reader.bytes, part, type)) {
        throw new WireError(`${label} holds values that are not finite`);
      }
    }
  }
  return name;
}

/** Count the values in one field of a tensor. */
function count(reader, part, raw_size) {
  const bytes = part.end - part.start;
  if (raw_size) {
    if (part.wire_type !== BYTES) throw new WireError(`there are no values at byte ${part.tag}`);
    return bytes / raw_size;
  }
  if (part.number === float_data || part.number === double_data) {
    const size = part.number === float_data ? 4 : 8;
    if (part.wire_type !== BYTES && part.wire_type !== (size === 4 ? FIXED32 : FIXED64)) {
      throw new WireError(`there are no values at byte ${part.tag}`);
    }
    return bytes / size;
  }
  if (part.wire_type === VARINT) return 1;
  if (part.wire_type !== BYTES) throw new WireError(`there are no values at byte ${part.tag}`);
  let numbers = 0;
  for (let i = part.start; i < part.end; i++) numbers += reader.bytes[i] < 0x80;
  return reader.bytes[part.end - 1] >= 0x80 ? NaN : numbers;
}

/** Say whether no value has an exponent of ones only, as infinities and what is not a number have. */
function all_finite(bytes, part, type) {
  const [View, ones] = {
    [FLOAT]: [Uint32Array, 0x7f800000],
    [FLOAT16]: [Uint16Array, 0x7c00],
    [BFLOAT16]: [Uint16Array, 0x7f80],
    [DOUBLE]: [Uint32Array, 0x7ff00000],
  }[type];
  const step = type === DOUBLE ? 2 : 1; // the upper half of a double is the second one
  const view = new View(bytes.slice(part.start, part.end).buffer); // a copy, because it must lie on a multiple
  for (let i = step - 1; i < view.length; i += step) {
    if ((view[i] & ones) === ones) return false;
  }
  return true;
}
