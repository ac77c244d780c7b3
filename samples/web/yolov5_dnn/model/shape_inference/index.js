// Operators that find places and take what is there, as exports with NMS or a final selection inside do.
//
// What they count must lie within what they take from: a network that reads beside a value is refused.

import { MAX_DIMENSIONS } from "../tensors.js";
import { broadcast } from "./math.js";
import { along, axis_of, need } from "./context.js";

function top_k(o) {
  const x = o.shape(0), k = o.whole_constant(1);
  const axis = axis_of(o.whole("axis", -1), x.length);
  need(k.length === 1 && k[0] >= 1 && k[0] <= x[axis], "there are fewer numbers than it takes");
  const made = along(x, axis, k[0]);
  o.limits_output(1, x[axis]);
  return [made, made];
}

function gather(o) {
  const x = o.shape(0), places = o.shape(1);
  const axis = axis_of(o.whole("axis", 0), x.length);
  need(o.limit(1) <= x[axis], "it takes more places than there are");
  const made = [...x.slice(0, axis), ...places, ...x.slice(axis + 1)];
  need(made.length <= MAX_DIMENSIONS, "it makes too many dimensions");
  return [made];
}

function gather_elements(o) {
  const x = o.shape(0), places = o.shape(1);
  const axis = axis_of(o.whole("axis", 0), x.length);
  need(o.limit(1) <= x[axis] && places.length === x.length, "it takes more places than there are");
  need(places.every((side, i) => side <= x[i] || i === axis), "its sides differ");
  return [places];
}

/** Of places, the whole part stays. */
function div(o) {
  if (o.counts_places()) o.limits_output(0, Math.floor((o.limit(0) - 1) / o.divisor()) + 1);
  return broadcast(o);
}

function mod(o) {
  need(o.counts_places(), "it is of other numbers than places");
  o.limits_output(0, Math.min(o.limit(0), o.divisor()));
  return broadcast(o);
}

export const RULES = {
  Div: div,
  Gather: gather,
  GatherElements: gather_elements,
  Mod: mod,
  TopK: top_k,
};
