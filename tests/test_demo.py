"""The demo adapts to the speed of the machine."""

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
    """Return the number of streets for a machine, and the epochs between validations."""
    experiment = fitted(recipes.demo(), Speed(1, steps_per_second), seconds)
    assert isinstance(experiment.data, Streets)
    return experiment.data.train, experiment.validate_every


def test_streets_follow_the_speed_and_the_time() -> None:
    assert streets(4.0, 310.0) == (900, 11)
    assert streets(4.0, 160.0) == (500, 20)
    assert streets(2.0, 320.0) == (500, 20)
    assert streets(1e6, 250.0)[0] == MOST_STREETS
    assert streets(0.01, 10.0) == (FEWEST_STREETS, 480)


@pytest.mark.parametrize("minutes", [0.5, 1, 2, 4, 8])
@pytest.mark.parametrize("steps_per_second", [0.3, 1, 3, 10])
def test_rendering_and_evaluation_leave_time_to_train_where_there_is_any(
    minutes: float, steps_per_second: float
) -> None:
    speed, seconds = Speed(1, steps_per_second), 60 * minutes
    experiment = fitted(recipes.demo(), speed, seconds)
    data = experiment.data
    assert isinstance(data, Streets)
    rendering = (data.train + data.val) / (speed.steps * experiment.batch_size)
    training = seconds - rendering - demo.end(experiment, speed)
    if steps_per_second * minutes >= 1:
        assert training > 0.3 * seconds
    if steps_per_second * minutes >= 10:
        assert data.val == demo.MOST_VALIDATED
    assert ("hardly any training" in in_words(experiment, speed, seconds, minutes)) == (training < 1)


def test_what_was_decided_is_one_line() -> None:
    speed = Speed(1, 2.5)
    text = in_words(fitted(recipes.demo(), speed, 270.0), speed, 270.0, 5.0)
    assert text == (
        "this machine does 2.5 steps per second with 1 thread: 500 streets, about 9 epochs in 3.5 minutes; "
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
