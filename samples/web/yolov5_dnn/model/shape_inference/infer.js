// How much a network computes and holds at an input size: the shapes of all its values, from its graph alone.
//
// One rule for each operator (in operators/), from the shapes of its inputs to those of its outputs. They cover what
// YOLOv5 networks consist of once they are exported, and the usual operators of other convolutional networks. A graph
// with any other operator or attribute is refused: OpenCV would take it for any layer or option of its own, from whatever framework.
// Operators: https://github.com/onnx/onnx/blob/v1.16.0/docs/Operators.md

import { GraphError, product, show } from "../tensors.js";
import * as arithmetic from "./math.js";
import * as arranging from "./tensor.js";
import { MisfitError, Operands } from "./context.js";
import * as places from "./index.js";
import * as sliding from "./nn.js";

export const MAX_ALIVE = 2 ** 30; // numbers that a forward pass may hold at one time: 4 GiB of float32
export const MAX_WORK = 1e13; // multiplications of one forward pass; the largest YOLOv5 at 1280 × 1280 has 4 · 10¹¹

/**
 * Check what the network computes for an input of this shape [N, C, H, W] (6 and 7 in `model_graph`).
 *
 * @param {object} graph from `read_graph`
 * @returns {number[][]} the shapes of the outputs
 *
 * Throws GraphError, which names the operator that does not fit, or the budget.
 */
export function check_size(graph, shape) {
  const channels = graph.input_dims[1];
  if (channels !== null && channels !== shape[1]) throw new GraphError(`its input has ${channels} channels, not ${shape[1]}`);
  const shapes = new Map([...graph.tensors].map(([name, tensor]) => [name, tensor.dims]));
  shapes.set(graph.input, shape);
  const last_use = new Map(graph.nodes.flatMap((node, i) => node.inputs.map((name) => [name, i])));
  for (const name of graph.outputs) last_use.set(name, graph.nodes.length);
  const constants = new Map(graph.tensors), limits = new Map();
  let alive = product(shape), work = 0;
  graph.nodes.forEach((node, i) => {
    const operands = new Operands(node, shapes, constants, limits);
    check_node(node, constants, limits);
    const made = apply_rule(operands);
    work += operands.work;
    node.outputs.forEach((output, k) => {
      if (!output) return;
      if (KEEPS.has(node.op_type) && limits.has(node.inputs[0])) limits.set(output, limits.get(node.inputs[0]));
      if (made[k].includes(0) && node.op_type !== "Constant") throw new GraphError(`${node.title} leaves nothing of its input`);
      shapes.set(output, made[k]);
      alive += product(made[k]);
    });
    if (alive > MAX_ALIVE || work > MAX_WORK) {
      throw new GraphError(
        `for an input of ${shape[2]} × ${shape[3]} it needs more than ${(MAX_ALIVE * 4) / 2 ** 30} GiB of values or ` +
          `1e+13 multiplications, from ${node.title} on`,
      );
    }
    for (const name of new Set([...node.inputs, ...node.outputs])) {
      if (name && !graph.tensors.has(name) && (last_use.get(name) ?? i) === i) alive -= product(shapes.get(name));
    }
  });
  return graph.outputs.map((name) => shapes.get(name));
}

/** Check that the operator and its attributes are known, and that it reads whole numbers only where it may. */
function check_node(node, constants, limits) {
  if (!RULES.has(node.op_type)) {
    const free = node.op_type === "Shape" ? "; export it again with simplify and without dynamic" : "";
    throw new GraphError(`${node.title} is of an operator that is unknown here${free}`);
  }
  for (const attribute of node.attributes.keys()) {
    if (!ATTRIBUTES.has(attribute)) throw new GraphError(`${node.title} has the unknown attribute ${attribute}`);
  }
  for (const name of node.inputs) {
    const whole = WHOLE.has(node.op_type) || limits.has(node.inputs[0]);
    if (constants.get(name)?.whole && !whole) {
      throw new GraphError(`${node.title} reads whole numbers, ${show(name)}, where it needs others`);
    }
  }
}

/** The shapes of a node's outputs. */
function apply_rule(operands) {
  const { node, shapes } = operands;
  let made;
  try {
    made = RULES.get(node.op_type)(operands);
  } catch (error) {
    if (!(error instanceof MisfitError)) throw error;
    const met = shapes.slice(0, 8).filter(Boolean).map((sides) => sides.join("×") || "1").join(", ");
    throw new GraphError(`${node.title} does not fit its inputs of ${met}: ${error.message}`);
  }
  if (made.length < node.outputs.length) throw new GraphError(`${node.title} has ${node.outputs.length} outputs`);
  return made;
}

const words = (text) => text.trim().split(/\s+/);

/** Operators that read constants of whole numbers: sizes, axes, quantized weights. */
const WHOLE = new Set(words(`
  DequantizeLinear Expand Gather GatherElements Pad QuantizeLinear ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum
  Reshape Resize Slice Split Squeeze Tile TopK Unsqueeze Upsample
`));

/** Operators whose results count the places that their first input counts. */
const KEEPS = new Set(words("Cast Flatten Identity Reshape Squeeze Tile Transpose Unsqueeze"));

/** ONNX's own attributes of the operators here. */
const ATTRIBUTES = new Set(words(`
  allowzero alpha antialias approximate auto_pad axes axis beta blocksize ceil_mode coordinate_transformation_mode
  count_include_pad cubic_coeff_a dilations ends epsilon exclude_outside extrapolation_value fmod gamma group keepdims
  kernel_shape largest max min mode momentum nearest_mode noop_with_empty_axes num_outputs output_padding pads perm
  ratio scales seed shape sorted spatial split starts steps storage_order strides to training_mode transA transB value
  value_float value_floats value_int value_ints
`));

const RULES = new Map([sliding, arranging, arithmetic, places].flatMap(({ RULES: rows }) => Object.entries(rows)));
