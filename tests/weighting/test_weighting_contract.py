"""What every weighting must do."""

import builtins
import copy
import io
import subprocess
import sys
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch
from quadratics import TASKS, Quadratics
from small_network import STEPS, Run, buildable, methods

from taskscape import weighting
from taskscape.weighting import OPTIONS, FixedConfig, AggregatorConfig, NashMTLConfig, Shared, WeightingConfig

METHODS = dict(buildable())


def test_names_are_listed() -> None:
    assert all(name == options.name == options.name.lower() for name, options in OPTIONS.items())
    assert all(options.__name__ in weighting.__all__ for options in OPTIONS.values())
    assert all(hasattr(weighting, name) for name in weighting.__all__)


@pytest.mark.parametrize("options", OPTIONS.values())
def test_options_are_plain_and_documented(options: type[WeightingConfig]) -> None:
    assert is_dataclass(options) and options.__dataclass_params__.frozen
    assert options() == options() and options.__doc__
    for field in fields(options):
        assert isinstance(getattr(options(), field.name), int | float | str | dict)


@pytest.mark.parametrize("name", METHODS)
def test_killed_and_resumed_gives_the_same_run(name: str) -> None:
    whole = Run(METHODS[name])
    for step in range(STEPS):
        if step == 3:  # in the middle of an epoch
            file = io.BytesIO()
            torch.save({**whole.state(), "means": whole.means}, file)
        whole.step(step)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    resumed = Run(METHODS[name])
    resumed.means = state.pop("means")
    resumed.load(state)
    for step in range(3, STEPS):
        weights = resumed.step(step)
    assert torch.equal(resumed.parameters(), whole.parameters())
    again = whole.step(STEPS)
    assert again == resumed.step(STEPS) and (weights is None) == (again is None)
    assert str(resumed.weighting.state_dict()) == str(whole.weighting.state_dict())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("flat", TASKS)
def test_a_task_with_zero_gradient(name: str, flat: str) -> None:
    q = Quadratics(flat=flat)
    built = METHODS[name].build(TASKS).double()
    for _ in range(3):
        gradient, weights = q.step(built)
        built.after_step(lambda: q.forward()[0])
        assert np.isfinite(gradient).all() and np.isfinite(weights).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_loss_of_zero_and_no_gradient_at_all(name: str) -> None:
    q = Quadratics(scale=(0.0, 0.0, 0.0))
    for u in q.own:
        u.data.fill_(1.0)
    built = METHODS[name].build(TASKS).double()
    for _ in range(2):
        gradient, weights = q.step(built)
        built.after_step(lambda: q.forward()[0])
        assert (gradient == 0).all() and np.isfinite(weights).all()


@pytest.mark.parametrize("name", METHODS)
def test_tasks_that_are_absent(name: str) -> None:
    """In the first step, from an epoch, for all steps but one: the present ones decide alone, nothing is NaN."""
    q = Quadratics()
    built = METHODS[name].build(TASKS).double()
    for absent in (("depth",), ("semseg", "normals"), (), ("normals",)):
        gradient, weights = q.step(built, *absent)
        built.after_step(lambda: {t: loss for t, loss in q.forward()[0].items() if t not in absent})  # noqa: B023
        built.epoch_end({t: loss.item() for t, loss in q.forward()[0].items() if t not in absent})
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


NOTHING = Shared((), (), (), tuple(Quadratics().own))


@pytest.mark.parametrize("name", METHODS)
def test_a_network_that_shares_nothing(name: str) -> None:
    built = METHODS[name].build(TASKS)
    if name == "gradnorm" or isinstance(METHODS[name], AggregatorConfig | NashMTLConfig):
        with pytest.raises(ValueError, match="share"):
            built.check(NOTHING, compiled=False)
    else:
        built.check(NOTHING, compiled=True)


@pytest.mark.parametrize("name", [name for name in METHODS if name.endswith("/features")])
def test_features_need_a_cut_that_is_not_compiled(name: str) -> None:
    built = METHODS[name].build(TASKS)
    shared = Quadratics().forward()[1]
    built.check(shared, compiled=False)
    with pytest.raises(ValueError, match="mode parameters"):
        built.check(shared, compiled=True)
    with pytest.raises(ValueError, match="no cut"):
        built.check(shared._replace(features=()), compiled=False)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("fixed", {"weights": {"deph": 1.0}}, "'deph'"),
        ("fixed", {"weights": {"depth": -1.0}}, "negative"),
        ("fixed", {"weights": {"depth": float("nan")}}, "finite"),
        ("dwa", {"temperature": 0.0}, "positive"),
        ("uncertainty", {"variant": "other"}, "mtan"),
        ("gradnorm", {"alpha": -1.0}, "negative"),
        ("famo", {"lr": -1.0}, "negative"),
        ("stch", {"mu": 0.0}, "positive"),
        ("stch", {"preference": {"depth": 0.0}}, "positive"),
        ("stch", {"ideal": {"colour": 0.0}}, "colour"),
        ("pcgrad", {"mode": "both"}, "mode"),
        ("mgda", {"epsilon": 0.0}, "positive"),
        ("cagrad", {"c": -0.1}, "negative"),
        ("nash-mtl", {"every": 0}, "positive"),
        ("aligned-mtl", {"scale": "max"}, "rmse"),
        ("upgrad", {"preference": {"depth": -2.0}}, "negative"),
        ("graddrop", {"leak": {"depth": 2.0}}, "within"),
        ("config", {"preference": {"colour": 1.0}}, "colour"),
    ],
)
def test_bad_settings(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OPTIONS[name](**settings).build(TASKS)


@pytest.mark.parametrize(
    ("name", "module"), [("cagrad", "cvxpy"), ("nash-mtl", "cvxpy"), ("upgrad", "quadprog"), ("pcgrad", "torchjd")]
)
def test_a_missing_solver_is_named(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def without(wanted: str, *rest: Any, **more: Any) -> Any:
        if wanted.split(".")[0] == module:
            raise ImportError(f"No module named {module!r}")
        return load(wanted, *rest, **more)

    if module == "torchjd":
        monkeypatch.setattr(builtins, "__import__", without)
    else:
        from torchjd import _mixins

        monkeypatch.setattr(_mixins, "find_spec", lambda wanted: None if wanted == module else object())
    extra = "torchjd" if module == "torchjd" else rf"taskscape\[{name}\]"
    with pytest.raises(ValueError, match=rf"{module}.*pip install .{extra}"):
        OPTIONS[name]().build(TASKS)


def test_importing_does_not_import_torchjd() -> None:
    code = "import sys, taskscape.weighting as w; w.DWA().build(['depth']); print('torchjd' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_the_plain_sum_is_one_backward_pass() -> None:
    calls = []
    q = Quadratics()
    losses, shared = q.forward()
    shared.features[0].register_hook(lambda g: calls.append(g))
    FixedConfig().build(TASKS).backward(losses, shared)
    assert len(calls) == 1 and set(methods()) >= set(METHODS)
