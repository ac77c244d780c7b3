// The walk through a model file's graph, before OpenCV sees a byte of it.
//
// OpenCV's importer trusts what it reads: it opens any file that a tensor names as its external data, reads past the
// end of a tensor that is shorter than its dimensions say, and divides by strides of 0. So a model file is refused,
// with one sentence, unless all of this holds (the numbers are those of SECURITY.md, "What is checked before
// OpenCV sees a byte", and of `graph` in the Python package):
//
// 1. It is one protobuf message of at most 2 GiB and MAX_FIELDS fields. No field is there twice that may be there
//    once, and none has another wire type than its own.
// 2. It has one graph, with at most MAX_NODES nodes and MAX_TENSORS tensors, no graph within a node, no sparse
//    tensors, no training, and no function but `yolov5_dnn.Swish`, which is x·sigmoid(x).
// 3. Every tensor lies in the file itself and fills its dimensions: `tensors`.
// 4. All its numbers are finite: weights, constants and attributes.
// 5. Every name has at most MAX_NAME bytes and is written once, before it is read; the outputs are written. There is
//    one input, float32, (N, C, H, W).
// 6. and 7. are left to OpenCV: which operators there are, and whether they fit their inputs, and what they take. Here
//    it runs in WebAssembly, whose memory is its own and bounded, in a worker that can be stopped. The shapes of the
//    outputs are those that the file states.
// 8. There are at most MAX_METADATA texts of metadata, each of at most MAX_TEXT bytes under a key of its own:
//    `file`.
//
// Field numbers: https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto

import { GraphError, MAX_DIMENSIONS, MAX_VALUES, read_tensor, show, TYPES } from "./tensors.js";
import { decode_name, kinds, MAX_NAME } from "./protobuf.js";
import { escape } from "../escape.js";

const MAX_NODES = 10_000; // the largest YOLOv5 has about 900
const MAX_TENSORS = 10_000;
const MAX_OUTPUTS = 100;
const DOMAIN = "yolov5_dnn"; // of Swish
export const HIDDEN = 15; // a field number that no node of ONNX has: `read_model` puts that domain under it

