"""``--network.pretrained FILE`` loads weights into the encoder or fails, and reports what it did."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from taskscape.models import DeeplabJointConfig, DeeplabPlainConfig, build
from taskscape.models.layers.encoder import Encoder
from taskscape.state_dicts import save_safetensors

NAME = "resnet10t"


def state(name: str = NAME, **options: Any) -> dict[str, Tensor]:
    torch.manual_seed(3)
    return timm.create_model(name, **options).state_dict()


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


WRAPPED: dict[str, Callable[[], Any]] = {
    "plain": state,
    "other head": lambda: state() | {"fc.weight": torch.zeros(7, 512), "fc.bias": torch.zeros(7)},
    "state_dict": lambda: {"epoch": 3, "state_dict": state(), "best": 0.5},
    "model of DDP": lambda: {
        "model": prefixed("module.", state()),
        "optimizer": {"state": {0: {"step": torch.ones(1)}}},
    },
    "backbone": lambda: {"state_dict": prefixed("backbone.", state())},
    "lightning": lambda: {"state_dict": prefixed("model.encoder.", state())},
    "features only": lambda: state(features_only=True),
    "with an average": lambda: {"state_dict": state(), "state_dict_ema": {k: v + 1 for k, v in state().items()}},
    "without counters": lambda: {k: v for k, v in state().items() if not k.endswith("num_batches_tracked")},
}


def assert_filled(encoder: Encoder) -> None:
    expected = {name.replace("_", "."): tensor for name, tensor in state().items()}
    own = encoder.backbone.state_dict()
    assert len(own) > 50
    for name, tensor in own.items():
        assert torch.equal(tensor, expected[name.replace("_", ".")]), name


@pytest.mark.parametrize("case", WRAPPED)
def test_wrappers_and_beginnings_are_understood(tmp_path: Path, case: str) -> None:
    torch.save(WRAPPED[case](), tmp_path / "weights.pth")
    encoder = Encoder(NAME, pretrained=tmp_path / "weights.pth")
    assert_filled(encoder)
    assert "weights.pth fills 84 of 84 tensors of the encoder resnet10t" in encoder.note


def test_what_was_not_used_is_said(tmp_path: Path) -> None:
    save_safetensors(tmp_path / "w.safetensors", state())
    assert Encoder(NAME, pretrained=tmp_path / "w.safetensors").note.endswith("encoder resnet10t; not used: fc")


@pytest.mark.parametrize("name", ["convnext_atto", "efficientnet_b0", "vit_tiny_patch16_224"])
def test_names_that_timm_changes_for_features(tmp_path: Path, name: str) -> None:
    weights = state(name)
    save_safetensors(tmp_path / "w.safetensors", weights)
    encoder = Encoder(name, pretrained=tmp_path / "w.safetensors")
    known = {key.replace("_", "."): tensor for key, tensor in weights.items()}
    for key, tensor in encoder.backbone.state_dict().items():
        assert torch.equal(tensor, known[key.removeprefix("model.").replace("_", ".")])


def test_another_network_of_taskscape_gives_its_encoder(tmp_path: Path) -> None:
    torch.manual_seed(5)
    other = build("deeplab-plain", {"depth": 1}, encoder=NAME)
    for path in (tmp_path / "best.safetensors", tmp_path):  # the file, or the folder of the run
        save_safetensors(tmp_path / "best.safetensors", other.state_dict())
        network = build("deeplab-joint", {"semseg": 3, "depth": 1}, encoder=NAME, pretrained=path)
        for name, tensor in other.encoder.backbone.state_dict().items():
            assert torch.equal(network.encoder.backbone.state_dict()[name], tensor)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "one missing": (
        lambda: {k: v for k, v in state().items() if k != "layer2.0.conv1.weight"},
        r"83 of 84 tensors fit, 1 are missing \(layer2\.0\.conv1\)",
    ),
    "one of another shape": (
        lambda: state() | {"layer2.0.conv1.weight": torch.zeros(3)},
        r"83 of 84 tensors fit, 1 are of another shape \(layer2\.0\.conv1\.weight is \(3,\) instead of",
    ),
    "gray": (lambda: state(in_chans=1), r"83 of 84 .*conv1\.0\.weight is \(24, 1, 3, 3\)|83 of 84"),
    "other names": (lambda: {f"w{i}": torch.zeros(1) for i in range(3)}, r"0 of 84 tensors fit, \d+ are missing"),
    "a deeper one": (lambda: state("resnet14t"), r"\d+ of 84 tensors fit"),
    "no tensors": (lambda: {"epoch": 3}, "holds no tensors"),
    "code": (lambda: {"model": Code()}, "could run code"),
    "a whole module": (lambda: torch.nn.Conv2d(1, 1, 1), "could run code.*save the state dict alone"),
}


class Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fill_the_encoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.chdir(tmp_path)
    content, message = REFUSED[case]
    torch.save(content(), tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=rf"network\.pretrained: .*weights\.pth .*{message}"):
        Encoder(NAME, pretrained=tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=message):  # before any data is made
        DeeplabPlainConfig(encoder=NAME, pretrained=tmp_path / "weights.pth").check({})
    assert not (tmp_path / "ran").exists()


def test_a_larger_model_of_the_same_names_is_refused(tmp_path: Path) -> None:
    torch.save(state("resnet34"), tmp_path / "resnet34.pth")
    with pytest.raises(ValueError, match=r"weights of a larger model than resnet18: .*layer1\.2.* would be left out"):
        Encoder("resnet18", pretrained=tmp_path / "resnet34.pth")


def test_files_are_known_by_their_content(tmp_path: Path) -> None:
    """Like those in the hub's cache, whose names are checksums."""
    for name, write in (("blob", save_safetensors), ("w.safetensors", lambda path, tensors: torch.save(tensors, path))):
        write(tmp_path / name, state())
        assert_filled(Encoder(NAME, pretrained=tmp_path / name))


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.bfloat16, torch.float64])
def test_weights_of_other_types_are_taken(tmp_path: Path, kind: torch.dtype) -> None:
    tensors = {key: tensor.to(kind) if tensor.is_floating_point() else tensor for key, tensor in state().items()}
    torch.save(tensors, tmp_path / "w.pth")
    own = Encoder(NAME, pretrained=tmp_path / "w.pth").backbone.state_dict()
    assert all(torch.equal(own[key], tensors[key].to(own[key].dtype)) for key in own)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "it is a Git LFS pointer"),
        (b"\n<!DOCTYPE html>\n<html lang=en>", "it is a web page, perhaps downloaded instead of the file"),
    ],
)
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_what_is_there_in_place_of_weights_is_said(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"network\.pretrained: .*{name} .*{what}"):
        Encoder(NAME, pretrained=tmp_path / name)


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    """torch does not detect it, as it compares no checksums; a file may have none."""
    torch.save(state(), tmp_path / "w.pth")
    content = bytearray((tmp_path / "w.pth").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"w\.pth is damaged.*Bad CRC-32"):
        Encoder(NAME, pretrained=tmp_path / "w.pth")
    computed = torch.serialization.get_crc32_options()
    try:
        torch.serialization.set_crc32_options(False)
        torch.save(state(), tmp_path / "w.pth")
    finally:
        torch.serialization.set_crc32_options(computed)
    assert_filled(Encoder(NAME, pretrained=tmp_path / "w.pth"))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"network\.pretrained: .* is not a trained run, it has no best\.safetensors"):
        DeeplabJointConfig(encoder=NAME, pretrained=tmp_path).check({})


