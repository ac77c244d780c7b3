"""Answering a request: the pictures go through the model, and the wanted arrays are made of the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, perf_counter

import numpy as np

from ..errors import DetectorError, InputError
from .errors import RequestError, bad_request, quoted
from .outputs import BY_BOX, IMAGE_IDS, OUTPUTS, Prediction
from .request import InferenceRequest, read_picture
from .served_model import ServedModel

MAX_RESPONSE_BYTES = 128 << 20
Arrays = dict[str, np.ndarray]  # by output name; BYTES are arrays of objects, each a `bytes`


def infer(
    model: ServedModel, worker: int, request: InferenceRequest, deadline: float, max_pixels: int
) -> tuple[list[Arrays], dict[str, float]]:
    """Run a worker's predictor on the pictures of a request, one after the other.

    deadline: a time of `monotonic`, after which no further picture is begun.
    Returns the arrays of each picture, and the milliseconds of each stage.

    Raises RequestError: 400 and 413 for the request, 413 for the response, 504 past the
    deadline, 500 if the network fails.
    """
    makers = _makers(model, request.outputs)
    raw = not any(name in OUTPUTS for name in makers)  # heads alone are not decoded
    boxes_only = not any(OUTPUTS[name].beyond_boxes for name in makers if name in OUTPUTS)
    predictor = model.predictors[worker]
    settings = dict(request.settings)
    if boxes_only and not raw and "boxes_only" in predictor.model.settings:
        settings["boxes_only"] = True
    results: list[Arrays] = []
    size = 0
    stages: dict[str, float] = {}
    for picture in request.pictures:
        if monotonic() >= deadline:
            raise RequestError(504, "the deadline passed before the pictures were done")
        clock = [perf_counter()]
        image = read_picture(picture, max_pixels)
        clock.append(perf_counter())
        try:
            result, timings = predictor(image, decode=not raw, **settings)
        except InputError as error:
            raise bad_request(str(error)) from error
        except DetectorError as error:
            raise RequestError(500, str(error)) from error
        clock.append(perf_counter())
        prediction = Prediction(image, result, predictor.heads)
        results.append({name: make(prediction) for name, make in makers.items()})
        size += sum(map(_size, results[-1].values()))
        if size > MAX_RESPONSE_BYTES:
            raise RequestError(
                413, f"the response has more than {MAX_RESPONSE_BYTES} bytes; ask for less at once"
            )
        clock.append(perf_counter())
        timings = {"picture": (clock[1] - clock[0]) * 1000, **timings}
        timings["output"] = (clock[3] - clock[2]) * 1000
        for stage, milliseconds in timings.items():
            stages[stage] = stages.get(stage, 0.0) + milliseconds
    return results, stages


def _size(array: np.ndarray) -> int:
    return sum(map(len, array.tolist())) if array.dtype == object else array.nbytes


def join_batch(results: Sequence[Arrays], outputs: Sequence[str] | None) -> Arrays:
    """Join the results of a batch along the first axis.

    `image_ids` is added if it is among `outputs`, or if nothing was asked for by name and there are several
    pictures. Raises RequestError 400 if the arrays do not fit, as raw heads of pictures of different sizes.
    """
    joined = {}
    for name in results[0]:
        arrays = [each[name] for each in results]
        if len({array.shape[1:] for array in arrays}) > 1:
            raise bad_request(
                f"the pictures give {quoted(name)} of different shapes; ask for one picture at a time"
            )
        joined[name] = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    if IMAGE_IDS in outputs if outputs is not None else len(results) > 1:
        counts = [len(each[_counting(each)]) if each else 0 for each in results]
        joined[IMAGE_IDS] = np.repeat(np.arange(len(results), dtype=np.int32), counts)
    return joined


def _counting(arrays: Arrays) -> str:
    """Give the name of an array whose rows `image_ids` numbers: one by box, or else any."""
    by_box = [name for name in arrays if name in BY_BOX]
    return (by_box or list(arrays))[0]


def _makers(
    model: ServedModel, outputs: Sequence[str] | None
) -> dict[str, Callable[[Prediction], np.ndarray]]:
    """Look up what makes the wanted outputs; raises RequestError 400 for one that the model does not give."""
    if outputs is None:
        outputs = [name for name in model.outputs if name in OUTPUTS and OUTPUTS[name].by_itself]
    makers: dict[str, Callable[[Prediction], np.ndarray]] = {}
    for name in outputs:
        if name not in model.outputs:
            raise bad_request(
                f"the model {model.name} has no output {quoted(name)}; it has {', '.join(model.outputs)}"
            )
        if name in OUTPUTS:
            makers[name] = OUTPUTS[name].make
        elif name != IMAGE_IDS:
            makers[name] = _head(name)
    if not makers and IMAGE_IDS in outputs:
        raise bad_request(f"{IMAGE_IDS} comes with other outputs only")
    return makers


def _head(name: str) -> Callable[[Prediction], np.ndarray]:
    return lambda prediction: prediction.heads[name]
