"""Two processes give the same weights and the same parameters as one process with the global batch."""

from typing import Any

import pytest
import torch
from small_network import TASKS, buildable, trajectories, trajectory

from two_processes import of_both

METHODS = dict(buildable())


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Any]]]:
    return of_both(trajectories, tmp_path_factory.mktemp("two"))


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_equal_one(name: str, two_processes: list[dict[str, dict[str, Any]]]) -> None:
    weights, parameters = trajectory(METHODS[name])
    tolerance = 1e-9
    for process in two_processes:
        their_weights, theirs = process["float64"][name]
        torch.testing.assert_close(theirs, parameters, rtol=tolerance, atol=tolerance)
        for step, (of_one, of_two) in enumerate(zip(weights, their_weights, strict=True)):
            there = [t for t in TASKS if not (t == "normals" and step == 1) and not (t == "depth" and step in (4, 5))]
            assert list(of_one) == list(of_two)
            assert list(of_one) == there or name.split("/")[0] in ("graddrop", "db-mtl")
            torch.testing.assert_close(of_two, of_one, rtol=tolerance, atol=tolerance)
    assert torch.equal(two_processes[0]["float64"][name][1], two_processes[1]["float64"][name][1])


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_are_near_one_in_bf16(name: str, two_processes: list[dict[str, dict[str, Any]]]) -> None:
    parameters = trajectory(METHODS[name], torch.float32, bf16=True)[1]
    # Where gradients conflict, Nash-MTL's weights change more than the gradients do.
    for process in two_processes:
        distance = (process["bf16"][name][1] - parameters).norm() / parameters.norm()
        assert distance < (0.1 if name.startswith("nash-mtl") else 0.01)
