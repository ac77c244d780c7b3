"""What the twins are: the core's modules in Python, C++ and JavaScript, and the public names in each."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from paths import ROOT

HOMES = {
    "python": (ROOT / "runtime", ".py"),
    "cpp": (ROOT / "cpp" / "include" / "yolov5_dnn", ".hpp"),
    "js": (ROOT / "samples" / "web" / "yolov5_dnn", ".js"),
}
ROOMS = ("stages", "results", "drawing", "model", "tasks", "engines", "predictors")
TOP = ("errors", "escape", "program")  # the core's modules that stand in no room


def files(language: str) -> dict[str, Path]:
    """Find a language's modules of the core, by their path without the ending."""
    home, ending = HOMES[language]
    found = [path for room in ROOMS for path in (home / room).rglob(f"*{ending}")]
    if language == "python":  # the commands stand beside the rooms
        found += [home / f"{name}{ending}" for name in TOP]
    else:
        found += home.glob(f"*{ending}")
    return {
        path.relative_to(home).with_suffix("").as_posix(): path
        for path in found
        if path.name != "__init__.py"
    }


def names(path: Path) -> set[str]:
    """Give the functions and classes that a module offers others, in Python's spelling."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        kinds = (ast.FunctionDef, ast.ClassDef)
        found = [node.name for node in ast.parse(text).body if isinstance(node, kinds)]
    elif path.suffix == ".hpp":
        text = re.sub(r"namespace detail \{.*?\}  // namespace detail", "", text, flags=re.DOTALL)
        found = re.findall(r"^(?:class|struct|enum class) (\w+)(?= *[:{]| final)", text, flags=re.MULTILINE)
        found += re.findall(
            r"^(?!return|#|//)[\w:][\w:<>,&*\s]*?[\s&*](\w+)\([^;]*?\{$", text, flags=re.MULTILINE
        )
    else:
        found = re.findall(r"^export (?:async )?(?:function\*?|class) (\w+)", text, flags=re.MULTILINE)
    return {_snake(name) for name in found if not name.startswith("_")}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() if name[:1].islower() else name
