"""The layers' arithmetic, against PyTorch's own layers or the plainest way to write the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import networks  # noqa: E402
from torch import nn  # noqa: E402

from convert import layers  # noqa: E402
from convert.check import picture  # noqa: E402
from convert.layers import Contract, Expand, Focus, TransformerBlock, TransformerLayer  # noqa: E402
from convert.rewrite import fold_batchnorm, replace_layers  # noqa: E402
from convert.stem import Stem, rewrite_stem  # noqa: E402
from runtime.stages.letterbox import to_blob  # noqa: E402


@pytest.fixture(autouse=True)
def _no_grad() -> Iterator[None]:
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    yield
    torch.set_grad_enabled(True)


def test_focus_takes_every_other_pixel() -> None:
    focus = Focus(3, 4, 3).eval()
    x = torch.rand(2, 3, 8, 12)
    squares = [x[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
    torch.testing.assert_close(focus(x), focus.conv(torch.cat(squares, 1)))


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_focus_is_one_convolution(kernel: int) -> None:
    layers: networks.Layers = [(-1, Focus(3, 5, kernel))]
    networks.head(layers, [-1], [5], [8])
    model: Any = networks.DetectionModel(layers, networks.NAMES).eval()
    x = torch.rand(2, 3, 16, 12)
    fold_batchnorm(model)
    (expected,) = model(x)
    assert rewrite_stem(model, "conv") == 1
    assert model.model[0].conv.kernel_size == (2 * kernel, 2 * kernel)
    torch.testing.assert_close(model(x)[0], expected)


def test_contract_and_expand_are_inverse() -> None:
    x = torch.rand(2, 4, 6, 8)
    folded = Contract(2)(x)
    assert folded.shape == (2, 16, 3, 4)
    for row in range(2):
        for column in range(2):
            first = 4 * (2 * row + column)
            assert torch.equal(folded[:, first : first + 4], x[..., row::2, column::2])
    assert torch.equal(Expand(2)(folded), x)


def test_sppf_is_spp() -> None:
    spp, sppf = layers.SPP(8, 8, (5, 9, 13)).eval(), layers.SPPF(8, 8, 5).eval()
    sppf.load_state_dict(spp.state_dict())
    x = torch.rand(1, 8, 20, 20)
    torch.testing.assert_close(spp(x), sppf(x))


def test_attention_is_multihead_attention() -> None:
    layer = TransformerLayer(16, 4).eval()
    nn.init.normal_(layer.ma.in_proj_bias)
    nn.init.normal_(layer.ma.out_proj.bias)
    q, k, v = torch.rand(3, 2, 10, 16)
    expected, _ = layer.ma(*(x.transpose(0, 1) for x in (q, k, v)))  # PyTorch's goes by (length, N, C)
    torch.testing.assert_close(layer.attention(q, k, v), expected.transpose(0, 1))


def test_transformer_block_sees_pixels_as_tokens() -> None:
    block: Any = TransformerBlock(8, 16, 4, 2).eval()
    x = torch.rand(2, 8, 3, 5)
    y = block.conv(x)
    tokens = y.flatten(2).permute(2, 0, 1)
    tokens = tokens + block.linear(tokens)
    for layer in block.tr:
        tokens = layer.ma(layer.q(tokens), layer.k(tokens), layer.v(tokens))[0] + tokens
        tokens = layer.fc2(layer.fc1(tokens)) + tokens
    torch.testing.assert_close(block(x), tokens.permute(1, 2, 0).reshape(2, 16, 3, 5))


@pytest.mark.parametrize("stride", [1, 2])
def test_shuffled_channels_alternate(stride: int) -> None:
    block: Any = layers.ShuffleV2Block(8, 8, stride).eval()
    x = torch.rand(2, 8, 6, 10)
    first, second = (x, x) if stride == 2 else (x[:, :4], x[:, 4:])
    first, second = block.branch1(first), block.branch2(second)
    y = block(x)
    assert y.shape == (2, 8, 6 // stride, 10 // stride)
    assert torch.equal(y[:, ::2], first)
    assert torch.equal(y[:, 1::2], second)


def test_attention_over_pixels() -> None:
    layer = layers.Attention(16, 2).eval()
    x = torch.rand(2, 16, 3, 5)
    # by head: 4 channels of q, 4 of k, 8 of v, each over 15 pixels
    q, k, v = layer.qkv(x).view(2, 2, 16, 15).split([4, 4, 8], 2)
    mixed = nn.functional.scaled_dot_product_attention(*(part.transpose(2, 3) for part in (q, k, v)))
    expected = mixed.transpose(2, 3).reshape(2, 16, 3, 5) + layer.pe(v.reshape(2, 16, 3, 5))
    torch.testing.assert_close(layer(x), layer.proj(expected))


def test_c2f_joins_what_every_block_gives() -> None:
    block: Any = layers.C2f(8, 12, 2).eval()
    x = torch.rand(1, 8, 4, 4)
    first, second = block.cv1(x)[:, :6], block.cv1(x)[:, 6:]
    third = block.m[0](second)
    joined = torch.cat((first, second, third, block.m[1](third)), 1)
    torch.testing.assert_close(block(x), block.cv2(joined))


def test_sppf_of_the_package_ultralytics() -> None:
    """It keeps the number of pools, and may add the input."""
    sppf: Any = layers.SPPF(8, 8, 5).eval()
    x = torch.rand(1, 8, 20, 20)
    expected = sppf(x)
    sppf.n, sppf.add = 3, False
    assert torch.equal(sppf(x), expected)
    sppf.add = True
    assert torch.equal(sppf(x), x + expected)


def test_anchor_free_channels_are_distances_then_classes() -> None:
    head: Any = layers.AnchorFreeDetect(3, [8, 12], (8, 16), reg_max=4).eval()
    features = [torch.rand(1, 8, 4, 6), torch.rand(1, 12, 2, 3)]
    for level, output in enumerate(head(features)):
        assert torch.equal(output[:, :16], head.cv2[level](features[level]))
        assert torch.equal(output[:, 16:], head.cv3[level](features[level]))


def test_classifier_takes_the_mean_over_the_map() -> None:
    head: Any = layers.Classify(6, 4, 10).eval()
    x = torch.rand(2, 6, 5, 7)
    (logits,) = head([x[:, :2], x[:, 2:]])
    torch.testing.assert_close(logits, head.linear(head.conv(x).mean((2, 3))))


def test_weighted_sum() -> None:
    layer = layers.Sum(3, weight=True)
    a, b, c = torch.rand(3, 1, 2, 4, 4)
    wb, wc = (torch.sigmoid(layer.w) * 2).tolist()
    torch.testing.assert_close(layer([a, b, c]), a + wb * b + wc * c)
    torch.testing.assert_close(layers.Sum(3)([a, b, c]), a + b + c)


@pytest.mark.parametrize("stem", ["permute", "conv", "fold"])
@pytest.mark.parametrize("kind", networks.KINDS)
def test_rewriting_changes_nothing(kind: str, stem: Stem) -> None:
    model = networks.build(kind)
    image = picture(128, 256)
    expected = model(torch.from_numpy(to_blob(image)))
    fold_batchnorm(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    replace_layers(model)
    assert not any(isinstance(module, nn.SiLU | nn.Hardswish) for module in model.modules())
    fold = rewrite_stem(model, stem)
    assert fold == (2 if stem == "fold" and kind not in networks.UNFOLDED else 1)
    for head, reference in zip(model(torch.from_numpy(to_blob(image, fold))), expected, strict=True):
        np.testing.assert_allclose(head, reference, atol=1e-4 * float(reference.abs().max()))


def test_training_works_on_the_same_layers() -> None:
    torch.set_grad_enabled(True)
    model = networks.build("v7.0").train()
    heads = model(torch.rand(2, 3, 64, 64))
    assert [tuple(head.shape) for head in heads] == [(2, 24, 8, 8), (2, 24, 4, 4), (2, 24, 2, 2)]
    sum(head.square().mean() for head in heads).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())
