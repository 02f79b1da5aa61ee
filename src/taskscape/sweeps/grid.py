"""All combinations of the values of all axes."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from typing_extensions import override

from taskscape.sweeps.axes import SEED, Values
from taskscape.sweeps.sampler import Outcome, Sampler
from taskscape.sweeps.trial import Trial


class Grid(Sampler):
    """Proposes every combination once, one seed after the other, so a partial sweep is a sweep of fewer seeds.

    Raises ``ValueError`` if two trials would have the same folder.
    """

    def __init__(self, sweep: Path, axes: Sequence[Values]) -> None:
        ordered = sorted(axes, key=lambda axis: axis.name != SEED)
        self.trials: list[Trial] = []
        """All trials, in the order in which they are proposed."""
        for combination in product(*(axis.points for axis in ordered)):
            points = {axis.name: point for axis, point in zip(ordered, combination, strict=True)}
            self.trials.append(Trial.of(sweep, {axis.name: points[axis.name] for axis in axes}))
        paths = [trial.path for trial in self.trials]
        if repeated := next((path.name for path in paths if paths.count(path) > 1), ""):
            raise ValueError(f"{repeated} is in the sweep twice: remove one of the two")
        self._next = iter(self.trials)

    @property
    @override
    def count(self) -> int:
        return len(self.trials)

    @override
    def past(self) -> Sequence[tuple[Trial, Outcome]]:
        return ()

    @override
    def ask(self) -> Trial | None:
        return next(self._next, None)

    @override
    def report(self, trial: Trial, epoch: int, value: float) -> bool:
        return False

    @override
    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """Ignore the outcome: a grid does not depend on it."""
