// Plain values: what is as large as can be, how they are rounded, and how they are shown.

import { escape } from "./escape.js";

export const MAX_SIDE = 8192; // of the network's input, in pixels: a wrong size should not fill the memory

/** A value for a message. */
export function shown(value) {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  return escape(JSON.stringify(value) ?? String(value));
}

/** Round to the nearest whole number, halves to the even one: what Python's and OpenCV's rounding does. */
export function round(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
