"""Write a network built from `convert.layers` as a YOLOv5 checkpoint, for YOLOv5 itself to open too."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from runtime.outputs.atomic import new_file

from .class_paths import PATH_OF

# the pickler written in Python, whose methods can be overridden; the types know only the one in C
_Pickler: Any = pickle._Pickler  # type: ignore[attr-defined]


class _YOLOv5Pickler(_Pickler):  # type: ignore[misc]
    """Writes this project's classes under the paths that YOLOv5 keeps them at."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write a reference to a class or function; called for every one that the pickle mentions."""
        path = PATH_OF.get(obj) if isinstance(obj, type) else None
        if path is None:
            super().save_global(obj, name)
            return
        module, _, cls = path.rpartition(".")
        self.write(pickle.GLOBAL + f"{module}\n{cls}\n".encode("ascii"))
        self.memoize(obj)


def save_checkpoint(path: str | Path, model: nn.Module, *, legacy: bool = False, **fields: Any) -> None:
    """Write `model` to `path` as YOLOv5 v7.0's training writes its best.pt.

    The file holds {"model": the network in half precision, "ema": None, "updates": None, "optimizer": None,
    "opt": None, "git": None, "epoch": -1, "best_fitness": None, "date": now}; `fields` replace or add to
    these (`ema` may be a second network). The model passed in is left as it is. `legacy` writes the file
    format of PyTorch before 1.6. The file appears whole or not at all.
    """
    checkpoint = {
        "epoch": -1,
        "best_fitness": None,
        "model": copy.deepcopy(model).half(),
        "ema": None,
        "updates": None,
        "optimizer": None,
        "opt": None,
        "git": None,
        "date": datetime.now().isoformat(),
        **fields,
    }
    save_pickle(path, checkpoint, legacy=legacy)


def save_pickle(path: str | Path, content: Any, *, legacy: bool = False) -> None:
    """Write any object as `torch.save` does, this project's classes under YOLOv5's paths."""
    pickle_module = SimpleNamespace(__name__="pickle", Pickler=_YOLOv5Pickler, dump=_dump)
    with new_file(Path(path)) as temporary, temporary.open("wb") as stream:
        torch.save(content, stream, pickle_module=pickle_module, _use_new_zipfile_serialization=not legacy)


def _dump(obj: Any, file: Any, protocol: int | None = None) -> None:
    _YOLOv5Pickler(file, protocol).dump(obj)
