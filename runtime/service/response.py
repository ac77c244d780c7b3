"""Answering a question: the pictures through the detector, and the wanted arrays out of what it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, perf_counter
from typing import Any

import numpy as np

from ..errors import DetectorError, InputError
from .errors import RequestError, bad, shown
from .outputs import IMAGE_IDS, OUTPUTS, Seen
from .request import Question, read_picture
from .served_model import Version

MAX_ANSWER_BYTES = 128 << 20
Arrays = dict[str, np.ndarray]  # by output name; BYTES are arrays of objects, each a `bytes`


def answer(
    version: Version, worker: int, question: Question, deadline: float, max_pixels: int
) -> tuple[list[Arrays], dict[str, float]]:
    """Answer a question with the detector of a worker, picture by picture.

    deadline: a time of `monotonic`, after which no further picture is begun.
    Returns the arrays of each picture, and the milliseconds of each stage.

    Raises RequestError: 400 and 413 for the question, 413 for the answer, 504 past the
    deadline, 500 if the network fails.
    """
    makers = _makers(version, question.outputs)
    raw = not any(name in OUTPUTS for name in makers)  # heads alone are not decoded
    boxes_only = not any(OUTPUTS[name].beyond_boxes for name in makers if name in OUTPUTS)
    reader = version.readers[worker]
    for key, value in {**version.settings, **question.settings}.items():
        setattr(reader.model, key, value)
    answers: list[Arrays] = []
    size = 0
    stages: dict[str, float] = {}
    for picture in question.pictures:
        if monotonic() >= deadline:
            raise RequestError(504, "the deadline passed before the pictures were done")
        clock = [perf_counter()]
        image = read_picture(picture, max_pixels)
        clock.append(perf_counter())
        try:
            result: Any = None if raw else reader(image, boxes_only)
            timings = reader.forward(image) if raw else result.timings
        except InputError as error:
            raise bad(str(error)) from error
        except DetectorError as error:
            raise RequestError(500, str(error)) from error
        clock.append(perf_counter())
        seen = Seen(image, result, reader.heads)
        answers.append({name: make(seen) for name, make in makers.items()})
        size += sum(map(_size, answers[-1].values()))
        if size > MAX_ANSWER_BYTES:
            raise RequestError(
                413, f"the answer has more than {MAX_ANSWER_BYTES} bytes; ask for less at once"
            )
        clock.append(perf_counter())
        timings = {"picture": (clock[1] - clock[0]) * 1000, **timings}
        timings["output"] = (clock[3] - clock[2]) * 1000
        for stage, milliseconds in timings.items():
            stages[stage] = stages.get(stage, 0.0) + milliseconds
    return answers, stages


def _size(array: np.ndarray) -> int:
    return sum(map(len, array.tolist())) if array.dtype == object else array.nbytes


def together(answers: Sequence[Arrays], outputs: Sequence[str] | None) -> Arrays:
    """Join the answers of a batch along the first axis.

    `image_ids` is added if it is among `outputs`, or if nothing was asked for by name and there are several
    pictures. Raises RequestError 400 if the arrays do not fit, as raw heads of pictures of different sizes.
    """
    joined = {}
    for name in answers[0]:
        arrays = [each[name] for each in answers]
        if len({array.shape[1:] for array in arrays}) > 1:
            raise bad(f"the pictures give {shown(name)} of different shapes; ask for one picture at a time")
        joined[name] = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    if IMAGE_IDS in outputs if outputs is not None else len(answers) > 1:
        counts = [len(each[_counting(each)]) if each else 0 for each in answers]
        joined[IMAGE_IDS] = np.repeat(np.arange(len(answers), dtype=np.int32), counts)
    return joined


def _counting(arrays: Arrays) -> str:
    """Give the name of an array whose rows `image_ids` numbers: one by box, or else any."""
    by_box = [
        name for name in arrays if name in ("boxes", "scores", "class_ids", "names", "masks", "keypoints")
    ]
    return (by_box or list(arrays))[0]


def _makers(version: Version, outputs: Sequence[str] | None) -> dict[str, Callable[[Seen], np.ndarray]]:
    """Look up what makes the wanted outputs; raises RequestError 400 for one that the model does not give."""
    if outputs is None:
        outputs = [name for name in version.outputs if name in OUTPUTS and OUTPUTS[name].by_itself]
    makers: dict[str, Callable[[Seen], np.ndarray]] = {}
    for name in outputs:
        if name not in version.outputs:
            raise bad(
                f"the model {version.name} has no output {shown(name)}; it has {', '.join(version.outputs)}"
            )
        if name in OUTPUTS:
            makers[name] = OUTPUTS[name].make
        elif name != IMAGE_IDS:
            makers[name] = _head(name)
    if not makers and IMAGE_IDS in outputs:
        raise bad(f"{IMAGE_IDS} comes with other outputs only")
    return makers


def _head(name: str) -> Callable[[Seen], np.ndarray]:
    return lambda seen: seen.heads[name]
