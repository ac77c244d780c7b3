"""What a call of a Detector may replace, and the checks of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypedDict

from ..errors import InputError


class Settings(TypedDict, total=False):
    """What may be given to one call, in place of what the Detector was made with; see there.

    boxes_only: give boxes alone, without masks, keypoints and the like, and without the time that they take.
    """

    conf_thres: float
    iou_thres: float
    max_det: int
    classes: Sequence[int | str] | None
    agnostic_nms: bool
    multi_label: bool
    boxes_only: bool


def check_settings(settings: Settings, names: tuple[str, ...]) -> Settings:
    """Check all settings, and turn names of classes into numbers. Raises InputError for what is wrong."""
    for key, value in settings.items():
        if key not in Settings.__annotations__:
            known = ", ".join(Settings.__annotations__)
            raise InputError(f"there is no setting {key!r}; there are {known}")
        if key in ("agnostic_nms", "multi_label", "boxes_only") and not isinstance(value, bool):
            raise InputError(f"{key} must be True or False, not {value!r}")
    return {
        **settings,
        "conf_thres": _share(settings["conf_thres"], "conf_thres"),
        "iou_thres": _share(settings["iou_thres"], "iou_thres"),
        "max_det": positive(settings["max_det"], "max_det"),
        "classes": _class_ids(settings["classes"], names),
    }


def positive(value: Any, name: str) -> int:
    """Take a whole number of at least 1. Raises InputError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} must be a whole number of at least 1, not {value!r}")
    return value


def _share(value: float, name: str) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = math.nan
    if not 0 <= share <= 1:
        raise InputError(f"{name} must be a number from 0 to 1, not {value!r}")
    return share


def _class_ids(classes: Sequence[int | str] | None, names: tuple[str, ...]) -> list[int] | None:
    """Turn names and numbers of classes into numbers."""
    if classes is None:
        return None
    ids = []
    for each in [classes] if isinstance(classes, str) else classes:
        if isinstance(each, str) and each in names:
            ids += [i for i, name in enumerate(names) if name == each]
        elif str(each).isdecimal() and int(each) < len(names):
            ids.append(int(each))
        else:
            raise InputError(
                f"there is no class {each!r}; the model has 0 to {len(names) - 1}: {', '.join(names[:100])}"
            )
    return ids
