"""Interpret the opcodes of a pickle without ever importing or calling what it names.

Python's own unpickler imports whatever a pickle names and calls it. Here a name is handed to a `Builder` as
two strings, and so is every wish to call one; what comes of it is the builder's business
(`pickle_objects`). Nothing in this module knows of PyTorch. The opcodes are documented in the standard
library's `pickletools`.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol


class Builder(Protocol):
    """What the machine needs to have decided for it. Each may raise to end the reading."""

    def name(self, module: str, name: str) -> Any:
        """Give the object that stands for a module-level name."""

    def call(self, function: Any, args: tuple[Any, ...]) -> Any:
        """Give what stands for the result of calling `function`, something that `name` has returned."""

    def new(self, cls: Any, args: tuple[Any, ...]) -> Any:
        """Give what stands for a new, empty object of a class, something that `name` has returned."""

    def persistent(self, key: Any) -> Any:
        """Give the object that the file keeps outside the pickle, under this key."""

    def build(self, target: Any, state: Any) -> None:
        """Give an object its state."""

    def key(self, value: Any) -> Any:
        """Give the value back, if it may be a dictionary's key or a set's member."""


MAX_OPCODES = 1_000_000  # of one pickle; the largest training checkpoints have about 200,000
MAX_TEXT = 1 << 20  # letters of a text, or bytes: a checkpoint of v1.0 holds the source code of its classes

_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict, "EMPTY_SET": set}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NOTHING = {"PROTO", "FRAME"}


def read_pickle(stream: BinaryIO, builder: Builder) -> Any:
    """Read one pickle, leaving the stream right behind it. Raises ValueError and the like if malformed."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    arg: Any
    for count, (opcode, arg, _) in enumerate(pickletools.genops(stream)):
        op = opcode.name
        if count >= MAX_OPCODES:
            raise ValueError(f"it has more than {MAX_OPCODES} opcodes")
        if isinstance(arg, str | bytes | bytearray) and len(arg) > MAX_TEXT:
            raise ValueError(f"it holds a text of {len(arg)} letters")
        if isinstance(arg, int) and arg.bit_length() > 128:
            raise ValueError("it holds a number of more than 128 bits")
        if op in _NOTHING:
            continue
        if op == "STOP":
            return stack.pop()
        if op in _CONSTANTS:
            stack.append(_CONSTANTS[op])
        elif op in _EMPTY:
            stack.append(_EMPTY[op]())
        elif op in _TUPLES:
            stack.append(tuple(_pop(stack, _TUPLES[op])))
        elif op == "MARK":
            stack.append(_MARK)
        elif op in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[arg] = stack[-1]
        elif op == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif op in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[arg])
        elif op == "GLOBAL":
            module, _, name = arg.partition(" ")
            stack.append(builder.name(module, name))
        elif op == "STACK_GLOBAL":
            module, name = _pop(stack, 2)
            if not (isinstance(module, str) and isinstance(name, str)):
                raise ValueError("a name that is not a text")
            stack.append(builder.name(module, name))
        elif op == "REDUCE":
            function, args = _pop(stack, 2)
            stack.append(_call(builder.call, function, args))
        elif op == "NEWOBJ":
            function, args = _pop(stack, 2)
            stack.append(_call(builder.new, function, args))
        elif op == "NEWOBJ_EX":
            function, args, _keywords = _pop(stack, 3)
            stack.append(_call(builder.call, function, args))
        elif op == "INST":
            module, _, name = arg.partition(" ")
            stack.append(_call(builder.call, builder.name(module, name), tuple(_pop_mark(stack))))
        elif op == "OBJ":
            function, *arguments = _pop_mark(stack)
            stack.append(_call(builder.call, function, tuple(arguments)))
        elif op == "BUILD":
            (state,) = _pop(stack, 1)
            builder.build(stack[-1], state)
        elif op == "PERSID":
            stack.append(builder.persistent(arg))
        elif op == "BINPERSID":
            stack.append(builder.persistent(stack.pop()))
        elif op in ("APPEND", "APPENDS"):
            values = _pop(stack, 1) if op == "APPEND" else _pop_mark(stack)
            _extend(stack[-1], values)
        elif op in ("SETITEM", "SETITEMS"):
            values = _pop(stack, 2) if op == "SETITEM" else _pop_mark(stack)
            _set_items(stack[-1], values, builder)
        elif op == "ADDITEMS":
            values = _pop_mark(stack)
            stack[-1].update(builder.key(value) for value in values)
        elif op == "FROZENSET":
            stack.append(frozenset(builder.key(value) for value in _pop_mark(stack)))
        elif op == "LIST":
            stack.append(_pop_mark(stack))
        elif op == "TUPLE":
            stack.append(tuple(_pop_mark(stack)))
        elif op == "DICT":
            values = _pop_mark(stack)
            stack.append({})
            _set_items(stack[-1], values, builder)
        elif op == "POP":
            stack.pop()
        elif op == "POP_MARK":
            _pop_mark(stack)
        elif op == "DUP":
            stack.append(stack[-1])
        elif arg is not None and not op.startswith("EXT"):
            stack.append(arg)  # all that remains are the opcodes of numbers, strings and bytes
        else:
            raise ValueError(f"opcode {op} has no place in a checkpoint")
    raise ValueError("it ends early")


def _pop(stack: list[Any], count: int) -> list[Any]:
    """Take the uppermost `count` values, in the order they were pushed."""
    if count > len(stack):
        raise ValueError("its stack runs empty")
    values = stack[-count:]
    del stack[-count:]
    return values


def _pop_mark(stack: list[Any]) -> list[Any]:
    """Take the values above the last mark, which goes too."""
    at = len(stack) - 1
    while at >= 0 and stack[at] is not _MARK:
        at -= 1
    if at < 0:
        raise ValueError("a mark is missing")
    values = stack[at + 1 :]
    del stack[at:]
    return values


def _call(make: Callable[[Any, tuple[Any, ...]], Any], function: Any, args: Any) -> Any:
    if not isinstance(args, tuple):
        raise ValueError("arguments that are not a tuple")
    return make(function, args)


def _extend(target: Any, values: list[Any]) -> None:
    if not isinstance(target, list):
        raise ValueError("items for something that is not a list")
    target.extend(values)


def _set_items(target: Any, values: list[Any], builder: Builder) -> None:
    if not isinstance(target, dict):
        raise ValueError("entries for something that is not a dictionary")
    target.update((builder.key(key), value) for key, value in zip(values[::2], values[1::2], strict=True))
