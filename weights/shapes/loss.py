"""YOLOv5's loss with masks: that of detection, and the binary cross-entropy of each mask within its box.

A mask's logits are its coefficients times the prototypes (https://arxiv.org/abs/1904.02689, section 3), and
its loss is the mean over the cells of its box, so that large shapes count no more than small ones.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ..recipe.loss import BALANCE, BOX, CLASS, OBJECTNESS, assign, complete_iou

MASK = 0.1


def inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """Tell which cells belong to boxes (n, 4), cx, cy, w, h in cells: bool (n, height, width)."""
    low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    x, y = torch.arange(width), torch.arange(height)
    columns = (x >= low[:, :1]) & (x < high[:, :1])
    rows = (y >= low[:, 1:]) & (y < high[:, 1:])
    return rows[:, :, None] & columns[:, None, :]


def mask_loss(coefficients: Tensor, prototypes: Tensor, masks: Tensor, boxes: Tensor) -> Tensor:
    """The loss of the masks of one picture.

    coefficients (n, nm); prototypes (nm, h, w); masks (n, h, w), 0 or 1; boxes (n, 4) as for `inside`.
    """
    logits = torch.einsum("nk,khw->nhw", coefficients, prototypes)
    within = inside(boxes, *masks.shape[1:])
    loss = F.binary_cross_entropy_with_logits(logits, masks, reduction="none") * within
    return (loss.sum((1, 2)) / within.sum((1, 2)).clamp(min=1)).mean()


def segmentation_loss(
    outputs: list[Tensor], targets: Tensor, masks: Tensor, anchors: Tensor, strides: Tensor, classes: int
) -> Tensor:
    """The loss of a batch.

    outputs: raw maps (N, na·(5+classes+nm), ny, nx), and last the prototypes (N, nm, h, w); targets (n, 6):
    image, class, cx, cy, w, h in pixels; masks (n, h, w), 0 or 1, row by row those of the targets;
    anchors (nl, na, 2) in units of the strides (nl,).
    """
    *heads, prototypes = outputs
    total = targets.new_zeros(())
    scale = prototypes.shape[3] / (heads[0].shape[3] * float(strides[0]))  # from pixels to prototypes
    for head, head_anchors, stride in zip(heads, anchors, strides, strict=True):
        n, _, ny, nx = head.shape
        predicted = head.view(n, len(head_anchors), -1, ny, nx)
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
            order = iou.detach().argsort()  # where two targets want one cell the better fitting box has it
            objectness[image[order], anchor[order], y[order], x[order]] = iou.detach()[order].clamp(min=0)
            wanted = F.one_hot(targets[row, 1].long(), classes).float()
            named = F.binary_cross_entropy_with_logits(chosen[:, 5 : 5 + classes], wanted)
            total = total + BOX * (1 - iou).mean() + CLASS * named
            coefficients = chosen[:, 5 + classes :]
            for i in image.unique().tolist():
                mine = image == i
                rows = row[mine]
                loss = mask_loss(coefficients[mine], prototypes[i], masks[rows], targets[rows, 2:] * scale)
                total = total + MASK * loss * mine.sum() / len(row)
        found = F.binary_cross_entropy_with_logits(predicted[:, :, 4], objectness)
        total = total + OBJECTNESS * BALANCE[int(stride)] * found
    return total
