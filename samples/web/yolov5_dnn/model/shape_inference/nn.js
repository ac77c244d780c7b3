// Operators that slide a window along the sides of a value: convolutions and pooling.

import { product } from "../tensors.js";
import { need } from "./context.js";
import { MAX_SIDE } from "../../values.js";

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

function conv(o) {
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

function conv_transpose(o) {
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

function pool(o) {
  const x = o.shape(0);
  const window = new Window(o, [], x.length - 2);
  need(window.pads.every((pad, i) => pad < window.reach[i % window.reach.length]), "its pads are as wide as its kernel");
  const made = [...x.slice(0, 2), ...window.slid(x.slice(2))];
  o.work = product(made) * window.area;
  return [made];
}

function global_pool(o) {
  const x = o.shape(0);
  need(x.length >= 3, "it has no sides to pool");
  return [[...x.slice(0, 2), ...Array(x.length - 2).fill(1)]];
}

export const RULES = {
  AveragePool: pool,
  Conv: conv,
  ConvTranspose: conv_transpose,
  GlobalAveragePool: global_pool,
  GlobalMaxPool: global_pool,
  MaxPool: pool,
};
