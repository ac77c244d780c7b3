"""The converter's errors: each carries one sentence that says what is wrong and what to do about it."""

from __future__ import annotations


class ConvertError(Exception):
    """The conversion cannot be done. The message is for the user."""


class CheckpointError(ConvertError):
    """The file is not a checkpoint that can be converted."""


class CheckError(ConvertError):
    """The finished model does not give what PyTorch gives."""


def first_line(error: Exception) -> str:
    """What another library's error says, cut to one line of bearable length."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
