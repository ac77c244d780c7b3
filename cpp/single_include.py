#!/usr/bin/env python3
"""Make single_include/yolov5_dnn.hpp, the one file to copy, of the headers in include/.

    python cpp/single_include.py            # write it
    python cpp/single_include.py --check    # exit code 1 if it is not what would be written

First comes the API, as a comment: every public declaration with its explanation. Then the headers, each after
those that it includes, without their include lines, which are gathered in one place.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
UMBRELLA = ROOT / "include" / "yolov5_dnn.hpp"
SINGLE = ROOT / "single_include" / "yolov5_dnn.hpp"
WIDTH = 120

_OWN = re.compile(r'^#include "(.+)"\n', re.MULTILINE)
_FOREIGN = re.compile(r"^#include (<.+>)\n", re.MULTILINE)
_FOR_SOME = re.compile(r"^#if .+\n#include <.+>\n#endif\n", re.MULTILINE)  # what only some systems have
_INITIALISERS = re.compile(r"\)\s+: ")  # of a constructor, behind its parameters
_CODE_BEFORE_BODY = re.compile(r"\)(\s*(const|noexcept|override))*\s*$")


def in_order(path: Path, seen: set[Path]) -> Iterator[Path]:
    """Give the headers that a header includes, then itself, each once."""
    if path in seen:
        return
    seen.add(path)
    for name in _OWN.findall(path.read_text("utf-8")):
        yield from in_order((path.parent / name).resolve(), seen)
    yield path


def head_of(text: str) -> str:
    """Give the comment that a file starts with, without its licence line."""
    head = re.match(r"(//.*\n)+", text)
    assert head, "a header starts with a comment"
    lines = head[0].splitlines()
    assert lines[0].startswith("// SPDX")
    return "\n".join(lines[1:]).removeprefix("//\n")


def body_of(text: str) -> str:
    """Give what a header has inside its namespace."""
    inside = re.search(
        r"^namespace yolov5_dnn \{\n(.*)^\}  // namespace yolov5_dnn$", text, re.MULTILINE | re.DOTALL
    )
    assert inside, "a header has one namespace yolov5_dnn"
    return inside[1].strip("\n")


def end_of_block(code: str, start: int) -> int:
    """Find the end of the block whose opening brace is at `start`. Braces in comments are not counted."""
    depth = 0
    for token in re.compile(r"//[^\n]*|[{}]").finditer(code, start):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    raise ValueError("a block does not end")


def declarations(code: str) -> str:
    """Leave the bodies of functions, and the private parts of classes, out of C++ code."""
    code = re.sub(r"^private:\n.*?^(?=\};)", "", code, flags=re.MULTILINE | re.DOTALL)
    kept, position, statement = [], 0, 0
    for token in re.compile(r"//[^\n]*\n|[;{}]").finditer(code):
        if token.start() < position:
            continue
        if token[0].startswith("//"):
            continue
        if token[0] == "{":
            before = code[statement : token.start()]
            if _CODE_BEFORE_BODY.search(before):  # a function
                signature = _INITIALISERS.split(code[position : token.start()])[0]
                signature += ")" if _INITIALISERS.search(code[position : token.start()]) else ""
                kept.append(signature.rstrip() + ";")
                position = statement = end_of_block(code, token.start())
            elif not re.search(r"\b(class|struct|enum)\b", before):  # a value between braces
                kept.append(code[position : token.end()])
                position = end_of_block(code, token.start())
                kept[-1] += code[token.end() : position]
            else:
                statement = token.end()
        else:
            statement = token.end()
    return "".join([*kept, code[position:]])


def interface(code: str) -> str:
    """Give the public declarations of a header's code."""
    code = re.sub(
        r"^namespace detail \{\n.*?^\}  // namespace detail\n?", "", code, flags=re.MULTILINE | re.DOTALL
    )
    lines, indented = [], False
    for line in declarations(code).splitlines():
        starts = line.startswith("inline ")
        indented = starts or (indented and line.startswith(" " * 8))
        lines.append(line[len("inline ") :] if indented else line)
    code = "\n".join(lines).replace("\n\n};", "\n};")
    return re.sub(r"\n{3,}", "\n\n", code).strip("\n")


def stem_of(include: str) -> str:
    """Give a header's name without folder and suffix."""
    return Path(include).stem


def rule(title: str) -> str:
    """Make the line that a part starts with."""
    return f"// {'-' * (WIDTH - 4 - len(title))} {title}"


def single_header() -> str:
    """Put the single header together."""
    umbrella = UMBRELLA.read_text("utf-8")
    paths = [path for path in in_order(UMBRELLA, set()) if path != UMBRELLA]
    texts = {path.stem: path.read_text("utf-8") for path in paths}
    for_some = sorted({block for text in texts.values() for block in _FOR_SOME.findall(text)})
    plain = [_FOR_SOME.sub("", text) for text in texts.values()]
    includes = sorted({include for text in plain for include in _FOREIGN.findall(text)})
    standard = [f"#include {name}" for name in includes if "/" not in name]
    opencv = [f"#include {name}" for name in includes if "/" in name]
    public = {stem: interface(body_of(texts[stem])) for stem in map(stem_of, _OWN.findall(umbrella))}
    api = [f"{rule(name)}\n\n{code}" for name, code in public.items() if code]
    parts = [f"{rule(name)}\n//\n{head_of(text)}\n\n{body_of(text)}" for name, text in texts.items()]
    return "\n".join(
        [
            "// SPDX-License-Identifier: Apache-2.0",
            "//",
            head_of(umbrella),
            "//",
            "// Made of include/yolov5_dnn/*.hpp by single_include.py: change those, not this file.",
            "//",
            "// First the API; the code follows below.",
            "",
            "/*",
            "\n\n".join(api),
            "*/",
            "",
            "#ifndef YOLOV5_DNN_HPP",
            "#define YOLOV5_DNN_HPP",
            "",
            *standard,
            "",
            *opencv,
            "",
            *for_some,
            "namespace yolov5_dnn {",
            "",
            "\n\n".join(parts),
            "",
            "}  // namespace yolov5_dnn",
            "",
            "#endif  // YOLOV5_DNN_HPP",
            "",
        ]
    )


def main() -> int:
    """Write the header, or compare it."""
    parser = argparse.ArgumentParser(description="Make the single header.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if the header is out of date"
    )
    text = single_header()
    if not parser.parse_args().check:
        SINGLE.parent.mkdir(exist_ok=True)
        SINGLE.write_text(text, "utf-8", newline="\n")
        return 0
    if SINGLE.is_file() and SINGLE.read_text("utf-8") == text:
        return 0
    print(
        "cpp/single_include/yolov5_dnn.hpp is out of date; run: python cpp/single_include.py", file=sys.stderr
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
