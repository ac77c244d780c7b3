"""YOLOv5's layers, heads and networks, under its own class and attribute names.

A checkpoint's pickle holds the structure: which sub-modules a layer has, their attributes and weights. What
it does not hold is code, and these classes supply it. They serve three purposes:

* `convert.checkpoint` fills them from a pickle without ever calling their constructors,
* their constructors build new networks (the training recipe, the tests),
* their `forward` methods are written in the form that exports to operators `cv2.dnn` runs.

Every `forward` takes and returns float tensors of shape (N, C, H, W), unless it says otherwise.
"""

from .activations import AconC, FReLU, MemoryEfficientMish, MemoryEfficientSwish, MetaAconC
from .attention import C3TR, TransformerBlock, TransformerLayer
from .blocks import (
    C3,
    C3SPP,
    SPP,
    SPPF,
    Bottleneck,
    BottleneckCSP,
    C3Ghost,
    C3x,
    Concat,
    Conv,
    CrossConv,
    DWConv,
    DWConvTranspose2d,
    GhostBottleneck,
    GhostConv,
    MixConv2d,
    Sum,
)
from .folding import Contract, Expand, Focus
from .heads import Detect
from .network import AutoShape, DetectionModel, Ensemble

__all__ = [
    "C3",
    "C3SPP",
    "C3TR",
    "SPP",
    "SPPF",
    "AconC",
    "AutoShape",
    "Bottleneck",
    "BottleneckCSP",
    "C3Ghost",
    "C3x",
    "Concat",
    "Contract",
    "Conv",
    "CrossConv",
    "DWConv",
    "DWConvTranspose2d",
    "Detect",
    "DetectionModel",
    "Ensemble",
    "Expand",
    "FReLU",
    "Focus",
    "GhostBottleneck",
    "GhostConv",
    "MemoryEfficientMish",
    "MemoryEfficientSwish",
    "MetaAconC",
    "MixConv2d",
    "Sum",
    "TransformerBlock",
    "TransformerLayer",
]
