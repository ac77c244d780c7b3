"""How much a network computes and holds at an input size: the shapes of all its values, from its graph alone.

One rule for each operator, from the shapes of its inputs to those of its outputs. It covers what YOLOv5
networks consist of once they are exported, and the usual operators of other convolutional networks. A graph
with any other operator or attribute is refused: OpenCV would take it for any layer or option of its own, from
whatever framework.
Operators: https://github.com/onnx/onnx/blob/v1.16.0/docs/Operators.md
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .letterbox import MAX_SIDE
from .model_graph import MAX_DIMENSIONS, Graph, GraphError, Node, Tensor, show

MAX_ALIVE = 1 << 30  # numbers that a forward pass may hold at one time: 4 GiB of float32
MAX_WORK = 10**13  # multiplications of one forward pass; the largest YOLOv5 at 1280 × 1280 has 4 · 10¹¹

Shape = tuple[int, ...]


def check_size(graph: Graph, shape: Shape) -> list[Shape]:
    """Check what the network computes for an input of this shape (N, C, H, W) (6 and 7 in `model_graph`).

    Returns the shapes of the outputs. Raises GraphError, which names the operator that does not fit, or the
    budget.
    """
    if graph.input_dims[1] not in (None, shape[1]):
        raise GraphError(f"its input has {graph.input_dims[1]} channels, not {shape[1]}")
    shapes: dict[bytes, Shape] = {name: tensor.dims for name, tensor in graph.tensors.items()}
    shapes[graph.input] = shape
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    last_use.update(dict.fromkeys(graph.outputs, len(graph.nodes)))
    constants = dict(graph.tensors)
    limits: dict[bytes, int] = {}
    alive, work = math.prod(shape), 0
    for i, node in enumerate(graph.nodes):
        rule = RULES.get(node.op_type)
        if rule is None:
            free = "; export it again with simplify and without dynamic" if node.op_type == "Shape" else ""
            raise GraphError(f"{node.title} is of an operator that is unknown here{free}")
        for attribute in node.attributes:
            if attribute not in ATTRIBUTES:
                raise GraphError(f"{node.title} has the unknown attribute {attribute}")
        operands = Operands(node, shapes, constants, limits)
        for name in node.inputs:
            whole = node.op_type in WHOLE or node.inputs[0] in limits
            if name in constants and constants[name].values.dtype.kind != "f" and not whole:
                raise GraphError(f"{node.title} reads whole numbers, {show(name)}, where it needs others")
        try:
            made = rule(operands)
        except (_MisfitError, IndexError) as error:
            met = ", ".join("×".join(map(str, shapes[name])) or "1" for name in node.inputs[:8] if name)
            reason = str(error) if isinstance(error, _MisfitError) else "an input or output is missing"
            raise GraphError(f"{node.title} does not fit its inputs of {met}: {reason}") from error
        if len(made) < len(node.outputs):
            raise GraphError(f"{node.title} has {len(node.outputs)} outputs")
        work += operands.work
        for output, result in zip(node.outputs, made, strict=False):
            if output:
                if node.op_type in KEEPS and node.inputs[0] in limits:
                    limits[output] = limits[node.inputs[0]]
                if 0 in result and node.op_type != "Constant":
                    raise GraphError(f"{node.title} leaves nothing of its input")
                shapes[output] = result
                alive += math.prod(result)
        if alive > MAX_ALIVE or work > MAX_WORK:
            raise GraphError(
                f"for an input of {shape[2]} × {shape[3]} it needs more than {MAX_ALIVE * 4 >> 30} GiB of "
                f"values or {MAX_WORK:.0e} multiplications, from {node.title} on"
            )
        for name in {*node.inputs, *node.outputs}:
            if name and name not in graph.tensors and last_use.get(name, i) == i:
                alive -= math.prod(shapes[name])
    return [shapes[name] for name in graph.outputs]


class _MisfitError(ValueError):
    """The inputs are not what the operator can take."""


def _need(condition: bool, reason: str) -> None:
    if not condition:
        raise _MisfitError(reason)


class Operands:
    """What one rule sees of a node: the shapes of its inputs, its attributes, its constants."""

    def __init__(
        self,
        node: Node,
        shapes: dict[bytes, Shape],
        constants: dict[bytes, Tensor],
        limits: dict[bytes, int],
    ) -> None:
        self.node = node
        self.shapes = [shapes[name] if name else None for name in node.inputs]
        self._constants = constants
        self._limits = limits
        self.work = 0  # multiplications, told by the rule

    def shape(self, index: int) -> Shape:
        """Of an input that has to be there."""
        shape = self.shapes[index]
        if shape is None:
            raise _MisfitError(f"input {index} is left out")
        return shape

    def has(self, index: int) -> bool:
        """Whether an input is there."""
        return index < len(self.shapes) and self.shapes[index] is not None

    def ints(self, name: str, default: Sequence[int]) -> list[int]:
        """An attribute that is a list of whole numbers."""
        value = self.node.attributes.get(name, list(default))
        _need(isinstance(value, list) and all(type(v) is int for v in value), f"{name} is not a list")
        return list(value)

    def whole(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        value = self.node.attributes.get(name, default)
        _need(type(value) is int, f"{name} is not a whole number")
        return int(value)

    def text(self, name: str, default: bytes) -> bytes:
        """An attribute that is a text."""
        value = self.node.attributes.get(name, default)
        _need(isinstance(value, bytes), f"{name} is not a text")
        return bytes(value)

    def constant(self, index: int) -> list[float]:
        """The numbers of an input that has to stand in the file."""
        tensor = self._constants.get(self.node.inputs[index])
        if tensor is None or tensor.values.size != math.prod(tensor.dims):
            raise _MisfitError(f"input {index} is not a constant of few numbers")
        return [float(v) for v in tensor.values]

    def whole_constant(self, index: int) -> list[int]:
        """The same, of whole numbers."""
        values = self.constant(index)
        _need(all(v == int(v) for v in values), f"input {index} is not of whole numbers")
        return [int(v) for v in values]

    def listed(self, name: str, index: int) -> list[int] | None:
        """What opsets up to 12 have as an attribute, and later ones as an input; None if it is left out."""
        if name in self.node.attributes:
            return self.ints(name, ())
        return self.whole_constant(index) if self.has(index) else None

    def remember(self, tensor: Tensor) -> None:
        """Note that the output is a constant."""
        self._constants[self.node.outputs[0]] = tensor

    def limit(self, index: int) -> int:
        """Below what the numbers of an input are that counts places: whole, and none below 0."""
        name = self.node.inputs[index]
        if name in self._constants:
            values = self.whole_constant(index)
            _need(bool(values) and min(values) >= 0, "it counts places from below 0")
            return max(values) + 1
        if name not in self._limits:
            raise _MisfitError("it takes places that the network computes in an unknown way")
        return self._limits[name]

    def counts_places(self) -> bool:
        """Whether the first input counts places."""
        return self.node.inputs[0] in self._limits

    def divisor(self) -> int:
        """The second input, one whole number."""
        values = self.whole_constant(1)
        _need(len(values) == 1 and 1 <= values[0] < 1 << 31, "its divisor is not one whole number")
        return values[0]

    def limits_output(self, index: int, limit: int) -> None:
        """Note that the numbers of an output count places, below this limit."""
        if index < len(self.node.outputs):
            self._limits[self.node.outputs[index]] = limit


Rule = Callable[[Operands], list[Shape]]


def _axis(axis: int, rank: int) -> int:
    _need(-rank <= axis < rank, f"there is no axis {axis}")
    return axis % rank


def _same(o: Operands) -> list[Shape]:
    """Every number by itself."""
    return [o.shape(0)]


def _broadcast(o: Operands) -> list[Shape]:
    shape = o.shape(0)
    for i in range(1, len(o.shapes)):
        shape = _wider(shape, o.shape(i))
    return [shape]


def _wider(a: Shape, b: Shape) -> Shape:
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    _need(all(x == y or 1 in (x, y) for x, y in zip(a, b, strict=True)), "their sides differ")
    return tuple(y if x == 1 else x for x, y in zip(a, b, strict=True))


class _Window:
    """Kernel, strides, dilations and pads of a convolution or pooling, each checked."""

    def __init__(self, o: Operands, kernel: Sequence[int], rank: int) -> None:
        _need(1 <= rank <= 3, "it has not one to three sides to slide along")
        self.kernel = o.ints("kernel_shape", kernel)
        self.strides = o.ints("strides", [1] * rank)
        self.dilations = o.ints("dilations", [1] * rank)
        self.pads = o.ints("pads", [0] * 2 * rank)
        for name, values in (
            ("kernel_shape", self.kernel),
            ("strides", self.strides),
            ("dilations", self.dilations),
        ):
            _need(len(values) == rank and all(1 <= v <= MAX_SIDE for v in values), f"{name} is {values[:8]}")
        _need(
            len(self.pads) == 2 * rank and all(0 <= v <= MAX_SIDE for v in self.pads),
            f"pads is {self.pads[:8]}",
        )
        self.reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]
        self.area = math.prod(self.kernel)
        self.auto = o.text("auto_pad", b"NOTSET")
        _need(self.auto in (b"NOTSET", b"VALID", b"SAME_UPPER", b"SAME_LOWER"), "its auto_pad is unknown")
        self.ceil = o.whole("ceil_mode", 0)

    def slid(self, sides: Sequence[int]) -> Shape:
        made = []
        for i, side in enumerate(sides):
            if self.auto.startswith(b"SAME"):
                made.append(-(-side // self.strides[i]))
                continue
            pads = 0 if self.auto == b"VALID" else self.pads[i] + self.pads[i + len(sides)]
            room = side + pads - self.reach[i]
            _need(
                room >= 0, f"its window of {self.reach[i]} is larger than the {side + pads} it slides along"
            )
            made.append((-(-room // self.strides[i]) if self.ceil else room // self.strides[i]) + 1)
        return tuple(made)


def _conv(o: Operands) -> list[Shape]:
    x, weight = o.shape(0), o.shape(1)
    _need(len(x) >= 3 and len(weight) == len(x) and 0 not in weight, "its weight has another number of sides")
    group = o.whole("group", 1)
    _need(
        group >= 1 and x[1] == weight[1] * group and weight[0] % group == 0,
        f"{group} groups do not fit the channels",
    )
    _need(not o.has(2) or o.shape(2) == (weight[0],), "its bias has another length")
    window = _Window(o, weight[2:], len(x) - 2)
    _need(tuple(window.kernel) == weight[2:], "its weight is not of its kernel's size")
    made = (x[0], weight[0], *window.slid(x[2:]))
    o.work = math.prod(made) * weight[1] * window.area
    return [made]


def _conv_transpose(o: Operands) -> list[Shape]:
    x, weight = o.shape(0), o.shape(1)
    _need(len(x) >= 3 and len(weight) == len(x) and 0 not in weight, "its weight has another number of sides")
    group = o.whole("group", 1)
    _need(
        group >= 1 and x[1] == weight[0] and weight[0] % group == 0, f"{group} groups do not fit the channels"
    )
    _need(not o.has(2) or o.shape(2) == (weight[1] * group,), "its bias has another length")
    rank = len(x) - 2
    window = _Window(o, weight[2:], rank)
    _need(tuple(window.kernel) == weight[2:], "its weight is not of its kernel's size")
    _need(window.auto == b"NOTSET", "its size is not stated by pads")
    extra = o.ints("output_padding", [0] * rank)
    _need(
        len(extra) == rank and all(0 <= e < s for e, s in zip(extra, window.strides, strict=True)),
        "output_padding",
    )
    sides = [
        (x[2 + i] - 1) * window.strides[i]
        + window.reach[i]
        + extra[i]
        - window.pads[i]
        - window.pads[i + rank]
        for i in range(rank)
    ]
    _need(all(side > 0 for side in sides), "its pads leave nothing")
    o.work = math.prod(x) * weight[1] * window.area
    return [(x[0], weight[1] * group, *sides)]


def _pool(o: Operands) -> list[Shape]:
    x = o.shape(0)
    window = _Window(o, (), len(x) - 2)
    _need(
        all(p < r for p, r in zip(window.pads, window.reach * 2, strict=True)),
        "its pads are as wide as its kernel",
    )
    made = (*x[:2], *window.slid(x[2:]))
    o.work = math.prod(made) * window.area
    return [made]


def _global_pool(o: Operands) -> list[Shape]:
    x = o.shape(0)
    _need(len(x) >= 3, "it has no sides to pool")
    return [(*x[:2], *[1] * (len(x) - 2))]


def _concat(o: Operands) -> list[Shape]:
    first = o.shape(0)
    axis = _axis(o.whole("axis", 1), len(first))
    total = 0
    for i in range(len(o.shapes)):
        shape = o.shape(i)
        _need(
            len(shape) == len(first)
            and all(a == b or i == axis for i, (a, b) in enumerate(zip(shape, first, strict=True))),
            "their sides differ",
        )
        total += shape[axis]
    return [(*first[:axis], total, *first[axis + 1 :])]


def _split(o: Operands) -> list[Shape]:
    x = o.shape(0)
    axis = _axis(o.whole("axis", 0), len(x))
    count = len(o.node.outputs)
    parts = o.listed("split", 1)
    if parts is None:
        size = -(-x[axis] // count)
        parts = [min(size, x[axis] - size * i) for i in range(count)]
    _need(len(parts) == count and min(parts) >= 0 and sum(parts) == x[axis], "its parts are not the whole")
    return [(*x[:axis], part, *x[axis + 1 :]) for part in parts]


def _slice(o: Operands) -> list[Shape]:
    x = o.shape(0)
    starts, ends = o.listed("starts", 1) or [], o.listed("ends", 2) or []
    axes = o.listed("axes", 3) or list(range(len(starts)))
    steps = o.listed("steps", 4) or [1] * len(starts)
    _need(
        len(starts) == len(ends) == len(axes) == len(steps) and 0 not in steps, "its lists differ in length"
    )
    made = list(x)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = _axis(axis, len(x))
        made[axis] = len(range(*slice(start, end, step).indices(x[axis])))
        _need(made[axis] > 0, "it leaves nothing")
    return [tuple(made)]


def _resize(o: Operands) -> list[Shape]:
    x = o.shape(0)
    upsample = o.node.op_type == "Upsample" or len(o.shapes) == 2
    if o.has(3) and o.shape(3) != (0,):
        sides = o.whole_constant(3)
    elif "scales" in o.node.attributes:
        scales = o.node.attributes["scales"]
        _need(isinstance(scales, list) and len(scales) == len(x), "its scales are not one a side")
        sides = [_scaled(side, scale) for side, scale in zip(x, scales, strict=True)]
    else:
        scales = o.constant(1 if upsample else 2)
        _need(len(scales) == len(x), "its scales are not one a side")
        sides = [_scaled(side, scale) for side, scale in zip(x, scales, strict=True)]
    _need(len(sides) == len(x) and all(0 < s < 1 << 31 for s in sides), "its size is not one number a side")
    _need(len(x) < 3 or tuple(sides[:2]) == x[:2], "it scales more than height and width")
    return [tuple(sides)]


def _scaled(side: int, scale: float) -> int:
    _need(0 < scale <= MAX_SIDE, f"its scale is {scale}")
    return math.floor(side * scale)


def _reshape(o: Operands) -> list[Shape]:
    x = o.shape(0)
    sides = o.listed("shape", 1) or []
    _need(len(sides) <= MAX_DIMENSIONS and all(-1 <= s < 1 << 31 for s in sides), "its shape is unusable")
    _need(0 not in sides or o.whole("allowzero", 0) == 0, "its shape has a 0")
    made = [x[i] if s == 0 and i < len(x) else s for i, s in enumerate(sides)]
    if -1 in made:
        known = math.prod(s for s in made if s != -1)
        _need(made.count(-1) == 1 and known > 0 and math.prod(x) % known == 0, "its shape leaves a side open")
        made[made.index(-1)] = math.prod(x) // known
    _need(math.prod(made) == math.prod(x), "its shape holds another number of values")
    return [tuple(made)]


def _flatten(o: Operands) -> list[Shape]:
    x = o.shape(0)
    axis = o.whole("axis", 1)
    _need(-len(x) <= axis <= len(x), f"there is no axis {axis}")
    return [(math.prod(x[:axis]), math.prod(x[axis:]))]


def _transpose(o: Operands) -> list[Shape]:
    x = o.shape(0)
    order = o.ints("perm", range(len(x))[::-1])
    _need(sorted(order) == list(range(len(x))), "its perm is not an order of the sides")
    return [tuple(x[i] for i in order)]


def _squeeze(o: Operands) -> list[Shape]:
    x = o.shape(0)
    axes = o.listed("axes", 1)
    gone = {i for i, s in enumerate(x) if s == 1} if axes is None else {_axis(a, len(x)) for a in axes}
    _need(all(x[i] == 1 for i in gone), "a side it leaves out is not 1")
    return [tuple(s for i, s in enumerate(x) if i not in gone)]


def _unsqueeze(o: Operands) -> list[Shape]:
    x = o.shape(0)
    axes = o.listed("axes", 1) or []
    rank = len(x) + len(axes)
    new = {_axis(a, rank) for a in axes}
    _need(len(new) == len(axes) and rank <= MAX_DIMENSIONS, "its axes are unusable")
    rest = iter(x)
    return [tuple(1 if i in new else next(rest) for i in range(rank))]


def _matmul(o: Operands) -> list[Shape]:
    a, b = o.shape(0), o.shape(1)
    _need(len(a) >= 2 and len(b) >= 2 and a[-1] == b[-2], "rows and columns differ in length")
    made = (*_wider(a[:-2], b[:-2]), a[-2], b[-1])
    o.work = math.prod(made) * a[-1]
    return [made]


def _gemm(o: Operands) -> list[Shape]:
    a, b = o.shape(0), o.shape(1)
    _need(len(a) == len(b) == 2, "it needs two matrices")
    a = a[::-1] if o.whole("transA", 0) else a
    b = b[::-1] if o.whole("transB", 0) else b
    _need(a[1] == b[0], "rows and columns differ in length")
    made = (a[0], b[1])
    _need(not o.has(2) or _wider(o.shape(2), made) == made, "its bias has another length")
    o.work = math.prod(made) * a[1]
    return [made]


def _reduce(o: Operands) -> list[Shape]:
    x = o.shape(0)
    axes = o.listed("axes", 1)
    gone = set(range(len(x))) if not axes else {_axis(a, len(x)) for a in axes}
    keep = o.whole("keepdims", 1)
    return [tuple(1 if i in gone else s for i, s in enumerate(x) if keep or i not in gone)]


def _along_axis(o: Operands) -> list[Shape]:
    x = o.shape(0)
    axis = _axis(o.whole("axis", -1), len(x))
    _need(all(o.shape(i) == x[axis:] for i in range(1, len(o.shapes))), "its numbers are not one a place")
    return [x]


def _by_channel(o: Operands) -> list[Shape]:
    """Normalisation with one number a channel."""
    x = o.shape(0)
    _need(
        len(x) >= 2 and all(o.shape(i) == x[1:2] for i in range(1, len(o.shapes))),
        "its numbers are not one a channel",
    )
    return [x]


def _quantize(o: Operands) -> list[Shape]:
    """To whole numbers and back, with one scale or one a channel."""
    x = o.shape(0)
    axis = _axis(o.whole("axis", 1), len(x)) if len(x) > 1 else 0
    for shape in (o.shape(i) for i in range(1, max(2, len(o.shapes)))):
        _need(shape in ((), (1,), x[axis : axis + 1]), "its scale is neither one number nor one a channel")
    return [x]


def _constant(o: Operands) -> list[Shape]:
    attributes = o.node.attributes
    kind, value = next(iter(attributes.items())) if len(attributes) == 1 else ("", None)
    if kind == "value" and isinstance(value, Tensor):
        tensor = value
    elif kind in ("value_int", "value_float", "value_ints", "value_floats") and not isinstance(value, bytes):
        numbers = np.array(value, np.float64)
        tensor = Tensor(numbers.shape, numbers.reshape(-1))
    else:
        raise _MisfitError("it holds no tensor")
    o.remember(tensor)
    return [tensor.dims]


def _identity(o: Operands) -> list[Shape]:
    return [o.shape(0)] * len(o.node.outputs)  # Dropout's mask has the same shape


def _pad(o: Operands) -> list[Shape]:
    x = o.shape(0)
    pads = o.listed("pads", 1) or []
    _need(len(pads) == 2 * len(x) and all(abs(p) <= MAX_SIDE for p in pads), "its pads are not two a side")
    made = tuple(s + pads[i] + pads[i + len(x)] for i, s in enumerate(x))
    _need(all(s > 0 for s in made), "its pads leave nothing")
    if o.text("mode", b"constant") != b"constant":
        _need(all(p < x[i % len(x)] for i, p in enumerate(pads)), "its pads are wider than what they repeat")
    return [made]


def _expand(o: Operands) -> list[Shape]:
    sides = o.whole_constant(1)
    _need(len(sides) <= MAX_DIMENSIONS and all(0 < s < 1 << 31 for s in sides), "its shape is unusable")
    return [_wider(o.shape(0), tuple(sides))]


def _tile(o: Operands) -> list[Shape]:
    x, repeats = o.shape(0), o.whole_constant(1)
    _need(len(repeats) == len(x) and all(0 < r < 1 << 31 for r in repeats), "its repeats are not one a side")
    return [tuple(s * r for s, r in zip(x, repeats, strict=True))]


def _cast(o: Operands) -> list[Shape]:
    places = o.counts_places() and o.whole("to", 0) in (6, 7)
    _need(places or o.whole("to", 0) in (1, 10, 11), "it casts to a type without fractions")
    return [o.shape(0)]


def _top_k(o: Operands) -> list[Shape]:
    x, k = o.shape(0), o.whole_constant(1)
    axis = _axis(o.whole("axis", -1), len(x))
    _need(len(k) == 1 and 1 <= k[0] <= x[axis], "there are fewer numbers than it takes")
    made = (*x[:axis], k[0], *x[axis + 1 :])
    o.limits_output(1, x[axis])
    return [made, made]


def _gather(o: Operands) -> list[Shape]:
    x, places = o.shape(0), o.shape(1)
    axis = _axis(o.whole("axis", 0), len(x))
    _need(o.limit(1) <= x[axis], "it takes more places than there are")
    made = x[:axis] + places + x[axis + 1 :]
    _need(len(made) <= MAX_DIMENSIONS, "it makes too many dimensions")
    return [made]


def _gather_elements(o: Operands) -> list[Shape]:
    x, places = o.shape(0), o.shape(1)
    axis = _axis(o.whole("axis", 0), len(x))
    _need(o.limit(1) <= x[axis] and len(places) == len(x), "it takes more places than there are")
    _need(
        all(p <= s for i, (p, s) in enumerate(zip(places, x, strict=True)) if i != axis), "its sides differ"
    )
    return [places]


def _div(o: Operands) -> list[Shape]:
    """Of places, the whole part stays."""
    if o.counts_places():
        o.limits_output(0, (o.limit(0) - 1) // o.divisor() + 1)
    return _broadcast(o)


def _mod(o: Operands) -> list[Shape]:
    _need(o.counts_places(), "it is of other numbers than places")
    o.limits_output(0, min(o.limit(0), o.divisor()))
    return _broadcast(o)


def _space_to_depth(o: Operands) -> list[Shape]:
    x, block = o.shape(0), o.whole("blocksize", 0)
    _need(
        len(x) == 4 and 1 <= block <= MAX_SIDE and x[2] % block == x[3] % block == 0, "its blocks do not fit"
    )
    return [(x[0], x[1] * block * block, x[2] // block, x[3] // block)]


def _depth_to_space(o: Operands) -> list[Shape]:
    x, block = o.shape(0), o.whole("blocksize", 0)
    _need(len(x) == 4 and 1 <= block <= MAX_SIDE and x[1] % (block * block) == 0, "its blocks do not fit")
    return [(x[0], x[1] // (block * block), x[2] * block, x[3] * block)]


WHOLE = {
    *(
        "DequantizeLinear",
        "Expand",
        "Pad",
        "QuantizeLinear",
        "ReduceL2",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
    ),
    *("ReduceSum", "Reshape", "Resize", "Slice", "Split", "Squeeze", "Tile", "Unsqueeze", "Upsample"),
    *("Gather", "GatherElements", "TopK"),
}
"""Operators that read constants of whole numbers: sizes, axes, quantized weights."""

KEEPS = {"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Tile", "Transpose", "Unsqueeze"}
"""Operators whose results count the places that their first input counts."""


ATTRIBUTES = {
    *("allowzero", "alpha", "antialias", "approximate", "auto_pad", "axes", "axis", "beta", "blocksize"),
    *("ceil_mode", "coordinate_transformation_mode", "count_include_pad", "cubic_coeff_a", "dilations"),
    *("ends", "epsilon", "exclude_outside", "extrapolation_value", "fmod", "gamma", "group", "keepdims"),
    *("kernel_shape", "largest", "max", "min", "mode", "momentum", "nearest_mode", "noop_with_empty_axes"),
    *(
        "num_outputs",
        "output_padding",
        "pads",
        "perm",
        "ratio",
        "scales",
        "seed",
        "shape",
        "sorted",
        "spatial",
    ),
    *("split", "starts", "steps", "storage_order", "strides", "to", "training_mode", "transA", "transB"),
    *("value", "value_float", "value_floats", "value_int", "value_ints"),
}
"""ONNX's own attributes of the operators here."""


