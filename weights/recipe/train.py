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

from convert import save_checkpoint
from convert.layers import DetectionModel

from .accuracy import average_precision, torch_detector
from .curve import draw_curve
from .dataset import HELD_OUT_SEED, Scenes, augment, generate, mosaic
from .loss import yolov5_loss
from .network import DEFAULT_INPUT, IMGSZ, build

SIZES = (256, 320, 416)
FINAL_SIZES = (320, 416, 416)
WARMUP = 300


def batch(scenes: Scenes, size: int, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random scenes: images (count, 3, size, size), RGB, 0 to 1; targets as `yolov5_loss` wants them."""
    images = np.empty((count, size, size, 3), np.uint8)
    targets = []
    for i in range(count):
        if rng.random() < 0.25:
            images[i], labels = mosaic(scenes, rng.integers(0, len(scenes), 4), size, rng)
        else:
            images[i], labels = augment(*scenes[int(rng.integers(len(scenes)))], size, rng)
        corner, opposite = labels[:, 1:3], labels[:, 3:]
        row = [np.full((len(labels), 1), i), labels[:, :1], (corner + opposite) / 2, opposite - corner]
        targets.append(np.concatenate(row, 1))
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).flip(1).float().div_(255)
    return (
        tensor.contiguous(memory_format=torch.channels_last),
        torch.from_numpy(np.concatenate(targets).astype(np.float32)),
    )


def learning_rate(step: int, steps: int, decay: int, peak: float) -> float:
    """Warm up, stay, and fall in a straight line to a fiftieth of `peak` over the last `decay` steps."""
    rising = min(1.0, (step + 1) / WARMUP)
    falling = min(1.0, 0.02 + 0.98 * (steps - step) / max(decay, 1))
    return peak * min(rising, falling)


def average(model: DetectionModel, ema: DetectionModel, step: int) -> None:
    """Move the averaged network towards the trained one."""
    keep = 0.999 * (1 - np.exp(-(step + 1) / 1000))
    with torch.no_grad():
        for mean, now in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - keep)


def share_gradients(model: nn.Module, world: int) -> None:
    """Replace the gradients by their mean over the processes."""
    if world == 1:
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    at = 0
    for gradient in gradients:
        gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient) / world)
        at += gradient.numel()


def train(rank: int, args: argparse.Namespace) -> None:
    """The work of process `rank`: forward and backward on its half of every batch."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if args.processes > 1:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{args.run.resolve()}/meet-{os.getppid()}",
            rank=rank,
            world_size=args.processes,
        )
    torch.manual_seed(args.seed)
    scenes = Scenes(*args.scenes)
    held_out = Scenes(args.run / "held-out")
    model = build()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    anchors, strides = model.detect.anchors.clone(), model.detect.stride.clone()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}]
    )
    ema = copy.deepcopy(model).eval()
    first = 0
    state_file = args.run / "state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    parts_sum, seen, started = torch.zeros(3), 0, time.time()
    bar = tqdm(
        range(first, args.steps), "training", args.steps, initial=first, disable=rank > 0, mininterval=10
    )
    for step in bar:
        rng = np.random.default_rng([args.seed, step])
        final = args.steps - step <= args.decay * 0.6
        size = int(rng.choice(FINAL_SIZES if final else SIZES))
        images, targets = batch(
            scenes, size, args.batch // args.processes, np.random.default_rng([args.seed, step, rank])
        )
        rate = learning_rate(step, args.steps, args.decay, args.rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            heads = model(images)
        loss, parts = yolov5_loss(heads, targets, anchors, strides)
        loss.backward()
        share_gradients(model, args.processes)
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if rank:
            continue
        average(model, ema, step)
        parts_sum += parts
        seen += 1
        last = step + 1 == args.steps
        if (step + 1) % args.every == 0 or last:
            score = average_precision(torch_detector(ema, IMGSZ), held_out, 200)[:2]
            row = [
                step + 1,
                rate,
                *(parts_sum / seen).tolist(),
                *score,
                seen * args.batch / (time.time() - started),
            ]
            write_log(args.run / "log.csv", row)
            draw_curve(args.run / "log.csv", args.run / "curve.png")
            temporary = state_file.with_suffix(".part")
            torch.save(
                {
                    "model": model.state_dict(),
                    "ema": ema.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step + 1,
                },
                temporary,
            )
            temporary.replace(state_file)
            save_checkpoint(args.run / "codes.pt", ema.float(), epoch=step + 1, opt={"imgsz": DEFAULT_INPUT})
            bar.set_postfix(mAP50=f"{score[1]:.3f}")
            parts_sum, seen, started = torch.zeros(3), 0, time.time()
    if args.processes > 1:
        dist.destroy_process_group()


def write_log(path: Path, row: list[float]) -> None:
    """Append a line to the log, after its header if it is new."""
    header = ["step", "rate", "box", "objectness", "class", "mAP", "mAP50", "images_per_second"]
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
    parser.add_argument("--count", type=int, default=12000, help="training scenes")
    parser.add_argument("--held-out", type=int, default=400, help="scenes to measure on; 200 are used")
    parser.add_argument(
        "--steps", type=int, default=6000, help="batches in all, those of earlier calls included"
    )
    parser.add_argument(
        "--decay", type=int, default=2500, help="batches at the end over which the learning rate falls"
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument(
        "--every", type=int, default=500, help="batches between measurements and saved states"
    )
    parser.add_argument(
        "--processes", type=int, default=2, help="each computes its part of a batch in one thread"
    )
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
