"""The contract of every weighting."""

import builtins
import copy
import subprocess
import sys
from dataclasses import fields, is_dataclass
from itertools import product
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from quadratics import TASKS, Quadratics
from small_network import STEPS, Run, buildable, methods
from torch import Tensor

from taskscape import weighting
from taskscape.serialization import offered, structure
from taskscape.weighting import (
    CONFIGS,
    CAGrad,
    CAGradConfig,
    Fixed,
    FixedConfig,
    GradientWeighting,
    Uncertainty,
    Weighting,
    WeightingConfig,
)

METHODS = dict(buildable())


def test_every_module_of_the_package_is_listed_and_public() -> None:
    files = {path.stem for path in Path(weighting.__file__).parent.glob("*.py")}
    blocks = {"__init__", "base", "aggregation", "gradients", "gramian", "nonnegative", "own_adam", "preferences"}
    blocks |= {"reminder", "row_per_task", "step_generator", "task_gradients", "weighted_sum"}
    assert {config.__module__.rpartition(".")[2] for config in CONFIGS.values()} == files - blocks
    assert dict(offered(WeightingConfig)) == CONFIGS
    for name, config in CONFIGS.items():
        assert name == config.name == name.lower()
        assert getattr(weighting, config.__name__) is config
        assert getattr(weighting, config.__name__.removesuffix("Config")) is config.weighting


@pytest.mark.parametrize("config", CONFIGS.values())
def test_settings_are_plain_and_documented(config: type[WeightingConfig]) -> None:
    assert is_dataclass(config) and config.__dataclass_params__.frozen
    assert config() == config() and config.__doc__ and config.weighting.__doc__
    assert config.link.startswith("https://") or config is FixedConfig
    for field in fields(config):
        assert isinstance(getattr(config(), field.name), int | float | str | dict | tuple)


@pytest.mark.parametrize("name", ["config", "ConFIG"])
def test_a_class_name_hints_at_the_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"there is no '{name}'; did you mean conflict-free"):
        structure({"type": name}, "run.yaml", WeightingConfig)
    with pytest.raises(ValueError, match="did you mean pcgrad"):
        structure({"type": "PCGrad"}, "run.yaml", WeightingConfig)


def test_settings_or_their_fields() -> None:
    by_fields = CAGrad(["a", "b"], mode="features", c=0.25)
    by_config = CAGradConfig(mode="features", c=0.25).build(["a", "b"])
    assert type(by_config) is CAGrad and by_fields.config == by_config.config
    assert "a, b" in repr(by_fields) and "c=0.25" in repr(by_fields)
    with pytest.raises(TypeError, match="not both"):
        CAGrad(["a"], CAGradConfig(), c=0.25)
    with pytest.raises(TypeError, match="radius"):
        CAGrad(["a"], radius=0.25)
    with pytest.raises(ValueError, match="mtan"):
        Uncertainty(["a"], variant="other")


@pytest.mark.parametrize("name", METHODS)
def test_killed_and_resumed_gives_the_same_run(name: str) -> None:
    whole = Run(METHODS[name])
    for step in range(STEPS):
        if step == 3:  # within an epoch
            file = whole.saved()
        whole.step(step)
    resumed = Run(METHODS[name])
    resumed.resume(file)
    for step in range(3, STEPS):
        weights = resumed.step(step)
    assert torch.equal(resumed.parameters(), whole.parameters())
    again = whole.step(STEPS)
    assert again == resumed.step(STEPS) and bool(weights) == bool(again)
    assert str(resumed.weighting.state_dict()) == str(whole.weighting.state_dict())


@pytest.mark.parametrize("name", METHODS)
def test_a_task_with_zero_gradient(name: str) -> None:
    for flat in TASKS:
        q = Quadratics(flat=flat)
        built = METHODS[name].build(TASKS).double()
        for _ in range(3):
            gradient, weights = q.step(built)
            built.after_step(q.global_losses)
            assert np.isfinite(gradient).all() and np.isfinite(weights).all(), flat


@pytest.mark.parametrize("name", METHODS)
def test_a_loss_of_zero_and_no_gradient_at_all(name: str) -> None:
    q = Quadratics(scale=(0.0, 0.0, 0.0))
    for u in q.own:
        u.data.fill_(1.0)
    built = METHODS[name].build(TASKS).double()
    for _ in range(2):
        gradient, weights = q.step(built)
        built.after_step(q.global_losses)
        assert (gradient == 0).all() and np.isfinite(weights).all()


