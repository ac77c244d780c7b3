"""Rewrite a network into the form that exports well, without changing what it computes.

Every step works on the network in place and is exact up to float32 rounding.
"""

# ruff: noqa: D102 - every forward maps (N, C, H, W) to (N, C, H, W), unless its class says otherwise

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everyone knows it by
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .layers import BottleneckCSP, Conv, FReLU, MemoryEfficientMish, MemoryEfficientSwish, MixConv2d


class Swish(nn.Module):
    """SiLU in basic operators: x·sigmoid(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class BasicHardswish(nn.Module):
    """Hardswish in basic operators: x·clip(x + 3, 0, 6) / 6. As an operator of its own it needs opset 14."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (F.hardtanh(x + 3.0, 0.0, 6.0) * (1 / 6))


class BasicHardsigmoid(nn.Module):
    """Hardsigmoid in basic operators: clip(x + 3, 0, 6) / 6."""

    def forward(self, x: Tensor) -> Tensor:
        return F.hardtanh(x + 3.0, 0.0, 6.0) * (1 / 6)


class ZeroPad(nn.Module):
    """Padding with zeros, negated twice.

    onnxruntime 1.31 merges a padding with zeros and a max-pool after it into a max-pool that pads with -∞,
    which gives wrong values in yolov3-tiny; with a layer between them it does not.
    """

    def __init__(self, pad: nn.ZeroPad2d):
        super().__init__()
        self.padding = list(pad.padding)

    def forward(self, x: Tensor) -> Tensor:
        return torch.neg(torch.neg(F.pad(x, self.padding, value=0.0)))


REPLACEMENTS: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    nn.SiLU: lambda _: Swish(),
    MemoryEfficientSwish: lambda _: Swish(),
    nn.Hardswish: lambda _: BasicHardswish(),
    nn.Hardsigmoid: lambda _: BasicHardsigmoid(),
    nn.Mish: lambda _: MemoryEfficientMish(),
    nn.Dropout: lambda _: nn.Identity(),
    nn.ZeroPad2d: ZeroPad,
}


def replace_layers(model: nn.Module) -> None:
    """Write in basic operators what ONNX has at a later opset or not at all, or what is run wrongly."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) in REPLACEMENTS:
                replace(module, name, REPLACEMENTS[type(child)](child))


def replace(parent: nn.Module, name: str, new: nn.Module) -> None:
    """Put a layer in the place of the one called `name`, wired as that one was."""
    old = parent._modules[name]
    for wiring in ("i", "f"):
        if old is not None and wiring in old.__dict__:
            new.__dict__[wiring] = old.__dict__[wiring]
    parent._modules[name] = new


def fold_batchnorm(model: nn.Module, own: Collection[type[nn.Module]] = ()) -> None:
    """Fold every batch normalisation into the convolution before it.

    Layers of the classes `own`, whose code may read what is folded, are left to the exporter.
    """
    inside = {inner for module in model.modules() if type(module) in own for inner in module.modules()}
    for module in model.modules():
        if module in inside:
            continue
        if isinstance(module, Conv | FReLU) and isinstance(module._modules.get("bn"), _BatchNorm):
            scale, shift = _scale_and_shift(module.bn)
            _fold(module.conv, scale, shift)
            del module.bn
        elif isinstance(module, MixConv2d) and isinstance(module._modules.get("bn"), _BatchNorm):
            convs = cast(list[nn.Conv2d], list(module.m))
            _fold_joined(convs, module.bn)
            del module.bn
        elif isinstance(module, nn.Sequential):
            _fold_neighbours(module)
        elif isinstance(module, BottleneckCSP) and isinstance(module.bn, _BatchNorm):
            _fold_joined([module.cv3, module.cv2], module.bn)
            module.bn = nn.Identity()  # type: ignore[assignment]


def _fold_neighbours(chain: nn.Sequential) -> None:
    """Fold each normalisation that follows a bare convolution in a chain; the layers keep their numbers."""
    layers = list(chain.children())
    for i, (conv, bn) in enumerate(pairwise(layers)):
        # where layers say what they read, a neighbour need not be the one
        if isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d) and "f" not in bn.__dict__:
            _fold(conv, *_scale_and_shift(bn))
            chain[i + 1] = nn.Identity()


def _scale_and_shift(bn: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Give the factor and summand by channel, float64, that this normalisation comes to."""
    mean, var = cast(Tensor, bn.running_mean).double(), cast(Tensor, bn.running_var).double()
    scale = torch.rsqrt(var + bn.eps)
    if bn.affine:
        scale = scale * bn.weight.double()
    shift = -mean * scale
    return scale, shift + bn.bias.double() if bn.affine else shift


def _fold(conv: nn.Conv2d, scale: Tensor, shift: Tensor) -> None:
    """Make a convolution's output `scale` times what it was, plus `shift`."""
    bias = conv.bias.double() if conv.bias is not None else 0
    conv.weight = nn.Parameter((conv.weight.double() * scale.view(-1, 1, 1, 1)).float(), requires_grad=False)
    conv.bias = nn.Parameter((bias * scale + shift).float(), requires_grad=False)


def _fold_joined(convs: list[nn.Conv2d], bn: _BatchNorm) -> None:
    """Fold a normalisation of several convolutions' joined outputs into each of them."""
    scale, shift = _scale_and_shift(bn)
    sizes = [conv.out_channels for conv in convs]
    for conv, s, t in zip(convs, scale.split(sizes), shift.split(sizes), strict=True):
        _fold(conv, s, t)
