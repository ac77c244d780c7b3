from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.stages.candidates import Candidates


def make(n: int, extra: int, seed: int = 0) -> Candidates:
    rng = np.random.default_rng(seed)
    return Candidates(
        rng.normal(size=(n, 4)).astype(np.float32),
        rng.random(n, np.float32),
        rng.integers(0, 80, n, np.int32),
        rng.normal(size=(n, extra)).astype(np.float32),
    )


def rows(candidates: Candidates) -> list[tuple]:
    columns = (candidates.xyxy, candidates.scores, candidates.class_ids, candidates.extra)
    return [tuple(map(tuple, map(np.atleast_1d, row))) for row in zip(*columns, strict=True)]


@given(n=st.integers(0, 20), extra=st.integers(0, 5), data=st.data())
def test_an_index_chooses_whole_rows(n, extra, data):
    """By an array of numbers, a bool mask or a slice: what is a list of rows for Python."""
    all_of_them = make(n, extra)
    numbers = data.draw(st.lists(st.integers(-n, n - 1), max_size=30)) if n else []
    chosen = all_of_them[np.array(numbers, int)]
    assert rows(chosen) == [rows(all_of_them)[i] for i in numbers]
    assert len(chosen) == len(numbers)
    assert chosen.extra.shape == (len(numbers), extra)

    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    assert rows(all_of_them[mask]) == [
        row for row, wanted in zip(rows(all_of_them), mask, strict=True) if wanted
    ]

    part = data.draw(st.slices(n))
    assert rows(all_of_them[part]) == rows(all_of_them)[part]


@given(counts=st.lists(st.integers(0, 6), min_size=1, max_size=5), extra=st.integers(0, 4))
def test_joining_and_dividing_undo_each_other(counts, extra):
    parts = [make(count, extra, seed) for seed, count in enumerate(counts)]
    whole = Candidates.concatenate(parts)
    assert rows(whole) == [row for part in parts for row in rows(part)]
    assert [c.dtype for c in (whole.xyxy, whole.scores, whole.class_ids, whole.extra)] == [
        np.float32,
        np.float32,
        np.int32,
        np.float32,
    ]
    ends = np.cumsum(counts)
    for part, end in zip(parts, ends, strict=True):
        assert rows(whole[end - len(part) : end]) == rows(part)


def test_different_extras_do_not_join():
    with pytest.raises(ValueError, match="dimension"):
        Candidates.concatenate([make(2, 0), make(2, 3)])
