"""The training log as a picture."""

from __future__ import annotations

import csv
from pathlib import Path


def draw_curve(log: Path, picture: Path) -> None:
    """Plot the losses and the accuracy of `log` (CSV, as training writes it) over the batches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with log.open(newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    steps = [row["step"] for row in rows]
    figure = Figure(figsize=(8, 3), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for key in ("box", "objectness", "class"):
        left.plot(steps, [row[key] for row in rows], label=key)
    for key in ("mAP", "mAP50"):
        right.plot(steps, [row[key] for row in rows], label=f"{key}, held-out scenes")
    right.plot(steps, [row["clean"] for row in rows], label="clean codes found")
    left.set_title("training loss, weighted parts")
    right.set_title("accuracy of the averaged weights")
    right.set_ylim(0, 1)
    for axes in (left, right):
        axes.set_xlabel("batches")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(picture)
