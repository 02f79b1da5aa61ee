"""A warning for training loops that leave out ``after_step``."""

import warnings

_MOST = 100
"""Number of ``backward`` calls without ``after_step``; several may precede a step, one per part of a batch."""


class Reminder:
    """Warns once if a method that adjusts its weights in ``after_step`` is never told of a step."""

    def __init__(self, name: str) -> None:
        self._name, self._calls = name, 0

    def backward(self) -> None:
        """Count a call of ``backward``."""
        self._calls += 1
        if self._calls == _MOST:
            warnings.warn(
                f"{self._name}: backward was called {_MOST} times without after_step, which adjusts the weights: call "
                "weighting.after_step(losses_again) after every step of the optimizer",
                stacklevel=3,
            )

    def after_step(self) -> None:
        """Count from the start again."""
        self._calls = 0
