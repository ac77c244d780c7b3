"""Make the scenes and train the network, on a CPU: `python -m weights.recipe.train --help`."""

from __future__ import annotations

import argparse
import copy
import csv
import os
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from tqdm import tqdm

from convert import load_checkpoint, save_checkpoint
from convert.layers import DetectionModel

from .accuracy import average_precision, share_found, torch_detector
from .curve import draw_curve
from .dataset import HELD_OUT_SEED, Scenes, example, generate
from .loss import yolov5_loss
from .network import DEFAULT_INPUT, IMGSZ, build, start_from

SHAPES = (
    ((288, 288), 0.14),
    ((320, 320), 0.28),
    ((416, 416), 0.14),
    ((320, 416), 0.12),
    ((416, 320), 0.06),
    ((224, 416), 0.06),
    ((416, 224), 0.04),
    ((96, 416), 0.06),
    ((416, 96), 0.04),
    ((64, 416), 0.03),
    ((416, 64), 0.03),
)
"""Heights and widths of the batches, and how often each comes: the runtime's canvas fits the picture."""
WARMUP = 100
MEET = 10
"""Each process trains by itself for this many batches; then the weights of all are averaged."""


def batch(
    scenes: Scenes, shape: tuple[int, int], count: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Random pictures (count, 3, *shape), RGB, 0 to 1; targets as `yolov5_loss` wants them."""
    images = np.empty((count, *shape, 3), np.uint8)
    targets = []
    for i in range(count):
        images[i], labels = example(scenes, shape, rng)
        corner, opposite = labels[:, 1:3], labels[:, 3:]
        row = [np.full((len(labels), 1), i), labels[:, :1], (corner + opposite) / 2, opposite - corner]
        targets.append(np.concatenate(row, 1))
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).flip(1).float().div_(255)
    return (
        tensor.contiguous(memory_format=torch.channels_last),
        torch.from_numpy(np.concatenate(targets).astype(np.float32)),
    )


def learning_rate(step: int, done: float, decay: float, peak: float) -> float:
    """Warm up, stay, and fall in a straight line to a fiftieth of `peak` over the last `decay` of the work.

    `done` is the share of the work that is done, 0 to 1.
    """
    rising = min(1.0, (step + 1) / WARMUP)
    falling = min(1.0, 0.02 + 0.98 * (1 - done) / max(decay, 1e-6))
    return peak * min(rising, falling)


def share_of_work(step: int, seconds: float, args: argparse.Namespace) -> float:
    """How much of the work is done, 0 to 1, by batches or by time; the same in all processes."""
    done = min(1.0, max(step / args.steps, seconds / (60 * args.minutes) if args.minutes else 0.0))
    if args.processes == 1:
        return done
    common = torch.tensor([done], dtype=torch.float64)
    dist.broadcast(common, 0)
    return float(common)


def average_processes(model: nn.Module, world: int) -> None:
    """Give all processes the mean of their weights."""
    if world == 1:
        return
    tensors = [value for value in model.state_dict().values() if value.is_floating_point()]
    flat = torch.cat([value.reshape(-1) for value in tensors])
    dist.all_reduce(flat)
    at = 0
    for value in tensors:
        value.copy_(flat[at : at + value.numel()].view_as(value) / world)
        at += value.numel()


def average_over_time(model: DetectionModel, ema: DetectionModel, meeting: int) -> None:
    """Move the averaged network towards the trained one."""
    keep = 0.98 * (1 - np.exp(-(meeting + 1) / 30))
    with torch.no_grad():
        for mean, now in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - keep)


def start_training(model: DetectionModel, frozen: int) -> None:
    """Put a network into training, all but its first `frozen` layers."""
    model.train()
    for layer in list(model.model)[:frozen]:
        layer.eval().requires_grad_(False)


def train(rank: int, args: argparse.Namespace) -> None:
    """The work of process `rank`: batches of its own, averaged with the others."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    parent = os.getppid()
    if args.processes > 1:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{args.run.resolve()}/meet-{parent}",
            rank=rank,
            world_size=args.processes,
        )
    torch.manual_seed(args.seed)
    scenes = Scenes(*args.scenes)
    held_out = Scenes(args.run / "held-out")
    model = build()
    if args.start_from:
        other = load_checkpoint(args.start_from).model.float()
        assert isinstance(other, DetectionModel)
        start_from(model, other)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    anchors, strides = model.detect.anchors.clone(), model.detect.stride.clone()
    ema = copy.deepcopy(model).eval()
    start_training(model, args.freeze)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": 0.02},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
    )
    first, before = 0, 0.0
    state_file = args.run / "state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        first, before = state["step"], state["seconds"]
    parts_sum, begun = torch.zeros(3), time.time()
    logged, started, done = first, begun, 0.0
    steps = range(first, args.steps)
    for step in tqdm(steps, "training", args.steps, initial=first, disable=rank > 0, mininterval=30):
        if args.processes > 1 and os.getppid() != parent:
            raise SystemExit("the command that began this process was killed")
        if step % MEET == 0 or step == first:
            done = share_of_work(step, before + time.time() - begun, args)
        rng = np.random.default_rng([args.seed, step, rank])
        shape = SHAPES[rng.choice(len(SHAPES), p=[often for _, often in SHAPES])][0]
        images, targets = batch(scenes, shape, args.batch, rng)
        rate = learning_rate(step, done, args.decay, args.rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16):
            heads = model(images)
        loss, parts = yolov5_loss(heads, targets, anchors, strides)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        parts_sum += parts
        last = done >= 1 or step + 1 == args.steps
        if (step + 1) % MEET and not last:
            continue
        average_processes(model, args.processes)
        if rank == 0:
            average_over_time(model, ema, step // MEET)
            if (step + 1) % args.every == 0 or last:
                detect = torch_detector(ema, IMGSZ)
                row = [
                    step + 1,
                    before + time.time() - begun,
                    rate,
                    *(parts_sum / (step + 1 - logged)).tolist(),
                ]
                row += average_precision(detect, held_out, args.measured)[:2]
                pace = args.processes * args.batch * (step + 1 - logged) / (time.time() - started)
                write_log(args.run / "log.csv", [*row, share_found(detect, args.measured), pace])
                draw_curve(args.run / "log.csv", args.run / "curve.png")
                save_checkpoint(
                    args.run / "codes.pt", ema.float(), epoch=step + 1, opt={"imgsz": DEFAULT_INPUT}
                )
                parts_sum, logged, started = torch.zeros(3), step + 1, time.time()
            if (step + 1) % 100 == 0 or last:
                networks = {"model": model.state_dict(), "ema": ema.state_dict()}
                position = {"step": step + 1, "seconds": before + time.time() - begun}
                temporary = state_file.with_suffix(".part")
                torch.save({**networks, **position, "optimizer": optimizer.state_dict()}, temporary)
                temporary.replace(state_file)
        if last:
            break
    if args.processes > 1:
        dist.destroy_process_group()


def write_log(path: Path, row: list[float]) -> None:
    """Append a line to the log, after its header if it is new."""
    header = ["step", "seconds", "rate", "box", "objectness", "class"]
    header += ["mAP", "mAP50", "clean", "images_per_second"]
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(header)
        writer.writerow([f"{v:.6g}" for v in row])


def main() -> None:
    """Make the scenes that are missing, then train; called again it goes on from the last saved state."""
    parser = argparse.ArgumentParser(
        description=main.__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder for scenes, log, curve, state and codes.pt")
    parser.add_argument(
        "--scenes", type=Path, nargs="+", help="folders of scenes made before, instead of --count"
    )
    parser.add_argument("--count", type=int, default=6000, help="training scenes")
    parser.add_argument("--held-out", type=int, default=200, help="scenes kept for measuring")
    parser.add_argument("--measured", type=int, default=60, help="how many of them are looked at each time")
    parser.add_argument("--start-from", type=Path, help="checkpoint whose weights to begin with")
    parser.add_argument("--freeze", type=int, default=0, help="first layers that stay as they are")
    parser.add_argument(
        "--steps", type=int, default=20000, help="batches of a process in all, with those of earlier calls"
    )
    parser.add_argument(
        "--minutes", type=float, help="time in all, that of earlier calls included: ends before --steps"
    )
    parser.add_argument(
        "--decay", type=float, default=0.5, help="share of the work at whose end the learning rate falls"
    )
    parser.add_argument("--batch", type=int, default=16, help="pictures of a process's batch")
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate")
    parser.add_argument("--every", type=int, default=300, help="batches between measurements")
    parser.add_argument("--processes", type=int, default=2, help="each has its own batches and one thread")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if not args.scenes:
        args.scenes = [args.run / "scenes"]
        generate(args.scenes[0], args.count, IMGSZ, args.seed, args.processes)
    generate(args.run / "held-out", args.held_out, IMGSZ, HELD_OUT_SEED, args.processes)
    if args.processes == 1:
        train(0, args)
    else:
        mp.spawn(train, (args,), args.processes)


if __name__ == "__main__":
    main()
