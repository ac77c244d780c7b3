// Operators that compute: number by number, along axes, with matrices.

import { product } from "../tensors.js";
import { axis_of, need, wider } from "./context.js";

/** Every number by itself. */
function same(o) {
  return [o.shape(0)];
}

export function broadcast(o) {
  return [o.rest(1).reduce(wider, o.shape(0))];
}

function matmul(o) {
  const a = o.shape(0), b = o.shape(1);
  need(a.length >= 2 && b.length >= 2 && a.at(-1) === b.at(-2), "rows and columns differ in length");
  const made = [...wider(a.slice(0, -2), b.slice(0, -2)), a.at(-2), b.at(-1)];
  o.work = product(made) * a.at(-1);
  return [made];
}

function gemm(o) {
  need(o.shape(0).length === 2 && o.shape(1).length === 2, "it needs two matrices");
  const turned = (shape, name) => (o.whole(name, 0) ? [...shape].reverse() : shape);
  const a = turned(o.shape(0), "transA"), b = turned(o.shape(1), "transB");
  need(a[1] === b[0], "rows and columns differ in length");
  const made = [a[0], b[1]];
  const fits = () => wider(o.shape(2), made).join() === made.join();
  need(!o.has(2) || fits(), "its bias has another length");
  o.work = product(made) * a[1];
  return [made];
}

function reduce(o) {
  const x = o.shape(0), axes = o.listed("axes", 1);
  const gone = axes?.length ? axes.map((axis) => axis_of(axis, x.length)) : [...x.keys()];
  const keep = o.whole("keepdims", 1);
  return [x.map((side, i) => (gone.includes(i) ? 1 : side)).filter((_, i) => keep || !gone.includes(i))];
}

function along_axis(o) {
  const x = o.shape(0);
  const axis = axis_of(o.whole("axis", -1), x.length);
  const of_place = x.slice(axis).join();
  need(o.rest(1).every((shape) => shape.join() === of_place), "its numbers are not one a place");
  return [x];
}

/** Normalisation with one number a channel. */
function by_channel(o) {
  const x = o.shape(0);
  const fits = (shape) => shape.length === 1 && shape[0] === x[1];
  need(x.length >= 2 && o.rest(1).every(fits), "its numbers are not one a channel");
  return [x];
}

/** To whole numbers and back, with one scale or one a channel. */
function quantize(o) {
  const x = o.shape(0);
  const channels = x[x.length > 1 ? axis_of(o.whole("axis", 1), x.length) : 0];
  const fits = (shape) => shape.length === 0 || (shape.length === 1 && (shape[0] === 1 || shape[0] === channels));
  need([o.shape(1), ...o.rest(2)].every(fits), "its scale is neither one number nor one a channel");
  return [x];
}

function cast(o) {
  const to = o.whole("to", 0);
  const places = o.counts_places() && (to === 6 || to === 7);
  need(places || [1, 10, 11].includes(to), "it casts to a type without fractions");
  return [o.shape(0)];
}

/** The rows of several operators with the same rule. */
function all(rule, operators) {
  return Object.fromEntries(operators.split(" ").map((operator) => [operator, rule]));
}

export const RULES = {
  ...all(same, "Abs Ceil Celu Clip Cos Elu Erf Exp Floor Gelu HardSigmoid HardSwish LeakyRelu Log Mish Neg Not"),
  ...all(same, "Reciprocal Relu Round Selu Sigmoid Sign Sin Softplus Softsign Sqrt Swish Tanh ThresholdedRelu"),
  ...all(broadcast, "Add And Equal Greater Less Max Mean Min Mul Or PRelu Pow Sub Sum Where"),
  ...all(along_axis, "LayerNormalization LogSoftmax Softmax"),
  ...all(by_channel, "BatchNormalization InstanceNormalization"),
  ...all(quantize, "DequantizeLinear QuantizeLinear"),
  ...all(reduce, "ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum"),
  Cast: cast,
  Gemm: gemm,
  MatMul: matmul,
};
