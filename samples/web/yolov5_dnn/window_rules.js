// What operators with sliding windows, and those that scale, make of the shapes of their inputs (6 in `model_graph`).

import { product } from "./model_tensor.js";
import { need } from "./operands.js";
import { MAX_SIDE } from "./values.js";

/** Kernel, strides, dilations and pads of a convolution or pooling, each checked. */
class Window {
  constructor(o, kernel, rank) {
    need(rank >= 1 && rank <= 3, "it has not one to three sides to slide along");
    this.kernel = o.ints("kernel_shape", kernel);
    this.strides = o.ints("strides", Array(rank).fill(1));
    this.dilations = o.ints("dilations", Array(rank).fill(1));
    this.pads = o.ints("pads", Array(2 * rank).fill(0));
    for (const [name, values] of [["kernel_shape", this.kernel], ["strides", this.strides], ["dilations", this.dilations]]) {
      need(values.length === rank && values.every((v) => v >= 1 && v <= MAX_SIDE), `${name} is ${listed(values)}`);
    }
    need(
      this.pads.length === 2 * rank && this.pads.every((v) => v >= 0 && v <= MAX_SIDE), `pads is ${listed(this.pads)}`,
    );
    this.reach = this.kernel.map((k, i) => (k - 1) * this.dilations[i] + 1);
    this.area = product(this.kernel);
    this.auto = o.text("auto_pad", "NOTSET");
    need(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"].includes(this.auto), "its auto_pad is unknown");
    this.ceil = o.whole("ceil_mode", 0);
  }

  /** The sides that are left of those it slides along. */
  slid(sides) {
    return sides.map((side, i) => {
      if (this.auto.startsWith("SAME")) return Math.ceil(side / this.strides[i]);
      const padded = side + (this.auto === "VALID" ? 0 : this.pads[i] + this.pads[i + sides.length]);
      const room = padded - this.reach[i];
      need(room >= 0, `its window of ${this.reach[i]} is larger than the ${padded} it slides along`);
      return (this.ceil ? Math.ceil(room / this.strides[i]) : Math.floor(room / this.strides[i])) + 1;
    });
  }
}

/** A list within a message; of whole numbers past 2^53, too, all digits. */
function listed(values) {
  return `[${values.slice(0, 8).map(BigInt).join(", ")}]`;
}

const same = (a, b) => a.length === b.length && a.every((side, i) => side === b[i]);

/** The weight of a convolution, and how many groups: [weight, group]. */
function weight_of(o, x) {
  const weight = o.shape(1);
  need(x.length >= 3 && weight.length === x.length && !weight.includes(0), "its weight has another number of sides");
  return [weight, o.whole("group", 1)];
}

export function conv(o) {
  const x = o.shape(0);
  const [weight, group] = weight_of(o, x);
  need(
    group >= 1 && x[1] === weight[1] * group && weight[0] % group === 0, `${group} groups do not fit the channels`,
  );
  need(!o.has(2) || same(o.shape(2), [weight[0]]), "its bias has another length");
  const window = new Window(o, weight.slice(2), x.length - 2);
  need(same(window.kernel, weight.slice(2)), "its weight is not of its kernel's size");
  const made = [x[0], weight[0], ...window.slid(x.slice(2))];
  o.work = product(made) * weight[1] * window.area;
  return [made];
}

export function conv_transpose(o) {
  const x = o.shape(0), rank = x.length - 2;
  const [weight, group] = weight_of(o, x);
  need(group >= 1 && x[1] === weight[0] && weight[0] % group === 0, `${group} groups do not fit the channels`);
  need(!o.has(2) || same(o.shape(2), [weight[1] * group]), "its bias has another length");
  const window = new Window(o, weight.slice(2), rank);
  need(same(window.kernel, weight.slice(2)), "its weight is not of its kernel's size");
  need(window.auto === "NOTSET", "its size is not stated by pads");
  const extra = o.ints("output_padding", Array(rank).fill(0));
  need(extra.length === rank && extra.every((e, i) => e >= 0 && e < window.strides[i]), "output_padding");
  const { strides, reach, pads } = window;
  const sides = extra.map((e, i) => (x[2 + i] - 1) * strides[i] + reach[i] + e - pads[i] - pads[i + rank]);
  need(sides.every((side) => side > 0), "its pads leave nothing");
  o.work = product(x) * weight[1] * window.area;
  return [[x[0], weight[1] * group, ...sides]];
}

export function pool(o) {
  const x = o.shape(0);
  const window = new Window(o, [], x.length - 2);
  need(window.pads.every((pad, i) => pad < window.reach[i % window.reach.length]), "its pads are as wide as its kernel");
  const made = [...x.slice(0, 2), ...window.slid(x.slice(2))];
  o.work = product(made) * window.area;
  return [made];
}

export function global_pool(o) {
  const x = o.shape(0);
  need(x.length >= 3, "it has no sides to pool");
  return [[...x.slice(0, 2), ...Array(x.length - 2).fill(1)]];
}

export function resize(o) {
  const x = o.shape(0);
  const sides = o.has(3) && !same(o.shape(3), [0]) ? o.whole_constant(3) : scaled(o, x);
  need(sides.length === x.length && sides.every((s) => s > 0 && s < 2 ** 31), "its size is not one number a side");
  need(x.length < 3 || same(sides.slice(0, 2), x.slice(0, 2)), "it scales more than height and width");
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

export function space_to_depth(o) {
  const x = o.shape(0), block = o.whole("blocksize", 0);
  need(
    x.length === 4 && block >= 1 && block <= MAX_SIDE && x[2] % block === 0 && x[3] % block === 0, "its blocks do not fit",
  );
  return [[x[0], x[1] * block * block, x[2] / block, x[3] / block]];
}

export function depth_to_space(o) {
  const x = o.shape(0), block = o.whole("blocksize", 0);
  need(x.length === 4 && block >= 1 && block <= MAX_SIDE && x[1] % (block * block) === 0, "its blocks do not fit");
  return [[x[0], x[1] / (block * block), x[2] * block, x[3] * block]];
}
