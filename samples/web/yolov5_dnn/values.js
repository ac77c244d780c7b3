// Checking plain values, as they come out of JSON or from a caller.

import { printable } from "./errors.js";

export const MAX_SIDE = 8192; // of the network's input, in pixels: a wrong size should not fill the memory

/** Give a whole number from 1 to `most` back, or throw RangeError. */
export function whole(value, name, most) {
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new RangeError(`${name} must be whole numbers from 1 to ${most}, not ${shown(value)}`);
  }
  return value;
}

/** Give a list back, or throw RangeError. */
export function list(value, name) {
  if (!Array.isArray(value)) throw new RangeError(`${name} must be a list`);
  return value;
}

/** A value for a message. */
export function shown(value) {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  return printable(JSON.stringify(value) ?? String(value));
}

/** Round to the nearest whole number, halves to the even one: what Python's and OpenCV's rounding does. */
export function round(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
