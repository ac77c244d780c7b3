"""Which class stands for which class path in a YOLOv5 pickle: the one table for reading and writing.

What is not in `CLASSES` (or among the few plain functions that `pickle_objects` understands) is refused.

People also train from a copy of YOLOv5 inside another package: the PyPI package `yolov5` writes
`yolov5.models.common.Conv`, a copy in somebody's own tree `src.vendor.yolov5.models.common.Conv`. As a path
is only looked up and never imported, whatever stands before YOLOv5's own path is cut off (`split_prefix`).
"""

from __future__ import annotations

import re

from torch import nn

from .. import layers

# Modules of PyTorch that YOLOv5 networks are made of, by the names that pickles give them.
TORCH_MODULES: dict[str, tuple[type[nn.Module], ...]] = {
    "torch.nn.modules.activation": (
        nn.ELU,
        nn.GELU,
        nn.Hardsigmoid,
        nn.Hardswish,
        nn.Hardtanh,
        nn.LeakyReLU,
        nn.Mish,
        nn.MultiheadAttention,
        nn.PReLU,
        nn.ReLU,
        nn.ReLU6,
        nn.SiLU,
        nn.Sigmoid,
        nn.Softmax,
        nn.Tanh,
    ),
    "torch.nn.modules.batchnorm": (nn.BatchNorm2d, nn.SyncBatchNorm),
    "torch.nn.modules.container": (nn.ModuleList, nn.Sequential),
    "torch.nn.modules.conv": (nn.Conv2d, nn.ConvTranspose2d),
    "torch.nn.modules.dropout": (nn.Dropout,),
    "torch.nn.modules.linear": (nn.Identity, nn.Linear),
    "torch.nn.modules.padding": (nn.ReflectionPad2d, nn.ReplicationPad2d, nn.ZeroPad2d),
    "torch.nn.modules.pooling": (nn.AdaptiveAvgPool2d, nn.AvgPool2d, nn.MaxPool2d),
    "torch.nn.modules.upsampling": (nn.Upsample, nn.UpsamplingBilinear2d, nn.UpsamplingNearest2d),
}

# YOLOv5's own modules, under the names that v7.0 gives them.
COMMON: tuple[type[nn.Module], ...] = (
    layers.Bottleneck,
    layers.BottleneckCSP,
    layers.C3,
    layers.C3Ghost,
    layers.C3SPP,
    layers.C3TR,
    layers.C3x,
    layers.Concat,
    layers.AutoShape,
    layers.Contract,
    layers.Conv,
    layers.CrossConv,
    layers.DWConv,
    layers.DWConvTranspose2d,
    layers.Expand,
    layers.Focus,
    layers.GhostBottleneck,
    layers.GhostConv,
    layers.SPP,
    layers.SPPF,
    layers.TransformerBlock,
    layers.TransformerLayer,
)

EXPERIMENTAL: tuple[type[nn.Module], ...] = (layers.MixConv2d, layers.Sum, layers.Ensemble)

ACTIVATIONS: tuple[type[nn.Module], ...] = (
    layers.AconC,
    layers.FReLU,
    layers.MemoryEfficientMish,
    layers.MemoryEfficientSwish,
    layers.MetaAconC,
)


def _table() -> dict[str, type[nn.Module]]:
    table: dict[str, type[nn.Module]] = {}
    for module, classes in TORCH_MODULES.items():
        table.update({f"{module}.{cls.__name__}": cls for cls in classes})
    table.update({f"models.common.{cls.__name__}": cls for cls in COMMON})
    table.update({f"models.experimental.{cls.__name__}": cls for cls in EXPERIMENTAL})
    table.update({f"utils.activations.{cls.__name__}": cls for cls in ACTIVATIONS})
    table["models.yolo.Detect"] = layers.Detect
    table["models.yolo.DetectionModel"] = layers.DetectionModel
    return table


# The path that each class is written under: YOLOv5 v7.0's.
CLASSES = _table()
PATH_OF = {cls: path for path, cls in CLASSES.items()}

# Other paths for the same classes: older releases kept some layers elsewhere, or under another name.
CLASSES |= {
    "models.yolo.Model": layers.DetectionModel,
    "models.common.DetectMultiBackend": layers.AutoShape,
    "models.common.autoShape": layers.AutoShape,
    "torch.nn.parallel.data_parallel.DataParallel": layers.AutoShape,
    "models.common.MixConv2d": layers.MixConv2d,
    "models.common.Sum": layers.Sum,
    "models.common.Ensemble": layers.Ensemble,
    "models.experimental.Bottleneck": layers.Bottleneck,
    "models.experimental.BottleneckCSP": layers.BottleneckCSP,
    # v2.0 to v3.1 had an experimental C3: a BottleneckCSP whose inner blocks are cross convolutions
    "models.experimental.C3": layers.BottleneckCSP,
    "models.experimental.CrossConv": layers.CrossConv,
    "models.experimental.GhostBottleneck": layers.GhostBottleneck,
    "models.experimental.GhostConv": layers.GhostConv,
    "torch.nn.modules.linear.NonDynamicallyQuantizableLinear": nn.Linear,
    "torch.nn.modules.linear._LinearWithBias": nn.Linear,
    "utils.activations.HardSwish": nn.Hardswish,
    "utils.activations.Hardswish": nn.Hardswish,
    "utils.activations.Mish": nn.Mish,
    "utils.activations.SiLU": nn.SiLU,
    "utils.activations.Swish": nn.SiLU,
}

_YOLOV5_PATH = re.compile(
    r"((?P<prefix>.+)\.)?"
    r"(?P<path>(models\.(common|experimental|yolo)|utils\.(activations|augmentations))\.[^.]+)"
)


def split_prefix(path: str) -> tuple[str, str] | None:
    """Split a class path of YOLOv5's into what stands before it ("" if nothing does) and the path itself.

    `vendor.yolov5.models.common.Conv` gives ("vendor.yolov5", "models.common.Conv"). Returns None for a path
    that is none of YOLOv5's; those of the package `ultralytics` are not, though some look like it.
    """
    match = _YOLOV5_PATH.fullmatch(path)
    if match is None or path.startswith("ultralytics."):
        return None
    return match["prefix"] or "", match["path"]
