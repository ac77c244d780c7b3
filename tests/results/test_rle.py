"""Masks as COCO's run lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from runtime.errors import InputError
from runtime.results.rle import decode, encode

BITS = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12))


@given(BITS, st.tuples(*[st.integers(0, 9)] * 4))
def test_what_was_encoded_is_decoded(part: np.ndarray, margins: tuple[int, int, int, int]) -> None:
    mask = np.pad(part, (margins[:2], margins[2:]))
    rle = encode(part, margins[2], margins[0], mask.shape)
    assert rle["size"] == list(mask.shape)
    assert np.array_equal(decode(rle), mask)


@given(BITS, st.tuples(*[st.integers(1, 9)] * 4))
def test_pycocotools_writes_the_same(part: np.ndarray, margins: tuple[int, int, int, int]) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    mask = np.pad(part, (margins[:2], margins[2:]))
    expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert encode(part, margins[2], margins[0], mask.shape)["counts"] == expected


def test_long_runs() -> None:
    mask = np.zeros((3000, 4000), bool)
    mask[100:2900, 7:3990] = True
    assert np.array_equal(decode(encode(mask, 0, 0, mask.shape)), mask)


def test_uncompressed_counts_are_read_too() -> None:
    mask = decode({"size": [2, 3], "counts": [1, 2, 3]})
    assert mask.tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize("counts", [[1, 2], [7], [3, -1, 4], "0", "1o", "~"])
def test_runs_that_do_not_fill_the_mask_are_refused(counts: object) -> None:
    with pytest.raises(InputError):
        decode({"size": [2, 3], "counts": counts})
