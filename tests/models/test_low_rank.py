"""Low-rank adapters: no effect at first, a product of two matrices after training, and removed by merging."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from taskscape.models import DeeplabPlainConfig, Network, build, merge_low_rank
from taskscape.models.layers.encoder import Encoder
from taskscape.models.layers.low_rank import LowRank
from taskscape.serialization import structure, unstructure
from taskscape.state_dicts import match, save_safetensors

CHANNELS = {"depth": 1}
IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
KINDS = {
    "test_vit": {},
    "vit_tiny_patch16_dinov3_qkvb": {},
    "beit_base_patch16_224": {},  # its attention reads the weight itself
    "resnet10t": {"lora_layers": "convolutions"},
    "tf_efficientnet_lite0": {"lora_layers": "convolutions"},
}


def network(encoder: str = "test_vit", lora: int = 2, **options: object) -> Network:
    torch.manual_seed(1)
    return build("deeplab-plain", CHANNELS, encoder=encoder, lora=lora, output_stride=32, **options).eval()


def trained(encoder: str = "test_vit", lora: int = 2, **options: object) -> Network:
    """Return a network as after training, with changed adapters."""
    result = network(encoder, lora, **options)
    for module in result.modules():
        if isinstance(module, LowRank):
            torch.nn.init.normal_(module.up, std=0.02)
    return result


def depth(of: Network) -> Tensor:
    with torch.no_grad():
        return of(IMAGE)["depth"]


@pytest.mark.parametrize("encoder", KINDS)
def test_adapters_are_nothing_at_first_and_merge_to_the_same(encoder: str) -> None:
    torch.manual_seed(1)
    plain = build("deeplab-plain", CHANNELS, encoder=encoder, output_stride=32).eval()
    adapted = network(encoder, **KINDS[encoder])
    fitting = match(adapted.state_dict(), plain.state_dict())
    assert len(fitting.tensors) == len(plain.state_dict()) and not fitting.unused
    adapted.load_state_dict(fitting.tensors, strict=False)
    assert torch.equal(depth(adapted), depth(plain))

    for module in adapted.modules():
        if isinstance(module, LowRank):
            torch.nn.init.normal_(module.up, std=0.02)
    expected = depth(adapted)
    assert not torch.equal(expected, depth(plain))
    merge_low_rank(adapted)
    torch.testing.assert_close(depth(adapted), expected)
    assert adapted.state_dict().keys() == plain.state_dict().keys()


def test_only_adapters_of_the_encoder_are_trained() -> None:
    adapted = network(lora=3)
    encoder = adapted.encoder
    assert isinstance(encoder, Encoder)
    trained = {key: tuple(p.shape) for key, p in encoder.named_parameters() if p.requires_grad}
    assert len(trained) == 6 * 2 * 2  # blocks, layers per attention, matrices
    layer = "backbone.model.blocks.0.attn.qkv.parametrizations.weight"
    assert trained[f"{layer}.0.down"] == (3, 64) and trained[f"{layer}.0.up"] == (192, 3)
    assert not encoder.backbone.get_parameter("model.blocks.0.attn.qkv.parametrizations.weight.original").requires_grad
    loss = adapted.train()(IMAGE)["depth"].square().mean()
    loss.backward()
    assert all(p.grad is not None for p in adapted.parameters() if p.requires_grad)
    assert {id(p) for p in adapted.shared_parameters()} >= {id(p) for p in encoder.parameters() if p.requires_grad}


def test_1x1_convolutions_get_adapters() -> None:
    encoder = Encoder("tf_efficientnet_lite0", lora=2, lora_layers="convolutions")
    shapes = [tuple(p.shape) for key, p in encoder.named_parameters() if key.endswith(".up")]
    assert len(shapes) == 31 and all(shape[1] == 2 for shape in shapes)


def test_encoders_without_such_layers_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"no layers of the kind 'attention'; set network\.lora_layers to convolutions"
    ):
        Encoder("tf_efficientnet_lite0", lora=2)
    with pytest.raises(ValueError, match=r"set network\.lora_layers to attention"):
        Encoder("test_vit", lora=2, lora_layers="convolutions")


def test_a_run_with_adapters_gives_its_merged_weights_to_others(tmp_path: Path) -> None:
    """To a network without adapters, and to one with other adapters, which start without effect."""
    adapted = trained()
    save_safetensors(tmp_path / "best.safetensors", adapted.state_dict())
    for options in ({"lora": 0}, {"lora": 4}):
        other = network(pretrained=tmp_path, **options)
        heads = {key: value for key, value in adapted.state_dict().items() if not key.startswith("encoder.")}
        other.load_state_dict(heads, strict=False)
        torch.testing.assert_close(depth(other), depth(adapted))
    found = match(network(lora=4).state_dict(), adapted.state_dict())
    assert not found.unused and not found.shapes and all("parametrizations.weight.0" in key for key in found.missing)


def test_adapters_keep_float32_under_autocast() -> None:
    adapted = trained()
    layer = adapted.get_submodule("encoder.backbone.model.blocks.0.attn.qkv")
    exact = layer.weight
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.weight, exact) and layer.weight.dtype == torch.float32


def test_saved_settings_are_words_and_numbers() -> None:
    config = DeeplabPlainConfig(encoder="test_vit", freeze=3, lora=0)
    assert structure(unstructure(config), "", DeeplabPlainConfig) == config
    config = DeeplabPlainConfig(encoder="test_vit", freeze="all", lora=8, lora_layers="both")
    assert structure(unstructure(config), "", DeeplabPlainConfig) == config
