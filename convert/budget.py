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


class BudgetError(RuntimeError):
    """The network would take more than that."""


class Budget(TorchDispatchMode):
    """Within this context every operation on shapes (tensors of the device "meta") is counted.

    Raises BudgetError from within the operation that is too much.
    """

    def __init__(self) -> None:
        super().__init__()
        self._operations = 0
        self._alive = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Sequence[Any], args: Any = (), kwargs: Any = None
    ) -> Any:
        """Do the operation, and count it and what it gives."""
        made = func(*args, **(kwargs or {}))
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