const VALUE = kinds({ name: [1, "name"], type: [2, "span"] }); // an input or output of the graph
const TYPE = kinds({ tensor_type: [1, "span"] });
const TENSOR_TYPE = kinds({ elem_type: [1, "int"], shape: [2, "span"] });
const SHAPE = kinds({ dim: [1, "span", "many"] });
const DIM = kinds({ dim_value: [1, "int"], dim_param: [2, "name"] });
const GRAPH = kinds({
  node: [1, "span", "many"],
  name: [2, "name"],
  initializer: [5, "span", "many"],
  input: [11, "span", "many"],
  output: [12, "span", "many"],
  sparse_initializer: [15, "span", "many"],
});
const NODE = kinds({
  input: [1, "name", "many"],
  output: [2, "name", "many"],
  name: [3, "name"],
  op_type: [4, "name"],
  attribute: [5, "span", "many"],
  domain: [7, "span"],
  hidden: [HIDDEN, "span", "many"],
});
const ATTRIBUTE = kinds({
  name: [1, "name"],
  f: [2, "float"],
  i: [3, "int"],
  s: [4, "name"],
  t: [5, "span"],
  g: [6, "span"],
  floats: [7, "float", "many"],
  ints: [8, "int", "many"],
  strings: [9, "name", "many"],
  tensors: [10, "span", "many"],
  graphs: [11, "span", "many"],
  tp: [14, "span"],
  type_protos: [15, "span", "many"],
  type: [20, "int"],
  ref_attr_name: [21, "name"],
  sparse_tensor: [22, "span"],
  sparse_tensors: [23, "span", "many"],
});
const ATTRIBUTE_TYPES = { 1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings" };
const FUNCTION = kinds({
  name: [1, "name"],
  input: [4, "name", "many"],
  output: [5, "name", "many"],
  node: [7, "span", "many"],
  domain: [10, "name"],
});

/**
 * Read the GraphProto that lies there and check all that holds for any input size (1 to 5 above).
 *
 * @returns {object} (Graph):
 *   input: name of the network's input; input_dims: its shape, null where the file leaves a side free;
 *   outputs: names; output_dims: their shapes, null where the file leaves a side free; tensors: the initializers by name, from `read_tensor`;
 *   nodes: {title, op_type, inputs, outputs, attributes}: `title` says in messages which it is; inputs may be "",
 *     which stands for "left out"; attributes are a Map of {kind, value} by name, kind one of ATTRIBUTE_TYPES;
 *   domains: where the domains of Swish nodes stand in the bytes
 *
 * Throws GraphError or WireError.
 */
export function read_graph(reader, span) {
  const parts = reader.message(span, GRAPH);
  if (parts.sparse_initializer.length) throw new GraphError("it has sparse tensors");
  const most = { node: MAX_NODES, initializer: MAX_TENSORS, input: MAX_TENSORS, output: MAX_OUTPUTS };
  for (const [label, limit] of Object.entries(most)) {
    if (parts[label].length > limit) throw new GraphError(`it has more than ${limit} ${label}s`);
  }
  const graph = { tensors: new Map(), nodes: [], domains: [] };
  for (const place of parts.initializer) {
    const { name, tensor } = read_tensor(reader, place);
    if (!name) throw new GraphError("a tensor has no name");
    if (graph.tensors.has(name)) throw new GraphError(`it has two tensors called ${show(name)}`);
    graph.tensors.set(name, tensor);
  }
  const inputs = new Map(parts.input.map((place) => stated_shape(reader, place)));
  const free = [...inputs].filter(([name]) => !graph.tensors.has(name));
  if (free.length !== 1 || free[0][1].length !== 4) {
    throw new GraphError("it does not have exactly one input of the shape (N, C, H, W)");
  }
  [[graph.input, graph.input_dims]] = free;
  const written = new Set([...graph.tensors.keys(), graph.input]);
  for (const place of parts.node) {
    const node = read_node(reader, place, graph);
    for (const name of node.inputs) {
      if (name && !written.has(name)) {
        throw new GraphError(
          `${node.title} reads ${show(name)}, which nothing before it writes; conversions to float16 leave such files: ` +
            "take the float32 one that it was made of",
        );
      }
    }
    for (const name of node.outputs.filter(Boolean)) {
      if (written.has(name)) throw new GraphError(`${node.title} writes ${show(name)}, which is there already`);
      written.add(name);
    }
    graph.nodes.push(node);
  }
  const outputs = parts.output.map((place) => stated_shape(reader, place));
  graph.outputs = outputs.map(([name]) => name);
  graph.output_dims = outputs.map(([, dims]) => dims);
  for (const name of graph.outputs) {
    if (!written.has(name)) throw new GraphError(`its output ${show(name)} is written by nothing`);
  }
  if (!graph.outputs.length) throw new GraphError("it has no outputs");
  return graph;
}

/** Check that a FunctionProto is `yolov5_dnn.Swish`. Throws GraphError or WireError. */
export function check_function(reader, span) {
  const parts = reader.message(span, FUNCTION);
  const nodes = parts.node.slice(0, 3).map((place) => reader.message(place, NODE));
  const [gate, product] = nodes;
  const same = (a, b) => a.length === b.length && a.every((name, i) => name === b[i]);
  const is_swish =
    parts.name === "Swish" && parts.domain === DOMAIN &&
    parts.input.length === 1 && parts.output.length === 1 && nodes.length === 2 &&
    gate.op_type === "Sigmoid" && same(gate.input, parts.input) &&
    product.op_type === "Mul" && same(product.output, parts.output) &&
    same([...product.input].sort(), [...parts.input, ...gate.output].sort()) &&
    !gate.attribute.length && !product.attribute.length;
  if (!is_swish) throw new GraphError(`it defines a function ${show(parts.name ?? "")}, and Swish is the only one known`);
}

function read_node(reader, span, graph) {
  const parts = reader.message(span, NODE);
  const op_type = decode_name(parts.op_type ?? ""), place = parts.domain;
  const title = `the node ${show(parts.name ?? "")} (${escape(op_type, 40)})`;
  const domain = place ? String.fromCharCode(...reader.buffer.subarray(place.start, Math.min(place.end, place.start + MAX_NAME))) : "";
  if (domain === DOMAIN && op_type === "Swish") {
    if (place.start - place.tag !== 2) { // its number or its length would not fit into the byte it needs
      throw new GraphError(`${title} writes the field of its domain longer than it is`);
    }
    graph.domains.push(place);
  } else if (domain !== "" && domain !== "ai.onnx") {
    throw new GraphError(`${title} is an operator of the unknown domain ${show(domain)}`);
  }
  if (parts.hidden.length) throw new GraphError(`${title} has a field ${HIDDEN}, which ONNX does not know`);
  const { input: inputs, output: outputs } = parts;
  if (!outputs.some(Boolean) || inputs.length > MAX_VALUES || outputs.length > MAX_VALUES) {
    throw new GraphError(`${title} has ${inputs.length} inputs and ${outputs.length} outputs`);
  }
  const attributes = new Map();
  for (const each of parts.attribute) {
    const [name, attribute] = read_attribute(reader, each, title);
    if (attributes.has(name)) throw new GraphError(`${title} has the attribute ${name} twice`);
    attributes.set(name, attribute);
  }
  return { title, op_type, inputs, outputs, attributes };
}

function read_attribute(reader, span, title) {
  const parts = reader.message(span, ATTRIBUTE);
  const name = escape(decode_name(parts.name ?? ""), 80);
  const kind = ATTRIBUTE_TYPES[parts.type ?? 0];
  const filled = (value) => (Array.isArray(value) ? value.length > 0 : value !== null);
  const set_ones = Object.keys(parts).filter((label) => label !== "name" && label !== "type" && filled(parts[label]));
  const fits = set_ones.length ? set_ones.length === 1 && set_ones[0] === kind : kind !== "s" && kind !== "t";
  if (!kind || !fits) throw new GraphError(`the attribute ${name} of ${title} is of a kind that no network needs`);
  if (kind === "t") return [name, { kind, value: read_tensor(reader, parts.t).tensor }];
  const value = kind === "i" || kind === "f" ? parts[kind] ?? 0 : parts[kind];
  if ((kind === "f" && !Number.isFinite(value)) || (kind === "floats" && !value.every(Number.isFinite))) {
    throw new GraphError(`the attribute ${name} of ${title} is not finite`);
  }
  if (Array.isArray(value) && value.length > MAX_VALUES) {
    throw new GraphError(`the attribute ${name} of ${title} has more than ${MAX_VALUES} values`);
  }
  return [name, { kind, value }];
}

/** Name and shape of one of the graph's inputs or outputs: [name, sides]. */
function stated_shape(reader, span) {
  const parts = reader.message(span, VALUE);
  const name = parts.name ?? "";
  const tensor = parts.type ? reader.message(parts.type, TYPE).tensor_type : null;
  if (!tensor) throw new GraphError(`its value ${show(name)} is not a tensor`);
  const stated = reader.message(tensor, TENSOR_TYPE);
  const dims = stated.shape ? reader.message(stated.shape, SHAPE).dim : [];
  const type = stated.elem_type ?? 0;
  if (dims.length > MAX_DIMENSIONS || !TYPES.has(type)) {
    throw new GraphError(`its value ${show(name)} has ${dims.length} dimensions of the type ${type}`);
  }
  const shape = dims.map((dim) => reader.message(dim, DIM).dim_value);
  if (shape.some((side) => side !== null && !(side >= 0 && side < 2 ** 31))) {
    throw new GraphError(`its value ${show(name)} has a dimension below 0 or too large`);
  }
  return [name, shape.map((side) => side || null)];
}
