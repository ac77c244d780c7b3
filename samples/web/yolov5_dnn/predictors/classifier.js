// The classifier: crop → network → softmax.

import { top } from "../results/classification.js";
import { InputError } from "../errors.js";
import { to_channels } from "../stages/letterbox.js";
import { input_size, read_info, read_model } from "../model/file.js";
import { require_task } from "../tasks/tasks.js";
import { Network } from "../engines/network.js";

/**
 * A YOLOv5 classifier, ready to be called on images.
 *
 *     const classifier = await Classifier.load(cv, bytes);
 *     const [best] = classifier.classify(image_data);
 */
export class Classifier {
  #cv;
  #network;

  /**
   * Load a model file.
   *
   * @param {object} cv OpenCV.js 5
   * @param {Uint8Array} bytes of the .onnx file, made by `python -m convert`, or what `read_model` gave
   * @param {{imgsz?: number, path?: string}} options imgsz: the side of the square that the image's middle is scaled
   *   to; only a model of free input size takes another than its own. path: what to call the model in messages
   *
   * Throws ModelError for the file, InputError for any other argument.
   */
  static async load(cv, bytes, options = {}) {
    return new Classifier(cv, bytes, options);
  }

  constructor(cv, bytes, { imgsz = null, path = "the model" }) {
    const { buffer, metadata } = bytes instanceof Uint8Array ? read_model(bytes, path) : bytes;
    this.info = read_info(metadata, path);
    require_task(this.info.task, "Classifier", "classifier", path);
    const [height, width] = input_size(imgsz, this.info, this.info.dynamic);
    if (height !== width) throw new InputError(`a classifier's input is square, not ${height} × ${width}`);
    this.imgsz = height;
    this.#cv = cv;
    this.#network = new Network(cv, buffer, this.info, path);
  }

  /**
   * Classify one image, {data: R G B A bytes, width, height}.
   *
   * @param {number} k how many classes to give
   * @returns {{class_id: number, name: string, probability: number}[]} the k most probable, best first
   *
   * Throws InputError for what is not an image, ModelError if the network doesn't fit its metadata.
   */
  classify(image, k = 5) {
    return this.decode(this.forward(this.prepare(image)), k);
  }

  /**
   * Crop an image into the network's input. Gives the blob, {shape: [1, 3, size, size], data: Float32Array}, valid until
   * the next call of anything in OpenCV. Throws InputError for what is not an image.
   */
  prepare(image) {
    const { task, channels } = this.info, size = this.imgsz;
    let data = null;
    const blob = () => (data = this.#network.blob(size, size));
    task.prepare(this.#cv, to_channels(this.#cv, image, channels), size, blob);
    return { shape: [1, 3, size, size], data };
  }

  /** Run the network on a blob. Gives its outputs, valid until the next call of anything in OpenCV. Throws ModelError. */
  forward(blob) {
    return this.#network.forward(blob);
  }

  /** Give the k most probable classes of the network's outputs, as `classify` does. */
  decode(outputs, k = 5) {
    const { task, names } = this.info;
    return top(task.probabilities(outputs), names, k);
  }

  /** Give all memory back to OpenCV. The classifier is of no use afterwards. */
  dispose() {
    this.#network.dispose();
  }
}
