"""Missing labels: in some steps a task has none, for example if batches come from data sets with different labels."""

from pathlib import Path

import pytest
import small_network
import torch
from small_network import TASKS, Run, buildable

from taskscape.batch import Batch, Target
from taskscape.weighting import CONFIGS

METHODS = dict(buildable())
STEPS = 8
BALANCING = Path(__file__).parents[2] / "docs" / "guide" / "balancing.md"


def present(step: int) -> tuple[str, ...]:
    """Return the labeled tasks: classes from one data set, depth and normals from another, alternately; then all."""
    return (("semseg",), ("depth", "normals"), ("depth", "normals"), tuple(TASKS))[step % 4]


def alternating(step: int, dtype: torch.dtype = torch.float64) -> Batch:
    """Return the batch of a step: its images have the labels of their data set."""
    batch = plain(step, dtype)
    targets = {}
    for task, (value, valid) in batch.targets.items():
        shown = torch.zeros_like(valid)
        if task in present(step):
            of_first = (
                torch.arange(len(valid)) < len(valid) // 2 if len(present(step)) == 3 else torch.ones(len(valid)).bool()
            )
            shown[of_first if task == "semseg" or len(present(step)) < 3 else ~of_first] = True
            shown[:, ::2] = False
        targets[task] = Target(value, shown)
    return batch._replace(targets=targets)


plain = small_network.images


@pytest.fixture(autouse=True)
def labels_alternate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_network, "images", alternating)


def heads(run: Run) -> dict[str, torch.Tensor]:
    return {
        task: torch.cat([p.detach().flatten() for p in head.parameters()]) for task, head in run.network.heads.items()
    }


@pytest.mark.parametrize("name", METHODS)
def test_only_tasks_that_are_present_learn(name: str) -> None:
    run = Run(METHODS[name])
    for step in range(STEPS):
        before = heads(run)
        weights = run.step(step)
        assert not weights or tuple(weights) == present(step)
        assert all(torch.as_tensor(weight).isfinite() for weight in weights.values())
        for task, after in heads(run).items():
            assert torch.equal(after, before[task]) == (task not in present(step))
    assert run.parameters().isfinite().all()
    assert all(x.isfinite().all() for x in run.weighting.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_a_task_that_is_alone_is_trained_as_alone(name: str) -> None:
    """In a step with one task, the shared layers follow its gradient, scaled by the method."""
    run, other = Run(METHODS[name]), Run(CONFIGS["fixed"]())
    for one in (run, other):
        one.step(0)
    moved, expected = (
        torch.cat([p.grad.flatten() for p in one.network.shared_parameters() if p.grad is not None])
        for one in (run, other)
    )
    assert torch.nn.functional.cosine_similarity(moved, expected, dim=0) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("stop", [1, 3, 6])
def test_killed_and_resumed_gives_the_same_run(name: str, stop: int) -> None:
    whole = Run(METHODS[name])
    for step in range(STEPS):
        if step == stop:
            file = whole.saved()
        whole.step(step)
    resumed = Run(METHODS[name])
    resumed.resume(file)
    for step in range(stop, STEPS):
        resumed.step(step)
    assert torch.equal(resumed.parameters(), whole.parameters())
    assert str(resumed.weighting.state_dict()) == str(whole.weighting.state_dict())


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_method_says_what_it_does_without_a_task(config: type) -> None:
    assert "absent from a step" in " ".join((config.__doc__ or "").split())


def test_the_guide_has_a_row_for_every_method() -> None:
    section = BALANCING.read_text("utf-8").partition("## Steps without a task\n")[2].partition("\n## ")[0]
    rows = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(CONFIGS)
