"""The names that a pickle of a checkpoint may mention, beside those of layers, and why others are refused."""

from __future__ import annotations

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

# Names whose objects are not needed: training options, scores, devices, a classifier's way to the input.
IGNORED = {
    "_codecs.encode",
    "argparse.Namespace",
    "builtins.dict",
    "datetime.datetime",
    "numpy.dtype",
    "numpy.ndarray",
    "torch.device",
    "torch.nn.backends.thnn._get_thnn_function_backend",
    "torchvision.transforms.transforms.Compose",
    "torchvision.transforms.transforms.Normalize",
    "ultralytics.utils.IterableSimpleNamespace",
    "ultralytics.yolo.utils.IterableSimpleNamespace",
    "utils.augmentations.CenterCrop",
    "utils.augmentations.ToTensor",
    *(str(dtype) for dtype in STORAGE_DTYPES.values()),
    *(
        f"numpy.{core}.{name}"
        for core in ("core", "_core")
        for name in ("multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer")
    ),
}

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
    _, path = split_prefix(path) or ("", path)
    if path.split(".")[0] in ("models", "utils"):
        return f"it contains {shown}, which is not part of any YOLOv5 release's networks"
    return (
        f"its pickle asks for {shown}, which no YOLOv5 checkpoint needs. "
        "Such a file can run anything on the machine that opens it; it was refused, and nothing of it has run"
    )


def escaped(path: str) -> str:
    """Make a name from a file, which may be hostile, fit to be shown."""
    return ascii(path)[1:-1][:200]
