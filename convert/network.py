"""The Detect head and the whole network, under YOLOv5's class and attribute names (see `convert.layers`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn


class Detect(nn.Module):
    """The head: one 1×1 convolution per stride, and the anchors that its outputs are relative to.

    `anchors` (nl, na, 2) holds (width, height) in units of each head's stride, `stride` (nl,) the strides in
    pixels.
    """

    def __init__(
        self,
        nc: int = 80,
        anchors: Sequence[Sequence[float]] = (),
        ch: Sequence[int] = (),
        strides: Sequence[float] = (8, 16, 32),
    ):
        """`anchors` in pixels: a flat list w, h, w, h, … per head; `ch`: the channels coming in, by head."""
        super().__init__()
        self.nc = nc
        self.no = nc + 5
        self.nl = len(anchors)
        self.na = len(anchors[0]) // 2
        self.stride = torch.tensor([float(s) for s in strides[: self.nl]])
        pixels = torch.tensor([list(map(float, a)) for a in anchors]).view(self.nl, self.na, 2)
        self.anchors: Tensor
        self.register_buffer("anchors", pixels / self.stride.view(-1, 1, 1))
        self.m = nn.ModuleList(nn.Conv2d(c, self.no * self.na, 1) for c in ch)
        # not read here; YOLOv5 fills them at its first inference and expects them to be there
        self.grid = [torch.empty(0) for _ in range(self.nl)]
        self.anchor_grid = [torch.empty(0) for _ in range(self.nl)]
        self.inplace = True

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """The raw head maps, before any sigmoid: one (N, na·(5+nc), ny, nx) per head, anchor-major."""
        if "m" not in self._modules:  # in v1.0 the 1×1 convolutions are layers of their own, before this one
            return list(x)
        return [conv(feature) for conv, feature in zip(self.m, x, strict=True)]


class DetectionModel(nn.Module):
    """Layers in a row (`model`), each of which says where its input comes from.

    Layer attributes: `i` its index, `f` the index (or list of them) of the layers it reads, -1 being the one
    before. `save` lists the layers whose output somebody reads later.
    """

    def __init__(
        self,
        layers: Sequence[tuple[int | list[int], nn.Module]],
        names: Sequence[str] | dict[int, str] = (),
        yaml: dict[str, Any] | None = None,
    ):
        """`layers`: (from, module) pairs, the last module being the Detect head."""
        super().__init__()
        saved: set[int] = set()
        for i, (f, module) in enumerate(layers):
            annotated = cast(Any, module)
            annotated.i, annotated.f = i, f
            annotated.type = type(module).__name__
            annotated.np = sum(p.numel() for p in module.parameters())
            saved.update(j % i for j in ([f] if isinstance(f, int) else f) if j != -1)
        self.model = nn.Sequential(*(module for _, module in layers))
        self.save = sorted(saved)
        detect = self.detect
        self.names = names or [str(i) for i in range(detect.nc)]
        self.stride = detect.stride
        self.yaml = yaml or {"nc": detect.nc}
        self.inplace = True

    @property
    def detect(self) -> Detect:
        """The head: the last layer."""
        return cast(Detect, self.model[-1])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Raw head maps of images (N, 3, H, W), RGB, 0 to 1; H and W multiples of the largest stride."""
        outputs: list[Any] = []
        result: Any = x
        for layer in cast(Any, self.model):
            f = layer.f
            if f != -1:
                result = outputs[f] if isinstance(f, int) else [result if j == -1 else outputs[j] for j in f]
            result = layer(result)
            outputs.append(result if layer.i in self.save else None)
        return result


class Ensemble(nn.ModuleList):
    """The list of models that YOLOv5's `attempt_load` makes."""


class AutoShape(nn.Module):
    """Stands for what may be around the network: AutoShape, DetectMultiBackend, DataParallel."""
