// Small objects in large pictures: overlapping tiles at full resolution, the whole picture as well, and one answer
// from all of them.
//
// What a tile's edge cuts through is found in part. A neighbour holds it whole if it is no larger than the overlap,
// and the whole picture shows it if it is large; what is left are pieces of things in between, which are put together.
//
// A window is a part of an image in pixels: [left, top, right, bottom].

import { nms } from "../stages/nms.js";
import { round } from "../values.js";

export const MIN_TILE = 32; // pixels
export const OVERLAP = 0.25; // of a tile's side that its neighbour shows, too, at least
const EDGE = 0.015; // of a window's side: a box that comes so near to an edge of it is cut there
const SAME = 0.6; // of the smaller one's area, in what two windows both see: two boxes there show the same thing

const f32 = Math.fround;

/**
 * Lay tiles of `side` × `side` pixels over an image of [h, w], evenly, as few as overlap by OVERLAP.
 *
 * Gives the whole image first, then the tiles row by row; for an image no larger than a tile, only itself.
 */
export function tile_windows([height, width], side) {
  const windows = [[0, 0, width, height]];
  if (Math.max(height, width) <= side) return windows;
  for (const top of starts(height, side)) {
    for (const left of starts(width, side)) {
      windows.push([left, top, Math.min(left + side, width), Math.min(top + side, height)]);
    }
  }
  return windows;
}

/** Say where tiles start along an axis. */
function starts(length, side) {
  if (length <= side) return [0];
  const gaps = Math.ceil((length - side) / (side * (1 - OVERLAP)));
  return Array.from({ length: gaps + 1 }, (_, i) => round((i * (length - side)) / gaps));
}

/**
 * Make one answer of what was found in each window, each in its own window's pixels.
 *
 * Whole boxes compete as in `nms`. A piece, cut off by a tile's edge, that shows the same as a whole box of its class
 * in what both their windows see, gives way to it; pieces that show the same become one box around all of them, with
 * the best one's score. (With `agnostic`, of any class.) A mask becomes the union of its pieces; keypoints are those
 * of the best piece.
 *
 * @param {object[][]} parts detections of each window, as `Detector.detect` gives them
 * @returns {object[]} detections in the image's pixels, best first, at most `max_det`
 */
export function merge_windows(parts, windows, image_hw, iou_thres, max_det, agnostic = false) {
  const joined = parts.flatMap((part, i) => part.map((found) => moved(found, windows[i], image_hw)));
  const cut = parts.flatMap((part, i) => part.map((found) => is_cut(found.box, windows[i], image_hw)));
  const seen = parts.flatMap((part, i) => part.map(() => windows[i]));
  const numbers = Array.from(joined.keys());

  const whole = numbers.filter((i) => !cut[i]);
  const chosen = nms(columns(whole.map((i) => joined[i])), iou_thres, max_det, agnostic);
  const groups = chosen.map((i) => [whole[i]]);
  const group_of = new Map(groups.map((group) => [group[0], group])); // in the order in which they were added
  const pieces = numbers.filter((i) => cut[i]).sort((a, b) => joined[b].score - joined[a].score || a - b);
  for (const i of pieces) {
    let most = 0, group = null;
    for (const [j, its_group] of group_of) {
      if (!agnostic && joined[j].class_id !== joined[i].class_id) continue;
      const share = in_common(joined[i].box, seen[i], joined[j].box, seen[j]);
      if (share > most) [most, group] = [share, its_group];
    }
    if (most <= f32(SAME)) {
      group = [i];
      groups.push(group);
      group_of.set(i, group);
    } else if (cut[group[0]]) {
      group.push(i); // of one thing, whose other pieces this one may lead to
      group_of.set(i, group);
    }
  }
  groups.sort((a, b) => joined[b[0]].score - joined[a[0]].score);
  return groups.slice(0, max_det).map((group) => united(group.map((i) => joined[i])));
}

/** The columns that `nms` looks at. */
function columns(found) {
  return {
    xyxy: Float32Array.from(found.flatMap(({ box }) => box)),
    scores: Float32Array.from(found, ({ score }) => score),
    class_ids: Int32Array.from(found, ({ class_id }) => class_id),
  };
}

/** Bring what was found in a window to the image's pixels. */
function moved(found, [left, top], image_hw) {
  const to_image = (values) => values.map((value, i) => f32(value + (i % 2 ? top : left)));
  const result = { ...found, box: to_image(found.box) };
  if (found.keypoints) result.keypoints = found.keypoints.map(to_image);
  if (found.mask) result.mask = { ...found.mask, left: found.mask.left + left, top: found.mask.top + top, size: image_hw };
  return result;
}

/** Tell whether a box, in its window's pixels, reaches an edge of it that is not the image's. */
function is_cut([x1, y1, x2, y2], [left, top, right, bottom], [height, width]) {
  const near = EDGE * Math.max(right - left, bottom - top);
  return (
    (left > 0 && x1 < f32(near)) || (top > 0 && y1 < f32(near)) ||
    (right < width && x2 > f32(right - left - near)) || (bottom < height && y2 > f32(bottom - top - near))
  );
}

/** What two boxes have in common where both their windows see, as a share of the smaller one's area there. */
function in_common(box, window, other, others) {
  const low = [Math.max(window[0], others[0]), Math.max(window[1], others[1])];
  const high = [Math.min(window[2], others[2]), Math.min(window[3], others[3])];
  // Windows that see nothing in common leave no area.
  const within = (each) => each.map((value, i) => Math.min(Math.max(value, low[i % 2]), high[i % 2]));
  const area = (x1, y1, x2, y2) => f32(Math.max(f32(x2 - x1), 0) * Math.max(f32(y2 - y1), 0));
  const a = within(box), b = within(other);
  const common = area(Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3]));
  return f32(common / Math.max(Math.min(area(...a), area(...b)), f32(1e-9)));
}

/** Make one of several pieces, best first: the first one, with the box and the mask of all. */
function united(pieces) {
  if (pieces.length === 1) return pieces[0];
  const edge = (i) => pieces.map(({ box }) => box[i]);
  const box = [Math.min(...edge(0)), Math.min(...edge(1)), Math.max(...edge(2)), Math.max(...edge(3))];
  const { mask } = pieces[0];
  return mask ? { ...pieces[0], box, mask: union(pieces.map((piece) => piece.mask)) } : { ...pieces[0], box };
}

/** Make one mask of several of one image. */
function union(masks) {
  const { size } = masks[0];
  const parts = masks.filter(({ data }) => data.length);
  if (!parts.length) return masks[0];
  const left = Math.min(...parts.map((part) => part.left)), top = Math.min(...parts.map((part) => part.top));
  const width = Math.max(...parts.map((part) => part.left + part.width)) - left;
  const height = Math.max(...parts.map((part) => part.top + part.height)) - top;
  const data = new Uint8Array(width * height);
  for (const part of parts) {
    for (let y = 0; y < part.height; y++) {
      for (let x = 0; x < part.width; x++) {
        data[(y + part.top - top) * width + x + part.left - left] |= part.data[y * part.width + x];
      }
    }
  }
  return { left, top, width, height, data, size };
}
