"""Build the few kinds of object that a YOLOv5 checkpoint is made of, and refuse everything else by name.

The names a pickle may mention are the layer classes of `class_paths` and the tables here. Objects are built
by this project's own code from plain values; of a layer's pickled state only attributes, parameters, buffers
and sub-modules are taken over, so hooks and anything that would replace a method stay behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import nn

from ..errors import CheckpointError, first_line
from .class_paths import CLASSES, split_prefix
from .pickle_machine import read_pickle

MAX_NAME = 256  # letters of a class path

MAX_MODULES = 20_000
# Of one file; the largest networks have about 1,500 modules, twice in a training checkpoint.
MAX_TENSORS = 100_000

MAX_RANGE = 10_000
MAX_PATH = 4096  # letters

# Values in one attribute of a layer, nested ones counted in: a model keeps its class names in one.
MAX_ATTRIBUTE = 100_000

MAX_DEPTH = 20  # how deep the lists in an attribute may be nested


class Name(NamedTuple):
    """A module-level name that the pickle mentions, such as torch.HalfStorage: no more than that name."""

    path: str


class Ignored(dict[Any, Any]):
    """Stands for a harmless object that the converter has no use for; holds its attributes."""


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
    shown = _shown(path)
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


def _shown(path: str) -> str:
    """Make a name from a file, which may be hostile, fit to be shown."""
    return ascii(path)[1:-1][:200]


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> torch.Tensor:
    """Make a view of a storage, all of whose elements must lie inside it."""
    if not isinstance(storage, torch.Tensor):
        raise ValueError("a tensor without a storage")
    if not (isinstance(size, tuple | list) and isinstance(stride, tuple | list) and len(size) <= 8):
        raise ValueError("a tensor of an impossible shape")
    if len(size) != len(stride) or any(
        type(v) is not int or not 0 <= v < 1 << 40 for v in (offset, *size, *stride)
    ):
        raise ValueError("a tensor of an impossible shape")
    if 0 in size:
        return storage.new_empty(size)
    if offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) >= storage.numel():
        raise ValueError("a tensor that reaches beyond its storage")
    return storage.as_strided(size, stride, offset)


def _parameter(tensor: Any, *_: Any) -> nn.Parameter:
    if not isinstance(tensor, torch.Tensor):
        raise ValueError("a parameter that is not a tensor")
    return nn.Parameter(tensor, requires_grad=False)


def _mapping(*args: Any) -> dict[Any, Any]:
    pairs = next((items for items in args if isinstance(items, list)), [])
    return {_key(key): value for key, value in pairs}


def _set(items: Any = ()) -> set[Any]:
    if not isinstance(items, list | tuple | set):
        raise ValueError("a set of something else than a list")
    return {_key(item) for item in items}


def _range(*bounds: Any) -> range:
    """Give a range, which is soon written and long to walk through."""
    if not all(type(bound) is int for bound in bounds) or len(range(*bounds)) > MAX_RANGE:
        raise ValueError("a range that is too long")
    return range(*bounds)


def _size(sides: Any = ()) -> tuple[Any, ...]:
    if not isinstance(sides, list | tuple):
        raise ValueError("a size of something else than a list")
    return tuple(sides)


def _key(value: Any) -> Any:
    """Let plain values pass: hashing a nested tuple from a hostile file could take forever.

    So could numbers that are chosen to have the same hash; those below 2^61 - 1 are their own.
    """
    if value is None or isinstance(value, str | bytes):
        return value
    if isinstance(value, int) and abs(value) < (1 << 61) - 1:
        return value
    raise ValueError("a dictionary key that is not a plain value")


def _path(*parts: Any) -> str:
    texts = [part for part in parts if isinstance(part, str)]
    if sum(map(len, texts)) > MAX_PATH:
        raise ValueError("a path that is too long")
    return "/".join(texts)


CALLS: dict[str, Callable[..., Any]] = {
    "builtins.range": _range,
    "builtins.set": _set,
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": _mapping,
    "torch.Size": _size,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    **dict.fromkeys(PATHS, _path),
}

# Two requests for getattr are understood, and left unfulfilled; any other use of it is refused.
#
# YOLOv5's fuse() gives each convolution an attribute `forward`, one of the methods FUSED_FORWARDS of its; a
# pickle asks for it as getattr(layer, name). The stand-ins see by themselves whether they are fused. And
# v7.0's Segment keeps the function Detect.forward, which its stand-in has no use for.
GETATTR = "builtins.getattr"
FUSED_FORWARDS = ("forward_fuse", "fuseforward")
DETECT_FORWARD = (Name("models.yolo.Detect"), "forward")

KNOWN = CALLS.keys() | CLASSES.keys() | STORAGE_DTYPES.keys() | IGNORED


class Objects:
    """The builder for `read_pickle`.

    names: those that the pickle has mentioned, without the prefix that YOLOv5's classes have in it.
    """

    def __init__(self, persistent: Callable[[Any], Any]):
        self.names: set[str] = set()
        self.prefix: str | None = None
        self.persistent = persistent
        self.key = _key
        self._modules = 0
        self._tensors = 0

    def name(self, module: str, name: str) -> Name:
        """Give the name, without prefix, if it is one that is understood; else raise CheckpointError."""
        if len(module) + len(name) > MAX_NAME:
            raise ValueError(f"a name of {len(module) + len(name)} letters")
        path = f"{OLD_MODULES.get(module, module)}.{name}"
        path = OLD_NAMES.get(path, path)
        prefix, own_path = split_prefix(path) or (None, path)
        if own_path not in KNOWN and own_path != GETATTR:
            raise CheckpointError(refusal(path))
        if prefix is not None:
            if self.prefix not in (None, prefix):
                raise CheckpointError(
                    f"it mixes the classes of two copies of YOLOv5: {_shown(path)} is not of the same one as "
                    "those before"
                )
            self.prefix = prefix
        path = own_path
        self.names.add(path)
        return Name(path)

    def call(self, function: Any, args: tuple[Any, ...]) -> Any:
        """Build, with this project's own code, what the pickle would get by calling this name."""
        if isinstance(function, Name):
            if function.path == GETATTR:
                fused = len(args) == 2 and isinstance(args[0], nn.Module) and args[1] in FUSED_FORWARDS
                if fused or args == DETECT_FORWARD:
                    return Ignored()
                raise CheckpointError(refusal(GETATTR))
            if function.path in CALLS:
                self._tensors += function.path.startswith("torch._utils")
                if self._tensors > MAX_TENSORS:
                    raise ValueError(f"it has more than {MAX_TENSORS} tensors")
                return CALLS[function.path](*args)
            if function.path in CLASSES:
                self._modules += 1
                if self._modules > MAX_MODULES:
                    raise ValueError(f"it has more than {MAX_MODULES} layers")
                return _empty_module(CLASSES[function.path])
        if isinstance(function, Ignored) or (isinstance(function, Name) and function.path in IGNORED):
            return Ignored()
        raise ValueError("a call of something that cannot be called")

    def build(self, target: Any, state: Any) -> None:
        """Give a layer its attributes; other objects need none."""
        if isinstance(target, nn.Module):
            _set_state(target, state)
        elif isinstance(target, Ignored) and isinstance(state, dict):
            target.update(state)  # training options are an argparse.Namespace in some checkpoints
        elif not isinstance(target, torch.Tensor | dict):
            raise ValueError("attributes for something that has none")


