// Saving what was found: the annotated picture, and the JSON that `python -m runtime.detect --json` writes.

import { draw, draw_classes, to_dict } from "../yolov5_dnn.js";

/** Save a picture with what was found drawn on it, at its own size. */
export async function save_picture(bitmap, { kind, found, name }) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  (kind === "classes" ? draw_classes : draw)(context, found);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  if (!blob) throw new Error("the canvas gives no picture");
  download(blob, `${stem(name)}-detected.jpg`);
}

/** Save what was found as JSON: shares with 6 decimals, all else with 3. */
export function save_json({ kind, found, name, width, height }) {
  const rounded = (value, key) => {
    if (typeof value === "number") return Number(value.toFixed(/^(score|probability)$/.test(key) ? 6 : 3));
    if (Array.isArray(value)) return value.map((each) => rounded(each, key));
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, rounded(v, k)]));
    return value;
  };
  const entries = [{ file: name, width, height, [kind]: rounded(to_dict(found), "") }];
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
