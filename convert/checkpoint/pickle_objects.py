"""Build the few kinds of object that a YOLOv5 checkpoint is made of, and refuse everything else by name.

The names a pickle may mention are the layer classes of `class_paths`, and those in `pickle_names` and
`pickle_values`. Objects are built by this project's own code from plain values; of a layer's pickled state
only attributes, parameters, buffers and sub-modules are taken over, so hooks and anything that would replace
a method stay behind.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import nn

from ..errors import CheckpointError, first_line
from .class_paths import class_for, split_prefix
from .numpy_values import Array, DType, build_array, build_dtype
from .own_layers import OwnLayers
from .pickle_machine import read_pickle
from .pickle_names import (
    IGNORED,
    OLD_MODULES,
    OLD_NAMES,
    STORAGE_DTYPES,
    WEIGHT_HOOKS,
    Name,
    escaped,
    foreign_layer,
    is_program,
    refusal,
)
from .pickle_values import CALLS, plain_key

MAX_NAME = 256  # letters of a class path

MAX_MODULES = 20_000
# Of one file; the largest networks have about 1,500 modules, twice in a training checkpoint.
MAX_TENSORS = 100_000

# Values in one attribute of a layer, nested ones counted in: a model keeps its class names in one.
MAX_ATTRIBUTE = 100_000

MAX_DEPTH = 20  # how deep the lists in an attribute may be nested


class Ignored(dict[Any, Any]):
    """Stands for a harmless object that the converter has no use for; holds its attributes.

    path: of its class, if the pickle says it.
    """

    def __init__(self, path: str = ""):
        super().__init__()
        self.path = path


class Foreign(Ignored):
    """Stands for an object of a class that is unknown: no layer, or the file would have been refused."""


# Three requests for getattr are understood, and left unfulfilled; any other use of it is refused.
#
# YOLOv5's fuse() gives each convolution an attribute `forward`, one of the methods FUSED_FORWARDS of its; a
# pickle asks for it as getattr(layer, name). The stand-ins see by themselves whether they are fused. And
# v7.0's Segment keeps the function Detect.forward, which its stand-in has no use for.
# torch.compile keeps a method of what it compiles with, around the network.
GETATTR = "builtins.getattr"
FUSED_FORWARDS = ("forward_fuse", "fuseforward")
DETECT_FORWARD = (Name("models.yolo.Detect"), "forward")

COMPILED = "torch._dynamo.eval_frame.OptimizedModule"
COMPILER = ("torch._TorchCompileInductorWrapper", "get_compiler_config")

KNOWN = CALLS.keys() | STORAGE_DTYPES.keys() | IGNORED

# Attribute of a layer: (name, is it a tensor or layer?) of what its stand-in has another meaning for.
HIDDEN = "_hidden"


class Objects:
    """The builder for `read_pickle`.

    names: those that the pickle has mentioned, without the prefix that YOLOv5's classes have in it.
    paths: the path, with its prefix, of each layer class.
    own: where classes come from that are unknown here, or whose paths are in `own_paths`.
    """

    def __init__(
        self, persistent: Callable[[Any], Any], own: OwnLayers | None = None, own_paths: Collection[str] = ()
    ):
        self.names: set[str] = set()
        self.paths: dict[type[nn.Module], str] = {}
        self._own = own
        self._own_paths = own_paths
        self._own_classes: dict[str, type[nn.Module]] = {}
        self._foreign: dict[str, bool] = {}  # the paths of unknown classes; has an object been made of each?
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
        known = own_path in KNOWN or own_path == GETATTR or class_for(own_path) is not None
        if self._own is not None and (not known or path in self._own_paths):
            cls = self._own.find(path)
            if cls is not None:
                self._own_classes[path] = cls
                self.paths[cls] = path
                return Name(path)
        if not known:
            layers_of_yolov5 = own_path.split(".")[0] in ("models", "utils")
            if is_program(path) or layers_of_yolov5 or self._own is not None:
                raise CheckpointError(self._refusal(path))
            self._foreign.setdefault(path, False)
            return Name(path)
        if prefix is not None:
            if self.prefix not in (None, prefix):
                raise CheckpointError(
                    f"it mixes the classes of two copies of YOLOv5: {escaped(path)} is not of the same one "
                    "as those before"
                )
            self.prefix = prefix
        self.names.add(own_path)
        if standing := class_for(own_path):
            self.paths[standing] = path
        return Name(own_path)

    def _refusal(self, path: str) -> str:
        """Say why a name is not allowed; with layers of the owner's, that they do not have it, either."""
        if self._own is None or is_program(path):
            return refusal(path)
        return f"it contains {escaped(path)}, and there is no such class in {self._own.path}"

    def new(self, cls: Any, args: tuple[Any, ...]) -> Any:
        """Make what stands for an object of this class, without attributes."""
        if isinstance(cls, Name) and cls.path in self._foreign:
            self._foreign[cls.path] = True
            return Foreign(cls.path)
        return self.call(cls, args)

    def finish(self) -> None:
        """Refuse a name that is unknown and that no object was made of."""
        for path, made in self._foreign.items():
            if not made:
                raise CheckpointError(refusal(path))

    def call(self, function: Any, args: tuple[Any, ...]) -> Any:
        """Build, with this project's own code, what the pickle would get by calling this name."""
        if isinstance(function, Name):
            if function.path == GETATTR:
                fused = len(args) == 2 and isinstance(args[0], nn.Module) and args[1] in FUSED_FORWARDS
                compiler = (
                    len(args) == 2 and isinstance(args[0], Ignored) and (args[0].path, args[1]) == COMPILER
                )
                if fused or compiler or args == DETECT_FORWARD:
                    return Ignored()
                raise CheckpointError(refusal(GETATTR))
            if function.path in CALLS:
                self._tensors += function.path.startswith("torch._utils")
                if self._tensors > MAX_TENSORS:
                    raise ValueError(f"it has more than {MAX_TENSORS} tensors")
                return CALLS[function.path](*args)
            cls = self._own_classes.get(function.path) or class_for(function.path)
            if cls is not None:
                self._modules += 1
                if self._modules > MAX_MODULES:
                    raise ValueError(f"it has more than {MAX_MODULES} layers")
                if function.path == COMPILED and args and isinstance(args[0], nn.Module):
                    return args[0]  # its constructor's arguments are the network and the compiler
                return _empty_module(cls)
            if function.path in self._foreign:
                raise CheckpointError(refusal(function.path))
        if isinstance(function, Name) and function.path in IGNORED:
            return Ignored(function.path)
        if isinstance(function, Ignored) and not isinstance(function, Foreign):
            return Ignored()
        raise ValueError("a call of something that cannot be called")

    def build(self, target: Any, state: Any) -> None:
        """Give a layer its attributes; other objects need none."""
        if isinstance(target, nn.Module):
            _set_state(target, state)
        elif isinstance(target, Array):
            build_array(target, state)
        elif isinstance(target, DType):
            build_dtype(target, state)
        elif isinstance(target, Foreign) and isinstance(state, dict) and "_modules" in state:
            raise CheckpointError(foreign_layer(target.path))
        elif isinstance(target, Ignored) and isinstance(state, dict):
            target.update(state)  # training options are an argparse.Namespace in some checkpoints
        elif not isinstance(target, torch.Tensor | dict):  # the state of a few others means nothing here
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
    own, kind = module.__dict__, type(module)
    hidden: list[tuple[str, bool]] = []  # what has the name of something else here; a tensor or layer?
    is_torch = kind.__module__.startswith("torch.")
    for key, value in state.items():
        if key in _CONTENTS:
            if not isinstance(value, dict):
                raise ValueError(f"a layer's {key} are not a dictionary")
            for name, content in value.items():
                if not isinstance(name, str) or not (content is None or isinstance(content, _CONTENTS[key])):
                    raise ValueError(f"a layer's {key} hold something else")
                if name not in own and not hasattr(nn.Module, name):
                    own[key][name] = content
                elif content is not None:
                    hidden.append((name, True))
        elif key in _HOOKS:
            _check_hooks(kind, value)
        elif isinstance(key, str) and key not in own and key != HIDDEN:
            if not _is_code(kind, key):
                own[key] = _attribute(key, value, PLAIN if is_torch else OWN)
            elif key not in _ALWAYS_HIDDEN:
                hidden.append((key, False))
    if hidden:
        own[HIDDEN] = hidden


