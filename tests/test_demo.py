"""The demo fits itself to the speed of the machine."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from taskscape import demo, recipes
from taskscape.data import Streets
from taskscape.demo import FEWEST_STREETS, MOST_STREETS, Speed, candidates, fitted, in_words
from taskscape.models import DeeplabJointConfig
from taskscape.training.loop import Trainer


def streets(steps_per_second: float, seconds: float) -> tuple[int, int]:
    """Return the streets of a machine, and after how many epochs each it validates."""
    experiment = fitted(recipes.demo(), Speed(1, steps_per_second), seconds)
    assert isinstance(experiment.data, Streets)
    return experiment.data.train, experiment.validate_every


def test_streets_follow_the_speed_and_the_time() -> None:
    assert streets(4.0, 300.0) == (1000, 6)
    assert streets(4.0, 150.0) == streets(2.0, 300.0) == (500, 12)
    assert streets(1e6, 250.0)[0] == MOST_STREETS
    assert streets(0.01, 10.0) == (FEWEST_STREETS, 60)


def test_what_was_decided_is_one_line() -> None:
    speed = Speed(1, 2.5)
    text = in_words(fitted(recipes.demo(), speed, 240.0), speed, 240.0, 5.0)
    assert text == (
        "this machine does 2.5 steps a second with 1 thread: 500 streets, about 9 epochs in 3.6 minutes; "
        "--minutes 20 gives more"
    )


def test_weights_of_imagenet_are_taken_where_they_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "packaged_weights", lambda encoder: None)
    assert demo.recipe() == recipes.demo()
    monkeypatch.setattr(demo, "packaged_weights", lambda encoder: tmp_path)
    network = demo.recipe().network
    assert isinstance(network, DeeplabJointConfig) and network.pretrained is True
    assert network.encoder == demo.PRETRAINED


@pytest.mark.parametrize("seconds", [0.002, 0.2])
def test_the_speed_is_that_of_the_steps(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "TRIAL_SECONDS", 0.1)
    trainer = SimpleNamespace(
        train_data=SimpleNamespace(epoch=lambda number: iter(["a", "b"])),
        training_step=lambda batch, step: time.sleep(seconds),
    )
    speed = demo._steps_per_second(cast(Trainer, trainer))
    assert 0 < speed <= 1 / seconds


@pytest.mark.parametrize(("cores", "tried"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_numbers_of_threads(cores: int, tried: list[int]) -> None:
    assert candidates(cores) == tried
