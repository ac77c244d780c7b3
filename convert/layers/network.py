"""The whole network, and what may be wrapped around it (see `convert.layers`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from .folding import Focus
from .heads import Detect, Head


class BaseModel(nn.Module):
    """Layers in a row (`model`), each of which says where its input comes from; the last one is the head.

    Layer attributes: `i` its index, `f` the index (or list of them) of the layers it reads, -1 being the one
    before. `save` lists the layers whose output somebody reads later.
    """

    def __init__(
        self,
        layers: Sequence[tuple[int | list[int], nn.Module]],
        names: Sequence[str] | dict[int, str] = (),
        yaml: dict[str, Any] | None = None,
    ):
        """`layers`: (from, module) pairs, the last module being the head."""
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
        self.names = names or [str(i) for i in range(self.head.nc)]
        self.yaml = yaml or {"nc": self.head.nc}

    @property
    def head(self) -> Head:
        """The last layer."""
        return cast(Head, self.model[-1])

    def channels(self) -> int:
        """Count the channels of the images: what its first convolution reads; a Focus folds four pixels."""
        first: Any = self.model[0]
        convs = (module for module in first.modules() if isinstance(module, nn.Conv2d))
        conv = next(convs, None)
        if conv is None:
            return 3
        return conv.in_channels // 4 if isinstance(first, Focus) else conv.in_channels

    def forward(self, x: Tensor) -> list[Tensor]:
        """Give the head's outputs for images (N, 3, H, W), RGB, 0 to 1 (a classifier's: normalised)."""
        outputs: list[Any] = []
        result: Any = x
        for layer in cast(Any, self.model):
            f = layer.f
            if f != -1:
                result = outputs[f] if isinstance(f, int) else [result if j == -1 else outputs[j] for j in f]
            result = layer(result)
            outputs.append(result if layer.i in self.save else None)
        return result


class DetectionModel(BaseModel):
    """A network that finds boxes."""

    def __init__(
        self,
        layers: Sequence[tuple[int | list[int], nn.Module]],
        names: Sequence[str] | dict[int, str] = (),
        yaml: dict[str, Any] | None = None,
    ):
        """Take what `BaseModel` takes."""
        super().__init__(layers, names, yaml)
        self.stride = self.detect.stride
        self.inplace = True

    @property
    def detect(self) -> Detect:
        """The head of a network with anchors."""
        return cast(Detect, self.head)


class SegmentationModel(DetectionModel):
    """A network that finds boxes, and masks in them."""


class ClassificationModel(BaseModel):
    """A network that tells what a picture shows."""


class Ensemble(nn.ModuleList):
    """The list of models that YOLOv5's `attempt_load` makes."""


class AutoShape(nn.Module):
    """Stands for what may be around the network: AutoShape, DetectMultiBackend, DataParallel, …"""


class Loss(nn.Module):
    """Stands for a loss, which training alone uses."""