@pytest.mark.parametrize("name", METHODS)
def test_gradients_accumulate_over_backward_passes(name: str) -> None:
    """As those of ``loss.backward()``: several parts of a batch may precede one step of the optimizer."""
    q, built = Quadratics(), METHODS[name].build(TASKS).double()
    parameters = [q.theta, *q.own, *built.parameters()]

    def gradients(weighting: Weighting, *, in_parts: bool) -> list[Tensor]:
        sums = [torch.zeros_like(p) for p in parameters]
        for _ in range(2):
            weighting.backward(*q.forward())
            if in_parts:
                sums = [x if p.grad is None else x + p.grad for x, p in zip(sums, parameters, strict=True)]
                for p in parameters:
                    p.grad = None
        return sums if in_parts else [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]

    state = copy.deepcopy(built.state_dict())
    sums = gradients(built, in_parts=True)
    built.load_state_dict(state)
    accumulated = gradients(built, in_parts=False)
    assert accumulated[0].any()
    for actual, expected in zip(accumulated, sums, strict=True):
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("name", METHODS)
def test_tasks_that_are_absent(name: str) -> None:
    """Absent in the first step, from an epoch on, or in all steps but one: only present tasks count, nothing is NaN."""
    q = Quadratics()
    built = METHODS[name].build(TASKS).double()
    for absent in (("depth",), ("semseg", "normals"), (), ("normals",)):
        gradient, weights = q.step(built, *absent)
        built.after_step(lambda: q.global_losses(*absent))  # noqa: B023
        built.epoch_end({t: loss.item() for t, loss in q.global_losses(*absent).items()})
        assert np.isfinite(gradient).all() and np.isfinite(weights).all()
        assert weights.size in (0, 3 - len(absent))
        for task, u in zip(TASKS, q.own, strict=True):
            assert (u.grad is None) == (task in absent)


@pytest.mark.parametrize("name", METHODS)
def test_does_not_touch_the_generators(name: str) -> None:
    q, built = Quadratics(), METHODS[name].build(TASKS).double()
    before = torch.get_rng_state()
    first = q.step(copy.deepcopy(built))[0]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(9)
    np.testing.assert_array_equal(q.step(built)[0], first)


