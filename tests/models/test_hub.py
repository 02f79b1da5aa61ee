"""Pretrained weights without a connection: an immediate error with a remedy."""

from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from taskscape import models
from taskscape.models.layers import hub

CHANNELS = {"depth": 1}


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up an empty hub cache and a hub that does not answer."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return tmp_path


def test_an_unreachable_hub_is_asked_once(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    unreachable = hub.unreachable
    monkeypatch.setattr(hub, "unreachable", lambda path: asked.append(path) or unreachable(path))
    with pytest.raises(ValueError, match=r"resnet18.*refused.*Three ways work.*FILE.*RUN"):
        models.DeeplabJoint(CHANNELS, encoder="resnet18", pretrained=True)
    with pytest.raises(ValueError, match="Three ways work"):
        models.DeeplabJointConfig(encoder="resnet18", pretrained=True).check({})
    assert len(asked) == 2


def test_an_offline_hub_is_not_asked(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("asked"))
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE is set"):
        models.DeeplabJointConfig(encoder="resnet18", pretrained=True).check({})


def test_weights_in_the_cache_need_no_connection(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    weights = timm.create_model("resnet10t").state_dict()
    save_file(weights, tmp_path / "weights.safetensors")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(tmp_path / "weights.safetensors"))
    network = models.DeeplabJoint(CHANNELS, encoder="resnet10t", pretrained=True)
    assert torch.equal(network.state_dict()["encoder.backbone.layer1.0.conv1.weight"], weights["layer1.0.conv1.weight"])


def test_a_path_as_text_is_a_path(tmp_path: Path) -> None:
    config = models.DeeplabJointConfig(encoder="resnet10t", pretrained=str(tmp_path / "none.pt"))  # type: ignore[arg-type]
    assert config.pretrained == tmp_path / "none.pt"
    with pytest.raises(ValueError, match=r"none\.pt is not there"):
        models.Encoder("resnet10t", pretrained=str(tmp_path / "none.pt"))


@pytest.mark.parametrize(("typed", "meant"), [("resnet-18", "resnet18"), ("ResNet18", "resnet18")])
def test_a_mistyped_encoder_has_a_nearest_name(typed: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean {meant}[?]"):
        models.Encoder(typed)


def test_weights_of_an_installed_package_need_no_hub(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some_weights").mkdir()
    (tmp_path / "some_weights" / "__init__.py").write_text("")
    torch.manual_seed(0)
    weights = timm.create_model("resnet10t").state_dict()
    torch.save(weights, tmp_path / "some_weights" / "weights.pth")
    monkeypatch.setattr(hub, "_PACKAGES", {"resnet10t": ("some_weights", "weights.pth")})
    assert hub.packaged_weights("resnet10t") is hub.packaged_weights("resnet18") is None
    monkeypatch.syspath_prepend(tmp_path)
    models.DeeplabJointConfig(encoder="resnet10t", pretrained=True).check({})
    network = models.DeeplabJoint(CHANNELS, encoder="resnet10t", pretrained=True)
    assert torch.equal(network.state_dict()["encoder.backbone.layer1.0.conv1.weight"], weights["layer1.0.conv1.weight"])
