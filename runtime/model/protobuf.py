"""A bounded reader of protobuf messages: their fields, by number, out of bytes that nobody vouches for.

Wire format: https://protobuf.dev/programming-guides/encoding/
Only what a model file may hold is read: no groups, no field that occurs twice although it may only once, no
field of another wire type than its own.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
MAX_FIELDS = 500_000  # of a whole file; the largest YOLOv5 has about 30,000
MAX_NAME = 1024  # bytes


class WireError(ValueError):
    """The bytes aren't a protobuf message, or not the one that was expected."""


class Span(NamedTuple):
    """Where a field lies in the bytes: its first byte, and its value from `start` up to `end`."""

    tag: int
    start: int
    end: int


class Kind(NamedTuple):
    """What a field's value is, and whether the field may occur many times.

    value: "int" (int64), "float", "name" (bytes, at most MAX_NAME of them) or "span", for messages and long
    values, which are only located.
    """

    label: str
    value: str
    many: bool = False


_WIRE_TYPES = {"int": VARINT, "float": FIXED32, "name": BYTES, "span": BYTES}


class Fields(dict[int, Kind]):
    """The fields of a message that are read, by number."""

    def __init__(self, kinds: dict[int, Kind]) -> None:
        super().__init__(kinds)
        self.absent: dict[str, Any] = {kind.label: None for kind in kinds.values()}
        self.many = [kind.label for kind in kinds.values() if kind.many]


class Reader:
    """Reads messages out of one buffer, uint8, and counts the fields that it has seen."""

    def __init__(self, buffer: memoryview) -> None:
        self.buffer = buffer
        self.left = MAX_FIELDS

    def message(self, span: Span, kinds: Fields) -> dict[str, Any]:
        """Read the fields that `kinds` lists by number; others are skipped.

        Returns by label: a list where the field may occur many times, else the value, or None if the field is
        absent. Raises WireError.
        """
        buffer, position, end = self.buffer, span.start, span.end
        found = kinds.absent.copy()
        for label in kinds.many:
            found[label] = []
        while position < end:
            self.left -= 1
            if self.left < 0:
                raise WireError(f"it has more than {MAX_FIELDS} fields")
            tag_position = position
            # Most numbers are of one byte. To look for these first is worth a third of the time.
            tag, position = buffer[position], position + 1
            if tag >= 0x80:
                tag, position = varint(buffer, tag_position, end)
            number, wire_type = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                raise WireError(f"a field number is {number} at byte {tag_position}")
            start, value = position, 0
            if wire_type in (BYTES, VARINT):
                if position < end and buffer[position] < 0x80:
                    value, start = buffer[position], position + 1
                else:
                    value, start = varint(buffer, position, end)
                position = start + value if wire_type == BYTES else start
            elif wire_type in (FIXED32, FIXED64):
                position += 4 if wire_type == FIXED32 else 8
            else:
                raise WireError(f"the wire type {wire_type} at byte {tag_position} is unknown")
            if position > end:
                raise WireError(f"it ends in the midst of the field at byte {tag_position}")
            kind = kinds.get(number)
            if kind is None:
                continue
            label, form, many = kind
            if wire_type != _WIRE_TYPES[form]:
                if not (many and wire_type == BYTES and form in ("int", "float")):
                    raise WireError(f"the field {label} at byte {tag_position} has the wire type {wire_type}")
                found[label] += self._packed(form, Span(tag_position, start, position))
                continue
            if form == "int":
                content: Any = _signed(value)
            elif form == "float":
                content = struct.unpack("<f", buffer[start:position])[0]
            elif form == "name":
                if position - start > MAX_NAME:
                    raise WireError(f"the name at byte {tag_position} is longer than {MAX_NAME} bytes")
                content = bytes(buffer[start:position])
            else:
                content = Span(tag_position, start, position)
            if many:
                found[label].append(content)
            elif found[label] is None:
                found[label] = content
            else:
                raise WireError(f"the field {label} occurs twice, again at byte {tag_position}")
        return found

    def text(self, span: Span, most: int) -> str:
        """Decode a text of at most `most` bytes; what isn't UTF-8 becomes U+FFFD. Raises WireError."""
        if span.end - span.start > most:
            raise WireError(f"the text at byte {span.tag} is longer than {most} bytes")
        return bytes(self.buffer[span.start : span.end]).decode("utf-8", errors="replace")

    def _packed(self, form: str, place: Span) -> list[Any]:
        """The numbers that lie in one field, one after the other."""
        size = place.end - place.start
        if form == "float":
            self.spend(size // 4)
            if size % 4:
                raise WireError(f"the numbers at byte {place.tag} end in the midst of one")
            return list(struct.unpack(f"<{size // 4}f", self.buffer[place.start : place.end]))
        return self.integers(place)

    def integers(self, place: Span) -> list[int]:
        """The integers that are packed into one field, each a varint."""
        self.spend(place.end - place.start)
        values, position = [], place.start
        while position < place.end:
            value, position = varint(self.buffer, position, place.end)
            values.append(_signed(value))
        return values

    def spend(self, fields: int) -> None:
        """Count fields; of numbers that are packed into one field, each."""
        self.left -= fields
        if self.left < 0:
            raise WireError(f"it has more than {MAX_FIELDS} fields")


def varint(buffer: memoryview, position: int, end: int) -> tuple[int, int]:
    """Read a number of seven bits per byte, lowest first. Returns it and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise WireError(f"it ends in the midst of a number at byte {position}")
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise WireError(f"a number is longer than ten bytes at byte {position}")


def _signed(value: int) -> int:
    """The int64 whose two's complement this is; of more than 64 bits the lower ones count."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
