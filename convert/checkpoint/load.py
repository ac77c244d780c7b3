"""Open a YOLOv5 checkpoint of any release as data: its network, ready to run, and the facts about it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import CheckpointError, first_line
from ..layers import AutoShape, BaseModel, Detect, Ensemble, Head, KeypointDetect, Loss
from ..layers.heads import FACE_POINTS
from .computed_weights import compute_weights
from .facts import class_names, readable, release_of, trained_size
from .own_layers import OwnLayers
from .pickle_names import foreign_layer
from .pickle_objects import Foreign, Ignored
from .torch_file import read_torch_file

MAX_PARAMETERS = 1_000_000_000  # networks with more are refused; yolov5x6 has 141 million

# Kernels, paddings and factors of upsampling beyond it are refused; YOLOv5's largest is 13.
MAX_LAYER_SIZE = 64

# Ways from the network to its layers; one layer in several places is there once for each of them.
MAX_PATHS = 20_000

MAX_DEPTH = 50  # how deep layers may lie in each other
MAX_WRAPPINGS = 8  # how many modules there may be around the network, each in the next


@dataclass(frozen=True)
class Checkpoint:
    """A network and the facts about it.

    `model.head` says what task it has. `strides` has an entry for each output that is a map of boxes, in the
    network's own order, which is coarse to fine in v1.0; `anchors`, for each of them that has any, a float32
    array (na, 2) of (width, height) in input pixels. `imgsz` is the size it was trained for, if the file says
    so; `metadata` what its head has for the model file. `class_paths` are the paths that the pickle has for
    the classes of its layers; `own` those of them whose code is their owner's.
    """

    path: Path
    sha256: str
    model: BaseModel
    release: str
    names: list[str]
    strides: list[int]
    anchors: list[np.ndarray]
    imgsz: int | None
    metadata: dict[str, Any]
    class_paths: dict[type[nn.Module], str] = field(default_factory=dict)
    own: frozenset[type[nn.Module]] = frozenset()

    @property
    def parameters(self) -> int:
        """Count the weights."""
        return sum(p.numel() for p in self.model.parameters())


def load_checkpoint(
    path: str | Path, own: OwnLayers | None = None, own_paths: Collection[str] = ()
) -> Checkpoint:
    """Open a checkpoint without running anything of it.

    The network comes in float32 and evaluation mode; the averaged weights (EMA) are preferred. Classes that
    are unknown here, or whose paths are in `own_paths`, are taken from `own`: code of the checkpoint's owner,
    which is imported, and run when the network is run. Raises CheckpointError with one sentence that says
    what is wrong with the file.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise CheckpointError(f"{path}: it is a folder, not a checkpoint")
        content, objects, legacy = read_torch_file(path, own, own_paths)
        sha256 = _sha256(path)
        model = _find_model(content)
        _check_paths(model)
        _check_size(model)
        model = model.float().eval()
        compute_weights(model)
        _check_finite(model)
        _heal(model)
        return Checkpoint(
            path=path,
            sha256=sha256,
            model=model,
            release=release_of(model, content, objects.names, legacy),
            names=class_names(model),
            strides=model.head.level_strides(),
            anchors=model.head.level_anchors(),
            imgsz=trained_size(content),
            metadata=model.head.metadata(),
            class_paths=objects.paths,
            own=frozenset(own.used if own is not None else ()),
        )
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: there is no such file") from error
    except OSError as error:
        raise CheckpointError(f"{path}: it cannot be read ({error.strerror or error})") from error
    except RecursionError as error:
        raise CheckpointError(f"{path}: its layers are nested too deeply") from error
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise CheckpointError(
            f"{path}: its network is not built like one of YOLOv5's ({first_line(error)})"
        ) from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _find_model(content: Any) -> BaseModel:
    """Find the network in what a checkpoint holds: by itself, in a dictionary, or wrapped in this or that."""
    if isinstance(content, dict):
        content = _of_dictionary(content)
    for _ in range(MAX_WRAPPINGS):
        if not isinstance(content, Ensemble | AutoShape | nn.Sequential | nn.ModuleList):
            break
        inner = [child for child in content.children() if not isinstance(child, Loss)]
        if len(inner) != 1:
            raise CheckpointError(
                f"it is an ensemble of {len(inner)} models; convert each model's own checkpoint"
                if isinstance(content, Ensemble)
                else "it holds several modules, none of which is a YOLOv5 network"
            )
        content = inner[0]
    if isinstance(content, Foreign):
        raise CheckpointError(foreign_layer(content.path))
    if not isinstance(content, BaseModel):
        raise CheckpointError("it is a PyTorch file, but there is no YOLOv5 network in it")
    if not isinstance(content.model, nn.Sequential) or len(content.model) == 0:
        raise CheckpointError("its network has no layers")
    head = content.head
    if not isinstance(head, Head):
        raise CheckpointError(f"its network ends in {type(head).__name__}, not in a head of YOLOv5's")
    if type(head) is Detect and head.no == head.classes() + 5 + 2 * FACE_POINTS:
        head.__class__ = KeypointDetect  # yolov5-face has kept the name
    return content


