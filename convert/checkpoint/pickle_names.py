"""The names that a pickle of a checkpoint may mention, beside those of layers, and why others are refused."""

from __future__ import annotations

import sys
from typing import NamedTuple

import torch

from .class_paths import split_prefix


class Name(NamedTuple):
    """A module-level name that the pickle mentions, such as torch.HalfStorage: no more than that name."""

    path: str


# Pickles of protocol 2 call these by their names in Python 2.
OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
OLD_NAMES = {"builtins.xrange": "builtins.range"}

STORAGE_DTYPES = {
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.BoolStorage": torch.bool,
    "torch.ByteStorage": torch.uint8,
    "torch.CharStorage": torch.int8,
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.IntStorage": torch.int32,
    "torch.LongStorage": torch.int64,
    "torch.ShortStorage": torch.int16,
}

# Names whose objects are not needed, each with what they are in a checkpoint. Nothing of them is called.
_INERT: dict[str, tuple[str, ...]] = {
    "plain values": (
        "builtins.bytearray",
        "builtins.complex",
        "builtins.dict",
        "builtins.float",
        "builtins.frozenset",
        "builtins.int",
        "builtins.list",
        "builtins.long",
        "builtins.object",
        "builtins.slice",
        "builtins.str",
        "builtins.tuple",
        "collections.Counter",
        "collections.deque",
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "fractions.Fraction",
        "types.SimpleNamespace",
        "uuid.UUID",
    ),
    "training's options": (
        "argparse.Namespace",
        "functools.partial",  # of a name that is accepted itself, or the file is refused for that one
        "ultralytics.utils.IterableSimpleNamespace",
        "ultralytics.yolo.utils.IterableSimpleNamespace",
        "utils.torch_utils.ModelEMA",
    ),
    "devices, data types and versions": (
        "torch.device",
        "torch.torch_version.TorchVersion",
        *(str(dtype) for dtype in STORAGE_DTYPES.values()),
    ),
    "a random generator's state": (
        "numpy.random._pickle.__bit_generator_ctor",
        "numpy.random._pickle.__generator_ctor",
        "numpy.random._pickle.__randomstate_ctor",
    ),
    "a classifier's way to its input": (
        "torchvision.transforms.transforms.Compose",
        "torchvision.transforms.transforms.Normalize",
        "utils.augmentations.CenterCrop",
        "utils.augmentations.ToTensor",
    ),
    "what wrappers around the network keep for training": (
        "contextlib.nullcontext",
        "torch._TorchCompileInductorWrapper",
        "torch._dynamo.convert_frame.CatchErrorsWrapper",
        "torch._dynamo.convert_frame.ConvertFrame",
        "torch._dynamo.convert_frame.ConvertFrameAssert",
        "torch._dynamo.convert_frame.ConvertFrameBox",
        "torch._dynamo.eval_frame.OptimizeContext",
        "torch._dynamo.hooks.Hooks",
        "torch._dynamo.repro.after_dynamo.WrapBackendDebug",
        "torch.distributed.algorithms.join._JoinConfig",
        "torch.nn.backends.thnn._get_thnn_function_backend",
        "torch.nn.modules.module._WrappedHook",  # around a hook for loading weights
        "torch.nn.parallel.distributed._BucketCapacityConfig",
        "torch.optim.swa_utils.get_ema_avg_fn",
        "torch.optim.swa_utils.get_ema_multi_avg_fn",
    ),
}

# How PyTorch marks a layer whose weights are computed from others: the weights are (`computed_weights`).
WEIGHT_HOOKS = {
    "torch.nn.utils.spectral_norm.SpectralNorm",
    "torch.nn.utils.spectral_norm.SpectralNormLoadStateDictPreHook",
    "torch.nn.utils.spectral_norm.SpectralNormStateDictHook",
    "torch.nn.utils.weight_norm.WeightNorm",
    *(
        f"torch.nn.utils.prune.{name}"
        for name in (
            "CustomFromMask",
            "Identity",
            "L1Unstructured",
            "LnStructured",
            "PruningContainer",
            "RandomStructured",
            "RandomUnstructured",
        )
    ),
}

IGNORED = {*WEIGHT_HOOKS, *(path for paths in _INERT.values() for path in paths)}

# Their names are refused at sight: what a pickle wants of them is a call.
_PROGRAMS = {*sys.stdlib_module_names, "builtins", "cv2", "numpy", "pip", "setuptools", "torch"} - {
    "__main__"
}

WAYS_OUT = (
    "convert it with --layers PATH, the Python file or the source tree that the layer's code is in; or "
    "export it with YOLOv5's own export.py: the file that it writes runs as it is"
)


def is_program(path: str) -> bool:
    """Tell whether a name belongs to Python itself or to a library, where it is meant to be called."""
    module = path.partition(".")[0]
    return module in _PROGRAMS or path.startswith(("torchvision.", "timm.", "ultralytics."))


_COMPILERS = ("torch._dynamo.", "torch._inductor.", "torch._functorch.", "torch._guards.")

PATHS = {
    f"{module}.{kind}Path"
    for module in ("pathlib", "pathlib._local")
    for kind in ("", "Posix", "Windows", "Pure", "PurePosix", "PureWindows")
}


def refusal(path: str) -> str:
    """Say why a name is not allowed."""
    shown = escaped(path)
    if path.startswith("ultralytics."):
        return (
            f"it contains {shown}; of the package ultralytics, the detection networks yolov5u, YOLOv8 and "
            "YOLO11 can be converted, and nothing else"
        )
    if path.startswith(("torchvision.models.", "timm.")):
        return (
            f"it is a classifier with another backbone than YOLOv5's ({shown}); only YOLOv5's own can be "
            "converted"
        )
    if path.startswith(_COMPILERS):
        return (
            f"it holds a network compiled by torch.compile, and its pickle asks for {shown}; "
            "save the network that was compiled: torch.save({'model': model._orig_mod}, 'best.pt')"
        )
    _, own_path = split_prefix(path) or ("", path)
    if own_path.split(".")[0] in ("models", "utils"):
        return foreign_layer(path)
    return (
        f"its pickle asks for {shown}, which no YOLOv5 checkpoint needs. "
        "Such a file can run anything on the machine that opens it; it was refused, and nothing of it has run"
    )


def foreign_layer(path: str) -> str:
    """Say that a class is its owner's, and what to do."""
    return f"it contains {escaped(path)}, which is not part of any YOLOv5 release's networks; {WAYS_OUT}"


def escaped(path: str) -> str:
    """Make a name from a file, which may be hostile, fit to be shown."""
    return ascii(path)[1:-1][:200]
