"""Which class stands for which class path in a YOLOv5 pickle: the one table for reading and writing.

What is not in `CLASSES` (or among the few plain functions that `convert.pickle_objects` understands) is
refused.
"""

from __future__ import annotations

from torch import nn

from . import activations, attention, folding, layers, network

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

COMMON: tuple[type[nn.Module], ...] = (
    layers.Bottleneck,
    layers.BottleneckCSP,
    layers.C3,
    layers.C3Ghost,
    layers.C3SPP,
    attention.C3TR,
    layers.C3x,
    layers.Concat,
    network.AutoShape,
    folding.Contract,
    layers.Conv,
    layers.CrossConv,
    layers.DWConv,
    layers.DWConvTranspose2d,
    folding.Expand,
    folding.Focus,
    layers.GhostBottleneck,
    layers.GhostConv,
    layers.SPP,
    layers.SPPF,
    attention.TransformerBlock,
    attention.TransformerLayer,
)

EXPERIMENTAL: tuple[type[nn.Module], ...] = (layers.MixConv2d, layers.Sum, network.Ensemble)

ACTIVATIONS: tuple[type[nn.Module], ...] = (
    activations.AconC,
    activations.FReLU,
    activations.MemoryEfficientMish,
    activations.MemoryEfficientSwish,
    activations.MetaAconC,
)


def _table() -> dict[str, type[nn.Module]]:
    table: dict[str, type[nn.Module]] = {}
    for module, classes in TORCH_MODULES.items():
        table.update({f"{module}.{cls.__name__}": cls for cls in classes})
    table.update({f"models.common.{cls.__name__}": cls for cls in COMMON})
    table.update({f"models.experimental.{cls.__name__}": cls for cls in EXPERIMENTAL})
    table.update({f"utils.activations.{cls.__name__}": cls for cls in ACTIVATIONS})
    table["models.yolo.Detect"] = network.Detect
    table["models.yolo.DetectionModel"] = network.DetectionModel
    return table


# The path that each class is written under: YOLOv5 v7.0's.
CLASSES = _table()
PATH_OF = {cls: path for path, cls in CLASSES.items()}

# Other paths for the same classes: older releases kept some layers elsewhere, or under another name.
CLASSES |= {
    "models.yolo.Model": network.DetectionModel,
    "models.common.DetectMultiBackend": network.AutoShape,
    "models.common.autoShape": network.AutoShape,
    "torch.nn.parallel.data_parallel.DataParallel": network.AutoShape,
    "models.common.MixConv2d": layers.MixConv2d,
    "models.common.Sum": layers.Sum,
    "models.common.Ensemble": network.Ensemble,
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
