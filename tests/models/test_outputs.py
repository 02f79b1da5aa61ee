"""Inputs and outputs of networks: images by one rule, maps by the name of the task."""

import pytest
import torch

from taskscape import models

CHANNELS = {"semseg": 5, "depth": 1}


@pytest.fixture(scope="module")
def network() -> models.Network:
    torch.manual_seed(0)
    return models.build("segnet-split", CHANNELS, widths=(4, 8)).eval()


def test_outputs_are_read_by_the_tasks_name(network: models.Network) -> None:
    outputs = network(torch.rand(2, 3, 16, 24))
    assert outputs["semseg"] is outputs.final["semseg"]
    assert "depth" in outputs and "normals" not in outputs
    assert dict(outputs) == dict(outputs.items()) == outputs.final
    assert list(outputs.keys()) == list(CHANNELS) and list(outputs.values()) == list(outputs.final.values())
    final, auxiliary, shared = outputs  # a named tuple of three parts, for compilation and export
    assert (final, auxiliary, shared) == (outputs[0], outputs.auxiliary, outputs.shared)
    assert "semseg: float32 (2, 5, 16, 24)" in repr(outputs) and len(repr(outputs)) < 400
    with pytest.raises(KeyError, match="did you mean semseg"):
        outputs["semsge"]


def test_uint8_is_divided_by_255(network: models.Network) -> None:
    image = torch.randint(256, (2, 3, 16, 24), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(network(image)["depth"], network(image / 255)["depth"])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.rand(2, 3, 16, 24) * 255, r"… 25.*divide"),
        (torch.zeros(2, 3, 16, 24, dtype=torch.int64), "int64: give uint8"),
        (torch.rand(3, 16, 24), r"\(3, 16, 24\).*unsqueeze"),
        (torch.rand(2, 16, 24, 3), r"\(2, 16, 24, 3\).*permute"),
        (torch.rand(2, 1, 16, 24), r"\(2, 1, 16, 24\).*RGB"),
    ],
)
def test_other_images_are_refused(network: models.Network, image: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(image)
