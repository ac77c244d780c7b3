// What the rule of an operator sees of a node, and what the rules have in common.

import { product } from "../tensors.js";

/** The inputs are not what the operator can take. */
export class MisfitError extends Error {}

/** Throw a MisfitError unless the condition holds. */
export function need(condition, reason) {
  if (!condition) throw new MisfitError(reason);
}

/** The axis, counted from the front, of a shape of so many sides. Throws MisfitError. */
export function axis_of(axis, rank) {
  need(-rank <= axis && axis < rank, `there is no axis ${axis}`);
  return axis < 0 ? axis + rank : axis;
}

/** A shape with another side along one axis. */
export function along(shape, axis, side) {
  return shape.map((each, i) => (i === axis ? side : each));
}

/** The shape that two shapes spread to. Throws MisfitError. */
export function wider(a, b) {
  const rank = Math.max(a.length, b.length);
  const [x, y] = [a, b].map((sides) => [...Array(rank - sides.length).fill(1), ...sides]);
  need(x.every((side, i) => side === y[i] || side === 1 || y[i] === 1), "their sides differ");
  return x.map((side, i) => (side === 1 ? y[i] : side));
}

/** The shapes of a node's inputs, its attributes, its constants; a shape is a list of sides. */
export class Operands {
  #constants;
  #limits;

  /**
   * @param {object} node from `read_graph`
   * @param {Map<string, number[]>} shapes of all values so far
   * @param {Map<string, object>} constants: tensors by name
   * @param {Map<string, number>} limits: below what the numbers of a value are that counts places
   */
  constructor(node, shapes, constants, limits) {
    this.node = node;
    this.shapes = node.inputs.map((name) => (name ? shapes.get(name) : null));
    this.#constants = constants;
    this.#limits = limits;
    this.work = 0; // multiplications, told by the rule
  }

  /** The shape of an input that has to be there. */
  shape(index) {
    this.#input(index);
    need(this.shapes[index], `input ${index} is left out`);
    return this.shapes[index];
  }

  /** Whether an input is there. */
  has(index) {
    return index < this.shapes.length && this.shapes[index] !== null;
  }

  /** The shapes of all inputs from this one on, which have to be there. */
  rest(index) {
    return Array.from({ length: Math.max(0, this.shapes.length - index) }, (_, i) => this.shape(index + i));
  }

  /** An attribute that is a list of whole numbers. */
  ints(name, fallback) {
    const attribute = this.node.attributes.get(name);
    if (!attribute) return [...fallback];
    const { kind, value } = attribute;
    need(kind === "ints" || (Array.isArray(value) && !value.length), `${name} is not a list`);
    return value;
  }

  /** An attribute that is a whole number. */
  whole(name, fallback) {
    const { kind, value } = this.node.attributes.get(name) ?? { kind: "i", value: fallback };
    need(kind === "i", `${name} is not a whole number`);
    return value;
  }

  /** An attribute that is a text. */
  text(name, fallback) {
    const { kind, value } = this.node.attributes.get(name) ?? { kind: "s", value: fallback };
    need(kind === "s", `${name} is not a text`);
    return value;
  }

  /** The numbers of an input that has to stand in the file. */
  constant(index) {
    const tensor = this.#constants.get(this.#input(index));
    need(tensor && tensor.values.length === product(tensor.dims), `input ${index} is not a constant of few numbers`);
    return tensor.values;
  }

  /** The same, of whole numbers. */
  whole_constant(index) {
    const values = this.constant(index);
    need(values.every(Number.isInteger), `input ${index} is not of whole numbers`);
    return values;
  }

  /** What opsets up to 12 have as an attribute, and later ones as an input; null if it is left out. */
  listed(name, index) {
    if (this.node.attributes.has(name)) return this.ints(name, []);
    return this.has(index) ? this.whole_constant(index) : null;
  }

  /** Note that the output is a constant. */
  remember(tensor) {
    this.#constants.set(this.node.outputs[0], tensor);
  }

  /** Below what the numbers of an input are that counts places: whole, and none below 0. */
  limit(index) {
    const name = this.#input(index);
    if (this.#constants.has(name)) {
      const values = this.whole_constant(index);
      need(values.length && Math.min(...values) >= 0, "it counts places from below 0");
      return Math.max(...values) + 1;
    }
    need(this.#limits.has(name), "it takes places that the network computes in an unknown way");
    return this.#limits.get(name);
  }

  /** Whether the first input counts places. */
  counts_places() {
    return this.#limits.has(this.#input(0));
  }

  /** The second input, one whole number. */
  divisor() {
    const values = this.whole_constant(1);
    need(values.length === 1 && values[0] >= 1 && values[0] < 2 ** 31, "its divisor is not one whole number");
    return values[0];
  }

  /** Note that the numbers of an output count places, below this limit. */
  limits_output(index, limit) {
    if (index < this.node.outputs.length) this.#limits.set(this.node.outputs[index], limit);
  }

  /** The name of an input. */
  #input(index) {
    need(index < this.node.inputs.length, "an input or output is missing");
    return this.node.inputs[index];
  }
}
