"""Read the project's Markdown pages: their commands, what they say these print, their links and headings."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from runtime.command.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]

LANGUAGES = {"sh", "python", "cpp", "cmake", "js", "html", "json", "text", "text measured"}
LANGUAGES.add("c++")  # an excerpt, which is no program by itself and is not compiled


class Block(NamedTuple):
    """A fenced block: the page, relative to the root; the fence's line and info string; the text in it."""

    page: str
    line: int
    language: str
    lines: tuple[str, ...]


class Command(NamedTuple):
    """Something that a page tells the reader to type, or a program that it shows.

    language: "sh", "python" or "cpp".
    begins: whether the reader starts anew here, in the project's folder.
    printed: the lines that the page says it prints; empty if it says nothing.
    measured: whether these are measurements, which differ from run to run and from machine to machine.
    """

    page: str
    line: int
    language: str
    text: str
    begins: bool
    printed: tuple[str, ...] = ()
    measured: bool = False


def pages() -> list[str]:
    """All Markdown files under version control, or about to be, relative to the root; cpp/ comes last.

    That order lets the pages of cpp/ install another OpenCV without the others noticing.
    """
    found = tracked("*.md")
    return sorted(found, key=lambda page: (page.startswith("cpp/"), page != "README.md", page))


def tracked(*patterns: str) -> list[str]:
    """Name the files of the working tree that version control knows or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    names = listed.stdout.decode().split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


def blocks(page: str, text: str) -> Iterator[Block]:
    """Walk the fenced blocks of a page, and what stands between `<!-- output -->` and `<!-- /output -->`.

    The latter is for output that is Markdown itself; it comes as "text" or, after `<!-- output measured -->`,
    as "text measured".
    """
    end, indent, start, language = "", 0, 0, ""
    inside: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if end:
            if line.strip() == end:
                yield Block(page, start, language, tuple(inside))
                end = ""
            else:
                inside.append(line[indent:] if not line[:indent].strip() else line.strip())
            continue
        fence = re.fullmatch(r"( *)(```+)(.*)", line)
        comment = re.fullmatch(r"( *)<!-- output( measured)? -->", line)
        if fence:
            indent, end, language = len(fence[1]), fence[2], fence[3].strip()
        elif comment:
            indent, end, language = len(comment[1]), "<!-- /output -->", "text" + (comment[2] or "")
        if fence or comment:
            start, inside = number, []
    if end:
        raise ValueError(f"{page}:{start}: the block does not end")


def commands(page: str) -> list[Command]:
    """List the commands and programs of a page, with the output that the page gives for them.

    A "text" block belongs to the last command before it.
    """
    found: list[Command] = []
    for block in blocks(page, (ROOT / page).read_text(encoding="utf-8")):
        if block.language == "sh":
            found += _shell(block)
        elif block.language in ("python", "cpp"):
            found.append(Command(page, block.line, block.language, "\n".join(block.lines), True))
        elif block.language.startswith("text"):
            if not found:
                raise ValueError(f"{page}:{block.line}: output of no command")
            measured = block.language == "text measured"
            found[-1] = found[-1]._replace(printed=found[-1].printed + block.lines, measured=measured)
    return found


def _shell(block: Block) -> Iterator[Command]:
    begins = True
    lines = enumerate(block.lines, block.line + 1)
    for number, line in lines:
        text = line
        while text.endswith("\\"):
            text += "\n" + next(lines)[1]
        if text.strip() and not text.lstrip().startswith("#"):
            yield Command(block.page, number, "sh", text, begins)
            begins = False


def differences(command: Command, output: str) -> list[str]:
    """Those lines that the page shows and the command has not printed, in this order.

    A line "…" stands for any number of lines, and so does the space around what is shown. Times count for
    nothing; of measurements only the first column is compared, without its numbers.
    """
    form = _label if command.measured else _timeless
    printed = iter([form(line) for line in output.splitlines()])
    shown = [line for line in command.printed if line.strip() not in ("", "…")]
    missing = []
    for line in shown:
        rest = list(printed)
        if form(line) in rest:
            printed = iter(rest[rest.index(form(line)) + 1 :])
        else:
            printed = iter(rest)
            missing.append(line)
    return missing


def _timeless(line: str) -> str:
    line = re.sub(r"\b(read|letterbox|forward|decode|nms|draw|seconds) +[\d.]+", r"\1 #", line.rstrip())
    return re.sub(r"[\d.]+ (ms|s|per second|frames/s)\b", r"# \1", line)


def _label(line: str) -> str:
    return re.sub(r"[\d.]*\d", "#", re.split(r"\s{2,}|\|", line.strip().strip("|"))[0].strip())


def links(text: str) -> Iterator[tuple[str, str]]:
    """Walk the relative links of a page: file (empty: this page) and heading (empty: none)."""
    text = re.sub(r"^( *)```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            file, _, heading = target.partition("#")
            yield file, heading


def headings(text: str) -> set[str]:
    """Give the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^( *)```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^#+ +(.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def mentioned(text: str) -> Iterator[tuple[str, set[str]]]:
    """Walk the commands that a page mentions anywhere: the module and the options named with it.

    They stand there as `yolov5-dnn COMMAND` or `python -m MODULE`.
    """
    text = text.replace("\\\n", " ")
    spans = re.findall(r"`([^`\n]*(?:\n[^`\n]+)?)`", re.sub(r"^ *```.*$", "", text, flags=re.MULTILINE))
    for span in [*spans, *text.splitlines()]:
        for start, module, rest in re.findall(r"(python -m |yolov5-dnn )([\w.]+)([^|&;#`]*)", span):
            name = COMMANDS[module].module if start == "yolov5-dnn " and module in COMMANDS else module
            yield name.removesuffix(".limits"), set(re.findall(r"(?<=\s)--[a-z][a-z-]*", rest))
