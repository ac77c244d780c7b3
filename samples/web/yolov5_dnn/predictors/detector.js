// The detector: letterbox → network → decode → NMS, on one image after the other.

import { InputError, ModelError } from "../errors.js";
import { letterbox, to_channels, to_blob, unletterbox } from "../stages/letterbox.js";
import { input_size, read_info, read_model } from "../model/file.js";
import { Network } from "../engines/network.js";
import { nms } from "../stages/nms.js";
import { encode } from "../results/rle.js";
import { shown } from "../values.js";
import { merge_windows, MIN_TILE, tile_windows } from "./tiles.js";

/** The stages of a call, in order: letterbox (with the conversion to float), forward, decode and nms. */
export const STAGES = ["letterbox", "forward", "decode", "nms"];

/**
 * A YOLOv5 network, ready to be called on images.
 *
 *     const detector = await Detector.load(cv, bytes);
 *     for (const { name, score, box } of detector.detect(image_data)) …
 *
 * Its fields conf_thres, iou_thres, max_det, agnostic_nms and multi_label may be changed between calls, the
 * others with `choose_classes`, `choose_size` and `choose_tiles`.
 */
export class Detector {
  #cv;
  #network;
  #multiple;
  #path;
  #class_ids = null;

  /**
   * Load a model file.
   *
   * @param {object} cv OpenCV.js 5, as `await (await import("…/opencv_js.js")).default()` gives it
   * @param {Uint8Array} bytes of the .onnx file, made by `python -m convert`
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
    const { buffer, metadata } = read_model(bytes, path);
    this.#path = path;
    this.info = read_info(metadata, path, { names, anchors, strides });
    const { head } = this.info;
    if (!head.decode) throw new ModelError(`${path} does not detect; it is for ${head.constructor.user}`);
    this.conf_thres = share(conf_thres ?? head.conf_thres, "conf_thres");
    this.iou_thres = share(iou_thres ?? head.iou_thres, "iou_thres");
    if (!Number.isInteger(max_det) || max_det < 1) {
      throw new InputError(`max_det must be a whole number of at least 1, not ${shown(max_det)}`);
    }
    this.max_det = max_det;
    this.agnostic_nms = agnostic_nms;
    this.multi_label = multi_label;
    /** Whether the network takes other sizes than its own. */
    this.free_size = this.info.dynamic || !metadata.has("imgsz");
    this.choose_classes(classes);
    this.choose_size(imgsz);
    this.choose_tiles(tiles);
    this.#multiple = rect && this.info.dynamic ? this.info.size_multiple : null;
    this.#cv = cv;
    this.#network = new Network(cv, buffer, this.info, path);
  }

  /** Look only for these classes, given by name or number; null looks for all. Throws InputError. */
  choose_classes(classes) {
    const { names } = this.info;
    if (classes === null) return void (this.#class_ids = null);
    this.#class_ids = new Set();
    for (const each of Array.isArray(classes) ? classes : [classes]) {
      const named = names.flatMap((name, i) => (name === each ? [i] : []));
      const number = /^\d+$/.test(String(each)) && Number(each) < names.length ? [Number(each)] : [];
      const ids = named.length ? named : number;
      if (!ids.length) {
        throw new InputError(
          `there is no class ${shown(each)}; the model has 0 to ${names.length - 1}: ` +
            shown(names.slice(0, 100).join(", ")),
        );
      }
      ids.forEach((id) => this.#class_ids.add(id));
    }
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
   * @param {object} timings is given the milliseconds spent in each of STAGES, with tiles in all of them together
   * @returns {{class_id: number, name: string, score: number, box: [number, number, number, number]}[]} best
   *   first; box is x1, y1, x2, y2 in the image's pixels, within the image. Where the model gives them, each has also
   *   a `mask`, {left, top, width, height, data, size}: bytes of 0 and 1 for a part of the image, whose [h, w] is
   *   `size`; and `keypoints`, [x, y] pairs in the image's pixels.
   *
   * Throws InputError for what is not an image, ModelError if the network doesn't fit its metadata. After a
   * ModelError that has a `cause`, OpenCV.js itself has ended and must be loaded anew.
   */
  detect(image, timings = {}) {
    image = to_channels(this.#cv, image, this.info.channels);
    const image_hw = [image.height, image.width];
    const windows = this.tiles === null ? [] : tile_windows(image_hw, this.tiles);
    if (windows.length <= 1) return this.#detect_whole(image, timings);
    for (const stage of STAGES) timings[stage] = 0;
    const parts = windows.map((window) => {
      const spent = {};
      const found = this.#detect_whole(cut_out(image, window), spent);
      for (const stage of STAGES) timings[stage] += spent[stage];
      return found;
    });
    const start = performance.now();
    const merged = merge_windows(parts, windows, image_hw, this.iou_thres, this.max_det, this.agnostic_nms);
    timings.nms += performance.now() - start;
    return merged;
  }

  #detect_whole(image, timings) {
    const { info } = this;
    const image_hw = [image.height, image.width];
    const clock = [performance.now()];

    const { canvas, placement } = letterbox(this.#cv, image, this.imgsz, this.#multiple);
    const blob = this.#network.blob(canvas.height, canvas.width);
    to_blob(canvas, info.fold, blob);
    const scale = info.head.input_scale ?? 1;
    if (scale !== 1) for (let i = 0; i < blob.length; i++) blob[i] *= scale;
    clock.push(performance.now());

    const outputs = this.#network.forward();
    clock.push(performance.now());

    let candidates = info.head.decode(outputs, this.conf_thres, this.multi_label);
    if (this.#class_ids) {
      const wanted = Array.from(candidates.class_ids.keys()).filter((i) => this.#class_ids.has(candidates.class_ids[i]));
      candidates = candidates.select(wanted);
    }
    clock.push(performance.now());

    const chosen = candidates.select(nms(candidates, this.iou_thres, this.max_det, this.agnostic_nms));
    const boxes = unletterbox(chosen.xyxy, placement, image_hw);
    const more = info.head.more(this.#cv, chosen, outputs, placement, image_hw);
    clock.push(performance.now());

    STAGES.forEach((stage, i) => (timings[stage] = clock[i + 1] - clock[i]));
    return Array.from(chosen.scores, (score, i) => ({
      class_id: chosen.class_ids[i],
      name: info.names[chosen.class_ids[i]],
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

function share(value, name) {
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) {
    throw new InputError(`${name} must be a number from 0 to 1, not ${shown(value)}`);
  }
  return value;
}

/**
 * Give detections as plain values for JSON, with the fields of the JSON output of `python -m runtime.detect`: masks
 * become COCO's RLE, {size: [h, w], counts: text}.
 */
export function to_dict(detections) {
  return detections.map(({ mask, ...rest }) => (mask ? { ...rest, mask: encode(mask) } : rest));
}
