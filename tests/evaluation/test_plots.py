"""What the pictures of an evaluation and of a benchmark say."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from runtime.benchmark import report
from runtime.evaluation import plots
from runtime.evaluation.figures import ClassFigures


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every figure that is saved."""
    saved: list[Any] = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: saved.append(figure))
    return saved


def classes(count: int) -> list[ClassFigures]:
    ap = [(7 * i % count) / count for i in range(count)]
    return [ClassFigures(f"c{i}", 1, each, each, np.full(101, each)) for i, each in enumerate(ap)]


def test_a_name_is_no_formula(tmp_path: Path) -> None:
    name = r"a $\frac{1$ \x1b[31m" + "\n" + "x" * 5000
    curve = np.full(101, 0.5)
    plots.draw_precision_recall([ClassFigures(name, 1, 0.5, 0.5, curve)], tmp_path / "curve.png")
    plots.draw_confusion_matrix(np.eye(2), [name], tmp_path / "matrix.png")
    stages = {stage: [1.0] for stage in report.MEASURED}
    report.draw_chart({"cv2.dnn": stages}, {"cv2.dnn": "cv2.dnn"}, "$\\frac{1$.onnx", tmp_path / "chart.png")
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_of_many_classes_the_worst_are_named(figures: list[Any]) -> None:
    plots.draw_precision_recall(classes(80), Path("unused.png"))
    legend = figures[0].axes[0].get_legend()
    names = [text.get_text() for text in legend.get_texts()]
    ap = sorted(each / 80 for each in range(10))
    assert [name.split()[1] for name in names[:-1]] == [f"{each:.3f}" for each in ap]
    assert names[-1].startswith("mean of 80 classes ")
    assert legend.get_title().get_text().endswith("the worst 10")


def test_few_classes_are_all_named(figures: list[Any]) -> None:
    plots.draw_precision_recall(classes(20), Path("unused.png"))
    assert len(figures[0].axes[0].get_legend().get_texts()) == 21


def test_the_matrix_shows_few_and_many_and_right_and_wrong(figures: list[Any]) -> None:
    matrix = np.diag([1, 10, 100, 0])
    matrix[0, 1] = 10
    plots.draw_confusion_matrix(matrix, ["a", "b", "c"], Path("unused.png"))
    axes = figures[0].axes[0]
    right, wrong = axes.get_images()
    shades = [right.to_rgba(np.array([count])).sum() for count in (1, 10, 100)]
    assert shades == sorted(shades, reverse=True)
    assert shades[0] - shades[1] > 0.2
    assert shades[1] - shades[2] > 0.2
    assert shades[0] < 3.8, "one box is no white"
    assert not right.get_array().mask[1, 1]
    assert right.get_array().mask[0, 1]
    assert not wrong.get_array().mask[0, 1]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "10", "10", "100"]


def test_the_matrix_of_80_classes_has_room_for_its_words(figures: list[Any]) -> None:
    plots.draw_confusion_matrix(np.eye(81, dtype=int), [f"name {i}" for i in range(80)], Path("unused.png"))
    (axes, *_) = figures[0].axes
    figures[0].draw_without_rendering()
    places = sorted(
        (box.y0, box.y1) for box in (label.get_window_extent() for label in axes.get_yticklabels())
    )
    assert all(below[1] <= above[0] for below, above in pairwise(places))


def test_nothing_to_draw(figures: list[Any]) -> None:
    plots.draw_precision_recall([], Path("unused.png"))
    plots.draw_confusion_matrix(np.zeros((3, 3), int), ["a", "b"], Path("unused.png"))
    assert len(figures) == 2


def test_bars_carry_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    saved: list[Any] = []

    def save(figure: Figure, path: Path, **more: Any) -> None:
        saved.append(figure)
        path.touch()

    monkeypatch.setattr(Figure, "savefig", save)
    times = {"a": {"read": [1.0], "forward": [8.0, 9.0, 30.0]}, "b": {"forward": [20.0], "nms": [0.01]}}
    report.draw_chart(times, {"a": "A", "b": "B"}, "title", tmp_path / "chart.png")
    texts = {text.get_text().strip() for text in saved[0].axes[0].texts}
    assert texts == {"9.0", "20.0", "10.0", ""}, "of what is wide enough, and of the whole"
