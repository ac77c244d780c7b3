"""What of a checkpoint the exported network does not use: a layer that its owner has changed keeps its name.

The stand-ins of `convert.layers` compute what the releases' own layers compute. A layer whose code was
changed has parts that a stand-in knows nothing of, and would convert to another network without a word. So
the network is run once, with shapes alone, and every attribute that its layers read is written down. What
stays unread, and is not known to be inert, is a part that only other code would use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import nn

from . import layers
from .checkpoint import Checkpoint
from .checkpoint.pickle_names import WAYS_OUT, escaped
from .checkpoint.pickle_objects import HIDDEN
from .layers import BaseModel, Head
from .sizes import run_once

# Parameters and buffers that nothing computes with, by class, each with the reason.
INERT_TENSORS: dict[type[nn.Module], dict[str, str]] = {
    nn.modules.batchnorm._BatchNorm: {"num_batches_tracked": "training counts its steps in it"},
    nn.modules.instancenorm._InstanceNorm: {"num_batches_tracked": "training counts its steps in it"},
    nn.Module: {
        "total_ops": "the package thop counts operations in it",
        "total_params": "the package thop counts weights in it",
    },
    layers.Detect: {
        "anchors": "where anchor_grid is a buffer, releases decode with that",
        "anchor_grid": "a list of empty tensors, or read in place of anchors",
    },
}

# Sub-modules that do nothing when a network is run, with the reason.
INERT_MODULES: dict[type[nn.Module], str] = {
    nn.Identity: "it gives what it gets",
    nn.Dropout: "it does nothing outside of training",
    nn.Dropout2d: "it does nothing outside of training",
    layers.DFL: "its weights have been found to be 0, 1, 2, …, as decoding takes them",
    layers.Loss: "training alone uses it",
}

# Attributes, neither tensors nor layers, that nothing is computed from, by class, each with the reason.
INERT_ATTRIBUTES: dict[type[nn.Module], dict[str, str]] = {
    nn.Module: {
        "i": "where the layer stands",
        "f": "what the layer reads, which the network itself obeys",
        "type": "its class, as a text",
        "np": "its number of weights",
        "c": "a number of channels, which the weights' shapes say, too",
        "c_": "the same",
        "c1": "the same",
        "c2": "the same",
        "inplace": "whether memory is used again",
        "export": "whether an export is under way",
        "_backend": "what PyTorch before 1.2 kept",
    },
    layers.ShuffleV2Block: {"stride": "its branches say it"},
    layers.Sum: {"iter": "the number of its inputs"},
}

# Others walk through what is in these without running them.
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)

_HOUSEKEEPING = {*nn.Module().__dict__, HIDDEN}


class Part(NamedTuple):
    """A part that is not used: the path of its layer in the network, the layer, and the part's name."""

    path: str
    layer: nn.Module
    name: str
    what: str


def unused_parts(checkpoint: Checkpoint, size: tuple[int, int]) -> list[Part]:
    """Run the network at this size, and give the parts of it that nothing has read and that are not inert.

    Layers whose code is their owner's are not asked: what they do not read is not needed.
    """
    with _reading(checkpoint.model) as reads:
        run_once(checkpoint, size)
    return list(_unused(checkpoint.model, "", reads, checkpoint.own))


def changed(checkpoint: Checkpoint, part: Part) -> str:
    """Say that a layer is not the one that its name says."""
    kind = checkpoint.class_paths.get(type(part.layer), type(part.layer).__name__)
    numbers = [name for name in part.path.split(".") if name.isdigit()]
    where = f"its layer {numbers[0]} ({escaped(part.path)}, {escaped(kind)})" if numbers else "its network"
    if isinstance(part.layer, Head):
        out = "a head cannot be taken from --layers; YOLOv5's own export.py writes a file that runs as it is"
    else:
        out = WAYS_OUT
    return (
        f"{where} has {part.what} that is not used in YOLOv5's own layer of this name: "
        f"{escaped(part.name)}; its code has been changed; {out}"
    )


