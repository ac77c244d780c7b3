"""JSON of requests and responses: read in steps, with the same result as Python's own reader."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra `serve`")

from runtime.service.errors import RequestError
from runtime.service.json_text import MAX_VALUES, read_base64, read_json, write_json

rng = np.random.default_rng(5)


def pixels(*shape: int) -> list[Any]:
    values: list[Any] = rng.integers(0, 256, shape, np.uint8).tolist()
    return values


BIG = pixels(100, 90, 3)
VALUES = {
    "one picture": {"data": BIG},
    "flat": {"inputs": [{"name": "image", "shape": [100, 90, 3], "data": np.array(BIG).ravel().tolist()}]},
    "a batch": {"instances": [BIG, BIG], "fetch": ["boxes"]},
    "after a file": {"instances": [{"b64": "AAAA"}, BIG]},
    "before a file": {"instances": [BIG, {"b64": "AAAA"}]},
    "between files": {"a": 1e5, "instances": [{"b64": "A"}, BIG, {"b64": "A"}, BIG], "b": [1, 2]},
    "by name": {"instances": [{"image": BIG}, {"image": BIG}]},
    "of one column": {"data": pixels(9000, 1, 3)},
}


def to_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: to_lists(each) for key, each in value.items()}
    if isinstance(value, list):
        return [to_lists(each) for each in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("layout", [{}, {"separators": (",", ":")}, {"indent": 1}], ids=["", "dense", "airy"])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_pixels_are_what_they_are_to_pythons_reader(value: Any, layout: Any) -> None:
    text = json.dumps(value, **layout).encode()
    read = read_json(text)
    assert to_lists(read) == value
    assert any(isinstance(each, np.ndarray) for each in _leaves(read))


def test_pictures_of_different_sizes() -> None:
    value = {"instances": [pixels(80, 90, 3), pixels(70, 60, 3), pixels(2, 2, 3)]}
    assert to_lists(read_json(json.dumps(value).encode())) == value


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    return [leaf for each in value for leaf in _leaves(each)] if isinstance(value, list) else [value]


LONG = b"[[1,2,3]" + b",[1,2,3]" * 30_000
WRONG = {
    "lists without end": b'{"data":[' + b"[]," * 10_000_000 + b"[]]}",
    "objects without end": b'{"inputs":[' + b"{}," * 5_000_000 + b"{}]}",
    "nested": b'{"data":' + b"[" * 1_000_000,
    "nested numbers": b'{"data":' + b"[" * 100_000 + b"1" + b"]" * 100_000 + b"}",
    "nested, then numbers": b'{"data":' + b"[" * 5 + LONG + b"]" * 6 + b"}",
    "ragged": b'{"data":' + LONG + b",[1,2]]}",
    "ragged by an empty one": b'{"data":' + LONG + b",[]]}",
    "two commas": b'{"data":' + LONG + b",,[1,2,3]]}",
    "two numbers": b'{"data":' + LONG + b",[1,2 2,3]]}",
    "a number between lists": b'{"data":' + LONG + b"4,[1,2,3]]}",
    "a leading zero": b'{"data":' + LONG + b",[1,2,03]]}",
    "256": b'{"data":' + LONG + b",[1,2,256]]}",
    "-1": b'{"data":' + LONG + b",[1,2,-1]]}",
    "a half": b'{"data":' + LONG + b",[1,2,0.5]]}",
    "a number of many digits": b'{"data":' + LONG + b",[1,2," + b"9" * 100_000 + b"]]}",
    "not closed": b'{"data":' + LONG + b"}",
    "closed twice": b'{"data":' + LONG + b"]]}",
    "numbers alone": b"1," * 100_000,
    "NaN": b'{"data":NaN}',
    "a NaN beside pixels": b'{"a":NaN,"data":' + LONG + b"]}",
    "many lists": b'{"data":[' + b",".join([b'{"a":' + LONG + b"]}"] * 70) + b"]}",
    "not an object": LONG + b"]",
    "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_other_texts_are_refused_while_others_work(text: bytes) -> None:
    """Python's own reader holds its lock for seconds at some of these; a second thread looks on."""
    longest, over = 0.0, threading.Event()

    def look_on() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not over.wait(0.001):
            longest, last = max(longest, time.perf_counter() - last), time.perf_counter()

    thread = threading.Thread(target=look_on)
    thread.start()
    started = time.process_time()
    with pytest.raises(RequestError) as refusal:
        read_json(text)
    spent = time.process_time() - started
    over.set()
    thread.join()
    assert refusal.value.status == 400
    assert refusal.value.text.isprintable()
    assert longest < 0.5  # on a machine that does other things, too
    assert spent < 2


def test_numbers_as_json() -> None:
    value = {"a": [1, "x", None, {"b": True}], "é": rng.random((3, 5000)), "c": np.arange(10_001)}
    text = write_json(value)
    assert json.loads(text) == to_lists(value)
    assert write_json({"flat": rng.random(4097)}).count(",") == 4096


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000, 196_608, 196_609, 500_000])
def test_base64(size: int) -> None:
    data = rng.bytes(size)
    assert read_base64(base64.b64encode(data).decode()) == data


@pytest.mark.parametrize("text", ["%%%", "AAA", "A=AA", "QQ==QQ==", "A" * (1 << 18) + "é", "\ud800", 5])
def test_wrong_base64(text: Any) -> None:
    with pytest.raises(RequestError):
        read_base64(text)


def test_the_limit_on_values() -> None:
    assert len(read_json(b'{"a":[' + b'"x",' * (MAX_VALUES - 10) + b'"x"]}')["a"]) == MAX_VALUES - 9
    with pytest.raises(RequestError, match="binary"):
        read_json(b'{"a":[' + b'"x",' * MAX_VALUES + b'"x"]}')
