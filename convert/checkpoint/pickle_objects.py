"""Build the few kinds of object that a YOLOv5 checkpoint is made of, and refuse everything else by name.

The names a pickle may mention are the layer classes of `class_paths`, and those in `pickle_names` and
`pickle_values`. Objects are built by this project's own code from plain values; of a layer's pickled state
only attributes, parameters, buffers and sub-modules are taken over, so hooks and anything that would replace
a method stay behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import nn

from ..errors import CheckpointError, first_line
from .class_paths import CLASSES, split_prefix
from .pickle_machine import read_pickle
from .pickle_names import IGNORED, OLD_MODULES, OLD_NAMES, STORAGE_DTYPES, Name, escaped, refusal
from .pickle_values import CALLS, plain_key

MAX_NAME = 256  # letters of a class path

MAX_MODULES = 20_000
# Of one file; the largest networks have about 1,500 modules, twice in a training checkpoint.
MAX_TENSORS = 100_000

# Values in one attribute of a layer, nested ones counted in: a model keeps its class names in one.
MAX_ATTRIBUTE = 100_000

MAX_DEPTH = 20  # how deep the lists in an attribute may be nested


class Ignored(dict[Any, Any]):
    """Stands for a harmless object that the converter has no use for; holds its attributes."""


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
        self.key = plain_key
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
                    f"it mixes the classes of two copies of YOLOv5: {escaped(path)} is not of the same one "
                    "as those before"
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
