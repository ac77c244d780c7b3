"""How much a foreign network may take: found with shapes alone, before it gets any memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

MAX_OPERATIONS = 20_000  # of PyTorch's, for one image; the largest YOLOv5 takes about 1,500

# Numbers that the values alive at one time may have: 1 GiB. yolov5x6 at 1280 × 1280 has 1.3 · 10⁸.
MAX_ALIVE = 1 << 28

# The shapes of these PyTorch finds only by way of its compiler, whose import takes a second; every other
# operation it is asked for.
_aten = torch.ops.aten
_BATCH_NORM = _aten.native_batch_norm.default  # its weights have been checked by now
_IN_PLACE = {_aten.silu_.default, _aten.leaky_relu_.default, _aten.hardswish_.default, _aten.relu_.default}
_BY_ELEMENT = {
    *(_aten.add.Tensor, _aten.sub.Tensor, _aten.mul.Tensor, _aten.div.Tensor),
    *(_aten.silu.default, _aten.leaky_relu.default, _aten.hardswish.default, _aten.relu.default),
    *(_aten.sigmoid.default, _aten.tanh.default, _aten.softplus.default, _aten.mish.default),
}


class BudgetError(RuntimeError):
    """The network would take more than that."""


class Budget(TorchDispatchMode):
    """Within this context every operation on shapes (tensors of the device "meta") is counted.

    Raises BudgetError from within the operation that is too much.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Do without PyTorch's compiler, which is not used here and whose import takes a second."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self._operations = 0
        self._alive = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Sequence[Any], args: Any = (), kwargs: Any = None
    ) -> Any:
        """Do the operation, and count it and what it gives."""
        made = _apply(func, args, kwargs or {})
        self._operations += 1
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, torch.Tensor) and tensor._base is None:
                self._alive += tensor.numel()
                weakref.finalize(tensor, self._free, tensor.numel())
        if self._operations > MAX_OPERATIONS:
            raise BudgetError(f"its network takes more than {MAX_OPERATIONS} operations")
        if self._alive > MAX_ALIVE:
            raise BudgetError(f"its network needs more than {MAX_ALIVE * 4 >> 30} GiB for its values")
        return made

    def _free(self, numbers: int) -> None:
        self._alive -= numbers


def _apply(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Do an operation on shapes."""
    if func in _IN_PLACE:
        return args[0]
    if func is _BATCH_NORM:
        return torch.empty_like(args[0]), args[0].new_empty(0), args[0].new_empty(0)
    if func is _aten.cat.default:
        return _cat(*args, **kwargs)
    if func in _BY_ELEMENT:
        tensors = [arg for arg in args if isinstance(arg, torch.Tensor)]
        return tensors[0].new_empty(torch.broadcast_shapes(*(tensor.shape for tensor in tensors)))
    return func(*args, **kwargs)


def _cat(tensors: Sequence[torch.Tensor], dim: int = 0) -> torch.Tensor:
    """Join tensors' shapes."""
    shape = list(tensors[0].shape)
    for tensor in tensors[1:]:
        shape[dim] += tensor.shape[dim]
    for tensor in tensors:
        if [*tensor.shape[:dim], *tensor.shape[dim:][1:]] != [*shape[:dim], *shape[dim:][1:]]:
            raise RuntimeError(f"Concat of the shapes {[tuple(tensor.shape) for tensor in tensors[:8]]}")
    return tensors[0].new_empty(shape)
