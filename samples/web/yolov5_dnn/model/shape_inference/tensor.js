// Operators that arrange a value anew: join, cut, scale, repeat, turn its sides. They multiply nothing.

import { MAX_DIMENSIONS, product } from "../tensors.js";
import { along, axis_of, need, wider } from "./context.js";
import { MAX_SIDE } from "../../values.js";

function concat(o) {
  const first = o.shape(0);
  const axis = axis_of(o.whole("axis", 1), first.length);
  let total = 0;
  for (const shape of o.rest(0)) {
    need(
      shape.length === first.length && shape.every((side, i) => side === first[i] || i === axis), "their sides differ",
    );
    total += shape[axis];
  }
  return [along(first, axis, total)];
}

function split(o) {
  const x = o.shape(0);
  const axis = axis_of(o.whole("axis", 0), x.length);
  const count = o.node.outputs.length;
  const size = Math.ceil(x[axis] / count);
  const equal = Array.from({ length: count }, (_, i) => Math.min(size, x[axis] - size * i));
  const parts = o.listed("split", 1) ?? equal;
  const sum = parts.reduce((all, part) => all + part, 0);
  need(parts.length === count && Math.min(...parts) >= 0 && sum === x[axis], "its parts are not the whole");
  return parts.map((part) => along(x, axis, part));
}

function slice(o) {
  const x = o.shape(0);
  const starts = o.listed("starts", 1) ?? [], ends = o.listed("ends", 2) ?? [];
  const axes = filled(o.listed("axes", 3)) ?? starts.map((_, i) => i);
  const steps = filled(o.listed("steps", 4)) ?? starts.map(() => 1);
  const equal = [ends, axes, steps].every((list) => list.length === starts.length);
  need(equal && !steps.includes(0), "its lists differ in length");
  const made = [...x];
  starts.forEach((start, i) => {
    const axis = axis_of(axes[i], x.length);
    made[axis] = slice_length(x[axis], start, ends[i], steps[i]);
    need(made[axis] > 0, "it leaves nothing");
  });
  return [made];
}

/** A list, or null if it is empty. */
const filled = (list) => (list?.length ? list : null);

/** How many of `side` places a slice takes. */
function slice_length(side, start, end, step) {
  const [least, most] = step < 0 ? [-1, side - 1] : [0, side];
  const [from, to] = [start, end].map((place) => Math.min(Math.max(place < 0 ? place + side : place, least), most));
  return Math.max(0, Math.ceil((to - from) / step));
}

function reshape(o) {
  const x = o.shape(0), size = product(x);
  const sides = o.listed("shape", 1) ?? [];
  need(sides.length <= MAX_DIMENSIONS && sides.every((s) => s >= -1 && s < 2 ** 31), "its shape is unusable");
  need(!sides.includes(0) || o.whole("allowzero", 0) === 0, "its shape has a 0");
  const made = sides.map((side, i) => (side === 0 && i < x.length ? x[i] : side));
  const open = made.indexOf(-1);
  if (open >= 0) {
    const known = product(made.filter((side) => side !== -1));
    const only = made.lastIndexOf(-1) === open;
    need(only && known > 0 && size % known === 0, "its shape leaves a side open");
    made[open] = size / known;
  }
  need(product(made) === size, "its shape holds another number of values");
  return [made];
}

function flatten(o) {
  const x = o.shape(0), axis = o.whole("axis", 1);
  need(-x.length <= axis && axis <= x.length, `there is no axis ${axis}`);
  return [[product(x.slice(0, axis)), product(x.slice(axis))]];
}

function transpose(o) {
  const x = o.shape(0);
  const order = o.ints("perm", [...x.keys()].reverse());
  const sorted = [...order].sort((a, b) => a - b);
  need(order.length === x.length && sorted.every((axis, i) => axis === i), "its perm is not an order of the sides");
  return [order.map((axis) => x[axis])];
}

function squeeze(o) {
  const x = o.shape(0);
  const axes = o.listed("axes", 1)?.map((axis) => axis_of(axis, x.length));
  const gone = (_, i) => (axes ? axes.includes(i) : x[i] === 1);
  need(x.filter(gone).every((side) => side === 1), "a side it leaves out is not 1");
  return [x.filter((side, i) => !gone(side, i))];
}

