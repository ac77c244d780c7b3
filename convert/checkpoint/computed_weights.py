"""Weights that PyTorch computes from others before each run: prune masks, weight norm, spectral norm.

Each is recognised by the names of its tensors, and replaced by what it comes to. Formulas: torch.nn.utils.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def compute_weights(model: nn.Module) -> None:
    """Put the weights themselves in the place of what they are computed from."""
    for module in model.modules():
        tensors = {**module._parameters, **module._buffers}
        for name in [name for name, tensor in tensors.items() if tensor is not None]:
            weight, _, part = name.rpartition("_")
            if weight and part in _PARTS and weight not in tensors:
                parts = {p: tensors.get(f"{weight}_{p}") for p in ("orig", "mask", "g", "v", "u")}
                computed = _PARTS[part](module, parts)
                if computed is not None:
                    _replace(module, weight, computed)


def _replace(module: nn.Module, name: str, weight: Tensor) -> None:
    for part in ("orig", "mask", "g", "v", "u"):
        module._parameters.pop(f"{name}_{part}", None)
        module._buffers.pop(f"{name}_{part}", None)
    module.__dict__.pop(name, None)  # the value of the last run
    module._parameters[name] = nn.Parameter(weight, requires_grad=False)


def _original(module: nn.Module, parts: dict[str, Tensor | None]) -> Tensor | None:
    """A pruned weight is masked; one with spectral norm is divided by its largest singular value."""
    weight, mask, u, v = parts["orig"], parts["mask"], parts["u"], parts["v"]
    if weight is None:
        return None
    if mask is not None:
        return weight.float() * mask.float()
    if u is None or v is None:
        return None
    transposed = isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d)
    rows = weight.float().transpose(0, 1) if transposed else weight.float()
    singular = torch.dot(u.float(), rows.reshape(rows.shape[0], -1) @ v.float())
    return weight.float() / singular


def _normalised(_: nn.Module, parts: dict[str, Tensor | None]) -> Tensor | None:
    """g · v / |v|, where the norm goes over the dimensions that g has not."""
    g, v = parts["g"], parts["v"]
    if g is None or v is None:
        return None
    over = [i for i in range(v.ndim) if g.ndim == 0 or g.shape[i] == 1]
    return v.float() * (g.float() / torch.linalg.vector_norm(v.float(), dim=over, keepdim=True))


_PARTS = {"orig": _original, "g": _normalised}
