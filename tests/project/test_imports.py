"""Imports go one way. Read from the sources: imports inside functions count as well."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("runtime", "convert", "samples", "weights")

# The core of the runtime and the rooms around it, each of which may import only what stands before it.
ORDER = [
    "runtime.escape",
    "runtime.start",
    "runtime.program",
    "runtime.errors",
    "runtime.stages",
    "runtime.results.rle",
    "runtime.drawing",
    "runtime.results",
    "runtime.model",
    "runtime.tasks",
    "runtime.engines",
    "runtime.predictors",
    "runtime",  # what `import runtime` gives
    "runtime.inputs",
    "runtime.outputs",
    "runtime.command",
    "runtime.evaluation",
    "runtime.benchmark",
    "runtime.service",
]
EXTRAS = ("runtime.service",)  # rooms that need an extra; commands enter them only when they run


def modules() -> dict[str, Path]:
    """Find every module of the packages, by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(name: str, path: Path, everywhere: bool = True) -> set[str]:
    """Name the modules that one imports; without `everywhere` only when it is itself imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    names = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            target = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:  # `from . import x` may name a module, or something in the package
                inner = f"{target}.{alias.name}"
                names.add(inner if inner in MODULES else target)
    return names


GRAPH = {name: imports(name, path) & MODULES.keys() for name, path in MODULES.items()}


def room(name: str) -> str:
    """Give the entry of ORDER that a module belongs to, or its own name if it belongs to none."""
    fitting = [each for each in ORDER if name == each or (each != "runtime" and name.startswith(each + "."))]
    return max(fitting, key=len, default=name)


def test_the_graph_is_what_it_should_be() -> None:
    """The reader of imports sees what is there: absolute, relative and late ones."""
    assert "runtime.stages.decode" in GRAPH["runtime.tasks.detect"]
    assert "runtime.drawing.draw" in GRAPH["runtime.results.detections"], "inside a function"
    assert "runtime.outputs.atomic" in GRAPH["convert.conversion"]
    assert "runtime.predictors.detector" in GRAPH["runtime"]


def named_modules(path: Path) -> set[str]:
    """List the modules of this project that a source names in strings, to import them later."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            code = re.findall(rf"(?:from|import) ((?:{'|'.join(PACKAGES)})(?:\.\w+)*)", node.value)
            whole = re.fullmatch(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+", node.value)
            found |= {*code, *([node.value] if whole and not node.value.endswith(ENDINGS) else [])}
    return found


ENDINGS = (".py", ".onnx", ".json", ".md", ".csv")
# The one way up: the command line knows where each command is, and imports it when it is called.
COMMAND_TABLE = "runtime.command.cli"


def test_modules_named_in_strings_are_there_and_below() -> None:
    seen = set()
    for name, path in MODULES.items():
        for other in named_modules(path):
            seen.add(other)
            module = other if other in MODULES else other.rpartition(".")[0]
            assert module in MODULES, f"{name} names {other}, which is not there"
            if name != COMMAND_TABLE and room(name) in ORDER and room(module) in ORDER:
                assert ORDER.index(room(module)) <= ORDER.index(room(name)), f"{name} names {other}"
            if name.partition(".")[0] == "runtime" and name != COMMAND_TABLE:
                assert module.partition(".")[0] == "runtime", f"{name} names {other}"
    assert {"runtime.detect", "convert.limits", "convert.checkpoint"} <= seen


def test_the_map_of_contributing_is_the_tree() -> None:
    """Its tables have the core in the order of the imports, and every room and package once."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^\| `([\w/]+)/` \|", text, flags=re.MULTILINE)
    assert len(set(rooms)) == len(rooms)
    tracked = {path.parent for path in MODULES.values()}
    there = {
        path.relative_to(ROOT).parts[:2] for path in tracked if path.relative_to(ROOT).parts[0] == "runtime"
    }
    top = {"convert", "cpp", "weights", "samples", "tests"}
    assert set(rooms) == {"/".join(parts) for parts in there} | top
    core = [each.replace("/", ".") for each in rooms[:7]]
    assert core == sorted(core, key=lambda each: ORDER.index(each)), "in the order of the imports"
    for named in re.findall(r"`((?:runtime|convert|cpp|tests|weights|samples)/[\w./-]+)`", text):
        assert (ROOT / named.split("ROOM")[0]).exists() or named.startswith("cpp/build"), named


def test_there_are_no_circles() -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' → '.join([*path[path.index(name) :], name])}"
        if name not in done:
            for other in sorted(GRAPH[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in GRAPH:
        visit(name, ())


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) in ORDER])
def test_no_arrow_goes_up(name: str) -> None:
    mine = room(name)
    for other in GRAPH[name]:
        theirs = room(other)
        assert theirs in ORDER, f"{name} imports the command {other}"
        assert ORDER.index(theirs) <= ORDER.index(mine), f"{name} imports {other}, which stands above it"


def test_every_module_of_the_runtime_has_its_place() -> None:
    """A module that is in no room is a command: it has a `main`, and nothing imports it."""
    for name, path in MODULES.items():
        if name.partition(".")[0] == "runtime" and room(name) not in ORDER:
            assert "def main(" in path.read_text(encoding="utf-8") or name.endswith("__main__"), name
            assert not [other for other, targets in GRAPH.items() if name in targets], name


def test_packages_only_look_one_way() -> None:
    """The runtime knows no other package, the recipe knows all, and those between know the runtime alone."""
    may = {
        "runtime": {"runtime"},
        "convert": {"convert", "runtime"},
        "samples": {"samples", "runtime"},
        "weights": set(PACKAGES),
    }
    for name, targets in GRAPH.items():
        used = {target.partition(".")[0] for target in targets}
        assert used <= may[name.partition(".")[0]], f"{name} imports {used}"


def test_the_runtime_starts_with_opencv_and_numpy_alone() -> None:
    allowed = sys.stdlib_module_names | {"cv2", "numpy", "runtime"}
    for name, path in MODULES.items():
        if name.partition(".")[0] == "runtime" and room(name) not in EXTRAS:
            targets = imports(name, path, everywhere=False)
            assert not [target for target in targets if room(target) in EXTRAS], name
            found = {each.partition(".")[0] for each in targets}
            assert found <= allowed, f"{name} imports {found - allowed}"
