"""A YOLOv5 checkpoint as data: reading one without running anything of it, and writing one."""

from .load import Checkpoint, load_checkpoint
from .save import save_checkpoint, save_pickle

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint", "save_pickle"]
