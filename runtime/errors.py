"""The errors a caller may want to catch. The C++ header has the same ones under the same names."""

from __future__ import annotations

from .escape import escape

MOST = 1500  # characters of a message


class DetectorError(Exception):
    """Anything this package refuses to do; its text is one sentence fit for a terminal.

    What others wrote and the sentence quotes, such as names, comes out as `escape` shows it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(escape(text, MOST))


class ModelError(DetectorError):
    """The model file is missing, damaged, without metadata, or at odds with what its network gives."""


class DeviceError(DetectorError):
    """This build of OpenCV cannot run on the device that was asked for."""


NOT_FINITE = "the network's output is not a number: on a 16-bit device, try the 32-bit one"


class InputError(DetectorError, ValueError):
    """An image, a source or an argument cannot be used."""


def first_line(error: BaseException) -> str:
    """Shorten an exception to its first line: those of OpenCV span several and name its own source files."""
    text = str(getattr(error, "err", None) or error).strip() or type(error).__name__
    return escape(text.splitlines()[0])
