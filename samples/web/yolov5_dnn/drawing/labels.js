// Where the labels of boxes go, so that no label covers another one and each hides as little as it can.
//
// Labels are placed one after the other, best detection first, in whole pixels and whole numbers: the twins come to
// the same places.

const WHOLE = 50; // parts of a box that are told apart: hiding less than one of them counts nothing

/**
 * Find a place for the label of each box.
 *
 * A label is tried above its box, below it, within its upper and its lower edge, at the box's left, its right and its
 * middle, and beside it, moved into the image where its box reaches out of it. Of the places that lie in the image and
 * meet no label placed before, it takes the one that hides least of all boxes, counted in shares of each box; of
 * equals, the first.
 *
 * @param {number[][]} boxes [x1, y1, x2, y2] in whole pixels, in the order in which labels choose
 * @param {number[][]} sizes [width, height] of each one's label
 * @returns {([number, number] | null)[]} [left, top] of each label, or null where every place is taken
 */
export function place_labels(boxes, sizes, [height, width]) {
  const areas = boxes.map(([x1, y1, x2, y2]) => Math.max((x2 - x1) * (y2 - y1), 1));
  const taken = [];
  return boxes.map((box, i) => {
    const [label_w, label_h] = sizes[i];
    let best = null, least = Infinity;
    for (const [left, top] of corners(box, label_w, label_h, [height, width])) {
      const rect = [left, top, left + label_w, top + label_h];
      if (left < 0 || top < 0 || rect[2] > width || rect[3] > height) continue;
      if (taken.some((other) => intersection(rect, other) > 0)) continue;
      const hidden = boxes.reduce((sum, other, j) => sum + Math.floor((intersection(rect, other) * WHOLE) / areas[j]), 0);
      if (hidden < least) [best, least] = [rect, hidden];
    }
    if (!best) return null;
    taken.push(best);
    return [best[0], best[1]];
  });
}

/** Name the upper left corners that a label may have, in the order of preference. */
function corners([x1, y1, x2, y2], label_w, label_h, [height, width]) {
  const last_top = Math.max(height - label_h, 0), last_left = Math.max(width - label_w, 0);
  const into = (value, last) => Math.min(Math.max(value, 0), last);
  const [first, ...lefts] = [x1, x2 - label_w, Math.floor((x1 + x2 - label_w) / 2)].map((left) => into(left, last_left));
  const tops = [y1 - label_h, y2, into(y1, last_top), into(y2 - label_h, last_top)];
  return [
    ...tops.map((top) => [first, top]),
    ...tops.flatMap((top) => lefts.map((left) => [left, top])),
    [x2, y1], [x1 - label_w, y1], [x2, y2 - label_h], [x1 - label_w, y2 - label_h],
  ];
}

/** Compute the area in which two rectangles meet. */
function intersection(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]), height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return width > 0 && height > 0 ? width * height : 0;
}