_HOOKS = ("_forward_hooks", "_forward_pre_hooks")

# `forward` is what YOLOv5's fuse() leaves, or the file is refused for it (GETATTR); `type` is a layer's name.
_ALWAYS_HIDDEN = ("forward", "type")


def _check_hooks(kind: type[nn.Module], hooks: Any) -> None:
    """Refuse a layer that has code beside its own run; PyTorch's ways to compute weights are no such code."""
    values = list(hooks.values()) if isinstance(hooks, dict) else [hooks]
    if any(not (isinstance(hook, Ignored) and hook.path in WEIGHT_HOOKS) for hook in values):
        raise CheckpointError(
            f"one of its layers ({kind.__name__}) has a forward hook, which is code beside the layer's own; "
            "save the network without it"
        )


def _is_code(kind: type[nn.Module], name: str) -> bool:
    """Tell whether a class has something of this name that an attribute must not replace.

    A plain value, which some classes of their owners' have for a default, may be replaced.
    """
    missing = object()
    found = inspect.getattr_static(kind, name, missing)
    if found is missing:
        return False
    return callable(found) or hasattr(type(found), "__get__") or hasattr(nn.Module, name)


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


def read_objects(
    stream: BinaryIO,
    persistent: Callable[[Any], Any],
    own: OwnLayers | None = None,
    own_paths: Collection[str] = (),
) -> tuple[Any, Objects]:
    """Read one pickle: the object, and its builder, which knows the names that it mentions.

    `persistent` turns a persistent id into what it stands for; `own` and `own_paths` are as in `Objects`.
    Raises CheckpointError if the pickle asks for what it may not have, or is malformed.
    """
    objects = Objects(persistent, own, own_paths)
    try:
        content = read_pickle(stream, objects)
        objects.finish()
        return content, objects
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
