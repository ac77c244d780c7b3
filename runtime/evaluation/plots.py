"""Pictures of an evaluation, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..escape import escape
from ..outputs.atomic import new_file
from .figures import ClassFigures

MANY, NAMED = 20, 10  # of more categories than MANY, NAMED are named
MOST = 40  # letters of a name


def draw_precision_recall(classes: Sequence[ClassFigures], path: Path) -> None:
    """Draw precision over recall at IoU 0.50: a thin line for each category, a thick one for their mean.

    Of many categories the worst NAMED ones are named, worst first.
    """
    figure, axes = _new_figure(8, 6)
    recall = np.linspace(0, 1, 101)
    worst_first = sorted(classes, key=lambda each: each.ap50)
    named = worst_first if len(classes) <= MANY else worst_first[:NAMED]
    for each in worst_first[len(named) :]:
        axes.plot(recall, each.curve, linewidth=0.8, color="lightgrey")
    for number, each in enumerate(named):
        dashes = ("-", "--")[number // 10]  # there are ten colours
        axes.plot(recall, each.curve, dashes, linewidth=1.5, label=f"{_label(each.name)} {each.ap50:.3f}")
    if classes:
        mean = np.mean([each.curve for each in classes], axis=0)
        label = f"mean of {len(classes)} classes {mean.mean():.3f}"
        axes.plot(recall, mean, color="black", linewidth=3, label=label)
        title = "AP at IoU 0.50" + (f", the worst {len(named)}" if len(named) < len(classes) else "")
        axes.legend(bbox_to_anchor=(1.02, 1), loc="upper left", title=title)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title="IoU 0.50")
    axes.grid(alpha=0.3)
    _save(figure, path)


def draw_confusion_matrix(matrix: np.ndarray, names: Sequence[str], path: Path) -> None:
    """Draw a matrix of counts, detected by true: what is right in blue, what is wrong in orange.

    The more boxes, the darker, on a logarithmic scale, so that one and a hundred differ and one is seen.
    Categories that neither occur nor were detected are left out.
    """
    from matplotlib.colors import LogNorm

    used = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    used = used if len(used) else np.array([len(names)])  # no boxes at all
    labels = [_label([*names, "nothing"][i]) for i in used]
    counts = matrix[np.ix_(used, used)]
    norm = LogNorm(1, max(2, counts.max(initial=0)))
    side = max(5, 0.24 * len(used) + 3)
    figure, axes = _new_figure(side * 1.1, side)
    right = np.eye(len(used), dtype=bool)
    for cells, colours, label in ((right, "Blues", "right"), (~right, "Oranges", "wrong")):
        shown = np.ma.masked_where(~cells | (counts == 0), counts)
        image = axes.imshow(shown, cmap=_without_white(colours), norm=norm)
        figure.colorbar(image, label=f"boxes, {label}", shrink=0.6, aspect=40, format="%d", pad=0.01)
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if norm(counts[row, column]) > 0.6 else "black"
        axes.text(column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(used)), labels, rotation=90)
    axes.set_yticks(range(len(used)), labels)
    axes.set_xticks(np.arange(len(used)) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(used)) - 0.5, minor=True)
    axes.grid(which="minor", color="0.92", linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    axes.set(xlabel="true", ylabel="detected", title="boxes above a score of 0.25, IoU 0.45")
    _save(figure, path)


def _label(name: str) -> str:
    """Write a name of somebody else's so that matplotlib draws it as it is, no part as a formula."""
    return escape(name, MOST).replace("$", r"\$")


def _without_white(name: str) -> Any:
    """Give a map of colours without its lightest ones, which would look like nothing."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    return ListedColormap(matplotlib.colormaps[name](np.linspace(0.2, 1, 256)))


def _new_figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # without pyplot no window system is touched

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    return figure, figure.add_subplot()


def _save(figure: Any, path: Path) -> None:
    with new_file(path) as temporary:
        figure.savefig(temporary, bbox_inches="tight")
