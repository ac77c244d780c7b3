"""What a classifier says of one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np


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
    timings: milliseconds that each stage of the call took, by its name.
    """

    probabilities: np.ndarray
    names: tuple[str, ...]
    timings: Mapping[str, float] = field(default_factory=dict)

    def top(self, k: int = 5) -> list[Guess]:
        """Give the k most probable classes, best first; of equals, the one with the lower number first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k].tolist()
        return [Guess(i, self.names[i], float(self.probabilities[i])) for i in order]

    def to_dict(self, k: int = 5) -> list[dict[str, Any]]:
        """Give the k most probable classes as plain values, ready for JSON: class_id, name, probability."""
        return [guess._asdict() for guess in self.top(k)]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Compute probabilities, float32 (n,), from logits, float32 (n,): eˣ / Σ eˣ, without overflow."""
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), np.float32)
