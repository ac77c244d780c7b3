// The detector: letterbox → network → decode → NMS, on one image after the other.

import { InputError } from "../errors.js";
import { check_image, letterbox, to_channels, to_blob, unletterbox } from "../stages/letterbox.js";
import { input_size, read_info, read_model } from "../model/file.js";
import { Network } from "../engines/network.js";
import { nms } from "../stages/nms.js";
import { encode } from "../results/rle.js";
import { shown } from "../values.js";
import { require_task } from "../tasks/tasks.js";
import { check_settings } from "./settings.js";
import { merge_windows, MIN_TILE, tile_windows } from "./tiles.js";

/** The stages of a call, in order: letterbox (with the conversion to float), forward, decode and nms. */
export const STAGES = ["letterbox", "forward", "decode", "nms"];

/**
 * A YOLOv5 network, ready to be called on images.
 *
 *     const detector = await Detector.load(cv, bytes);
 *     for (const { name, score, box } of detector.detect(image_data)) …
 *
 * `settings` holds what a call may replace: conf_thres, iou_thres, max_det, classes, agnostic_nms and multi_label:
 *
 *     detector.detect(image_data, { conf_thres: 0.5, classes: ["person"] }); // for this call alone
 *
 * Size and tiles are changed with `choose_size` and `choose_tiles`. The stages of a call, for those who want to do
 * something in between:
 *
 *     const { blob, place } = detector.prepare(image_data);
 *     const outputs = detector.forward(blob); // raw, in the order of `detector.info.task.outputs`
 *     const detections = detector.decode(outputs, place, { conf_thres: 0.5 });
 */
export class Detector {
  #cv;
  #network;
  #multiple;

  /**
   * Load a model file.
   *
   * @param {object} cv OpenCV.js 5, as `await (await import("…/opencv_js.js")).default()` gives it
   * @param {Uint8Array} bytes of the .onnx file, made by `python -m convert`, or what `read_model` gave
   * @param {object} options
   *   conf_thres: boxes must score above it, 0 to 1; by default what is usual for the task: 0.25, or 0.6 for faces
   *   iou_thres: boxes of one class that overlap more lose the worse one, 0 to 1; by default 0.45, 0.5 for faces,
   *     0.7 for networks without anchors
   *   max_det: the most boxes an image may have
   *   classes: names or numbers of the only classes to look for
   *   agnostic_nms: let boxes of different classes suppress each other, too
   *   multi_label: give a box every class that scores high enough, not just the best
   *   imgsz: the size to letterbox to, a number or [height, width], rounded up to multiples of what the network
   *     needs; by default the model's own. Only a model of free input size takes another.
   *   rect: letterbox to the smallest rectangle that holds the image, where the model allows it
   *   tiles: look at the whole image and also at overlapping tiles of so many pixels a side: for objects that would be
   *     too small if a large image were scaled down to the input. A forward pass for each tile is the price.
   *   names, anchors, strides: replace the model file's; all three serve a file without metadata
   *   path: what to call the model in messages
   *
   * Throws ModelError for the file, InputError for any other argument.
   */
  static async load(cv, bytes, options = {}) {
    return new Detector(cv, bytes, options);
  }

  /** As `load`, at once. */
  constructor(cv, bytes, options) {
    const {
      conf_thres, iou_thres, max_det = 1000, classes = null, agnostic_nms = false,
      multi_label = false, imgsz = null, rect = true, tiles = null, names, anchors, strides, path = "the model",
    } = options;
    const { buffer, metadata } = bytes instanceof Uint8Array ? read_model(bytes, path) : bytes;
    this.info = read_info(metadata, path, { names, anchors, strides });
    const { task } = this.info;
    require_task(task, "Detector", "model to detect with", path);
    this.settings = check_settings(
      {
        conf_thres: conf_thres ?? task.conf_thres, iou_thres: iou_thres ?? task.iou_thres, max_det, classes, agnostic_nms,
        multi_label,
      },
      this.info.names,
    );
    /** Whether the network takes other sizes than its own. */
    this.free_size = this.info.dynamic || !metadata.has("imgsz");
    this.choose_size(imgsz);
    this.choose_tiles(tiles);
    this.#multiple = rect && this.info.dynamic ? this.info.size_multiple : null;
    this.#cv = cv;
    this.#network = new Network(cv, buffer, this.info, path);
  }

  /**
   * Letterbox to this size, a number or [height, width]; null: to the model's own. Throws InputError for a size that
   * it can't have.
   */
  choose_size(imgsz) {
    this.imgsz = input_size(imgsz, this.info, this.free_size);
  }

  /** Look also at tiles of so many pixels a side; null: at the whole image alone. Throws InputError. */
  choose_tiles(tiles) {
    if (tiles !== null && (!Number.isInteger(tiles) || tiles < MIN_TILE)) {
      throw new InputError(`tiles must be a whole number of at least ${MIN_TILE} pixels, not ${shown(tiles)}`);
    }
    this.tiles = tiles;
  }

