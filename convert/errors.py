"""The converter's errors: each carries one sentence that says what is wrong and what to do about it."""

from __future__ import annotations

from runtime import errors
from runtime.errors import DetectorError


class ConvertError(DetectorError):
    """The conversion cannot be done."""


class CheckpointError(ConvertError):
    """The file is not a checkpoint that can be converted."""


class CheckError(ConvertError):
    """The finished model does not give what PyTorch gives."""


def first_line(error: Exception) -> str:
    """Shorten what another library says, perhaps quoting a hostile file, to one line of bearable length."""
    return errors.first_line(error)[:300]
