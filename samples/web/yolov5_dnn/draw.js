// Drawing boxes and their labels on a canvas, with the same colours and sizes as the twins.

import { round } from "./values.js";

/**
 * Give a class its colour, [red, green, blue] of 0 to 255.
 *
 * Hues step by the golden ratio, which spreads any number of classes evenly; three shades take turns, because
 * hues come close to each other after 5, 8, 13, … steps. In HSV: hue = (0.57 + 0.618034 · id) mod 1;
 * saturation, value = (0.85, 1), (0.6, 1), (0.9, 0.75) for id mod 3 = 0, 1, 2.
 */
export function class_colour(class_id) {
  const hue = (0.57 + 0.618034 * class_id) % 1;
  const [saturation, value] = [[0.85, 1], [0.6, 1], [0.9, 0.75]][class_id % 3];
  const channel = (n) => {
    const k = (n + hue * 6) % 6;
    return round(255 * (value - value * saturation * Math.max(0, Math.min(k, 4 - k, 1))));
  };
  return [channel(5), channel(3), channel(1)];
}

/** Black or white, whichever reads better: black on more than half of white's luma (BT.601). */
export function text_colour([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 127.5 ? [0, 0, 0] : [255, 255, 255];
}

/** Width of the boxes' lines in pixels: a 300th of the mean of height and width, at least 2. */
export function line_width([height, width]) {
  return Math.max(2, round((height + width) / 2 / 300));
}

/** Height of the labels' letters in pixels: a 50th of the mean of height and width, at least 12. */
export function text_size([height, width]) {
  return Math.max(12, round((height + width) / 2 / 50));
}

/** A colour for a canvas's fillStyle. */
export function css(rgb) {
  return `rgb(${rgb.join(" ")})`;
}

/**
 * Draw boxes and labels (name and score) on a canvas's 2D context, whose pixels are the image's, or `scale`
 * times as many.
 *
 * A label sits on top of its box, or inside where there is no room, and never leaves the canvas: it is made
 * smaller, and at last cut, to fit. The best detections are drawn last, over the others.
 *
 * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} context
 * @param {object[]} detections from `Detector.detect`
 * @param {{scale?: number, line?: number, size?: number}} look `line` and `size`: pixels of lines and letters,
 *   by default what `line_width` and `text_size` say of the canvas
 */
export function draw(context, detections, { scale = 1, line, size } = {}) {
  const { width, height } = context.canvas;
  line ??= line_width([height, width]);
  size ??= text_size([height, width]);
  const worst_first = [...detections].reverse();
  for (const { box, class_id } of worst_first) {
    context.fillStyle = css(class_colour(class_id));
    draw_rectangle(context, box.map((edge) => round(edge * scale)), line);
  }
  for (const each of worst_first) { // after all boxes, so that no line crosses a label
    const corner = each.box.slice(0, 2).map((edge) => round(edge * scale));
    draw_label(context, `${each.name} ${each.score.toFixed(2)}`, corner, class_colour(each.class_id), line, size);
  }
}

/** Draw a rectangle's lines, half of their width to each side of its edges. */
function draw_rectangle(context, [x1, y1, x2, y2], line) {
  const before = Math.floor(line / 2);
  const width = x2 - x1 + line, height = y2 - y1 + line;
  context.fillRect(x1 - before, y1 - before, width, line);
  context.fillRect(x1 - before, y2 - before, width, line);
  context.fillRect(x1 - before, y1 - before, line, height);
  context.fillRect(x2 - before, y1 - before, line, height);
}

/** Draw a filled label whose lower left corner is the box's upper left one, room permitting. */
function draw_label(context, label, [x, y], colour, line, size) {
  const { width, height } = context.canvas;
  const pad = Math.max(2, Math.floor(size / 5));
  const text_width = () => {
    context.font = `500 ${size}px system-ui, sans-serif`;
    return Math.ceil(context.measureText(label).width);
  };
  while (size > 8 && text_width() + 2 * pad > width) size--;
  const letters = Array.from(label);
  while (letters.length && text_width() + 2 * pad > width) {
    letters.pop();
    label = letters.join("");
  }
  const ascent = round(size * 0.95), descent = round(size * 0.25);
  const label_w = text_width() + 2 * pad, label_h = ascent + descent + pad;
  if (!label || label_h > height) return;
  const left = Math.min(Math.max(x - Math.floor(line / 2), 0), width - label_w);
  let top = y - Math.floor(line / 2) - label_h;
  if (top < 0) top = Math.min(Math.max(y, 0), height - label_h); // no room above the box
  context.fillStyle = css(colour);
  context.fillRect(left, top, label_w, label_h);
  context.fillStyle = css(text_colour(colour));
  context.textBaseline = "alphabetic";
  context.fillText(label, left + pad, top + Math.floor(pad / 2) + ascent);
}
