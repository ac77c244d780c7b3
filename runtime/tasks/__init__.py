"""What a task changes, in one table: here is what to add a row to.

A task is a class in a file of its own that answers what `task.Task` and `task.BoxTask` ask: which metadata it
needs, how an image is placed, which output shapes fit, what the outputs mean, and how what is found gets back
to the image. `read_info` looks it up once, and nothing else asks which task it is.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..escape import escape_value
from .anchor_free import AnchorFree
from .classify import Classify
from .decoded import Decoded
from .detect import Detect
from .keypoints import Keypoints
from .segment import Segment
from .task import BoxTask, Task

__all__ = ["TASKS", "BoxTask", "Classify", "Task", "find_task"]

# Several kinds of network may share a name: of these the first one whose metadata is there is taken.
TASKS: tuple[type[Task], ...] = (Detect, AnchorFree, Decoded, Segment, Keypoints, Classify)


def find_task(name: Any, keys: Collection[str]) -> type[Task]:
    """Look a task up by the metadata's `task`, and the keys of the metadata that there are.

    Raises ValueError if there is no task of that name.
    """
    named = [task for task in TASKS if task.name == name]
    if not named:
        known = " or ".join(dict.fromkeys(repr(task.name) for task in TASKS))
        raise ValueError(f"the task is {escape_value(name)}, and only {known} is supported")
    complete = (task for task in named if set(task.needs) <= set(keys))
    # of one that lacks something, the last of its keys, which no other task has, tells most
    told = (task for task in named if task.needs[-1] in keys)
    return next(complete, None) or next(told, named[0])