def _all(rule: Rule, *operators: str) -> dict[str, Rule]:
    return dict.fromkeys(operators, rule)


RULES: dict[str, Rule] = {
    **_all(_same, "Abs", "Ceil", "Celu", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu"),
    **_all(_same, "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu"),
    **_all(_same, "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh"),
    **_all(_same, "ThresholdedRelu"),
    **_all(_quantize, "QuantizeLinear", "DequantizeLinear"),
    **_all(_broadcast, "Add", "And", "Equal", "Greater", "Less", "Max", "Mean", "Min", "Mul", "Or"),
    **_all(_broadcast, "PRelu", "Pow", "Sub", "Sum", "Where"),
    **_all(_along_axis, "Softmax", "LogSoftmax", "LayerNormalization"),
    **_all(_by_channel, "BatchNormalization", "InstanceNormalization"),
    **_all(_reduce, "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"),
    **_all(_pool, "AveragePool", "MaxPool"),
    **_all(_global_pool, "GlobalAveragePool", "GlobalMaxPool"),
    **_all(_identity, "Identity", "Dropout"),
    **_all(_resize, "Resize", "Upsample"),
    "Cast": _cast,
    "Concat": _concat,
    "Constant": _constant,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": _div,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Mod": _mod,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "TopK": _top_k,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
