// The network as OpenCV.js runs it. What its binding lacks is dealt with here: it takes a model only as a
// file, makes no array of four dimensions, and an exception of C++ ends the whole program ("Aborted").

import { InputError, ModelError } from "../errors.js";

let files = 0;

/** A loaded network: write to `blob`, then call `forward`. */
export class Network {
  #cv;
  #net;
  #path;
  #names;
  #blob = null;
  #blob_shape = "";
  #outputs = [];

  /**
   * @param {object} cv OpenCV.js 5
   * @param {Uint8Array} buffer from `read_model`
   * @param {object} info from `read_info`
   * @param {string} path for messages only
   *
   * Throws ModelError if OpenCV cannot load the network or its outputs are not those that `info` describes.
   */
  constructor(cv, buffer, info, path) {
    this.#cv = cv;
    this.#path = path;
    this.info = info;
    this.#net = this.#guard("load", () => read_net(cv, buffer));
    const found = this.#output_names();
    const expected = info.task.outputs;
    if (found.length !== expected.length) {
      this.dispose();
      throw new ModelError(`${path} has ${found.length} outputs where its metadata makes ${expected.length}`);
    }
    const same = [...found].sort().join("\n") === [...expected].sort().join("\n");
    this.#names = new cv.StringVector();
    for (const name of same ? expected : found) this.#names.push_back(name);
  }

  /**
   * Give the network's input to write to, for an image of H × W: float32, (1, c · f², H/f, W/f) with f the
   * model's fold and c its channels. Valid until the next call of anything in OpenCV.
   */
  blob(height, width) {
    const { fold, channels } = this.info;
    const shape = `${height} × ${width}`;
    if (this.#blob_shape !== shape) {
      this.#blob?.delete();
      this.#blob = this.#guard(`make room for an input of ${shape} for`, () =>
        make_blob(this.#cv, channels, fold, height / fold, width / fold),
      );
      this.#blob_shape = shape;
    }
    return this.#blob.data32F;
  }

  /**
   * Run the network on an input, {shape: [1, c · f², H/f, W/f], data}: one of `blob`, or a copy of one.
   *
   * @returns {{shape: number[], data: Float32Array}[]} its outputs, without the batch's axis, in the order that
   *   the task asks for; the data are valid until the next call of anything in OpenCV
   *
   * Throws ModelError if OpenCV fails or an output has not the shape that the ModelInfo asks for.
   */
  forward({ shape: [, , rows, columns], data }) {
    const cv = this.#cv;
    const { fold } = this.info;
    const own = this.blob(rows * fold, columns * fold);
    if (data.length !== own.length) throw new InputError(`a blob of ${own.length} numbers is needed, not ${data.length}`);
    if (data.buffer !== own.buffer || data.byteOffset !== own.byteOffset) own.set(data);
    const [height, width] = [rows * fold, columns * fold];
    for (const output of this.#outputs.splice(0)) output.delete();
    const outputs = new cv.MatVector();
    this.#guard(`run at ${height} × ${width}`, () => {
      this.#net.setInput(this.#blob);
      this.#net.forward2(outputs, this.#names);
      for (let i = 0; i < outputs.size(); i++) this.#outputs.push(outputs.get(i));
    });
    outputs.delete();
    const shapes = this.info.task.output_shapes(height, width);
    return this.#outputs.map((output, i) => {
      const [batch, ...shape] = Array.isArray(output.matSize) ? output.matSize : [];
      const fits = shape.length === shapes[i].length && shape.every((side, k) => side === (shapes[i][k] ?? side));
      if (batch !== 1 || !fits || output.depth() !== cv.CV_32F) {
        throw new ModelError(
          `${this.#path} gives an output of shape (${[batch, ...shape].join(", ")}) where its metadata makes ` +
            `(${[1, ...shapes[i]].map((side) => side ?? "any").join(", ")})`,
        );
      }
      return { shape, data: output.data32F };
    });
  }

  /** Give all memory back to OpenCV. */
  dispose() {
    for (const each of [this.#net, this.#names, this.#blob, ...this.#outputs]) each?.delete();
    this.#net = this.#names = this.#blob = null;
    this.#outputs = [];
  }

  #output_names() {
    const names = this.#net.getUnconnectedOutLayersNames();
    const found = Array.from({ length: names.size() }, (_, i) => names.get(i));
    names.delete();
    return found;
  }

  #guard(what, work) {
    try {
      return work();
    } catch (error) {
      throw new ModelError(`OpenCV cannot ${what} ${this.#path}: ${reason(error)}`, { cause: error });
    }
  }
}

/** Make a cv.dnn_Net of a model file's bytes. */
function read_net(cv, buffer) {
  const name = `model${++files}.onnx`;
  cv.FS_createDataFile("/", name, buffer, true, false, true);
  try {
    return cv.readNetFromONNX(`/${name}`);
  } finally {
    cv.FS_unlink(`/${name}`);
  }
}

/** Make a cv.Mat, float32 (1, channels · fold², height, width). */
function make_blob(cv, channels, fold, height, width) {
  const three = channels === 3;
  const count = three ? fold * fold : channels;
  const picture = new cv.Mat(height, width, three ? cv.CV_8UC3 : cv.CV_8UC1);
  const colours = cv.blobFromImage(picture); // nothing else in OpenCV.js makes four dimensions
  picture.delete();
  if (count === 1) return colours;
  const net = read_net(cv, concat_model(count));
  for (let i = 0; i < count; i++) net.setInput(colours, `x${i}`);
  const blob = net.forward();
  net.delete();
  colours.delete();
  return blob;
}

/** Write an ONNX file of one Concat of `count` inputs along the channels. */
function concat_model(count) {
  const number = (field, value) => [...varint(field << 3), value];
  const bytes = (field, content) => [(field << 3) | 2, ...varint(content.length), ...content];
  const text = (field, value) => bytes(field, new TextEncoder().encode(value));
  const value = (field, name) => {
    const sides = ["n", "c", "h", "w"].flatMap((side) => bytes(1, text(2, side)));
    const type = bytes(1, [...number(1, 1), ...bytes(2, sides)]);
    return bytes(field, [...text(1, name), ...bytes(2, type)]);
  };
  const names = Array.from({ length: count }, (_, i) => `x${i}`);
  const axis = bytes(5, [...text(1, "axis"), ...number(3, 1), ...number(20, 2)]);
  const node = [...names.flatMap((name) => text(1, name)), ...text(2, "y"), ...text(4, "Concat"), ...axis];
  const graph = [
    ...bytes(1, node), ...text(2, "fold"), ...names.flatMap((name) => value(11, name)), ...value(12, "y"),
  ];
  return Uint8Array.from([...number(1, 7), ...bytes(7, graph), ...bytes(8, number(2, 12))]);
}

function varint(value) {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

function reason(error) {
  if (typeof error === "number") return "an error inside OpenCV";
  return String(error?.message ?? error).split("\n")[0];
}
