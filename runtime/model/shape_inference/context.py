"""What the rule of an operator sees of a node, and what the rules have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..graph import Node
from ..tensors import Tensor

Shape = tuple[int, ...]


class MisfitError(ValueError):
    """The inputs are not what the operator can take."""


def need(condition: bool, reason: str) -> None:
    """Raise MisfitError if a condition does not hold."""
    if not condition:
        raise MisfitError(reason)


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
            raise MisfitError(f"input {index} is left out")
        return shape

    def has(self, index: int) -> bool:
        """Whether an input is there."""
        return index < len(self.shapes) and self.shapes[index] is not None

    def ints(self, name: str, default: Sequence[int]) -> list[int]:
        """An attribute that is a list of whole numbers."""
        value = self.node.attributes.get(name, list(default))
        need(isinstance(value, list) and all(type(v) is int for v in value), f"{name} is not a list")
        return list(value)

    def floats(self, name: str) -> list[float]:
        """An attribute that is a list of numbers, and has to be there."""
        value = self.node.attributes[name]
        need(
            isinstance(value, list) and all(type(v) is float for v in value),
            f"{name} is not a list of numbers",
        )
        return list(value)

    def whole(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        value = self.node.attributes.get(name, default)
        need(type(value) is int, f"{name} is not a whole number")
        return int(value)

    def text(self, name: str, default: bytes) -> bytes:
        """An attribute that is a text."""
        value = self.node.attributes.get(name, default)
        need(isinstance(value, bytes), f"{name} is not a text")
        return bytes(value)

    def constant(self, index: int) -> list[float]:
        """The numbers of an input that has to stand in the file."""
        tensor = self._constants.get(self.node.inputs[index])
        if tensor is None or tensor.values.size != math.prod(tensor.dims):
            raise MisfitError(f"input {index} is not a constant of few numbers")
        return [float(v) for v in tensor.values]

    def whole_constant(self, index: int) -> list[int]:
        """The same, of whole numbers."""
        values = self.constant(index)
        need(all(v == int(v) for v in values), f"input {index} is not of whole numbers")
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
            need(bool(values) and min(values) >= 0, "it counts places from below 0")
            return max(values) + 1
        if name not in self._limits:
            raise MisfitError("it takes places that the network computes in an unknown way")
        return self._limits[name]

    def counts_places(self) -> bool:
        """Whether the first input counts places."""
        return self.node.inputs[0] in self._limits

    def divisor(self) -> int:
        """The second input, one whole number."""
        values = self.whole_constant(1)
        need(len(values) == 1 and 1 <= values[0] < 1 << 31, "its divisor is not one whole number")
        return values[0]

    def limits_output(self, index: int, limit: int) -> None:
        """Note that the numbers of an output count places, below this limit."""
        if index < len(self.node.outputs):
            self._limits[self.node.outputs[index]] = limit


Rule = Callable[[Operands], list[Shape]]
"""From what it sees to the shapes of the outputs. Raises MisfitError; IndexError if an input is missing."""


def axis_of(axis: int, rank: int) -> int:
    """Give the place of an axis, which may be counted from the end. Raises MisfitError if there is none."""
    need(-rank <= axis < rank, f"there is no axis {axis}")
    return axis % rank


def wider(a: Shape, b: Shape) -> Shape:
    """Give the shape that two values spread to. Raises MisfitError if they do not fit."""
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    need(all(x == y or 1 in (x, y) for x, y in zip(a, b, strict=True)), "their sides differ")
    return tuple(y if x == 1 else x for x, y in zip(a, b, strict=True))
