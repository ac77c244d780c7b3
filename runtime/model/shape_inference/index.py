"""Operators that find places and take what is there, as exports with NMS or a final selection inside do.

What they count must lie within what they take from: a network that reads beside a value is refused. OpenCV 5
runs them, in Python alone.
"""

from __future__ import annotations

from ..tensors import MAX_DIMENSIONS
from .context import Operands, Rule, Shape, axis_of, need
from .math import broadcast


def _top_k(o: Operands) -> list[Shape]:
    x, k = o.shape(0), o.whole_constant(1)
    axis = axis_of(o.whole("axis", -1), len(x))
    need(len(k) == 1 and 1 <= k[0] <= x[axis], "there are fewer numbers than it takes")
    made = (*x[:axis], k[0], *x[axis + 1 :])
    o.limits_output(1, x[axis])
    return [made, made]


def _gather(o: Operands) -> list[Shape]:
    x, places = o.shape(0), o.shape(1)
    axis = axis_of(o.whole("axis", 0), len(x))
    need(o.limit(1) <= x[axis], "it takes more places than there are")
    made = x[:axis] + places + x[axis + 1 :]
    need(len(made) <= MAX_DIMENSIONS, "it makes too many dimensions")
    return [made]


def _gather_elements(o: Operands) -> list[Shape]:
    x, places = o.shape(0), o.shape(1)
    axis = axis_of(o.whole("axis", 0), len(x))
    need(o.limit(1) <= x[axis] and len(places) == len(x), "it takes more places than there are")
    need(all(p <= s for i, (p, s) in enumerate(zip(places, x, strict=True)) if i != axis), "its sides differ")
    return [places]


def _div(o: Operands) -> list[Shape]:
    """Of places, the whole part stays."""
    if o.counts_places():
        o.limits_output(0, (o.limit(0) - 1) // o.divisor() + 1)
    return broadcast(o)


def _mod(o: Operands) -> list[Shape]:
    need(o.counts_places(), "it is of other numbers than places")
    o.limits_output(0, min(o.limit(0), o.divisor()))
    return broadcast(o)


RULES: dict[str, Rule] = {
    "Div": _div,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Mod": _mod,
    "TopK": _top_k,
}
