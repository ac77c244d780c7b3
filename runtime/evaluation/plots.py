"""Pictures of an evaluation, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..outputs.atomic import new_file
from .figures import ClassFigures


def draw_precision_recall(classes: Sequence[ClassFigures], path: Path) -> None:
    """Draw precision over recall at IoU 0.50: a thin line for each category, a thick one for their mean."""
    figure, axes = _new_figure(8, 6)
    recall = np.linspace(0, 1, 101)
    for each in classes:
        style = (
            {"label": f"{each.name} {each.ap50:.3f}"} if len(classes) <= 20 else {"color": "lightsteelblue"}
        )
        axes.plot(recall, each.curve, linewidth=1, **style)
    if classes:
        mean = np.mean([each.curve for each in classes], axis=0)
        label = f"mean of {len(classes)} classes {mean.mean():.3f}"
        axes.plot(recall, mean, color="black", linewidth=3, label=label)
        axes.legend(bbox_to_anchor=(1.02, 1), loc="upper left", title="AP at IoU 0.50")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title="IoU 0.50")
    axes.grid(alpha=0.3)
    _save(figure, path)


def draw_confusion_matrix(matrix: np.ndarray, names: Sequence[str], path: Path) -> None:
    """Draw a matrix of counts, detected by true, each column shaded by its shares.

    Categories that neither occur nor were detected are left out.
    """
    used = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    labels = [[*names, "nothing"][i] for i in used]
    counts = matrix[np.ix_(used, used)]
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    side = max(5, 0.22 * len(used) + 3)
    figure, axes = _new_figure(side * 1.1, side)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[row, column] > 0.6 else "black"
        axes.text(column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=7)
    axes.set_xticks(range(len(used)), labels, rotation=90)
    axes.set_yticks(range(len(used)), labels)
    axes.set(xlabel="true", ylabel="detected", title="boxes above a score of 0.25, IoU 0.45")
    figure.colorbar(image, label="share of the true boxes", shrink=0.8)
    _save(figure, path)


def _new_figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # without pyplot no window system is touched

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    return figure, figure.add_subplot()


def _save(figure: Any, path: Path) -> None:
    with new_file(path) as temporary:
        figure.savefig(temporary, bbox_inches="tight")
