"""Make the network for masks as large as yolov5n-seg: `python -m weights.shapes.widen`.

What the tiny network computes is copied into some of the channels, and zeros fill the rest: the answers are
the same. So one can measure what masks cost beside the forward pass of a network that people use, with
objects that are really there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convert import load_checkpoint, save_checkpoint
from convert.layers import C3, SPPF, Concat, Conv, Segment, SegmentationModel
from convert.rewrite import fold_batchnorm

from .networks import NANO, Size, build_segmenter

Parts = list[tuple[int, int]]
"""Of what a map consists, in order: how many channels in the small network, and how many in the large one."""


def widen(small: SegmentationModel, size: Size = NANO) -> SegmentationModel:
    """Build a network of another size that computes what `small`, one of `build_segmenter`, computes.

    `size` must have at least as much of everything. Neither has BatchNorms, which are folded.
    """
    large = build_segmenter(size).eval()
    for network in (small, large):
        fold_batchnorm(network)
    with torch.no_grad():
        for parameter in large.parameters():
            parameter.zero_()
        maps: list[Parts] = []
        few: Any
        many: Any
        for few, many in zip(small.model, large.model, strict=True):
            sources = [few.f] if isinstance(few.f, int) else few.f
            maps.append(_copy(few, many, [maps[i] if maps else [(3, 3)] for i in sources]))
    return large


def _copy(few: Any, many: Any, sources: list[Parts]) -> Parts:
    """Copy a layer, which reads `sources`, into a larger one. Returns what its output consists of."""
    assert type(few) is type(many)
    joined = [part for parts in sources for part in parts]
    if isinstance(few, Conv):
        return _copy_conv(few.conv, many.conv, joined)
    if isinstance(few, C3):
        inner = _copy(few.cv1, many.cv1, sources)
        _copy(few.cv2, many.cv2, sources)
        for block, larger in zip(few.m.children(), many.m.children(), strict=False):
            _copy(block.cv1, larger.cv1, [inner])  # blocks beyond these add nothing to what comes in
            _copy(block.cv2, larger.cv2, [inner])
        return _copy(few.cv3, many.cv3, [inner, inner])
    if isinstance(few, SPPF):
        return _copy(few.cv2, many.cv2, [_copy(few.cv1, many.cv1, sources)] * 4)
    if isinstance(few, Segment):
        for own, larger, parts in zip(few.m, many.m, sources, strict=True):
            rows = [anchor * many.no + value for anchor in range(few.na) for value in range(few.no)]
            _copy_conv(own, larger, parts, rows)
        parts = sources[0]
        for name in ("cv1", "cv2", "cv3"):
            parts = _copy(getattr(few.proto, name), getattr(many.proto, name), [parts])
        return []
    assert isinstance(few, Concat | nn.Upsample), few
    return joined


def _copy_conv(few: Any, many: Any, parts: Parts, rows: Sequence[int] = ()) -> Parts:
    """Copy a convolution that reads `parts`; its output's channels go to `rows`, by default to the first."""
    columns: list[int] = []
    start = 0
    for own, larger in parts:
        columns += range(start, start + own)
        start += larger
    at = torch.tensor(rows or range(few.out_channels))
    many.weight[at[:, None], torch.tensor(columns)] = few.weight
    many.bias[at] = few.bias
    return [(few.out_channels, many.out_channels)]


def main() -> None:
    """Write the checkpoint of a network for masks that is as large as yolov5n-seg."""
    parser = argparse.ArgumentParser(description=main.__doc__, prog="python -m weights.shapes.widen")
    parser.add_argument("checkpoint", type=Path, help="of the tiny network, masks.pt")
    parser.add_argument("output", type=Path, help="where to write the large one's")
    args = parser.parse_args()
    small = load_checkpoint(args.checkpoint).model.float()
    assert isinstance(small, SegmentationModel)
    save_checkpoint(args.output, widen(small), opt={"imgsz": 640})


if __name__ == "__main__":
    main()
