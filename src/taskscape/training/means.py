"""Means over the steps of an epoch."""

from collections.abc import Mapping


class RunningMeans:
    """The mean value of each name, over the updates that contained it."""

    def __init__(self, state: Mapping[str, tuple[float, int]] | None = None) -> None:
        """Start empty, or from the ``state()`` of another instance."""
        self._sums: dict[str, tuple[float, int]] = dict(state or {})
        self.last: dict[str, float] = {}
        """The values of the last update."""

    def update(self, values: Mapping[str, float]) -> None:
        """Add one value for each of these names."""
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1
        self.last = dict(values)

    def compute(self) -> dict[str, float]:
        """Return the means by name."""
        return {name: total / count for name, (total, count) in self._sums.items()}

    def state(self) -> dict[str, tuple[float, int]]:
        """Return the sum and the count of each name, for a checkpoint."""
        return dict(self._sums)
