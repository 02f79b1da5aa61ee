"""Interface of models that predict labels for a store."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from taskscape.tasks import Task


class Label(NamedTuple):
    """A predicted label for a batch."""

    value: Tensor
    """As ``Target.value``."""
    confidence: Tensor | None
    """(B, H, W) in 0..1; None if the model predicts no confidence."""


class Labeler(ABC):
    """Predicts labels for batches of images."""

    tasks: Mapping[str, Task]
    """The predicted tasks by name."""

    @abstractmethod
    def predict(self, image: Tensor) -> dict[str, Label]:
        """Return the label of each task for (B, 3, H, W) images in 0..1, at their size.

        Raises ``ValueError`` if the model outputs NaN where it should have scores.
        """

    @abstractmethod
    def says_confidence(self, task: str) -> bool:
        """Return whether a confidence is predicted for a task."""

    @abstractmethod
    def check_size(self, size: tuple[int, int]) -> None:
        """Raise ``ValueError`` if images of this (H, W) should not be predicted."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """Return the origin of the labels for the manifest, as JSON values."""


def height_error(model: str, evaluated: str, height: int, size: tuple[int, int]) -> ValueError:
    """Return the error for images of another height than that on which a model was evaluated."""
    return ValueError(
        f"{model} was evaluated on images of {evaluated}, but those of the store are {size[0]}x{size[1]}: --height "
        f"{height} scales them for the network and its output back, --height {size[0]} leaves them as they are"
    )