@contextmanager
def _reading(network: BaseModel) -> Iterator[dict[nn.Module, set[str]]]:
    """Write down, while the network runs and while its head tells of itself, what is read of each layer."""
    reads: dict[nn.Module, set[str]] = {}

    def spy(module: nn.Module, name: str) -> Any:
        reads.setdefault(module, set()).add(name)
        return object.__getattribute__(module, name)

    def start(*_: Any) -> None:
        nn.Module.__getattribute__ = spy  # type: ignore[method-assign, assignment]

    def stop(*_: Any) -> None:
        if "__getattribute__" in nn.Module.__dict__:
            del nn.Module.__getattribute__  # type: ignore[attr-defined]

    handles = [network.register_forward_pre_hook(start), network.register_forward_hook(stop)]
    try:
        yield reads
        start()
        network.head.metadata()
        network.head.level_anchors()
    finally:
        stop()
        for handle in handles:
            handle.remove()


def _unused(
    module: nn.Module, path: str, reads: dict[nn.Module, set[str]], own: frozenset[type[nn.Module]]
) -> Iterator[Part]:
    """Walk through the layers that have been run."""
    is_own = type(module) in own
    if not is_own:
        yield from _unread(module, path, reads.get(module, set()))
    for name, child in module._modules.items():
        if child is None:
            continue
        inner = f"{path}.{name}" if path else name
        if _is_read(child, reads):
            yield from _unused(child, inner, reads, own)
        elif not is_own and type(child) not in INERT_MODULES and not _is_empty(child):
            yield Part(path, module, name, f"a part ({type(child).__name__})")


def _is_read(module: nn.Module, reads: dict[nn.Module, set[str]]) -> bool:
    """Tell whether a layer has been run, or another has computed with what is in it."""
    names = reads.get(module, set())
    if "forward" in names or any(name in names for name in (*module._parameters, *module._buffers)):
        return True
    if not isinstance(module, _CONTAINERS):
        return False
    return any(child is not None and _is_read(child, reads) for child in module._modules.values())


def _is_empty(module: nn.Module) -> bool:
    return isinstance(module, _CONTAINERS) and not module._modules


def _unread(module: nn.Module, path: str, read: set[str]) -> Iterator[Part]:
    """Give the tensors and attributes of one layer that are unread and not inert."""
    inert = _inert(INERT_TENSORS, module)
    for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
        if tensor is not None and name not in read and name not in inert:
            kind = "a parameter" if isinstance(tensor, nn.Parameter) else "a buffer"
            yield Part(path, module, name, kind)
    hidden = module.__dict__.get(HIDDEN, ())
    for name, is_content in hidden:
        if is_content or not isinstance(module, BaseModel | Head):
            yield Part(path, module, name, "an attribute")
    if isinstance(module, BaseModel):
        return  # options, names and scores of the training
    inert = _inert(INERT_ATTRIBUTES, module)
    is_torch = any(kind.__module__.startswith("torch.nn.modules.") for kind in type(module).__mro__[:-2])
    for name, value in module.__dict__.items():
        if name in _HOUSEKEEPING or name in read or name in inert or _says_nothing(value):
            continue
        if is_torch and name in _torch_attributes(type(module)):
            continue
        if isinstance(module, Head) and not (isinstance(value, float) and name not in _HEAD_FLOATS):
            continue  # counts and caches, which differ from release to release
        yield Part(path, module, name, "an attribute")
    if isinstance(module, nn.MultiheadAttention) and (module.batch_first or module.add_zero_attn):
        yield Part(path, module, "batch_first" if module.batch_first else "add_zero_attn", "an attribute")


_HEAD_FLOATS = ("bias", "prior")


def _inert(table: dict[type[nn.Module], dict[str, str]], module: nn.Module) -> set[str]:
    return {name for kind, names in table.items() if isinstance(module, kind) for name in names}


def _says_nothing(value: Any) -> bool:
    """Tell whether a value is as good as none; code that has been added reads more than that."""
    return value is None or value is False or (isinstance(value, str | list | tuple | dict) and not value)


def _torch_attributes(kind: type[nn.Module]) -> set[str]:
    """Give the attributes that a class of PyTorch's declares; its own code obeys them."""
    found = {"_is_full_backward_hook", "_version", "return_indices", "recompute_scale_factor", "name"}
    for each in kind.__mro__:
        found |= set(getattr(each, "__annotations__", ())) | set(getattr(each, "__constants__", ()))
        if each.__module__.startswith("torch.") and each is not nn.Module and "__init__" in each.__dict__:
            code = each.__dict__["__init__"].__code__
            found |= set(code.co_names) | set(code.co_varnames)
    return found
