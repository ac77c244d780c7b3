"""YOLOv5's loss: boxes by complete IoU, objectness towards that IoU, classes by binary cross-entropy.

The formulas are those of YOLOv5 since v5.0: https://docs.ultralytics.com/yolov5/tutorials/architecture_description
(section 4); complete IoU is https://arxiv.org/abs/1911.08287 equations 8 to 12.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

MAX_RATIO = 4.0
"""An anchor answers for a box when neither side differs by more than this factor."""
BALANCE = {4: 6.0, 8: 4.0, 16: 1.0, 32: 0.4}
"""Weight of each head's objectness, by its stride."""
BOX, OBJECTNESS, CLASS = 0.05, 0.7, 0.3


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU less the penalties for distance and shape of boxes (n, 4), given as cx, cy, w, h. Returns (n,)."""
    a1, a2 = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2
    b1, b2 = b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    inter = (torch.minimum(a2, b2) - torch.maximum(a1, b1)).clamp(min=0).prod(1)
    iou = inter / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - inter + 1e-7)
    diagonal = (torch.maximum(a2, b2) - torch.minimum(a1, b1)).square().sum(1) + 1e-7
    distance = (a[:, :2] - b[:, :2]).square().sum(1)
    angles = torch.atan(b[:, 2] / (b[:, 3] + 1e-7)) - torch.atan(a[:, 2] / (a[:, 3] + 1e-7))
    v = 4 / math.pi**2 * angles.square()
    with torch.no_grad():
        alpha = v / (1 - iou + v + 1e-7)
    return iou - distance / diagonal - alpha * v


def assign(targets: Tensor, anchors: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Which cells and anchors of one head answer for which target.

    targets (n, 6): image, class, cx, cy, w, h in cells of this head; anchors (na, 2) in cells.
    Every target goes to the anchors of like shape, in its own cell and the two neighbours it lies nearest to.
    Returns (row of `targets`, anchor, cell y, cell x), each (m,) int64.
    """
    ny, nx = shape
    ratio = targets[:, None, 4:6] / anchors[None]
    fits = torch.maximum(ratio, 1 / ratio).amax(2) < MAX_RATIO
    row, anchor = fits.nonzero(as_tuple=True)
    x, y = targets[row, 2], targets[row, 3]
    found = [(row, anchor, y.long(), x.long())]
    for near, dy, dx in (
        ((x % 1 < 0.5) & (x > 1), 0, -1),
        ((y % 1 < 0.5) & (y > 1), -1, 0),
        (((nx - x) % 1 < 0.5) & (nx - x > 1), 0, 1),
        (((ny - y) % 1 < 0.5) & (ny - y > 1), 1, 0),
    ):
        found.append((row[near], anchor[near], y[near].long() + dy, x[near].long() + dx))
    rows, anchors_, ys, xs = (torch.cat(parts) for parts in zip(*found, strict=True))
    return rows, anchors_, ys.clamp(0, ny - 1), xs.clamp(0, nx - 1)


def yolov5_loss(
    heads: list[Tensor], targets: Tensor, anchors: Tensor, strides: Tensor
) -> tuple[Tensor, Tensor]:
    """The loss of a batch.

    heads: raw maps (N, na·(5+nc), ny, nx); targets (n, 6): image, class, cx, cy, w, h in pixels;
    anchors (nl, na, 2) in units of the strides (nl,). Returns the sum and its parts, detached.
    """
    box_loss = objectness_loss = class_loss = targets.new_zeros(())
    for head, head_anchors, stride in zip(heads, anchors, strides, strict=True):
        n, _, ny, nx = head.shape
        na = len(head_anchors)
        predicted = head.float().view(n, na, -1, ny, nx)
        objectness = torch.zeros_like(predicted[:, :, 4])
        scaled = targets.clone()
        scaled[:, 2:] /= stride
        row, anchor, y, x = assign(scaled, head_anchors, (ny, nx))
        if len(row):
            image = targets[row, 0].long()
            chosen = predicted[image, anchor, :, y, x]
            centre = chosen[:, :2].sigmoid() * 2 - 0.5 + torch.stack([x, y], 1)
            size = (chosen[:, 2:4].sigmoid() * 2).square() * head_anchors[anchor]
            iou = complete_iou(torch.cat([centre, size], 1), scaled[row, 2:])
            box_loss = box_loss + (1 - iou).mean()
            # where two targets want one cell the better fitting box sets its objectness
            order = iou.detach().argsort()
            objectness[image[order], anchor[order], y[order], x[order]] = iou.detach()[order].clamp(min=0)
            classes = F.one_hot(targets[row, 1].long(), predicted.shape[2] - 5).float()
            class_loss = class_loss + F.binary_cross_entropy_with_logits(chosen[:, 5:], classes)
        objectness_loss = objectness_loss + BALANCE[int(stride)] * F.binary_cross_entropy_with_logits(
            predicted[:, :, 4], objectness
        )
    parts = torch.stack([BOX * box_loss, OBJECTNESS * objectness_loss, CLASS * class_loss])
    return parts.sum(), parts.detach()
