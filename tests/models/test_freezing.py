"""Encoders that are frozen completely or up to a stage."""

import pytest
import torch
from torch import nn

from taskscape.models import DeeplabJointConfig, build
from taskscape.models.layers.encoder import Encoder, Freeze

CHANNELS = {"semseg": 3, "depth": 1}


def frozen(encoder: Encoder) -> set[str]:
    return {name for name, parameter in encoder.backbone.named_parameters() if not parameter.requires_grad}


@pytest.mark.parametrize(
    ("name", "freeze", "first_trained"),
    [
        ("resnet18", 0, "layer1."),
        ("resnet18", 2, "layer3."),
        ("tf_efficientnet_lite0", 3, "blocks.3."),
        ("convnext_atto", 1, "stages_1."),
        ("test_vit", 2, "model.blocks.2."),
    ],
)
def test_stages_are_frozen_from_the_image_on(name: str, freeze: int, first_trained: str) -> None:
    encoder = Encoder(name, freeze=freeze)
    names = [key for key, _ in encoder.backbone.named_parameters()]
    trained = next(index for index, key in enumerate(names) if key not in frozen(encoder))
    assert names[trained].startswith(first_trained)
    assert frozen(encoder) == set(names[:trained])


def test_all_stages_and_more() -> None:
    assert len(frozen(Encoder("resnet10t", freeze=4))) == len(list(Encoder("resnet10t").parameters()))
    assert not frozen(Encoder("resnet10t"))
    with pytest.raises(ValueError, match=r"network\.freeze is 5: resnet10t has 4 stages after its stem"):
        Encoder("resnet10t", freeze=5)
    with pytest.raises(ValueError, match=r"freeze is -1: it must be at least 0"):
        DeeplabJointConfig(freeze=-1)
    with pytest.raises(ValueError, match=r"network\.freeze is 2 and network\.lora 4: adapters freeze all"):
        DeeplabJointConfig(freeze=2, lora=4)


def test_what_is_frozen_is_said() -> None:
    encoder = Encoder("resnet10t", freeze=2)
    trained = sum(p.numel() for p in encoder.parameters() if p.requires_grad)
    assert encoder.note.startswith(f"{trained:,} of {sum(p.numel() for p in encoder.parameters()):,} parameters of the")
    assert encoder.note.endswith("the others keep random values unless --from loads them")


@pytest.mark.parametrize("freeze", ["all", 2])
@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "test_vit"])
def test_training_leaves_what_is_frozen_as_it_is(name: str, freeze: Freeze) -> None:
    """Weights and batch norm statistics stay the same bit for bit, with weight decay."""
    torch.manual_seed(0)
    network = build("deeplab-branched", CHANNELS, encoder=name, freeze=freeze)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.1)
    network.eval()
    network.train()
    for _ in range(2):
        optimizer.zero_grad()
        final = network(torch.rand(2, 3, 64, 64)).final
        torch.stack([raw.square().mean() for raw in final.values()]).sum().backward()
        optimizer.step()
    held = {key for key, parameter in network.named_parameters() if not parameter.requires_grad}
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert held and not held & changed
    assert {key for key, _ in network.named_parameters()} - held <= changed
    assert all(network.get_parameter(key).grad is None for key in held)
    for key, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (f"{key}.running_mean" in changed) == module.weight.requires_grad
            assert module.training == module.weight.requires_grad


def test_what_is_frozen_computes_the_same_in_training() -> None:
    """Drop path and batch norm behave as in evaluation mode."""
    encoder = Encoder("resnet10t", freeze="all")
    image = torch.rand(2, 3, 64, 64)
    levels = [x for mode in (True, False) for x in encoder.train(mode)(image)]
    assert all(torch.equal(x, y) and not x.requires_grad for x, y in zip(levels[:5], levels[5:], strict=True))
