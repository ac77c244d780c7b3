"""YOLOv5's layers, heads and networks, under its own class and attribute names.

A checkpoint's pickle holds the structure: which sub-modules a layer has, their attributes and weights. What
it does not hold is code, and these classes supply it. They serve three purposes:

* `convert.checkpoint` fills them from a pickle without ever calling their constructors,
* their constructors build new networks (the training recipe, the tests),
* their `forward` methods are written in the form that exports to operators `cv2.dnn` runs.

Every `forward` takes and returns float tensors of shape (N, C, H, W), unless it says otherwise.
"""

from .activations import AconC, FReLU, MemoryEfficientMish, MemoryEfficientSwish, MetaAconC
from .anchor_free import DFL, AnchorFreeDetect
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
from .classify import Classify
from .face import BlazeBlock, DoubleBlazeBlock, ShuffleV2Block, StemBlock
from .folding import Contract, Expand, Focus
from .heads import Detect, Head, KeypointDetect, Proto, Segment
from .network import (
    AutoShape,
    BaseModel,
    ClassificationModel,
    DetectionModel,
    Ensemble,
    Loss,
    SegmentationModel,
)
from .yolov8 import C2PSA, Attention, C2f, C3k, C3k2, PSABlock

__all__ = [
    "C2PSA",
    "C3",
    "C3SPP",
    "C3TR",
    "DFL",
    "SPP",
    "SPPF",
    "AconC",
    "AnchorFreeDetect",
    "Attention",
    "AutoShape",
    "BaseModel",
    "BlazeBlock",
    "Bottleneck",
    "BottleneckCSP",
    "C2f",
    "C3Ghost",
    "C3k",
    "C3k2",
    "C3x",
    "ClassificationModel",
    "Classify",
    "Concat",
    "Contract",
    "Conv",
    "CrossConv",
    "DWConv",
    "DWConvTranspose2d",
    "Detect",
    "DetectionModel",
    "DoubleBlazeBlock",
    "Ensemble",
    "Expand",
    "FReLU",
    "Focus",
    "GhostBottleneck",
    "GhostConv",
    "Head",
    "KeypointDetect",
    "Loss",
    "MemoryEfficientMish",
    "MemoryEfficientSwish",
    "MetaAconC",
    "MixConv2d",
    "PSABlock",
    "Proto",
    "Segment",
    "SegmentationModel",
    "ShuffleV2Block",
    "StemBlock",
    "Sum",
    "TransformerBlock",
    "TransformerLayer",
]
