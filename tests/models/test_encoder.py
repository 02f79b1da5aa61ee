"""Encoders: any timm backbone, with its channels and strides; weights from files."""

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from taskscape.models import build
from taskscape.models.layers.depthwise import depthwise_in_float32
from taskscape.models.layers.encoder import Encoder
from taskscape.selfcheck.apply import Remedy, remedy_layer, remedy_of

OUTPUTS = {"semseg": 3, "depth": 1}


@pytest.mark.parametrize(
    "name", ["resnet10t", "mobilenetv3_small_050", "efficientnet_b0", "convnext_atto", "regnetx_002"]
)
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_levels_are_as_large_as_they_say(name: str, output_stride: int) -> None:
    encoder = Encoder(name, output_stride).eval()
    with torch.no_grad():
        pyramid = encoder(torch.rand(1, 3, 75, 130))
    assert max(encoder.strides) == output_stride
    assert [tuple(level.shape) for level in pyramid] == [
        (1, channels, -(-75 // stride), -(-130 // stride))
        for channels, stride in zip(encoder.channels, encoder.strides, strict=True)
    ]


def test_patches_cover_the_image() -> None:
    """Including its last row and column if its sides are not multiples of the patch size."""
    image = torch.rand(1, 3, 75, 130, requires_grad=True)
    for level in Encoder("convnext_atto").eval()(image):
        (gradient,) = torch.autograd.grad(level.square().sum(), image, retain_graph=True)
        assert gradient[..., -1, :].abs().sum() > 0 and gradient[..., -1].abs().sum() > 0


def test_maps_are_remembered_for_one_tensor() -> None:
    """Not for a view of the same memory, such as the transposed image."""
    encoder, image = Encoder("test_resnet").eval(), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        computed = encoder.maps(image.mT)[-1]
        encoder.remember(image, dict(enumerate(encoder.maps(image))))
        assert torch.equal(encoder.maps(image.mT)[-1], computed)


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_050", "tf_efficientnet_lite0", "convnext_atto"])
def test_stages_coarser_than_wanted_are_left_out(name: str) -> None:
    torch.manual_seed(0)
    whole = Encoder(name).eval()
    torch.manual_seed(0)
    part = Encoder(name, coarsest=16).eval()
    part.load_state_dict(whole.state_dict(), strict=False)
    image = torch.rand(1, 3, 64, 128)
    with torch.no_grad():
        levels, wanted = part(image), whole(image)
    assert part.strides == tuple(stride for stride in whole.strides if stride <= 16)
    assert len(levels) == len(part.channels) == len(part.strides)
    assert all(torch.equal(a, b) for a, b in zip(levels, wanted, strict=False))
    trained = build("deeplab-joint", OUTPUTS, encoder=name, coarsest=16, output_stride=32, rates=(1, 2)).train()
    sum(raw.sum() for raw in trained(image.expand(2, -1, -1, -1)).final.values()).backward()
    assert all(parameter.grad is not None for parameter in trained.parameters())


@pytest.mark.parametrize("network", ["deeplab-plain", "deeplab-joint", "deeplab-branched"])
@pytest.mark.parametrize("encoder", ["mobilenetv3_small_050", "convnext_atto"])
def test_networks_stand_on_other_backbones(network: str, encoder: str) -> None:
    final = build(network, OUTPUTS, encoder=encoder, output_stride=16).eval()(torch.rand(1, 3, 50, 70)).final
    assert {task: tuple(raw.shape) for task, raw in final.items()} == {
        "semseg": (1, 3, 50, 70),
        "depth": (1, 1, 50, 70),
    }


def test_images_are_normalized_as_the_backbone_was_trained() -> None:
    encoder = Encoder("resnet10t")
    mean, std = (torch.tensor(encoder.backbone.pretrained_cfg[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    torch.testing.assert_close(encoder.normalize(mean.expand(1, 3, 4, 4)), torch.zeros(1, 3, 4, 4))
    torch.testing.assert_close(encoder.normalize(mean + std), torch.ones(1, 3, 1, 1))


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_weights_come_from_a_file(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(0)
    trained = timm.create_model("resnet10t", num_classes=7)
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save(trained.state_dict(), path)
    else:
        save_file(trained.state_dict(), path)
    encoder = Encoder("resnet10t", 16, path)
    own = encoder.backbone.state_dict()
    assert own
    for name, weight in own.items():
        assert torch.equal(weight, trained.state_dict()[name])


def test_bad_encoders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"encoder: timm has no weights 'nonsense' of resnet18; it has .*a1_in1k"):
        Encoder("resnet18.nonsense", output_stride=16)
    with pytest.raises(ValueError, match=r"timm has no model 'resnet19'; did you mean resnet18"):
        Encoder("resnet19")
    with pytest.raises(ValueError, match=r"network\.pretrained: .*none\.pth is not there: name a weights file"):
        Encoder("resnet10t", pretrained=tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(ValueError, match=r"network\.pretrained: .*text\.pth is damaged, not a weights file"):
        Encoder("resnet10t", pretrained=tmp_path / "text.pth")
    torch.save(timm.create_model("mobilenetv3_small_050").state_dict(), tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth does not hold weights of resnet10t: \d+ of 84 tensors fit"):
        Encoder("resnet10t", pretrained=tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"features at stride 4, but this encoder has them at \(16, 32, 64"):
        build("deeplab-joint", OUTPUTS, encoder="efficientvit_m0", output_stride=32)
    with pytest.raises(ValueError, match=r"pvt_v2_b0 cannot be built with output_stride 16.*set it to 32"):
        build("deeplab-joint", OUTPUTS, encoder="pvt_v2_b0", output_stride=16)
    with pytest.raises(ValueError, match=r"test_vit has no stages; choose a ResNet"):
        build("resnet-mtan", OUTPUTS, encoder="test_vit")


def test_depthwise_convolutions_compute_in_float32_on_a_cpu() -> None:
    torch.manual_seed(0)
    depthwise, grouped = nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 3, groups=2)
    image = torch.rand(2, 8, 6, 6)
    exact = depthwise(image)
    depthwise_in_float32(nn.ModuleList([depthwise, grouped]))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(depthwise(image.bfloat16()), depthwise(image.bfloat16().float()))
        assert depthwise(image).dtype == torch.float32 and grouped(image).dtype == torch.bfloat16
        assert torch.equal(depthwise(image), exact)
    assert torch.equal(copy.deepcopy(depthwise)(image), exact)
    assert isinstance(depthwise, nn.Conv2d) and set(depthwise.state_dict()) == {"weight", "bias"}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
@pytest.mark.parametrize("remedy", [None, "contiguous", "float32"])
def test_changed_convolutions_are_copied_and_pickled(
    remedy: Remedy | None, copied: Callable[[nn.Module], nn.Module]
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(8, 8, 3, groups=8)
    depthwise_in_float32(layer)
    if remedy is not None:
        remedy_layer(layer, remedy)
    other = copied(layer)
    assert type(other) is type(layer) and remedy_of(other) == remedy
    image = torch.rand(2, 8, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(other(image), layer(image))
    nn.init.zeros_(other.weight)  # type: ignore[arg-type]
    assert layer.weight.any()
    shallow = copy.copy(layer)
    shallow.padding_mode = "circular"
    assert type(shallow) is type(layer) and layer.padding_mode == "zeros"


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 6, 5, padding=2, groups=6),
        nn.Conv2d(6, 6, (5, 7), 2, (2, 3), groups=6, bias=False),
        nn.Conv2d(6, 6, 5, padding=4, dilation=2, groups=6),
        timm.layers.Conv2dSame(6, 6, 5, 2, groups=6),
    ],
)
@pytest.mark.parametrize("size", [(8, 12), (4, 5), (72, 68)])
def test_quick_gradients_of_depthwise_convolutions_are_those_of_torch(layer: nn.Conv2d, size: tuple[int, int]) -> None:
    """Small and large maps, strides, dilation, and padding as TensorFlow does it."""
    torch.manual_seed(0)
    quick = copy.deepcopy(layer)
    depthwise_in_float32(nn.Sequential(quick))
    image = torch.rand(3, 6, *size).contiguous(memory_format=torch.channels_last).requires_grad_()
    expected = layer(image)
    with torch.autocast("cpu", torch.bfloat16):
        found = quick(image)
    direction = torch.randn_like(expected)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, [image, *quick.parameters()], direction),
        torch.autograd.grad(expected, [image, *layer.parameters()], direction),
        rtol=1e-4,
        atol=1e-4,
    )


def test_building_a_network_keeps_no_other_one_alive() -> None:
    """Not even one in a reference cycle, which the garbage collector must find."""
    network = build("deeplab-joint", OUTPUTS, encoder="test_resnet", width=16)
    vars(network)["itself"] = network
    reference = weakref.ref(network)
    build("deeplab-joint", OUTPUTS, encoder="test_resnet", width=16)
    del network
    gc.collect()
    assert reference() is None
