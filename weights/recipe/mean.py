"""The mean of the weights of two checkpoints, one of which was trained on from the other.

It often has the virtues of both: https://arxiv.org/abs/2109.01903
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from convert import load_checkpoint, save_checkpoint
from convert.layers import DetectionModel

from .network import DEFAULT_INPUT


def main() -> None:
    """Write a checkpoint whose weights lie between those of two others."""
    parser = argparse.ArgumentParser(prog="python -m weights.recipe.mean", description=main.__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, help="what was trained from there")
    parser.add_argument("output", type=Path, help="checkpoint to write")
    parser.add_argument("--share", type=float, default=0.5, help="of AFTER, 0 to 1 (default: 0.5)")
    args = parser.parse_args()
    if not 0 <= args.share <= 1:
        parser.error(f"--share must be from 0 to 1, not {args.share}")
    before, after = (load_checkpoint(path).model.float().eval() for path in (args.before, args.after))
    assert isinstance(before, DetectionModel)
    assert isinstance(after, DetectionModel)
    names = [{key: value.shape for key, value in each.state_dict().items()} for each in (before, after)]
    if names[0] != names[1]:
        parser.error(f"{args.before} and {args.after} are not the same network")
    with torch.no_grad():
        for mean, other in zip(after.state_dict().values(), before.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(other, 1 - args.share)
    save_checkpoint(args.output, after, opt={"imgsz": DEFAULT_INPUT})


if __name__ == "__main__":
    main()