@pytest.mark.parametrize("name", METHODS)
def test_does_not_seed_the_gpus(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``torch.manual_seed`` seeds all devices, and would replace the seed that dropout uses there."""
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    Quadratics().step(METHODS[name].build(TASKS).double())
    assert seeds == []


@pytest.mark.parametrize("name", METHODS)
def test_a_network_that_shares_nothing(name: str) -> None:
    built = METHODS[name].build(TASKS)
    if name in ("gradnorm", "excess-mtl") or issubclass(METHODS[name].weighting, GradientWeighting):
        with pytest.raises(ValueError, match="share"):
            built.check(shared_parameters=False, shared_features=False, compiled=False)
        losses, context = Quadratics().forward()
        with pytest.raises(ValueError, match="share"):
            built.backward(losses, context._replace(parameters=(), last=()))
    else:
        built.check(shared_parameters=False, shared_features=False, compiled=True)


@pytest.mark.parametrize("name", [name for name in METHODS if name.endswith("/features")])
def test_features_must_be_there_and_not_compiled(name: str) -> None:
    built = METHODS[name].build(TASKS)
    built.check(shared_parameters=True, shared_features=True, compiled=False)
    with pytest.raises(ValueError, match="mode parameters"):
        built.check(shared_parameters=True, shared_features=True, compiled=True)
    with pytest.raises(ValueError, match="no shared features"):
        built.check(shared_parameters=True, shared_features=False, compiled=False)
    losses, context = Quadratics().forward()
    with pytest.raises(ValueError, match="no shared features"):
        built.backward(losses, context._replace(features=()))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("fixed", {"weights": {"deph": 1.0}}, "'deph'"),
        ("fixed", {"weights": {"depth": -1.0}}, "at least 0"),
        ("fixed", {"weights": {"depth": float("nan")}}, "finite"),
        ("dwa", {"temperature": 0.0}, "above 0"),
        ("uncertainty", {"variant": "other"}, "mtan"),
        ("gradnorm", {"alpha": -1.0}, "at least 0"),
        ("famo", {"lr": -1.0}, "above 0"),
        ("stch", {"mu": 0.0}, "above 0"),
        ("stch", {"preference": {"depth": 0.0}}, "above 0"),
        ("stch", {"ideal": {"colour": 0.0}}, "colour"),
        ("pcgrad", {"mode": "both"}, "mode"),
        ("fixed", {"weights": {"semseg": 0.0, "depth": 0.0, "normals": 0.0}}, "all 0"),
        ("cagrad", {"c": -0.1}, "at least 0"),
        ("nash-mtl", {"every": 0}, "at least 1"),
        ("gradvac", {"beta": 1.5}, "at most 1"),
        ("fairgrad", {"alpha": 20.0}, "at most 10"),
        ("db-mtl", {"beta": 1.0}, "below 1"),
        ("excess-mtl", {"step_size": 0.0}, "above 0"),
        ("aligned-mtl", {"scale": "max"}, "rmse"),
        ("upgrad", {"preference": {"depth": -2.0}}, "above 0"),
        ("graddrop", {"leak": {"depth": 2.0}}, "at most 1"),
        ("conflict-free", {"preference": {"colour": 1.0}}, "colour"),
    ],
)
def test_bad_settings(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CONFIGS[name](**settings).build(TASKS)


MAY_BE_ZERO = {("gradnorm", "alpha"), ("famo", "weight_decay"), ("cagrad", "c"), ("nash-mtl", "max_norm")}
MAY_BE_ZERO |= {("fairgrad", "max_norm"), ("gradvac", "beta"), ("db-mtl", "beta"), ("db-mtl", "sigma")}


@pytest.mark.parametrize("name", CONFIGS)
def test_numbers_that_make_no_sense_are_refused_by_name(name: str) -> None:
    for value, field in product((nan, inf, -inf, -1.0, 0.0), fields(CONFIGS[name])):
        default = getattr(CONFIGS[name](), field.name)
        if isinstance(default, str | tuple):  # names
            continue
        per_task = isinstance(default, dict)
        if value == 0 and ((name, field.name) in MAY_BE_ZERO or (per_task and field.name != "preference")):
            continue
        with pytest.raises(ValueError, match=rf"{field.name}.*{'depth' if per_task else value}"):
            CONFIGS[name](**{field.name: {"depth": value} if per_task else value}).check(TASKS)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def without(wanted: str, *rest: Any, **more: Any) -> Any:
        if wanted.split(".")[0] == "torchjd":
            raise ImportError("No module named 'torchjd'")
        return load(wanted, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"torchjd.*pip install .torchjd"):
        CONFIGS["pcgrad"]().build(TASKS)
    CONFIGS["upgrad"]().build(TASKS)


def test_importing_does_not_import_torchjd() -> None:
    code = "import sys, taskscape.weighting as w; w.DWA(['depth']); print('torchjd' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_no_formula_knows_of_processes() -> None:
    folder = Path(weighting.__file__).parent
    importing = {path.stem for path in folder.glob("*.py") if "taskscape.distributed" in path.read_text()}
    assert importing == {"base", "gradients", "task_gradients"}


def test_the_plain_sum_is_one_backward_pass() -> None:
    calls = []
    q = Quadratics()
    losses, context = q.forward()
    context.features[0].register_hook(lambda g: calls.append(g))
    Fixed(TASKS).backward(losses, context)
    assert len(calls) == 1 and set(methods()) >= set(METHODS)


@pytest.mark.parametrize("config", CONFIGS.values())
def test_the_state_of_tasks_in_another_order_is_refused(config: type[WeightingConfig], tmp_path: Path) -> None:
    """It holds one value per task, which were exchanged silently."""
    torch.save({"weighting": config().build(["a", "b"]).state_dict()}, tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)["weighting"]
    config().build(["a", "b"]).load_state_dict(state)
    for tasks in (["b", "a"], ["a", "c"]):
        message = f"the state is that of the tasks a, b, and this weighting balances {', '.join(tasks)}: build it"
        with pytest.raises(ValueError, match=message):
            config().build(tasks).load_state_dict(state)
