"""Which class stands for which class path in a YOLOv5 pickle: the one table for reading and writing.

What is not in `CLASSES` (or among the few plain things of `pickle_names` and `pickle_values`) is refused.

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
        nn.CELU,
        nn.ELU,
        nn.GELU,
        nn.GLU,
        nn.Hardsigmoid,
        nn.Hardswish,
        nn.Hardtanh,
        nn.LeakyReLU,
        nn.LogSigmoid,
        nn.LogSoftmax,
        nn.Mish,
        nn.MultiheadAttention,
        nn.PReLU,
        nn.RReLU,
        nn.ReLU,
        nn.ReLU6,
        nn.SELU,
        nn.SiLU,
        nn.Sigmoid,
        nn.Softmax,
        nn.Softmax2d,
        nn.Softmin,
        nn.Softplus,
        nn.Softsign,
        nn.Tanh,
        nn.Threshold,
    ),
    "torch.nn.modules.batchnorm": (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm),
    "torch.nn.modules.channelshuffle": (nn.ChannelShuffle,),
    "torch.nn.modules.container": (
        nn.ModuleDict,
        nn.ModuleList,
        nn.ParameterDict,
        nn.ParameterList,
        nn.Sequential,
    ),
    "torch.nn.modules.conv": (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d),
    "torch.nn.modules.dropout": (
        nn.AlphaDropout,
        nn.Dropout,
        nn.Dropout1d,
        nn.Dropout2d,
        nn.Dropout3d,
        nn.FeatureAlphaDropout,
    ),
    "torch.nn.modules.flatten": (nn.Flatten, nn.Unflatten),
    "torch.nn.modules.fold": (nn.Fold, nn.Unfold),
    "torch.nn.modules.instancenorm": (nn.InstanceNorm1d, nn.InstanceNorm2d),
    "torch.nn.modules.linear": (nn.Identity, nn.Linear),
    "torch.nn.modules.normalization": (nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm),
    "torch.nn.modules.padding": (
        nn.ConstantPad1d,
        nn.ConstantPad2d,
        nn.ReflectionPad1d,
        nn.ReflectionPad2d,
        nn.ReplicationPad1d,
        nn.ReplicationPad2d,
        nn.ZeroPad2d,
    ),
    "torch.nn.modules.pixelshuffle": (nn.PixelShuffle, nn.PixelUnshuffle),
    "torch.nn.modules.pooling": (
        nn.AdaptiveAvgPool1d,
        nn.AdaptiveAvgPool2d,
        nn.AdaptiveMaxPool1d,
        nn.AdaptiveMaxPool2d,
        nn.AvgPool1d,
        nn.AvgPool2d,
        nn.LPPool2d,
        nn.MaxPool1d,
        nn.MaxPool2d,
    ),
    "torch.nn.modules.upsampling": (nn.Upsample, nn.UpsamplingBilinear2d, nn.UpsamplingNearest2d),
}

# YOLOv5's own modules, under the names that v7.0 gives them, and yolov5-face's.
YOLOV5_MODULES: dict[str, tuple[type[nn.Module], ...]] = {
    "models.common": (
        layers.AutoShape,
        layers.BlazeBlock,
        layers.Bottleneck,
        layers.BottleneckCSP,
        layers.C3,
        layers.C3Ghost,
        layers.C3SPP,
        layers.C3TR,
        layers.C3x,
        layers.Classify,
        layers.Concat,
        layers.Contract,
        layers.Conv,
        layers.CrossConv,
        layers.DWConv,
        layers.DWConvTranspose2d,
        layers.DoubleBlazeBlock,
        layers.Expand,
        layers.Focus,
        layers.GhostBottleneck,
        layers.GhostConv,
        layers.Proto,
        layers.SPP,
        layers.SPPF,
        layers.ShuffleV2Block,
        layers.StemBlock,
        layers.TransformerBlock,
        layers.TransformerLayer,
    ),
    "models.experimental": (layers.Ensemble, layers.MixConv2d, layers.Sum),
    "models.yolo": (
        layers.ClassificationModel,
        layers.Detect,
        layers.DetectionModel,
        layers.Segment,
        layers.SegmentationModel,
    ),
    "utils.activations": (
        layers.AconC,
        layers.FReLU,
        layers.MemoryEfficientMish,
        layers.MemoryEfficientSwish,
        layers.MetaAconC,
    ),
}

# What yolov5u, YOLOv8 and YOLO11 are made of. In 2023 all of it was in one module, `ultralytics.nn.modules`.
ULTRALYTICS_MODULES: dict[str, tuple[type[nn.Module], ...]] = {
    "ultralytics.nn.modules.block": (
        layers.Attention,
        layers.Bottleneck,
        layers.C2PSA,
        layers.C2f,
        layers.C3,
        layers.C3k,
        layers.C3k2,
        layers.DFL,
        layers.PSABlock,
        layers.SPPF,
    ),
    "ultralytics.nn.modules.conv": (layers.Concat, layers.Conv, layers.DWConv),
}


def _paths(modules: dict[str, tuple[type[nn.Module], ...]]) -> dict[str, type[nn.Module]]:
    return {f"{module}.{cls.__name__}": cls for module, classes in modules.items() for cls in classes}


# The path that each class is written under.
CLASSES = {
    **_paths(ULTRALYTICS_MODULES),
    "ultralytics.nn.modules.head.Detect": layers.AnchorFreeDetect,
    **_paths(TORCH_MODULES),
    **_paths(YOLOV5_MODULES),
}
PATH_OF = {cls: path for path, cls in CLASSES.items()}
PATH_OF[layers.KeypointDetect] = PATH_OF[layers.Detect]

# Other paths for the same classes: older releases kept some layers elsewhere, or under another name.
CLASSES |= {
    "models.yolo.Model": layers.DetectionModel,
    "models.common.DetectMultiBackend": layers.AutoShape,
    "models.common.autoShape": layers.AutoShape,
    "torch._dynamo.eval_frame.OptimizedModule": layers.AutoShape,
    "torch.nn.parallel.data_parallel.DataParallel": layers.AutoShape,
    "torch.nn.parallel.distributed.DistributedDataParallel": layers.AutoShape,
    "torch.optim.swa_utils.AveragedModel": layers.AutoShape,
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
    "ultralytics.nn.tasks.DetectionModel": layers.DetectionModel,
    **{
        f"ultralytics.nn.modules.{path.rpartition('.')[2]}": cls
        for path, cls in CLASSES.items()
        if path.startswith("ultralytics.nn.modules.")
    },
}

# What training alone uses: its objects are read, kept as they are, and never part of the exported network.
_LOSS_PATH = re.compile(r"torch\.nn\.modules\.loss\.[^.]+|(.+\.)?utils\.loss\.[^.]+")


def class_for(path: str) -> type[nn.Module] | None:
    """Give the class that stands for this path, which has no prefix any more; None if there is none."""
    if _LOSS_PATH.fullmatch(path):
        return layers.Loss
    return CLASSES.get(path)


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
