"""Documents: the page of the Python API has all of it, lines are short, and no module goes by an old name."""

from __future__ import annotations

import inspect
import re

import pytest
import readmes
from readmes import ROOT

import runtime
from runtime.predictors.settings import Settings

API = (ROOT / "runtime" / "README.md").read_text(encoding="utf-8")
OLD_NAMES = (
    r"contestant|wrong_user|look_options|parse_look|model_shapes|model_graph|model_tensors|counts_places|"
    r"operators/|command/(team|look|words)|service/(door|question|answer|described|call)\b|tests/web/house"
)


def section(title: str) -> str:
    """Give the part of the API's page under a heading."""
    return API.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("kind", [runtime.Detector, runtime.Classifier])
def test_every_argument_is_documented_with_its_default(kind: type) -> None:
    text = section(kind.__name__)
    for argument in list(inspect.signature(kind).parameters.values())[1:]:
        row = re.search(rf"^\| .*`{argument.name}`.*? \| (.*?) \|", text, flags=re.MULTILINE)
        assert row or f"`{argument.name}`" in text, argument.name
        if row and isinstance(argument.default, bool | int | str) and argument.default is not None:
            assert str(argument.default) in row[1], f"{argument.name} is {argument.default} by default"


def test_every_setting_of_a_call_is_documented() -> None:
    for name in Settings.__annotations__:
        assert f"`{name}`" in section("Detector"), name


@pytest.mark.parametrize("kind", [runtime.Detections, runtime.Classification])
def test_every_method_of_a_result_is_documented(kind: type) -> None:
    text = section(kind.__name__) or section("Classifier")
    for name, member in vars(kind).items():
        if not name.startswith("_") and (callable(member) or isinstance(member, property | classmethod)):
            assert re.search(rf"`{name}\b", text), name


def test_every_public_name_is_documented() -> None:
    for name in set(runtime.__all__) - {"__version__"}:
        assert f"`{name}" in API, name


@pytest.mark.parametrize("page", readmes.pages())
def test_lines_are_short(page: str) -> None:
    """At most 120 characters, but for rows of tables, shown code and output, and quotations."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"^( *)```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"<!-- output.*?<!-- /output -->", "", text, flags=re.DOTALL)
    long = [
        line for line in text.splitlines() if len(line) > 120 and not line.lstrip().startswith(("|", ">"))
    ]
    assert not long


def test_no_module_goes_by_an_old_name() -> None:
    for name in readmes.tracked("*.py", "*.hpp", "*.cpp", "*.js", "*.md", "*.txt", "*.yml"):
        if name not in ("CHANGELOG.md", "tests/project/test_documents.py"):
            found = re.search(OLD_NAMES, (ROOT / name).read_text(encoding="utf-8"))
            assert not found, f"{name} has {found[0] if found else ''}"
