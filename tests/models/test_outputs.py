"""Inputs and outputs of networks: images by one rule, maps by the name of the task."""

import warnings
from typing import Any

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
        (torch.full((2, 3, 16, 24), torch.nan), "nan … nan: it must not have NaN"),
        (torch.rand(2, 3, 16, 24).index_fill(3, torch.tensor(0), torch.inf), "… inf: it must not have NaN or infinite"),
    ],
)
def test_other_images_are_refused(network: models.Network, image: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(image)


def test_normalized_images_are_reported(network: models.Network) -> None:
    """Networks normalize images themselves; normalized twice, they give plausible but worse predictions."""
    with pytest.warns(UserWarning, match="as if it were normalized: give RGB in 0..1"):
        network((torch.rand(2, 3, 16, 24) - 0.45) / 0.22)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network(torch.rand(2, 3, 16, 24) * 1.4 - 0.2)  # resized by a filter that overshoots


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", ["segnet-split", "deeplab-plain"])
def test_images_are_converted_to_the_type_of_the_network(name: str, dtype: torch.dtype) -> None:
    options: dict[str, Any] = {"widths": (4, 8)} if name == "segnet-split" else {"encoder": "resnet10t"}
    network = models.build(name, CHANNELS, **options).eval()
    image = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        expected = network(image)["depth"]
        torch.testing.assert_close(network((image / 255).to(torch.float64))["depth"], expected)
        converted = network.to(dtype)
        for given in (image, image / 255):
            assert converted(given)["depth"].dtype == dtype
    torch.testing.assert_close(converted(image)["depth"].float(), expected, atol=0.1, rtol=0.1)


@pytest.mark.parametrize("task", ["", "a.b", "type", "train", "keys"])
def test_names_that_torch_uses_are_refused(task: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a task, since torch uses it"):
        models.build("deeplab-plain", {task: 1}, encoder="resnet10t")


def test_an_unknown_network_is_answered_with_the_list_of_all() -> None:
    with pytest.raises(ValueError, match=r"no network 'unet'; see taskscape.models.NAMES"):
        models.build("unet", CHANNELS)
