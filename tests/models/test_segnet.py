"""Networks of the SegNet family, and MTAN on a ResNet."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from taskscape import models
from taskscape.models.segnet.head import Head
from taskscape.models.segnet.pooling import pool, unpool

NYU = {"semseg": 13, "depth": 1, "normals": 3}
PUBLISHED = [
    ("segnet-single", {"semseg": 13}, 24_981_069),
    ("segnet-single", {"depth": 1}, 24_980_289),
    ("segnet-stan", {"semseg": 13}, 38_185_805),
    ("segnet-stan", {"depth": 1}, 38_185_025),
    ("segnet-split", NYU, 25_055_185),
    ("segnet-split-deep", NYU, 50_807_761),
    ("segnet-split-wide", NYU, 43_934_161),
    ("segnet-cross-stitch", NYU, 74_941_804),
    ("segnet-dense", NYU, 123_699_409),
    ("segnet-mtan", NYU, 44_229_073),
    ("segnet-mtan", {"semseg": 19, "depth": 1}, 41_207_764),
    ("segnet-mtan", {"semseg": 7, "depth": 1}, 41_206_984),
    ("resnet-mtan", NYU, 92_347_921),
]


def parameters(name: str, outputs: dict[str, int], **options: Any) -> int:
    with torch.device("meta"):
        network = models.build(name, outputs, **options)
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("name", "outputs", "published"), PUBLISHED)
def test_has_the_published_size(name: str, outputs: dict[str, int], published: int) -> None:
    assert parameters(name, outputs) == published


@pytest.mark.parametrize("name", ["segnet-single", "segnet-stan"])
def test_single_task_networks_share_nothing(name: str) -> None:
    assert parameters(name, NYU) == sum(parameters(name, {task: channels}) for task, channels in NYU.items())


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 3)])
def test_unpooling_puts_maxima_where_they_were(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size) + 1
    pooled = pool(x)
    assert pooled.features.shape[-2:] == tuple(-(-side // 2) for side in size)
    restored = unpool(pooled.features, pooled)
    assert restored.shape == x.shape
    assert torch.equal(restored[restored > 0], x[restored > 0])
    assert torch.equal(pool(restored).features, pooled.features)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_of_unpooling_is_that_of_torch(dtype: torch.dtype, memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    pooled = pool(torch.randn(2, 3, 5, 7).to(dtype).contiguous(memory_format=memory_format))
    x = torch.randn_like(pooled.features).requires_grad_()
    along = torch.randn(2, 3, 5, 7).to(dtype)
    torchs = F.max_unpool2d(x, pooled.indices, [2, 2], output_size=[5, 7])
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        unpooled = unpool(x, pooled)
    assert unpooled.dtype == dtype and torch.equal(unpooled, torchs)
    (found,) = torch.autograd.grad(unpooled, x, along)
    assert torch.equal(found, *torch.autograd.grad(torchs, x, along))


@pytest.mark.parametrize(("name", "spread"), [("segnet-mtan", "normal"), ("segnet-dense", "uniform")])
def test_weights_are_drawn_by_xavier(name: str, spread: str) -> None:
    torch.manual_seed(0)
    network = models.build(name, NYU, widths=(32, 32, 64))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is not None and not module.bias.any()
    heads = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.weight.shape == (32, 32, 3, 3)]
    weights = torch.cat([head.weight.detach().flatten() for head in heads])
    std = (2 / (2 * 32 * 9)) ** 0.5
    assert weights.std().item() == pytest.approx(std, rel=0.02)
    assert (weights.abs().max() < 3**0.5 * std + 1e-6) == (spread == "uniform")


@pytest.mark.parametrize("channels", [1, 13])
def test_a_head_is_its_two_convolutions(channels: int) -> None:
    torch.manual_seed(0)
    head, x = Head(8, channels).double(), torch.randn(2, 8, 5, 7, dtype=torch.float64, requires_grad=True)
    spatial, mixing = head
    inputs = (x, *head.parameters())
    one, two = head(x), mixing(spatial(x))
    torch.testing.assert_close(one, two)
    along = torch.randn_like(one)
    torch.testing.assert_close(torch.autograd.grad(one, inputs, along), torch.autograd.grad(two, inputs, along))


def test_a_head_rounds_less_in_bf16_than_its_two_convolutions() -> None:
    torch.manual_seed(0)
    head, x = Head(32, 13), torch.randn(2, 32, 16, 16)
    spatial, mixing = head
    exact = mixing(spatial(x))
    with torch.autocast("cpu", torch.bfloat16):
        one, two = head(x), mixing(spatial(x))
    assert one.dtype == torch.bfloat16
    assert (one - exact).norm() < (two - exact).norm()


def test_stitches_begin_at_one() -> None:
    network = models.build("segnet-cross-stitch", NYU, widths=(8,) * 5)
    stitches = {name: p for name, p in network.named_parameters() if "stitches" in name}
    assert len(stitches) == 9 and all(torch.equal(p, torch.ones(3)) for p in stitches.values())


def test_a_task_attends_to_the_same_trunk_as_it_would_alone() -> None:
    torch.manual_seed(0)
    both = models.build("segnet-mtan", {"semseg": 7, "depth": 1}, widths=(8, 8, 16)).eval()
    alone = models.build("segnet-mtan", {"depth": 1}, widths=(8, 8, 16)).eval()
    weights = both.state_dict()
    alone.load_state_dict({name: weights[name] for name in alone.state_dict()})
    image = torch.rand(1, 3, 45, 61)
    with torch.no_grad():
        torch.testing.assert_close(alone(image).final["depth"], both(image).final["depth"])


@pytest.mark.parametrize(("encoder", "stride"), [("resnet26d", 16), ("resnet18", 32)])
def test_resnet_mtan_asks_the_encoder_for_its_stages(encoder: str, stride: int) -> None:
    network = models.build("resnet-mtan", {"depth": 1}, encoder=encoder, output_stride=stride, rates=(2, 3, 4)).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 3, 75, 101)).final["depth"].shape == (1, 1, 75, 101)


@pytest.mark.parametrize("encoder", ["resnet10t", "convnext_atto"])
def test_resnet_mtan_refuses_stages_without_a_last_block(encoder: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match="choose a ResNet"):
        models.build("resnet-mtan", {"depth": 1}, encoder=encoder, output_stride=32)


def test_refuses_no_stages() -> None:
    with pytest.raises(ValueError, match="at least one stage"):
        models.build("segnet-split", {"depth": 1}, widths=())


def test_unpooled_maps_are_as_narrow_as_pooled_ones() -> None:
    pooled = pool(torch.rand(1, 2, 5, 6).bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        unpooled = unpool(pooled.features, pooled)
    assert unpooled.dtype == torch.bfloat16 and unpooled.shape == (1, 2, 5, 6)
