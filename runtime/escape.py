"""Text that others wrote, made fit to be shown: class names, file names, OpenCV's own messages."""

from __future__ import annotations

MOST = 200  # characters of one text in a message

# Control characters, with line breaks and the escape that starts a terminal's commands; what turns the
# direction of writing; other invisible letters; halves of characters. The joiners U+200C and U+200D stay:
# Persian and emoji need them.
_HIDDEN = (
    (0x00, 0x1F),
    (0x7F, 0x9F),
    (0xAD, 0xAD),
    (0x61C, 0x61C),
    (0x180E, 0x180E),
    (0x200B, 0x200B),
    (0x200E, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xD800, 0xDFFF),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0xFFFE, 0xFFFF),
    (0xE0000, 0xE007F),
)
_TWO_LETTERS = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}


class _Escapes(dict[int, str]):
    """An escape for each hidden code point, made when it is met; a LookupError for any other, which stays."""

    def __missing__(self, code: int) -> str:
        if not any(first <= code <= last for first, last in _HIDDEN):
            raise LookupError(code)
        plain = f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
        return self.setdefault(code, _TWO_LETTERS.get(code, plain))


_ESCAPES = _Escapes()


def escape_value(value: object) -> str:
    """Show a value of somebody else's in a few characters: only its type, if it isn't text or a number."""
    if isinstance(value, str):
        return f"'{escape(value, 40)}'"
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 1 << 64):
        return repr(value)
    return f"of type {escape(type(value).__name__, 40)}"


def escape(text: str, most: int | None = MOST) -> str:
    """Write control characters, line breaks and invisible letters as escapes such as `\\x1b`.

    Of a longer text than `most` characters the first ones stay, and "…" says so; None keeps all.
    """
    cut = text if most is None or len(text) <= most else text[: most - 1] + "…"
    return cut if cut.isascii() and cut.isprintable() else cut.translate(_ESCAPES)
