"""What the shape rule of an operator sees of a node, and what the rules have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from ..graph import Node
from ..tensors import Tensor

Shape = tuple[int, ...]


class InferenceError(ValueError):
    """The inputs are not what the operator can take."""


def require(condition: bool, reason: str) -> None:
    """Raise InferenceError if a condition does not hold."""
    if not condition:
        raise InferenceError(reason)


class InferenceContext:
    """What one rule sees of a node: the shapes of its inputs, its attributes, its constants.

    Some values are indices: integers that are known to be at least 0, and below a limit.
    """

    def __init__(
        self,
        node: Node,
        shapes: dict[bytes, Shape],
        constants: dict[bytes, Tensor],
        index_limits: dict[bytes, int],
    ) -> None:
        self.node = node
        self.shapes = [shapes[name] if name else None for name in node.inputs]
        self._constants = constants
        self._index_limits = index_limits
        self.multiplications = 0  # told by the rule

    def shape(self, index: int) -> Shape:
        """Of an input that has to be there."""
        shape = self.shapes[index]
        if shape is None:
            raise InferenceError(f"input {index} is left out")
        return shape

    def has(self, index: int) -> bool:
        """Whether an input is there."""
        return index < len(self.shapes) and self.shapes[index] is not None

    def integer(self, name: str, default: int) -> int:
        """An attribute that is an integer."""
        value = self.node.attributes.get(name, default)
        require(type(value) is int, f"{name} is not an integer")
        return int(value)

    def integers(self, name: str, default: Sequence[int]) -> list[int]:
        """An attribute that is a list of integers."""
        value = self.node.attributes.get(name, list(default))
        require(isinstance(value, list) and all(type(v) is int for v in value), f"{name} is not a list")
        return list(value)

    def floats(self, name: str) -> list[float]:
        """An attribute that is a list of numbers, and has to be there."""
        value = self.node.attributes[name]
        require(
            isinstance(value, list) and all(type(v) is float for v in value),
            f"{name} is not a list of numbers",
        )
        return list(value)

    def string(self, name: str, default: bytes) -> bytes:
        """An attribute that is a string."""
        value = self.node.attributes.get(name, default)
        require(isinstance(value, bytes), f"{name} is not a string")
        return bytes(value)

    def constant(self, index: int) -> list[float]:
        """The numbers of an input that has to stand in the file."""
        tensor = self._constants.get(self.node.inputs[index])
        if tensor is None or tensor.values.size != math.prod(tensor.dims):
            raise InferenceError(f"input {index} is not a constant of few numbers")
        return [float(v) for v in tensor.values]

    def integer_constant(self, index: int) -> list[int]:
        """The same, of integers."""
        values = self.constant(index)
        require(all(v == int(v) for v in values), f"input {index} is not of integers")
        return [int(v) for v in values]

    def attribute_or_input(self, name: str, index: int) -> list[int] | None:
        """What older opsets have as an attribute, and later ones as an input; None if it is left out."""
        if name in self.node.attributes:
            return self.integers(name, ())
        return self.integer_constant(index) if self.has(index) else None

    def set_constant(self, tensor: Tensor) -> None:
        """Note that the output is a constant."""
        self._constants[self.node.outputs[0]] = tensor

    def copy_constant(self) -> None:
        """Note that the output is the constant that the first input is, if it is one."""
        if self.node.inputs[0] in self._constants:
            self.set_constant(self._constants[self.node.inputs[0]])

    def is_index(self) -> bool:
        """Whether the numbers of the first input are indices that the network computes."""
        return self.node.inputs[0] in self._index_limits

    def index_limit(self, index: int) -> int:
        """Below what the numbers of an input are; they have to be indices."""
        name = self.node.inputs[index]
        if name in self._constants:
            values = self.integer_constant(index)
            require(bool(values) and min(values) >= 0, "it has an index below 0")
            return max(values) + 1
        if name not in self._index_limits:
            raise InferenceError("its indices are computed in an unknown way")
        return self._index_limits[name]

    def set_index_limit(self, output: int, limit: int) -> None:
        """Note that the numbers of an output are indices below this limit."""
        if output < len(self.node.outputs):
            self._index_limits[self.node.outputs[output]] = limit

    def divisor(self) -> int:
        """The second input, one integer of at least 1."""
        values = self.integer_constant(1)
        require(len(values) == 1 and 1 <= values[0] < 1 << 31, "its divisor is not one positive integer")
        return values[0]


Rule = Callable[[InferenceContext], list[Shape]]
"""From what it sees to the shapes of the outputs. Raises InferenceError; IndexError for a missing input."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Operator(NamedTuple):
    """All that is known here of one of ONNX's operators, of its versions in opsets 7 to 22.

    rule: its shape rule.
    attributes: the names of those that OpenCV heeds.
    defaults: the other ones, which it does not; they are harmless at the values that ONNX gives them.
    integers: which inputs may be constants of integers: sizes, axes, indices, quantized weights.
    keeps_index: whether its output's numbers are indices where those of its first input are.
    """

    rule: Rule
    attributes: Collection[str] = ()
    defaults: Mapping[str, Any] = _NOTHING
    integers: Collection[int] = ()
    keeps_index: bool = False


def normalize_axis(axis: int, rank: int) -> int:
    """Count an axis, which may be counted from the end, from the start.

    Raises InferenceError if there is none.
    """
    require(-rank <= axis < rank, f"there is no axis {axis}")
    return axis % rank


def broadcast(a: Shape, b: Shape) -> Shape:
    """Give the shape that two values broadcast to. Raises InferenceError if they do not fit."""
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    require(all(x == y or 1 in (x, y) for x, y in zip(a, b, strict=True)), "their shapes do not broadcast")
    return tuple(y if x == 1 else x for x, y in zip(a, b, strict=True))


def unary(ctx: InferenceContext) -> list[Shape]:
    """Of operators that take each number by itself: the shape stays."""
    return [ctx.shape(0)]


def elementwise(ctx: InferenceContext) -> list[Shape]:
    """Of operators that take numbers of several values together, which broadcast to one shape."""
    shape = ctx.shape(0)
    for i in range(1, len(ctx.shapes)):
        shape = broadcast(shape, ctx.shape(i))
    return [shape]