def test_weights_of_another_implementation_fit_in_their_order(tmp_path: Path) -> None:
    torch.save({f"_part.{number}": tensor for number, tensor in enumerate(state().values())}, tmp_path / "w.pth")
    encoder = Encoder(NAME, pretrained=tmp_path / "w.pth")
    assert_filled(encoder)
    tensors = list(state().values())
    torch.save(
        {f"_part.{number}": tensor for number, tensor in enumerate(tensors[1:] + tensors[:1])}, tmp_path / "x.pth"
    )
    with pytest.raises(ValueError, match=r"x\.pth does not hold weights of resnet10t"):
        Encoder(NAME, pretrained=tmp_path / "x.pth")


def test_a_model_that_is_named_gives_its_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the names of released models, in the type in which they were published."""
    from taskscape import released

    torch.manual_seed(5)
    other = build("deeplab-plain", {"depth": 1}, encoder=NAME)
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "experiment.yaml").write_text("")
    halves = {key: value.half() if value.is_floating_point() else value for key, value in other.state_dict().items()}
    save_safetensors(tmp_path / "rooms" / "best.safetensors", halves)
    monkeypatch.setattr(released, "FOLDER", tmp_path)
    monkeypatch.chdir(tmp_path)
    encoder = Encoder(NAME, pretrained="taskscape/rooms")
    for name, tensor in other.encoder.backbone.state_dict().items():
        torch.testing.assert_close(encoder.backbone.state_dict()[name], tensor, rtol=1e-3, atol=1e-6)
    with pytest.raises(ValueError, match=r"network\.pretrained: there is no released model 'taskscape/room'; did you"):
        DeeplabPlainConfig(encoder=NAME, pretrained=Path("taskscape/room")).check({})


def test_positions_of_another_size_are_interpolated(tmp_path: Path) -> None:
    torch.save({"state_dict": state("test_vit", img_size=224)}, tmp_path / "w.pth")
    own = Encoder("test_vit", pretrained=tmp_path / "w.pth").backbone.state_dict()
    theirs = state("test_vit", img_size=224)
    assert own["model.pos_embed"].shape != theirs["pos_embed"].shape
    assert torch.equal(own["model.pos_embed"][:, 0], theirs["pos_embed"][:, 0])  # of the class token
    assert torch.equal(own["model.blocks.0.attn.qkv.weight"], theirs["blocks.0.attn.qkv.weight"])


def test_dinov3_as_it_was_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its authors' names, and with tensors that serve only pretraining."""
    name = "vit_tiny_patch16_dinov3_qkvb"
    weights = {key: torch.randn_like(value) for key, value in state(name, num_classes=0).items()}
    theirs = {}
    for key, value in weights.items():
        layer = key.removesuffix("q_bias")
        if key.endswith("q_bias"):
            theirs[f"{layer}qkv.bias"] = torch.cat([value, torch.zeros_like(value), weights[f"{layer}v_bias"]])
        elif not key.endswith(("v_bias", "k_bias")):
            renamed = key.replace("gamma_1", "ls1.gamma").replace("gamma_2", "ls2.gamma")
            theirs[renamed.replace("reg_token", "storage_tokens")] = value
    theirs |= {"mask_token": torch.zeros(1, 192), "rope_embed.periods": torch.zeros(16)}
    torch.save(theirs, tmp_path / "dinov3.pth")
    encoder = Encoder(name, pretrained=tmp_path / "dinov3.pth")
    for key, tensor in encoder.backbone.state_dict().items():
        assert torch.equal(tensor, weights[key.removeprefix("model.")]), key
    assert capsys.readouterr().out == ""
