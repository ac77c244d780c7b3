// From the raw head maps of an anchor-free network (yolov5u, YOLOv8) to candidate boxes.
//
// With the cell (column, row) of a head of stride s, and for each side the distance d = Σ k · softmax(bins)_k:
//
//     x1 = (column + 0.5 − d_left) · s    y1 = (row + 0.5 − d_top) · s
//     x2 = (column + 0.5 + d_right) · s   y2 = (row + 0.5 + d_bottom) · s
//     score = σ(t_class)
//
// Distribution focal loss, https://arxiv.org/abs/2006.04388 (section 3.2), without a bin's own weights: bin k is k.

import { as_candidates, best_class, logit, sigmoid } from "./decode.js";
import { ModelError } from "../errors.js";

/** Compute a distance, in cells, from the logits of its bins: `bin(k)` for k below `count`. */
function distance(bin, count) {
  let most = -Infinity, sum = 0, weighted = 0;
  for (let k = 0; k < count; k++) most = Math.max(most, bin(k));
  for (let k = 0; k < count; k++) {
    const weight = Math.exp(bin(k) - most);
    sum += weight;
    weighted += weight * k;
  }
  return weighted / sum;
}

/**
 * Find the candidates of one image whose score is above `conf_thres`.
 *
 * @param {{shape: number[], data: Float32Array}[]} heads for each output the raw map, (4 · reg_max + classes, ny,
 *   nx): the bins of the left, top, right and bottom distance, then the classes
 * @param {number[]} strides for each output, in pixels
 * @param {boolean} multi_label give a candidate every class that is above, not just its best, the first of equals
 * @returns {Candidates} in the order head, row, column, class
 *
 * Throws ModelError if what the network gives is not finite.
 */
export function decode_anchor_free(heads, strides, reg_max, conf_thres, multi_label = false) {
  const threshold = Math.fround(logit(conf_thres)), least = Math.fround(conf_thres);
  const found = { xyxy: [], scores: [], class_ids: [], extra: [] };
  heads.forEach(({ shape: [channels, ny, nx], data }, h) => {
    const plane = ny * nx, stride = strides[h], first = 4 * reg_max;
    if (data.subarray(first * plane).some(Number.isNaN)) throw new ModelError("the network's output is not a number");
    for (let cell = 0; cell < plane; cell++) {
      const at = (channel) => data[channel * plane + cell];
      let xyxy = null;
      const add = (class_id) => {
        const class_logit = at(first + class_id);
        if (class_logit < threshold) return; // an equal one may be above once it is rounded
        const score = sigmoid(class_logit);
        if (!(score > least)) return;
        if (!xyxy) {
          const [left, top, right, bottom] = [0, 1, 2, 3].map((side) => distance((k) => at(side * reg_max + k), reg_max));
          const x = (cell % nx) + 0.5, y = Math.floor(cell / nx) + 0.5;
          xyxy = [x - left, y - top, x + right, y + bottom].map((edge) => Math.fround(edge * stride));
        }
        found.xyxy.push(...xyxy);
        found.scores.push(score);
        found.class_ids.push(class_id);
      };
      if (multi_label) for (let class_id = 0; class_id < channels - first; class_id++) add(class_id);
      else add(best_class(at, first, channels));
    }
  });
  return as_candidates(found);
}
