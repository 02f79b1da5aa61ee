"""The demo fits itself to the speed of the machine."""

from taskscape import recipes
from taskscape.data import Streets
from taskscape.demo import MOST_EPOCHS, fitted


def streets(images: float) -> tuple[int, int]:
    """Return epochs and streets for a machine that trains on so many images in the time it is given."""
    experiment = fitted(recipes.demo(), images)
    assert isinstance(experiment.data, Streets)
    return experiment.epochs, experiment.data.train


def test_epochs_follow_the_speed() -> None:
    all_streets = recipes.demo().data.train
    assert streets(5.5 * all_streets) == (5, all_streets)
    assert streets(all_streets) == (1, all_streets)
    assert streets(1e9) == (MOST_EPOCHS, all_streets)


def test_a_very_slow_machine_gets_fewer_streets() -> None:
    assert streets(700.0) == (1, 700)
    assert streets(0.1) == (1, 2 * recipes.demo().batch_size)