def _empty_module(cls: type[nn.Module]) -> nn.Module:
    """Make a layer of this class without calling its constructor."""
    module = cls.__new__(cls)
    nn.Module.__init__(module)
    return module


_CONTENTS: dict[str, type] = {"_parameters": torch.Tensor, "_buffers": torch.Tensor, "_modules": nn.Module}


def _set_state(module: nn.Module, state: Any) -> None:
    if not isinstance(state, dict):
        raise ValueError("a layer without attributes")
    own = module.__dict__
    for key, value in state.items():
        if key in _CONTENTS:
            if not isinstance(value, dict):
                raise ValueError(f"a layer's {key} are not a dictionary")
            for name, content in value.items():
                if not isinstance(name, str) or not (content is None or isinstance(content, _CONTENTS[key])):
                    raise ValueError(f"a layer's {key} hold something else")
                if name not in own and not hasattr(nn.Module, name):
                    own[key][name] = content
        elif isinstance(key, str) and key not in own and not hasattr(type(module), key):
            own[key] = _attribute(key, value, PLAIN if type(module).__module__.startswith("torch.") else OWN)


class Limits(NamedTuple):
    """How many values an attribute may hold, nested ones counted in, and how long its texts may be."""

    values: int
    letters: int


OWN = Limits(MAX_ATTRIBUTE, 10_000)
PLAIN = Limits(32, 100)  # for PyTorch's own layers, whose code and messages write their attributes out


def _attribute(key: str, value: Any, limits: Limits) -> Any:
    """Give an attribute's value back if it is of a bearable size. Raises ValueError."""
    found, level = 0, [value]
    for _ in range(MAX_DEPTH):
        found += len(level)
        if found > limits.values:
            break
        inner: list[Any] = []
        for each in level:
            if isinstance(each, str | bytes) and len(each) > limits.letters:
                raise ValueError("an attribute of a layer is too long a text")
            if isinstance(each, int) and each.bit_length() > 63:
                raise ValueError("an attribute of a layer is too large a number")
            if isinstance(each, dict):
                inner += [*each.keys(), *each.values()]
            elif isinstance(each, list | tuple | set | frozenset):
                inner += each
        if not inner:
            return value
        level = inner
    raise ValueError("an attribute of a layer holds too many values")


def read_objects(stream: BinaryIO, persistent: Callable[[Any], Any]) -> tuple[Any, set[str]]:
    """Read one pickle: the object, and the names it mentions.

    `persistent` turns a persistent id into what it stands for. Raises CheckpointError if the pickle asks for
    what it may not have, or is malformed.
    """
    objects = Objects(persistent)
    try:
        return read_pickle(stream, objects), objects.names
    except CheckpointError:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise CheckpointError(f"it is damaged: its pickle cannot be read ({first_line(error)})") from error
