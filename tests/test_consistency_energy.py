"""The consistency energy, and samples of networks that transfer predictions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.batch import Batch, Target
from taskscape.evaluation import ConsistencyEnergy, collect_samples
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.models import Network, Outputs
from taskscape.run_folder import RunFolder
from taskscape.runs.account import last_epochs
from taskscape.tasks import Depth, SemanticSegmentation, Task

TASKS: Mapping[str, Task] = {
    "semseg": SemanticSegmentation(CITYSCAPES_2),
    "depth": Depth("meters", mean=0.0, std=1.0, min_depth=0.5, max_depth=100.0),
}
CPU = torch.device("cpu")


class Transferring(Network):
    """Classes are transferred to a constant depth, depth to equal class scores."""

    def __init__(self, meters: float = 12.0, **options: Any) -> None:
        super().__init__({"semseg": 2, "depth": 1})
        self.meters = meters

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        return ()

    @override
    def forward(self, image: Tensor) -> Outputs:
        shape = (len(image), 1, *image.shape[2:])
        classes = torch.cat([torch.zeros(shape), torch.full(shape, 3.0).log()], 1)  # 1 : 3
        return Outputs({"semseg": classes, "depth": torch.full(shape, 10.0)}, {}, ())

    @override
    def transfer(self, final: Mapping[str, Tensor]) -> dict[str, Tensor]:
        depth = final["depth"]
        return {"depth": torch.full_like(depth, self.meters), "semseg": torch.zeros_like(final["semseg"])}


def batch() -> Batch:
    valid = torch.zeros(2, 4, 6, dtype=torch.bool)
    valid[0, 0] = True
    targets = {
        "semseg": Target(torch.zeros(2, 4, 6, dtype=torch.int64), valid),
        "depth": Target(torch.ones(2, 1, 4, 6), valid),
    }
    return Batch(torch.rand(2, 3, 4, 6), targets, torch.arange(2))


def energy(network: Network) -> dict[str, float]:
    found = ConsistencyEnergy(TASKS, network)
    for _ in range(2):
        found.update(batch(), network(batch().image))
    return found.compute(CPU)


def test_the_energy_is_meters_of_depth_and_nats_of_classes() -> None:
    found = energy(Transferring())
    assert found["depth"] == pytest.approx(2.0)
    assert found["semseg"] == pytest.approx(0.25 * np.log(0.25 / 0.5) + 0.75 * np.log(0.75 / 0.5), rel=1e-6)


def test_what_agrees_has_no_energy_and_what_transfers_nothing_has_none() -> None:
    assert energy(Transferring(10.0))["depth"] == 0
    assert "depth" not in energy(Plain())


class Plain(Transferring):
    """Transfers nothing."""

    @override
    def transfer(self, final: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {}

    @override
    def attention_maps(self, image: Tensor) -> dict[str, Tensor]:
        maps = torch.zeros(len(image), 2, 2, 3)
        maps[:, 0, 0, 0], maps[:, 0, 0, 1], maps[:, 1] = 0.8, 0.2, 1 / 6
        return {"semseg": maps}


def test_samples_hold_what_is_transferred_and_attended_to() -> None:
    network, plain = Transferring().eval(), Plain().eval()
    samples = collect_samples(network, TASKS, batch(), network)
    assert (samples["depth/transferred"] == 12).all()
    assert samples["depth/transferred"].shape == samples["depth/prediction"].shape
    assert samples["semseg/transferred"].shape == samples["semseg/prediction"].shape
    attention = collect_samples(plain, TASKS, batch(), plain)["semseg/attention"]
    assert attention.dtype == np.uint8 and attention.shape == (2, 2, 2, 3)
    assert attention[0, 0, 0].tolist() == [255, 64, 0] and (attention[0, 1] == 255).all()
    assert not any(key.endswith(("transferred", "attention")) for key in collect_samples(network, TASKS, batch()))


def test_means_of_the_last_epochs_are_those_of_metrics(tmp_path: Path) -> None:
    """The energy is a curve without a spec, which a result would reject."""
    RunFolder(tmp_path).metrics.write_text(
        "epoch,step,seconds,val/loss/depth,val/consistency/depth,val/depth/abs_rel\n1,2,3,0.1,0.2,0.3\n"
    )
    means = last_epochs(RunFolder(tmp_path), 1)
    assert means is not None and means.metrics == {"depth/abs_rel": 0.3}
