// Drawing what was found on a canvas, in the colours that the Python and C++ programs use.
"use strict";

const MASK_OPACITY = 0.4;

// Hues step by the golden ratio, three shades take turns: see runtime/drawing/draw.py.
function classColour(id) {
  const hue = (0.57 + 0.618034 * id) % 1;
  const [saturation, value] = [[0.85, 1], [0.6, 1], [0.9, 0.75]][id % 3];
  const channel = (n) => {
    const k = (n + hue * 6) % 6;
    return Math.round(255 * (value - value * saturation * Math.max(0, Math.min(k, 4 - k, 1))));
  };
  return [channel(5), channel(3), channel(1)];
}

function css([red, green, blue]) {
  return `rgb(${red} ${green} ${blue})`;
}

// COCO's run lengths (see maskApi.c): bytes of five bits and a sign that more follow, column by column.
function readRunLengths(text) {
  const counts = [];
  for (let i = 0; i < text.length; ) {
    let value = 0, shift = 0, more = true, byte = 0;
    while (more) {
      byte = text.charCodeAt(i++) - 48;
      value |= (byte & 31) << shift;
      more = (byte & 32) !== 0;
      shift += 5;
    }
    if (byte & 16) value |= -1 << shift;
    counts.push(counts.length > 2 ? value + counts[counts.length - 2] : value);
  }
  return counts;
}

// All masks at once, the first one lowest: a layer for each would take seconds for hundreds of them.
function drawMasks(context, masks, colours) {
  const {width, height} = context.canvas;
  const image = context.getImageData(0, 0, width, height);
  masks.forEach((mask, i) => {
    let position = 0, inside = false;
    for (const count of readRunLengths(mask.counts)) {
      for (let at = position; inside && at < position + count; at++) {
        const pixel = 4 * ((at % height) * width + Math.floor(at / height));
        for (let channel = 0; channel < 3; channel++) {
          image.data[pixel + channel] += MASK_OPACITY * (colours[i][channel] - image.data[pixel + channel]);
        }
      }
      position += count;
      inside = !inside;
    }
  });
  context.putImageData(image, 0, 0);
}

// A text on its colour; x, y: its upper left corner. Returns its height.
function drawLabel(context, text, colour, x, y, size) {
  const [red, green, blue] = colour;
  const pad = Math.max(2, Math.round(size / 5));
  context.font = `${size}px system-ui, sans-serif`;
  context.textBaseline = "top";
  const [w, h] = [context.measureText(text).width + 2 * pad, size + 2 * pad];
  x = Math.max(0, Math.min(x, context.canvas.width - w));
  y = Math.max(0, Math.min(y, context.canvas.height - h));
  context.fillStyle = css(colour);
  context.fillRect(x, y, w, h);
  context.fillStyle = 0.299 * red + 0.587 * green + 0.114 * blue > 127.5 ? "#000" : "#fff";
  context.fillText(text, x + pad, y + pad);
  return h;
}

// found: {boxes, scores, class_ids, names, masks?, keypoints?}, best first, and the best are drawn last; or
// {scores, class_ids, names}: what the whole picture shows, into its corner.
function drawFound(canvas, picture, found, chosen = -1) {
  const context = canvas.getContext("2d", {willReadFrequently: Boolean(found?.masks)});
  const [width, height] = [picture.videoWidth || picture.width, picture.videoHeight || picture.height];
  canvas.width = width;
  canvas.height = height;
  context.drawImage(picture, 0, 0);
  if (!found) return;
  const shrunk = Math.max(1, width / (canvas.clientWidth || width)); // a small screen shows fewer pixels
  const line = Math.max(1.5 * shrunk, Math.round((width + height) / 600));
  const size = Math.max(10 * shrunk, Math.round((width + height) / 100));
  const colours = found.class_ids.map(classColour);
  const texts = found.names.map((name, i) => `${name} ${found.scores[i].toFixed(2)}`);
  if (!found.boxes) {
    let y = 0;
    texts.forEach((text, i) => { y += drawLabel(context, text, colours[i], 0, y, size); });
    return;
  }
  const order = found.boxes.map((_, i) => i).reverse();
  if (found.masks) drawMasks(context, order.map((i) => JSON.parse(found.masks[i])), order.map((i) => colours[i]));
  for (const i of order) {
    const [x1, y1, x2, y2] = found.boxes[i];
    context.strokeStyle = css(colours[i]);
    context.lineWidth = i === chosen ? 2 * line : line;
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    context.fillStyle = css(colours[i]);
    for (const [x, y] of found.keypoints ? found.keypoints[i] : []) {
      context.beginPath();
      context.arc(x, y, 1.5 * line, 0, 2 * Math.PI);
      context.fill();
    }
  }
  for (const i of order) {
    const [x, y] = found.boxes[i];
    const above = y - line / 2 - (size + 2 * Math.max(2, Math.round(size / 5)));
    drawLabel(context, texts[i], colours[i], x - line / 2, above < 0 ? y : above, size);
  }
}
