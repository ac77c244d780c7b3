"""The forms of a network's first layer: three ways to write one and the same function.

The Focus layer of releases up to v5.0 folds 2×2 squares of pixels into channels and then convolves; the later
releases have one 6×6 convolution of stride 2 instead. A k×k convolution over folded squares reads the same
pixels as a 2k×2k convolution of twice the stride, so each is the other with its weights rearranged: channel
(column parity, row parity, colour) at (i, j) is that colour's pixel (2i + row, 2j + column).

The 6×6 convolution is slow in OpenCV 5, the permute in OpenCV 4; folding outside of the network is fast in
both (figures in `runtime/SPEED.md`).
"""

from __future__ import annotations

from typing import Any, Literal, cast

from torch import Tensor, nn

from .layers import BaseModel, Conv, Focus
from .rewrite import replace

Stem = Literal["permute", "conv", "fold"]
"""permute: a Focus layer stays, as a view and a permute. conv: it becomes one convolution, and the input size
stays free. fold: the first layer, of either kind, becomes a convolution over folded squares, which the caller
folds (`runtime.stages.letterbox.to_blob`)."""


def rewrite_stem(model: BaseModel, stem: Stem) -> int:
    """Write the first layer in this form; batch normalisation must be folded into its convolution.

    Returns how many pixels wide the squares are that the network wants folded: 2, or 1 for none.
    """
    first: Any = model.model[0]
    if stem == "conv":
        for parent in model.modules():
            for name, child in parent.named_children():
                if isinstance(child, Focus):
                    child.conv.conv = _unfolded(child.conv.conv)
                    replace(parent, name, child.conv)
    elif stem == "fold" and model.channels() != 3:
        return 1  # the runtime folds colours alone
    elif stem == "fold" and isinstance(first, Focus):
        replace(model.model, "0", first.conv)
        return 2
    elif stem == "fold" and isinstance(first, Conv) and _can_be_folded(first.conv):
        first.conv = _folded(first.conv)
        return 2
    return 1


def _can_be_folded(conv: nn.Conv2d) -> bool:
    """Tell whether every 2×2 square meets the kernel as a whole."""
    even = (*conv.kernel_size, *conv.stride, *cast(tuple[int, ...], conv.padding))
    return all(v % 2 == 0 for v in even) and conv.groups == 1 and tuple(conv.dilation) == (1, 1)


def _unfolded(conv: nn.Conv2d) -> nn.Conv2d:
    """Make the convolution over pixels that is equal to this one over folded squares."""
    out_channels, folded, kh, kw = conv.weight.shape
    colours = folded // 4
    weight = conv.weight.view(out_channels, 2, 2, colours, kh, kw)  # out, column, row, colour, i, j
    weight = weight.permute(0, 3, 4, 2, 5, 1).reshape(out_channels, colours, 2 * kh, 2 * kw)
    return _conv_with(conv, weight, 2)


def _folded(conv: nn.Conv2d) -> nn.Conv2d:
    """Make the convolution over folded squares that is equal to this one over pixels."""
    out_channels, colours, kh, kw = conv.weight.shape
    weight = conv.weight.view(out_channels, colours, kh // 2, 2, kw // 2, 2)  # out, colour, i, row, j, column
    weight = weight.permute(0, 5, 3, 1, 2, 4).reshape(out_channels, 4 * colours, kh // 2, kw // 2)
    return _conv_with(conv, weight, 0.5)


def _conv_with(conv: nn.Conv2d, weight: Tensor, factor: float) -> nn.Conv2d:
    """Make a convolution with this weight and the same bias; `factor` multiplies stride and padding."""
    padding = cast(tuple[int, ...], conv.padding)
    new = nn.Conv2d(
        weight.shape[1],
        weight.shape[0],
        (weight.shape[2], weight.shape[3]),
        (int(conv.stride[0] * factor), int(conv.stride[1] * factor)),
        (int(padding[0] * factor), int(padding[1] * factor)),
        bias=conv.bias is not None,
    )
    new.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    new.bias = conv.bias
    return new