function unsqueeze(o) {
  const x = o.shape(0), axes = o.listed("axes", 1) ?? [];
  const rank = x.length + axes.length;
  const added = new Set(axes.map((axis) => axis_of(axis, rank)));
  need(added.size === axes.length && rank <= MAX_DIMENSIONS, "its axes are unusable");
  const sides = x.values();
  return [Array.from({ length: rank }, (_, i) => (added.has(i) ? 1 : sides.next().value))];
}

function pad(o) {
  const x = o.shape(0), pads = o.listed("pads", 1) ?? [];
  need(pads.length === 2 * x.length && pads.every((p) => Math.abs(p) <= MAX_SIDE), "its pads are not two a side");
  const made = x.map((side, i) => side + pads[i] + pads[i + x.length]);
  need(made.every((side) => side > 0), "its pads leave nothing");
  if (o.text("mode", "constant") !== "constant") {
    need(pads.every((p, i) => p < x[i % x.length]), "its pads are wider than what they repeat");
  }
  return [made];
}

function expand(o) {
  const sides = o.whole_constant(1);
  need(sides.length <= MAX_DIMENSIONS && sides.every((s) => s > 0 && s < 2 ** 31), "its shape is unusable");
  return [wider(o.shape(0), sides)];
}

function tile(o) {
  const x = o.shape(0), repeats = o.whole_constant(1);
  need(repeats.length === x.length && repeats.every((r) => r > 0 && r < 2 ** 31), "its repeats are not one a side");
  return [x.map((side, i) => side * repeats[i])];
}

function resize(o) {
  const x = o.shape(0);
  const sides = o.has(3) && o.shape(3).join() !== "0" ? o.whole_constant(3) : scaled(o, x);
  need(sides.length === x.length && sides.every((s) => s > 0 && s < 2 ** 31), "its size is not one number a side");
  need(x.length < 3 || (sides[0] === x[0] && sides[1] === x[1]), "it scales more than height and width");
  return [sides];
}

/** The sides that scales make of them: an attribute, or an input. */
function scaled(o, x) {
  const { kind, value } = o.node.attributes.get("scales") ?? {};
  const upsample = o.node.op_type === "Upsample" || o.shapes.length === 2;
  const scales = kind ? value : o.constant(upsample ? 1 : 2);
  need(!kind || kind === "floats", "scales is not a list of numbers");
  need(scales.length === x.length, "its scales are not one a side");
  for (const scale of scales) need(scale > 0 && scale <= MAX_SIDE, `its scale is ${scale}`);
  return x.map((side, i) => Math.floor(side * scales[i]));
}

function space_to_depth(o) {
  const x = o.shape(0), block = o.whole("blocksize", 0);
  need(
    x.length === 4 && block >= 1 && block <= MAX_SIDE && x[2] % block === 0 && x[3] % block === 0, "its blocks do not fit",
  );
  return [[x[0], x[1] * block * block, x[2] / block, x[3] / block]];
}

function depth_to_space(o) {
  const x = o.shape(0), block = o.whole("blocksize", 0);
  need(x.length === 4 && block >= 1 && block <= MAX_SIDE && x[1] % (block * block) === 0, "its blocks do not fit");
  return [[x[0], x[1] / (block * block), x[2] * block, x[3] * block]];
}

/** Dropout's mask has the same shape. */
function identity(o) {
  return o.node.outputs.map(() => o.shape(0));
}

function constant(o) {
  const [[name, { kind, value }]] = o.node.attributes.size === 1 ? o.node.attributes : [["", {}]];
  const numbers = ["i", "f", "ints", "floats"].includes(kind);
  const named = ["value_int", "value_float", "value_ints", "value_floats"].includes(name);
  need((name === "value" && kind === "t") || (named && numbers), "it holds no tensor");
  const list = Array.isArray(value);
  const tensor = kind === "t" ? value : { dims: list ? [value.length] : [], values: list ? value : [value], whole: false };
  o.remember(tensor);
  return [tensor.dims];
}

export const RULES = {
  Concat: concat,
  Constant: constant,
  DepthToSpace: depth_to_space,
  Dropout: identity,
  Expand: expand,
  Flatten: flatten,
  Identity: identity,
  Pad: pad,
  Reshape: reshape,
  Resize: resize,
  Slice: slice,
  SpaceToDepth: space_to_depth,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
  Upsample: resize,
};