  /**
   * Detect in one image.
   *
   * @param {{data: Uint8ClampedArray, width: number, height: number}} image as ImageData is: R G B A; alpha is
   *   left out of account. A model of one channel gets it in grey. A model of another number than 1 and 3,
   *   `detector.info.channels`, takes an array alone: {data, width, height, channels}, its bytes row by row, pixel by
   *   pixel, channel by channel, as they are.
   * @param {object} settings for this call alone; what is not given is as the Detector was made
   * @param {object} timings is given the milliseconds spent in each of STAGES, with tiles in all of them together
   * @returns {{class_id: number, name: string, score: number, box: [number, number, number, number]}[]} best
   *   first; box is x1, y1, x2, y2 in the image's pixels, within the image. Where the model gives them, each has also
   *   a `mask`, {left, top, width, height, data, size}: bytes of 0 and 1 for a part of the image, whose [h, w] is
   *   `size`; and `keypoints`, [x, y] pairs in the image's pixels.
   *
   * Throws InputError for what is not an image or a wrong setting, ModelError if the network doesn't fit its metadata. After a
   * ModelError that has a `cause`, OpenCV.js itself has ended and must be loaded anew.
   */
  detect(image, settings = {}, timings = {}) {
    const used = check_settings({ ...this.settings, ...settings }, this.info.names);
    check_image(image);
    const image_hw = [image.height, image.width];
    const windows = this.tiles === null ? [] : tile_windows(image_hw, this.tiles);
    if (windows.length <= 1) return this.#detect_whole(image, used, timings);
    for (const stage of STAGES) timings[stage] = 0;
    const parts = windows.map((window) => {
      const spent = {};
      const found = this.#detect_whole(cut_out(image, window), used, spent);
      for (const stage of STAGES) timings[stage] += spent[stage];
      return found;
    });
    const start = performance.now();
    const merged = merge_windows(parts, windows, image_hw, used.iou_thres, used.max_det, used.agnostic_nms);
    timings.nms += performance.now() - start;
    return merged;
  }

  #detect_whole(image, settings, timings) {
    const start = performance.now();
    const { blob, place } = this.prepare(image);
    const prepared = performance.now();
    const outputs = this.forward(blob);
    Object.assign(timings, { letterbox: prepared - start, forward: performance.now() - prepared });
    return this.#decode(outputs, place, settings, timings);
  }

  /**
   * Letterbox an image, as for `detect`, into the network's input.
   *
   * @returns {{blob: {shape: number[], data: Float32Array}, place: object}} the blob, (1, c · f², H/f, W/f), whose data
   *   are valid until the next call of anything in OpenCV, and where the image lies on it
   *
   * Throws InputError for what is not an image.
   */
  prepare(image) {
    const { task, fold, channels } = this.info;
    const pixels = to_channels(this.#cv, image, channels);
    const { canvas, placement } = letterbox(this.#cv, pixels, this.imgsz, this.#multiple);
    const data = this.#network.blob(canvas.height, canvas.width);
    to_blob(canvas, fold, data);
    const scale = task.input_scale ?? 1;
    if (scale !== 1) for (let i = 0; i < data.length; i++) data[i] *= scale;
    const shape = [1, channels * fold ** 2, canvas.height / fold, canvas.width / fold];
    return { blob: { shape, data }, place: { placement, image_hw: [image.height, image.width] } };
  }

  /**
   * Run the network on a blob. Gives its outputs, {shape, data}, each without its first axis; their data are valid until
   * the next call of anything in OpenCV. Throws ModelError.
   */
  forward(blob) {
    return this.#network.forward(blob);
  }

  /**
   * Find the boxes in the network's outputs and choose among them: decode, NMS, back to the image. `place` is what
   * `prepare` gave for the image; settings and result are those of `detect`.
   */
  decode(outputs, place, settings = {}, timings = {}) {
    return this.#decode(outputs, place, check_settings({ ...this.settings, ...settings }, this.info.names), timings);
  }

  #decode(outputs, { placement, image_hw }, settings, timings) {
    const { task, names } = this.info;
    const start = performance.now();
    let candidates = task.decode(outputs, settings.conf_thres, settings.multi_label);
    if (settings.classes) {
      const { class_ids } = candidates;
      candidates = candidates.select(Array.from(class_ids.keys()).filter((i) => settings.classes.has(class_ids[i])));
    }
    const decoded = performance.now();

    const chosen = candidates.select(nms(candidates, settings.iou_thres, settings.max_det, settings.agnostic_nms));
    const boxes = unletterbox(chosen.xyxy, placement, image_hw);
    const more = task.more(this.#cv, chosen, outputs, placement, image_hw);
    Object.assign(timings, { decode: decoded - start, nms: performance.now() - decoded });
    return Array.from(chosen.scores, (score, i) => ({
      class_id: chosen.class_ids[i],
      name: names[chosen.class_ids[i]],
      score,
      box: Array.from(boxes.subarray(4 * i, 4 * i + 4)),
      ...more[i],
    }));
  }

  /** Give all memory back to OpenCV. The detector is of no use afterwards. */
  dispose() {
    this.#network.dispose();
  }
}

/** Copy a window out of an image. */
function cut_out({ data, width: across, channels }, [left, top, right, bottom]) {
  const width = right - left, height = bottom - top, step = channels ?? 4;
  const part = new Uint8ClampedArray(step * width * height);
  for (let y = top; y < bottom; y++) {
    const row = step * (y * across + left);
    part.set(data.subarray(row, row + step * width), step * (y - top) * width);
  }
  return { data: part, width, height, channels };
}

/**
 * Give detections as plain values for JSON, with the fields of the JSON output of `python -m runtime.detect`: masks
 * become COCO's RLE, {size: [h, w], counts: text}.
 */
export function to_dict(detections) {
  return detections.map(({ mask, ...rest }) => (mask ? { ...rest, mask: encode(mask) } : rest));
}
