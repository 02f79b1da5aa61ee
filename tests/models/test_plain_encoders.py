"""Plain vision transformers as encoders, and backbones that require certain image sizes."""

import pytest
import timm
import torch
import torch.nn.functional as F

from taskscape.models import CONFIGS, NAMES, build
from taskscape.models.layers.encoder import Encoder, EncoderConfig
from taskscape.models.layers.plain_backbone import PlainBackbone
from taskscape.models.layers.pyramid import Pyramid
from taskscape.models.layers.traits import traits

SMALL = ["test_vit", "vit_tiny_patch16_224", "vit_small_patch14_dinov2", "vit_tiny_patch16_dinov3_qkvb"]
SIGLIP = "vit_base_patch16_siglip_224"
OPTIONS = {"deeplab-fully-branched": {"wide_tasks": ("semseg",)}, "xtask": {"class_tasks": ("semseg",)}}
WITH_ENCODERS = [name for name in NAMES if issubclass(CONFIGS[name], EncoderConfig) and name != "resnet-mtan"]


@pytest.mark.parametrize("name", [*SMALL, "vit_tiny_patch16_224.augreg_in21k"])
def test_features_are_those_of_timm(name: str) -> None:
    """For images of whole patches, as many as in the model's training or not."""
    torch.manual_seed(0)
    encoder = Encoder(name).eval()
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=0, dynamic_img_size=True).eval()
    patch = traits(name).step
    depths = [len(model.blocks) * quarter // 4 - 1 for quarter in (1, 2, 3, 4)]
    for height, width in ((4, 6), model.patch_embed.grid_size)[: 2 if name == "test_vit" else 1]:
        image = torch.rand(1, 3, height * patch, width * patch)
        with torch.no_grad():
            maps = encoder.maps(image)
            expected = model.forward_intermediates(
                encoder.normalize(image), indices=depths, norm=True, intermediates_only=True
            )
        assert len(maps) == 4 and maps[0].shape == (1, encoder.channels[0], height, width)
        assert all(torch.equal(x, y) for x, y in zip(maps, expected, strict=True))


def test_a_larger_model_of_each_kind_is_read_at_the_same_depths() -> None:
    with torch.device("meta"):
        assert PlainBackbone(SIGLIP).depths == [2, 5, 8, 11]
        assert PlainBackbone("vit_large_patch16_dinov3").depths == [5, 11, 17, 23]
    assert traits(SIGLIP).is_plain and traits("vit_large_patch16_dinov3").is_plain


def test_the_classifier_is_not_there() -> None:
    """All parameters of an encoder are trained."""
    for name in ("test_vit", "test_vit3", "vit_tiny_patch16_dinov3_qkvb"):
        encoder = Encoder(name)
        torch.stack([x.square().mean() for x in encoder(torch.rand(1, 3, 64, 64))]).sum().backward()
        assert not [key for key, parameter in encoder.named_parameters() if parameter.grad is None]


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_levels_of_a_plain_transformer(output_stride: int) -> None:
    encoder = Encoder("test_vit", output_stride)
    strides = {8: (2, 4, 8, 8, 8), 16: (2, 4, 8, 16, 16), 32: (2, 4, 8, 16, 32)}[output_stride]
    assert encoder.strides == strides and encoder.channels == (64,) * 5
    levels = list(encoder(torch.rand(1, 3, 75, 130)))
    assert [tuple(x.shape[-2:]) for x in levels] == [(-(-75 // s), -(-130 // s)) for s in strides]
    assert encoder.level(output_stride) == 4


def test_levels_cover_the_image_whatever_its_size() -> None:
    """A ramp over the image is a ramp over every level, up to its edges."""
    ramp = torch.linspace(0, 1, 200).view(1, 1, 1, 200).expand(1, 1, 90, 200)
    for patch in (14, 16):
        grown = F.interpolate(ramp, [-(-n // patch) * patch for n in (90, 200)], mode="bilinear")
        maps = [F.avg_pool2d(grown, patch)]
        for level, stride in zip(Pyramid(maps, (0, 0), (4, 8), (90, 200)), (4, 8), strict=True):
            middle = F.interpolate(ramp, level.shape[-2:], mode="area")
            edge = -(-patch // stride) + 1
            assert (level - middle)[..., edge:-edge].abs().max() < 1 / 200


@pytest.mark.parametrize("network", WITH_ENCODERS)
def test_every_network_stands_on_a_plain_transformer(network: str) -> None:
    built = build(network, {"semseg": 3, "depth": 1}, encoder="test_vit", **OPTIONS.get(network, {}))
    outputs = built(torch.rand(2, 3, 45, 70))
    assert {task: tuple(raw.shape) for task, raw in outputs.final.items()} == {
        "semseg": (2, 3, 45, 70),
        "depth": (2, 1, 45, 70),
    }
    maps = [raw for role in (outputs.final, *outputs.auxiliary.values()) for raw in role.values()]
    torch.stack([raw.square().mean() for raw in maps]).sum().backward()
    assert not [key for key, parameter in built.named_parameters() if parameter.grad is None]


@pytest.mark.parametrize(
    ("name", "size", "step"),
    [
        ("hiera_tiny_224", (224, 224), 1),  # positions of a fixed size
        ("mambaout_femto", None, 1),  # channels come last
        ("dla34", None, 32),
        ("convit_tiny", (224, 224), 16),  # plain, positions of a fixed size
        ("resnet10t", None, 1),
    ],
)
def test_backbones_that_are_particular(name: str, size: tuple[int, int] | None, step: int) -> None:
    assert (traits(name).size, traits(name).step) == (size, step)
    encoder = Encoder(name).eval()
    with torch.no_grad():
        levels = list(encoder(torch.rand(1, 3, 75, 130)))
    assert [tuple(x.shape) for x in levels] == [
        (1, channels, -(-75 // stride), -(-130 // stride))
        for channels, stride in zip(encoder.channels, encoder.strides, strict=True)
    ]


def test_asking_for_traits_draws_no_random_numbers() -> None:
    before = torch.random.get_rng_state()
    traits.cache_clear()
    traits("test_vit"), traits("resnet10t")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_dpt_learns_its_reassembly() -> None:
    """Each decoder has maps at strides of a quarter, a half, one and two patches; a pyramid is used unchanged."""
    network = build("dpt", {"depth": 1}, encoder="test_vit", width=8)
    decoder = network.branches["depth"]
    sizes = [tuple(part(torch.rand(1, 64, 6, 10)).shape) for part in decoder.reassembly]
    assert sizes == [(1, 8, 24, 40), (1, 8, 12, 20), (1, 8, 6, 10), (1, 8, 3, 5)]
    on_a_pyramid = build("dpt", {"depth": 1}, encoder="resnet10t", width=8)
    assert [part.kernel_size for part in on_a_pyramid.branches["depth"].reassembly] == [(3, 3)] * 4
    with pytest.raises(ValueError, match="features at stride 4"):
        build("dpt", {"depth": 1}, encoder="efficientvit_m0")


def test_published_sizes_of_dpt() -> None:
    """A ViT-S with two decoders, as in the documentation."""
    with torch.device("meta"):
        network = build("dpt", {"semseg": 19, "depth": 1})
        encoder = timm.create_model("vit_small_patch16_224", num_classes=0)
    assert sum(p.numel() for p in network.parameters()) == 31_098_708
    assert sum(p.numel() for p in network.encoder.parameters()) == sum(p.numel() for p in encoder.parameters())
