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

from convert.network import DetectionModel
from convert.save import save_checkpoint

from convert.checkpoint import load_checkpoint

from .accuracy import average_precision, share_found, torch_detector
from .curve import draw_curve
from .dataset import HELD_OUT_SEED, Scenes, example, generate
from .loss import yolov5_loss
from .network import DEFAULT_INPUT, IMGSZ, build, start_from

SHAPES = ((416, 416), (320, 320), (320, 416), (416, 320), (224, 416), (416, 224), (96, 416), (416, 96), (64, 416))
OFTEN = (0.42, 0.12, 0.1, 0.06, 0.08, 0.04, 0.09, 0.05, 0.04)
"""Heights and widths of the batches, and how often each comes: the runtime's canvas fits the picture."""
WARMUP = 200


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
    if args.start_from:
        start_from(model, load_checkpoint(args.start_from).model.float())
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    anchors, strides = model.detect.anchors.clone(), model.detect.stride.clone()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}]
    )
    ema = copy.deepcopy(model).eval()
    first, before = 0, 0.0
    state_file = args.run / "state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        first, before = state["step"], state["seconds"]
    parts_sum, seen, begun = torch.zeros(3), 0, time.time()
    started = begun
    bar = tqdm(
        range(first, args.steps), "training", args.steps, initial=first, disable=rank > 0, mininterval=10
    )
    for step in bar:
        done = share_of_work(step, before + time.time() - begun, args)
        shape = SHAPES[int(np.random.default_rng([args.seed, step]).choice(len(SHAPES), p=OFTEN))]
        images, targets = batch(
            scenes, shape, args.batch // args.processes, np.random.default_rng([args.seed, step, rank])
        )
        rate = learning_rate(step, done, args.decay, args.rate)
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
        last = done >= 1 or step + 1 == args.steps
        if rank:
            if last:
                break
            continue
        average(model, ema, step)
        parts_sum += parts
        seen += 1
        if (step + 1) % args.every == 0 or last:
            detect = torch_detector(ema, IMGSZ)
            score = average_precision(detect, held_out, args.measured)[:2]
            row = [
                step + 1,
                before + time.time() - begun,
                rate,
                *(parts_sum / seen).tolist(),
                *score,
                share_found(detect, args.measured),
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
                    "seconds": before + time.time() - begun,
                },
                temporary,
            )
            temporary.replace(state_file)
            save_checkpoint(args.run / "codes.pt", ema.float(), epoch=step + 1, opt={"imgsz": DEFAULT_INPUT})
            bar.set_postfix(mAP50=f"{score[1]:.3f}")
            parts_sum, seen, started = torch.zeros(3), 0, time.time()
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
    parser.add_argument("--measured", type=int, default=100, help="how many of them are looked at each time")
    parser.add_argument("--start-from", type=Path, help="checkpoint whose weights, heads excepted, to begin with")
    parser.add_argument(
        "--steps", type=int, default=20000, help="batches in all, those of earlier calls included"
    )
    parser.add_argument(
        "--minutes", type=float, help="time in all, that of earlier calls included: ends before --steps"
    )
    parser.add_argument(
        "--decay", type=float, default=0.5, help="share of the work at whose end the learning rate falls"
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument(
        "--every", type=int, default=200, help="batches between measurements and saved states"
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
