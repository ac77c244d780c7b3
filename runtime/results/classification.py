"""What a classifier says of one image."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..escape import escape


class Guess(NamedTuple):
    """One class of an image: its number, its name, and how probable it is, 0 to 1."""

    class_id: int
    name: str
    probability: float


@dataclass(eq=False)
class Classification:
    """The probabilities of one image's classes.

    probabilities: float32 (classes,), by class id; they add up to 1.
    names: of all classes, by class id.
    shown: how many of them are shown, written and drawn, the most probable first.
    timings: milliseconds that each stage of the call took, as `predictors.classifier.STAGES` names them.

    `kind` is what a JSON object calls them: "classes".
    """

    probabilities: np.ndarray
    names: tuple[str, ...]
    shown: int = 5
    timings: dict[str, float] = field(default_factory=dict)

    kind: ClassVar[str] = "classes"
    header: ClassVar[tuple[str, ...]] = Guess._fields

    def top(self, k: int | None = None) -> list[Guess]:
        """Give the k (or `shown`) most probable classes, best first; of equals, the lower number first."""
        order = np.argsort(-self.probabilities, kind="stable")[: self.shown if k is None else k].tolist()
        return [Guess(i, self.names[i], float(self.probabilities[i])) for i in order]

    def counts(self) -> Counter[int]:
        """Count the most probable class, by class id: what frames of a video add up to."""
        return Counter([self.top(1)[0].class_id])

    def summary(self) -> str:
        """Say what is shown: "ripe 0.91, unripe 0.07"."""
        return ", ".join(f"{escape(name, 60)} {probability:.2f}" for _, name, probability in self.top())

    def to_dict(self) -> list[dict[str, Any]]:
        """Give what is shown as plain values, ready for JSON: class_id, name, probability of each."""
        return [guess._asdict() for guess in self.top()]

    def rows(self) -> list[tuple[Any, ...]]:
        """Give what is shown as a table's rows, with `header`."""
        return [tuple(guess) for guess in self.top()]

    def label_lines(self, image_hw: tuple[int, int], scores: bool = False) -> list[str]:
        """Give the lines of YOLOv5's label files for classes: probability and name."""
        return [f"{probability:.2f} {escape(name, None)}" for _, name, probability in self.top()]

    def draw(self, image: np.ndarray) -> np.ndarray:
        """Give a copy of `image` with what is shown written in its corner: uint8 (h, w, 3), BGR."""
        from ..drawing.draw import draw_classes  # most callers want classes, not pictures

        lines = [(class_id, f"{name} {probability:.2f}") for class_id, name, probability in self.top()]
        return draw_classes(image, lines)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Compute probabilities, float32 (n,), from logits, float32 (n,): eˣ / Σ eˣ, without overflow."""
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), np.float32)