# The keys that networks are kept under, the best first; any other is looked at after them.
_KEYS = ("ema", "model", "net", "network", "model_ema")


def _of_dictionary(content: dict[Any, Any]) -> Any:
    """Find the module among a dictionary's values, in one of its dictionaries if need be.

    Raises CheckpointError if there are only weights.
    """
    if isinstance(content, Foreign):
        raise CheckpointError(foreign_layer(content.path))
    keys = [*(key for key in _KEYS if key in content), *(key for key in content if key not in _KEYS)]
    for key in keys:
        value = content[key]
        if isinstance(value, tuple) and value:  # v3.0 to v4.0 kept the number of updates beside it
            value = value[0]
        if isinstance(value, Ignored) and isinstance(value.get("ema"), nn.Module):  # training's ModelEMA
            value = value["ema"]
        if isinstance(value, nn.Module) and not isinstance(value, Loss):
            return value
        if isinstance(value, Foreign) and key in _KEYS:
            raise CheckpointError(foreign_layer(value.path))
    structure = "weights without the network's structure; save the model itself, as YOLOv5's train.py does"
    if _is_state_dict(content):
        raise CheckpointError(f"it is a bare state_dict: {structure}")
    for key in keys:
        if isinstance(content[key], dict) and _is_state_dict(content[key]):
            name = readable(str(key))[:100]
            what = "its model is a state_dict" if name == "model" else f'its "{name}" is a state_dict'
            raise CheckpointError(f"{what}: {structure}")
    for key in keys:
        if isinstance(content[key], dict) and any(isinstance(v, nn.Module) for v in content[key].values()):
            return _of_dictionary(content[key])
    return None


def _is_state_dict(content: dict[Any, Any]) -> bool:
    """Tell whether all values are tensors; there are states of optimisers among the dictionaries, too."""
    return bool(content) and all(isinstance(value, torch.Tensor) for value in content.values())


def _check_finite(model: nn.Module) -> None:
    """Refuse weights that are no numbers, as those of a training that has diverged."""
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"its weights are not all finite numbers ({readable(name)[:200]}): "
                "the training has diverged; use an earlier checkpoint"
            )


def _check_size(model: nn.Module) -> None:
    """Refuse tensors larger than their data: a view can repeat one number a billion times.

    So can many views of one storage, each of which becomes a tensor of its own.
    """
    numbers, stored = 0, {}
    for tensor in [*model.parameters(), *model.buffers()]:
        storage = tensor.untyped_storage()
        stored[storage.data_ptr()] = storage.nbytes() // tensor.element_size()
        numbers += tensor.numel()
        if tensor.numel() > storage.nbytes() // tensor.element_size() or numbers > MAX_PARAMETERS:
            raise CheckpointError("its tensors are larger than its data")
    if numbers > 2 * sum(stored.values()):
        raise CheckpointError("its tensors are larger than its data")


def _check_paths(model: nn.Module) -> None:
    """Refuse layers that are in each other, or in so many places that walking through them never ends."""
    paths: dict[nn.Module, int] = {}

    def count(module: nn.Module, depth: int) -> int:
        if module not in paths:
            paths[module] = MAX_PATHS + 1  # should it come across itself
            if depth > MAX_DEPTH:
                raise CheckpointError("its layers are nested too deeply")
            inner = (count(child, depth + 1) for child in module._modules.values() if child is not None)
            paths[module] = 1 + sum(inner)
        if paths[module] > MAX_PATHS:
            raise CheckpointError("its layers are used in too many places, or within themselves")
        return paths[module]

    count(model, 0)


def _heal(model: BaseModel) -> None:
    """Give layers the attributes that their release did not have yet, and PyTorch's code of today reads."""
    for module in model.modules():
        if isinstance(module, nn.Upsample):
            module.recompute_scale_factor = None
            if not hasattr(module, "align_corners"):
                module.align_corners = None
        elif isinstance(module, nn.Conv2d) and module.padding_mode != "zeros":
            padding: Any = module.padding
            module._reversed_padding_repeated_twice = [p for p in reversed(padding) for _ in (0, 1)]
        elif isinstance(module, nn.MaxPool2d):
            module.return_indices = False
        numbers = [getattr(module, name, 0) for name in _SIZES]
        if any(_largest(number) > MAX_LAYER_SIZE for number in numbers):
            raise CheckpointError("it has layers that would need far more memory than YOLOv5's")
    layers: list[Any] = list(model.model)
    model.save = sorted({j % i for i, layer in enumerate(layers) for j in _sources(layer) if j != -1})
    for i, layer in enumerate(layers):
        layer.i = i


_SIZES = ("kernel_size", "padding", "scale_factor", "gain", "upscale_factor", "downscale_factor", "dilation")


def _largest(value: Any) -> float:
    values = value if isinstance(value, tuple | list) else [value]
    return max((v for v in values if isinstance(v, int | float)), default=0)


def _sources(layer: Any) -> list[int]:
    f: int | list[int] = layer.f
    return [f] if isinstance(f, int) else list(f)
