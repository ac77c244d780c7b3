// Saving what was found: the annotated picture, and the JSON that `python -m runtime.detect --json` writes.

import { draw, to_dict } from "../yolov5_dnn.js";

/** Save a picture with its boxes, at its own size. */
export async function save_picture(bitmap, detections, name) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  draw(context, detections);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  if (!blob) throw new Error("the canvas gives no picture");
  download(blob, `${stem(name)}-detected.jpg`);
}

/** Save detections as JSON: scores of 6 and boxes of 3 decimals. */
export function save_json(detections, name, { width, height }) {
  const rounded = to_dict(detections).map(({ score, box, ...rest }) => ({
    ...rest,
    score: Number(score.toFixed(6)),
    box: box.map((edge) => Number(edge.toFixed(3))),
  }));
  const entries = [{ file: name, width, height, detections: rounded }];
  download(new Blob([`${JSON.stringify(entries, null, 1)}\n`], { type: "application/json" }), `${stem(name)}.json`);
}

function stem(name) {
  return name.replace(/\.[^.]*$/, "") || "picture";
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
