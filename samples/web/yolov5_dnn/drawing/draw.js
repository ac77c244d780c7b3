// Drawing what was found on a canvas, with the colours, sizes and places of the twins.

import { place_labels } from "./labels.js";
import { round } from "../values.js";

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

const MASK_OPACITY = 0.4;
// Left and right are told apart by colour.
const LEFT = [0, 176, 255], RIGHT = [255, 110, 0], MIDDLE = [255, 255, 255];
const FIVE_POINTS = [LEFT, RIGHT, MIDDLE, LEFT, RIGHT]; // eyes, nose, corners of the mouth, as yolov5-face orders them

/**
 * Draw masks, boxes, keypoints and labels (name and score) on a canvas's 2D context, whose pixels are the image's, or
 * `scale` times as many.
 *
 * The best detections, which come first, are drawn last, over the others. Boxes and points have a rim in black or
 * white, so that they stand off any background. Labels go where `place_labels` finds room; they are made smaller, and
 * at last cut, to fit, and where there is no room left, the box alone tells the class, by its colour.
 *
 * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} context
 * @param {object[]} detections from `Detector.detect`
 * @param {{scale?: number, line?: number, size?: number, hide_labels?: boolean}} look `line` and `size`: pixels of
 *   lines and letters, by default what `line_width` and `text_size` say of the canvas
 */
export function draw(context, detections, { scale = 1, line, size, hide_labels = false } = {}) {
  const image_hw = [context.canvas.height, context.canvas.width];
  line ??= line_width(image_hw);
  size ??= text_size(image_hw);
  const boxes = detections.map(({ box }) => box.map((edge) => round(edge * scale)));
  const colours = detections.map(({ class_id }) => class_colour(class_id));
  const worst_first = Array.from(detections.keys()).reverse();
  for (const i of worst_first) if (detections[i].mask) draw_mask(context, detections[i].mask, colours[i], scale);
  for (const i of worst_first) {
    draw_rectangle(context, boxes[i], line + 2, text_colour(colours[i]));
    draw_rectangle(context, boxes[i], line, colours[i]);
  }
  for (const i of worst_first) {
    if (detections[i].keypoints) draw_keypoints(context, detections[i].keypoints, colours[i], line, scale);
  }
  if (hide_labels) return;
  const texts = detections.map(({ name, score }) => `${name} ${score.toFixed(2)}`);
  draw_labels(context, texts, boxes, colours, line, size); // after all else, so that no line crosses a label
}

/**
 * Write classes, one below the other, into the upper left corner of a canvas; those for which there is no room are
 * left out.
 *
 * @param {object[]} classes from `Classifier.classify`
 */
export function draw_classes(context, classes, { size } = {}) {
  const { width, height } = context.canvas;
  size ??= text_size([height, width]);
  const pad = Math.max(2, Math.floor(size / 5));
  let top = 0;
  for (const { class_id, name, probability } of classes) {
    const label = fit(context, `${name} ${probability.toFixed(2)}`, size, width - 2 * pad);
    const [, label_h] = label_size(label, pad);
    if (top + label_h > height) return;
    draw_label(context, label, [0, top], class_colour(class_id), pad);
    top += label_h;
  }
}

/** Draw a rectangle's lines as OpenCV does: half of their width to each side of its edges, rounded up. */
function draw_rectangle(context, [x1, y1, x2, y2], line, colour) {
  const reach = line > 1 ? Math.ceil(line / 2) : 0, thick = 2 * reach + 1;
  const width = x2 - x1 + thick, height = y2 - y1 + thick;
  context.fillStyle = css(colour);
  context.fillRect(x1 - reach, y1 - reach, width, thick);
  context.fillRect(x1 - reach, y2 - reach, width, thick);
  context.fillRect(x1 - reach, y1 - reach, thick, height);
  context.fillRect(x2 - reach, y1 - reach, thick, height);
}

/** Tint the pixels of a mask and draw its contour: the mask's pixels that have one beside them that is none. */
function draw_mask(context, { left, top, width, height, data }, colour, scale) {
  if (!width || !height) return;
  const at = (x, y) => x >= 0 && y >= 0 && x < width && y < height && data[y * width + x];
  const image = new ImageData(width, height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!data[i]) continue;
      const inside = at(x - 1, y) && at(x + 1, y) && at(x, y - 1) && at(x, y + 1);
      image.data.set([...colour, inside ? 255 * MASK_OPACITY : 255], 4 * i);
    }
  }
  const layer = new OffscreenCanvas(width, height);
  layer.getContext("2d").putImageData(image, 0, 0);
  context.drawImage(layer, left * scale, top * scale, width * scale, height * scale);
}

/** Draw a disc for each point: five in the colours of left, right and middle, others in the class's. */
function draw_keypoints(context, points, colour, line, scale) {
  points.forEach(([x, y], i) => {
    const shade = points.length === 5 ? FIVE_POINTS[i] : colour;
    for (const [radius, fill] of [[line + 2, text_colour(shade)], [line, shade]]) {
      context.fillStyle = css(fill);
      context.beginPath();
      context.arc(x * scale, y * scale, radius, 0, 2 * Math.PI);
      context.fill();
    }
  });
}

/** Draw filled labels with their texts, the first ones where they like best. */
function draw_labels(context, texts, boxes, colours, line, size) {
  const { width, height } = context.canvas;
  const pad = Math.max(2, Math.floor(size / 5));
  const labels = texts.map((text) => fit(context, text, size, width - 2 * pad));
  const half = Math.floor(line / 2); // of a line lies outside its box
  const edges = boxes.map(([x1, y1, x2, y2]) => [x1 - half, y1 - half, x2 + half + 1, y2 + half + 1]);
  const sizes = labels.map((label) => label_size(label, pad));
  place_labels(edges, sizes, [height, width]).forEach((place, i) => {
    if (place && labels[i].text) draw_label(context, labels[i], place, colours[i], pad);
  });
}

/** Width and height of a label with a text of this width and size. */
function label_size({ width, size }, pad) {
  return [width + 2 * pad, ascent(size) + descent(size) + pad];
}

/** Draw a text on its colour, its label's upper left corner at [left, top]. */
function draw_label(context, { text, size, width }, [left, top], colour, pad) {
  context.fillStyle = css(colour);
  context.fillRect(left, top, ...label_size({ width, size }, pad));
  context.fillStyle = css(text_colour(colour));
  context.font = font(size);
  context.textBaseline = "alphabetic";
  context.fillText(text, left + pad, top + Math.floor(pad / 2) + ascent(size));
}

/** Make a text small enough, and if need be short enough, for a width: {text, size, width}. */
function fit(context, text, size, most) {
  const measure = () => {
    context.font = font(size);
    return Math.ceil(context.measureText(text).width);
  };
  let width = measure();
  for (; size > 8 && width > most; width = measure()) size--;
  const letters = Array.from(text);
  for (; letters.length && width > most; width = measure()) {
    letters.pop();
    text = letters.join("");
  }
  return { text, size, width };
}

const font = (size) => `500 ${size}px system-ui, sans-serif`;
const ascent = (size) => round(size * 0.95);
const descent = (size) => round(size * 0.25);
