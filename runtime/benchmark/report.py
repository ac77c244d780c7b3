"""The benchmark's tables and its chart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..outputs.atomic import new_file
from ..predictors.detector import STAGES
from .processes import IMPORTS

MEASURED = ("read", *STAGES, "masks", "draw")
"""In this order; masks, in the picture's own pixels, only where the model finds them."""
DETECTING = (*STAGES, "masks")

Times = Mapping[str, Mapping[str, list[float]]]


def print_stages(times: Times, labels: Mapping[str, str]) -> None:
    """Print median and minimum by stage, and what follows from them."""
    width = max(map(len, labels.values())) + 2
    shown = _measured(times)
    columns: tuple[tuple[str, Callable[[list[float]], float]], ...] = (
        ("median", statistics.median),
        ("minimum", min),
    )
    for title, choose in columns:
        head = "".join(f"{stage:>11}" for stage in shown)
        print(f"\n{title + ', ms':{width}}{head}   images/s  around/forward  forward/cv2.dnn")
        best = {
            name: {stage: choose(values) for stage, values in stages.items()}
            for name, stages in times.items()
        }
        for name, stages in best.items():
            cells = "".join(f"{stages[stage]:11.2f}" if stage in stages else f"{'-':>11}" for stage in shown)
            detecting = sum(stages.get(stage, 0) for stage in DETECTING) or math.nan
            around = sum(stages.get(stage, 0) for stage in DETECTING if stage != "forward")
            ratios = _ratio(around, stages["forward"]), _ratio(stages["forward"], best["cv2.dnn"]["forward"])
            print(f"{labels[name]:{width}}{cells}{1000 / detecting:11.1f}{ratios[0]:>16}{ratios[1]:>17}")
    *others, last = (stage for stage in shown if stage in DETECTING)
    counted = f"{', '.join(others)} and {last}"
    print(f"\nletterbox includes the conversion to floats; images/s counts {counted}")


def _measured(times: Times) -> list[str]:
    """The stages that at least one backend has."""
    return [stage for stage in MEASURED if any(stage in stages for stages in times.values())]


def _ratio(first: float, second: float) -> str:
    return f"{first / second:.3f}" if second else "-"  # the C++ program rounds to tenths of a millisecond


def print_forward(forward: Mapping[str, Mapping[str, Sequence[float]]], labels: Mapping[str, str]) -> None:
    """Print the forward passes of processes of their own: the best process, and what the others differ."""
    title = "forward, each in processes of its own"
    width = max(map(len, [title, *labels.values()])) + 2
    print(f"\n{title:{width}}    cpu, ms  /cv2.dnn  slowest process   clock, ms  /cv2.dnn  slowest process")
    for name, figures in forward.items():
        cells = ""
        for key in ("forward_cpu", "forward"):
            best, worst = figures[key][0], figures[key][-1]
            cells += (
                f"{best * 1000:11.2f}  {_ratio(best, forward['cv2.dnn'][key][0]):>8}  {worst * 1000:15.2f} "
            )
        print(f"{labels[name]:{width}}{cells.rstrip()}")
    print("\nthe least of each process; cpu, of all threads, depends little on what other programs do")


def print_processes(processes: Mapping[str, Mapping[str, Any]], images: int) -> None:
    """Print the times and memory of whole processes."""
    title = "whole process, median"
    width = max(map(len, [title, *processes])) + 2
    whole = f"{images} image" + ("" if images == 1 else "s")
    print(
        f"\n{title:{width}}  first boxes, s  /imports  {whole + ', s':>14}  cpu, s (min)"
        "  peak memory, MB  boxes"
    )
    imports = processes[IMPORTS]["all"]
    for name, figures in processes.items():
        cpu = f"{figures['cpu']:.2f}" if "cpu" in figures else "-"
        if name == IMPORTS:
            print(f"{name:{width}}  {imports:14.3f}  {'':8}  {'':>14}  {cpu:>12}")
            continue
        peak = f"{figures['peak_memory'] / 1e6:.0f}" if "peak_memory" in figures else "-"
        boxes = f"{figures['boxes']:.0f}" if "boxes" in figures else "-"
        print(
            f"{name:{width}}  {figures['first']:14.3f}  {figures['first'] / imports:8.2f}"
            f"  {figures['all']:14.3f}  {cpu:>12}  {peak:>15}  {boxes:>5}"
        )


def draw_chart(times: Times, labels: Mapping[str, str], title: str, path: Path) -> None:
    """Draw a bar for each backend, its stages one after the other, by their medians, with their sum."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.5 + 0.6 * len(times)), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    names, shown = list(times), _measured(times)
    medians = {
        name: {stage: statistics.median(times[name].get(stage) or [0]) for stage in shown} for name in names
    }
    longest = max(sum(stages.values()) for stages in medians.values())
    left = [0.0] * len(names)
    for stage in shown:
        widths = [medians[name][stage] for name in names]
        bars = axes.barh([labels[name] for name in names], widths, left=left, label=stage)
        wide = [f"{width:.1f}" if width > 0.06 * longest else "" for width in widths]
        axes.bar_label(bars, wide, label_type="center", fontsize=8, color="white")
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.bar_label(bars, [f" {total:.1f}" for total in left], fontsize=9)
    axes.set_xlim(0, 1.1 * longest)
    axes.invert_yaxis()
    axes.set(xlabel="milliseconds an image, median")
    axes.set_title(title, parse_math=False)  # a file's name is no formula
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.25 - 0.2 / len(names)), ncols=len(shown), frameon=False
    )
    with new_file(path) as temporary:
        figure.savefig(temporary, bbox_inches="tight")
