// Drawing what was found on a canvas, in the colours that the Python and C++ programs use.
"use strict";

// Hues step by the golden ratio, three shades take turns: see runtime/draw.py.
function classColour(id) {
  const hue = (0.57 + 0.618034 * id) % 1;
  const [saturation, value] = [[0.85, 1], [0.6, 1], [0.9, 0.75]][id % 3];
  const channel = (n) => {
    const k = (n + hue * 6) % 6;
    return Math.round(255 * (value - value * saturation * Math.max(0, Math.min(k, 4 - k, 1))));
  };
  return [channel(5), channel(3), channel(1)];
}

function css([red, green, blue], alpha = 1) {
  return `rgb(${red} ${green} ${blue} / ${alpha})`;
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

function drawMask(context, mask, colour) {
  const [height, width] = mask.size;
  const image = context.createImageData(width, height);
  let position = 0, inside = false;
  for (const count of readRunLengths(mask.counts)) {
    if (inside) {
      for (let i = position; i < position + count; i++) {
        const pixel = 4 * ((i % height) * width + Math.floor(i / height));
        image.data.set([...colour, 110], pixel);
      }
    }
    position += count;
    inside = !inside;
  }
  const layer = new OffscreenCanvas(width, height);
  layer.getContext("2d").putImageData(image, 0, 0);
  context.drawImage(layer, 0, 0);
}

// found: {boxes, scores, class_ids, names, masks?, keypoints?}, best first; the best are drawn last.
function drawFound(canvas, picture, found, chosen = -1) {
  const context = canvas.getContext("2d");
  const [width, height] = [picture.videoWidth || picture.width, picture.videoHeight || picture.height];
  canvas.width = width;
  canvas.height = height;
  context.drawImage(picture, 0, 0);
  if (!found || !found.boxes) return;
  const shrunk = Math.max(1, width / (canvas.clientWidth || width)); // a small screen shows fewer pixels
  const line = Math.max(1.5 * shrunk, Math.round((width + height) / 600));
  const size = Math.max(10 * shrunk, Math.round((width + height) / 100));
  const order = found.boxes.map((_, i) => i).reverse();
  for (const i of order) {
    const colour = classColour(found.class_ids[i]);
    if (found.masks) drawMask(context, JSON.parse(found.masks[i]), colour);
    const [x1, y1, x2, y2] = found.boxes[i];
    context.strokeStyle = css(colour);
    context.lineWidth = i === chosen ? 2 * line : line;
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    context.fillStyle = css(colour);
    for (const [x, y] of found.keypoints ? found.keypoints[i] : []) {
      context.beginPath();
      context.arc(x, y, 1.5 * line, 0, 2 * Math.PI);
      context.fill();
    }
  }
  context.font = `${size}px system-ui, sans-serif`;
  context.textBaseline = "top";
  for (const i of order) {
    const colour = classColour(found.class_ids[i]);
    const [red, green, blue] = colour;
    const text = `${found.names[i]} ${found.scores[i].toFixed(2)}`;
    const pad = Math.max(2, Math.round(size / 5));
    const [w, h] = [context.measureText(text).width + 2 * pad, size + 2 * pad];
    const x = Math.max(0, Math.min(found.boxes[i][0] - line / 2, width - w));
    const above = found.boxes[i][1] - line / 2 - h;
    const y = above < 0 ? Math.min(Math.max(found.boxes[i][1], 0), height - h) : above;
    context.fillStyle = css(colour);
    context.fillRect(x, y, w, h);
    context.fillStyle = 0.299 * red + 0.587 * green + 0.114 * blue > 127.5 ? "#000" : "#fff";
    context.fillText(text, x + pad, y + pad);
  }
}
