// From the network's raw head maps to candidate boxes.
//
// With σ the logistic function, an anchor of w × h pixels and the cell (column, row) of a head of stride s:
//
//     centre = (2σ(t_xy) − 0.5 + cell) · s        size = (2σ(t_wh))² · anchor
//     score  = σ(t_objectness) · σ(t_class)
//
// https://docs.ultralytics.com/yolov5/tutorials/architecture_description/#44-eliminate-grid-sensitivity
//
// Everything is rounded to float32 after each operation, as Python's twin computes: where sigmoids of large
// logits are equal there, they must be equal here, or boxes would come in another order.

import { Candidates } from "./candidates.js";
import { ModelError } from "../errors.js";

const f32 = Math.fround;

/** Compute 1 / (1 + e⁻ˣ) in float32; from −87 down it is 2e-38. */
export function sigmoid(x) {
  return f32(1 / f32(1 + f32(Math.exp(-Math.max(x, -87)))));
}

/** Compute the inverse of `sigmoid`: ln(p / (1 − p)), from −∞ at 0 to +∞ at 1. */
export function logit(probability) {
  if (probability <= 0) return -Infinity;
  if (probability >= 1) return Infinity;
  return Math.log(probability / (1 - probability));
}

/**
 * Compute a box from its four logits.
 *
 * @param {number[]} logits t_x t_y t_w t_h
 * @param {[number, number]} cell column and row
 * @param {[number, number]} anchor width and height in pixels
 * @returns {[number, number, number, number]} x1 y1 x2 y2 in pixels of the network's input
 */
export function decode_boxes(logits, cell, anchor, stride) {
  const doubled = logits.map((each) => f32(2 * sigmoid(each)));
  const centre = [0, 1].map((i) => f32(f32(f32(doubled[i] - 0.5) + cell[i]) * stride));
  const half = [0, 1].map((i) => f32(f32(f32(doubled[2 + i] ** 2) * f32(anchor[i])) / 2));
  return [centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1]].map(f32);
}

/**
 * Find the candidates of one image whose score is above `conf_thres`.
 *
 * @param {{shape: [number, number, number], data: Float32Array}[]} heads for each output the raw map,
 *   (na · columns, ny, nx), its channels anchor by anchor
 * @param {number[][][]} anchors for each output its na anchors, [width, height] in pixels
 * @param {number[]} strides for each output, in pixels
 * @param {{classes: [number, number], extra: [number, number]}} layout which columns, [start, end), of one
 *   anchor's outputs hold classes and extra; x, y, w, h, objectness are always columns 0 to 4
 * @param {number} conf_thres both objectness and score have to be above it
 * @param {boolean} multi_label give a candidate every class that is above, not just its best, the first of equals
 * @param {Function} extra what becomes of an extra value: (value, i, {at, cell, anchor, stride}) → number, with i
 *   counted from 0, at(column) a logit of the same anchor, and cell [column, row]; by default it stays as it is
 * @returns {Candidates} in the order head, anchor, row, column, class
 *
 * Throws ModelError if the heads don't fit the anchors or what the network gives is not finite.
 */
export function decode(heads, anchors, strides, layout, conf_thres, multi_label = false, extra = (value) => value) {
  if (heads.length !== anchors.length || heads.length !== strides.length) {
    throw new ModelError(
      `the network has ${heads.length} heads, but there are anchors for ${anchors.length} and strides for ` +
        `${strides.length}`,
    );
  }
  const threshold = f32(logit(conf_thres)), least = f32(conf_thres);
  const [first_class, end_class] = layout.classes, [first_extra, end_extra] = layout.extra;
  const columns = Math.max(end_class, end_extra);
  const found = { xyxy: [], scores: [], class_ids: [], extra: [] };

  heads.forEach(({ shape: [channels, ny, nx], data }, h) => {
    const stride = strides[h];
    if (channels !== anchors[h].length * columns) {
      throw new ModelError(
        `a head of ${channels} channels does not fit ${anchors[h].length} anchors with ${columns} channels each`,
      );
    }
    const plane = ny * nx;
    anchors[h].forEach((anchor, a) => {
      for (let i = 0; i < plane; i++) {
        // Only the objectness planes are read in full; everything else just where there is something to see.
        const objectness_logit = data[(a * columns + 4) * plane + i];
        if (objectness_logit <= threshold) continue;
        if (Number.isNaN(objectness_logit)) throw new ModelError("the network's output is not a number");
        const objectness = sigmoid(objectness_logit);
        const at = (column) => data[(a * columns + column) * plane + i];
        const cell = [i % nx, Math.floor(i / nx)];
        let xyxy = null;

        const add = (class_id) => {
          const score = f32(objectness * sigmoid(at(first_class + class_id)));
          if (!(score > least)) return;
          xyxy ??= decode_boxes([0, 1, 2, 3].map(at), cell, anchor, stride);
          found.xyxy.push(...xyxy);
          found.scores.push(score);
          found.class_ids.push(class_id);
          for (let k = first_extra; k < end_extra; k++) {
            found.extra.push(extra(at(k), k - first_extra, { at, cell, anchor, stride }));
          }
        };

        if (multi_label) for (let class_id = 0; class_id < end_class - first_class; class_id++) add(class_id);
        else add(best_class(at, first_class, end_class));
      }
    });
  });
  return as_candidates(found);
}

/** Find the class with the highest logit, the first of equals: the logit of column k, from `first` on, is at(k). */
export function best_class(at, first, end) {
  let best = first;
  for (let k = first + 1; k < end; k++) if (at(k) > at(best)) best = k;
  return best - first;
}

/** Turn plain lists into Candidates. Throws ModelError if a box or an extra value is not finite. */
export function as_candidates({ xyxy, scores, class_ids, extra }) {
  const candidates = new Candidates(
    Float32Array.from(xyxy), Float32Array.from(scores), Int32Array.from(class_ids), Float32Array.from(extra),
  );
  if (!candidates.xyxy.every(Number.isFinite) || !candidates.extra.every(Number.isFinite)) {
    throw new ModelError("the network gives boxes that are not finite");
  }
  return candidates;
}
