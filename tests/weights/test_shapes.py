"""The two tiny networks of drawn shapes: labels are right, the loss is the formula, and both are good."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("onnxsim")
pytest.importorskip("tqdm")

import torch

import convert
from runtime import evaluate
from weights.shapes import NAMES, train
from weights.shapes.loss import inside, mask_loss
from weights.shapes.networks import SCENE_INPUT, SINGLE_INPUT, build_segmenter
from weights.shapes.pictures import FINE, MOST_HIDDEN, box_of, polygons, scene, single, write
from weights.shapes.widen import widen

FOLDER = Path(__file__).resolve().parents[2] / "weights" / "shapes"


def test_a_picture_depends_on_its_seed_alone() -> None:
    first, again, other = (scene(96, np.random.default_rng([7, i])) for i in (3, 3, 4))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.masks, again.masks)
    assert first.class_ids == again.class_ids
    assert not np.array_equal(first.image, other.image)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
@example(849)  # a sliver of a shape looks out on the other side of the one before it
def test_masks_boxes_and_outlines_say_the_same(seed: int) -> None:
    picture = scene(96, np.random.default_rng(seed))
    assert picture.image.shape == (96, 96, 3)
    assert len(picture.class_ids) == len(picture.masks) > 0
    assert picture.masks.sum(0).max() == 1  # what one shape hides is not the other's
    for mask in picture.masks:
        x1, y1, x2, y2 = box_of(mask)
        assert 0 <= x1 < x2 <= 96
        assert 0 <= y1 < y2 <= 96
        outlines = polygons(mask)
        points = np.concatenate([np.reshape(each, (-1, 2)) for each in outlines])
        assert (points >= (x1, y1)).all()
        assert (points <= (x2, y2)).all()
        parts = cv2.connectedComponents(mask.astype(np.uint8))[0] - 1
        if len(outlines) == parts:  # none is a sliver without an area, which has no outline
            assert np.abs(points.min(0) - (x1, y1)).max() <= 1 / FINE
            assert np.abs(points.max(0) - (x2, y2)).max() <= 1 / FINE
        areas = [cv2.contourArea(np.reshape(each, (-1, 2)).astype(np.float32)) for each in outlines]
        edge = sum(cv2.arcLength(np.reshape(each, (-1, 2)).astype(np.float32), True) for each in outlines)
        assert abs(sum(areas) - mask.sum() / FINE**2) <= edge / FINE


def test_a_shape_is_seen_where_its_mask_is() -> None:
    """Its colour there is another one than around it."""
    for seed in range(10):
        picture = single(64, np.random.default_rng(seed))
        assert 0 <= picture.class_ids[0] < len(NAMES)
        small = cv2.resize(picture.masks[0].astype(np.uint8) * 255, (64, 64), interpolation=cv2.INTER_AREA)
        around = cv2.dilate(small, np.ones((9, 9), np.uint8)) > 0
        within, without = picture.image[small == 255], picture.image[around & (small == 0)]
        assert np.abs(within.mean(0) - without.mean(0)).sum() > 20
    assert MOST_HIDDEN < 0.5


def test_the_loss_of_masks_is_the_formula() -> None:
    generator = torch.Generator().manual_seed(1)
    coefficients, prototypes = (torch.randn(shape, generator=generator) for shape in ((2, 3), (3, 6, 8)))
    masks = (torch.rand((2, 6, 8), generator=generator) > 0.5).float()
    boxes = torch.tensor([[3.0, 2.0, 4.0, 3.0], [6.5, 4.5, 3.0, 3.0]])
    total = 0.0
    for i, (cx, cy, w, h) in enumerate(boxes.tolist()):
        losses = []
        for y in range(6):
            for x in range(8):
                if not (cx - w / 2 <= x < cx + w / 2 and cy - h / 2 <= y < cy + h / 2):
                    assert not inside(boxes, 6, 8)[i, y, x]
                    continue
                logit = sum(float(coefficients[i, k]) * float(prototypes[k, y, x]) for k in range(3))
                share = 1 / (1 + math.exp(-logit))
                losses.append(-math.log(share if masks[i, y, x] else 1 - share))
        total += sum(losses) / len(losses)
    assert float(mask_loss(coefficients, prototypes, masks, boxes)) == pytest.approx(total / 2, rel=1e-5)


def test_turned_and_mirrored_pictures_keep_their_labels() -> None:
    picture = train.stored(scene, 96, 1, 0)[0]
    for seed in range(12):
        image, labels, masks = train.seen_otherwise(picture, np.random.default_rng(seed))
        assert image.shape == picture[0].shape
        for box, mask in zip(labels[:, 1:] * train.PROTOTYPES / 96, masks, strict=True):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            seen = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            assert np.abs(box - seen).max() < 1.5


def test_training_ends_in_checkpoints_of_the_two_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["train", str(tmp_path), "--count", "4", "--steps", "2"])
    threads = torch.get_num_threads()
    try:
        train.main()
    finally:
        torch.set_num_threads(threads)
    for name, task, size in (("masks", "segment", SCENE_INPUT), ("classes", "classify", SINGLE_INPUT)):
        checkpoint = convert.load_checkpoint(tmp_path / f"{name}.pt")
        assert checkpoint.model.head.task == task
        assert list(checkpoint.names) == list(NAMES)
        assert checkpoint.imgsz == size


@pytest.mark.parametrize("target", ["portable", "fast"])
def test_the_networks_are_good_on_pictures_that_they_have_not_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], target: convert.conversion.Target
) -> None:
    pytest.importorskip("pycocotools")
    pytest.importorskip("matplotlib")
    write(tmp_path, 25, seed=3)
    assert len(json.loads((tmp_path / "instances.json").read_text())["images"]) == 25
    for name in ("masks", "classes"):
        convert.convert(FOLDER / f"{name}.pt", tmp_path / f"{name}.onnx", target=target)
    capsys.readouterr()
    scenes = ["--images", str(tmp_path / "scenes"), "--annotations", str(tmp_path / "instances.json")]
    model = ["--weights", str(tmp_path / "masks.onnx"), "--output", str(tmp_path / "plots")]
    assert evaluate.main([*model, *scenes]) == 0
    boxes, masks = (
        float(re.findall(r"^AP50 +([\d.]+)", part, re.M)[0])
        for part in capsys.readouterr().out.split("\nmasks\n")
    )
    assert boxes > 0.8
    assert masks > 0.8
    model = ["--weights", str(tmp_path / "classes.onnx"), "--images", str(tmp_path / "single")]
    assert evaluate.main(model) == 0
    assert float(re.findall(r"^all +25 +([\d.]+)", capsys.readouterr().out, re.M)[0]) > 0.8


def test_a_wider_network_computes_the_same() -> None:
    torch.manual_seed(2)
    small = build_segmenter()
    with torch.no_grad():
        small.train()(torch.rand(4, 3, 64, 64))  # statistics that are not 0 and 1
        image = torch.rand(1, 3, 64, 96)
        expected = small.eval()(image)
        large = widen(small)
        found = large(image)
    assert sum(parameter.numel() for parameter in large.parameters()) > 1.5e6
    *heads, prototypes = expected
    for head, wide in zip(heads, found[:-1], strict=True):
        split = wide.view(1, 2, -1, *wide.shape[2:])
        assert torch.allclose(split[:, :, : head.shape[1] // 2].flatten(1, 2), head, atol=1e-5)
        assert not split[:, :, head.shape[1] // 2 :].any()
    assert torch.allclose(found[-1][:, : prototypes.shape[1]], prototypes, atol=1e-5)
    assert not found[-1][:, prototypes.shape[1] :].any()
