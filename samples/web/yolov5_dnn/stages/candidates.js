// What decoding finds and NMS chooses from.

/** Boxes of one image with all that belongs to them, column by column. */
export class Candidates {
  /**
   * @param {Float32Array} xyxy (n, 4), x1 y1 x2 y2 in pixels of the network's input
   * @param {Float32Array} scores (n,), 0 to 1
   * @param {Int32Array} class_ids (n,)
   * @param {Float32Array} extra (n, e): mask coefficients or keypoints; e is 0 for plain detection
   */
  constructor(xyxy, scores, class_ids, extra = new Float32Array(0)) {
    this.xyxy = xyxy;
    this.scores = scores;
    this.class_ids = class_ids;
    this.extra = extra;
  }

  get length() {
    return this.scores.length;
  }

  /** How many extra values each one has. */
  get extras() {
    return this.length ? this.extra.length / this.length : 0;
  }

  /** Give the rows at `indices`, in their order. */
  select(indices) {
    return new Candidates(
      rows(this.xyxy, 4, indices),
      rows(this.scores, 1, indices),
      rows(this.class_ids, 1, indices),
      rows(this.extra, this.extras, indices),
    );
  }
}

function rows(column, width, indices) {
  const chosen = new column.constructor(indices.length * width);
  indices.forEach((index, i) => chosen.set(column.subarray(index * width, (index + 1) * width), i * width));
  return chosen;
}
