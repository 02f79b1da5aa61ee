"""Dynamic Weight Average: tasks whose loss decreases slowly get more weight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.serialization.ranges import Positive
from taskscape.weighting.base import Losses, WeightingConfig
from taskscape.weighting.weighted_sum import WeightedSum


@dataclass(frozen=True)
class DWAConfig(WeightingConfig):
    """Dynamic Weight Average (Liu, Johns and Davison, CVPR 2019, equation 7).

    w_k = K · softmax(r / T)_k with r_k = L_k(t-1) / L_k(t-2), where L_k(t) is the mean loss of epoch t and K the number
    of tasks in the step. r_k is 1 until task k has two epochs, so the first two epochs use the plain sum.

    If a task is absent from a step, softmax and K are those of the others. L_k(t) is the mean over the steps in which
    the task was present; an epoch without any label of the task leaves r_k unchanged.
    """

    name: ClassVar[str] = "dwa"
    link: ClassVar[str] = "https://arxiv.org/abs/1803.10704"

    temperature: Positive = 2.0
    """T: larger values make the weights more equal."""


class DWA(WeightedSum, config=DWAConfig):
    """Dynamic Weight Average. Does not use torchjd's version, which keeps its history outside its state dict.

    The loss of b halves and that of a is constant, so a gets more weight in the third epoch::

        >>> import torch
        >>> from taskscape.weighting import DWA
        >>> dwa = DWA(["a", "b"], temperature=1.0)
        >>> dwa.epoch_end({"a": 1.0, "b": 4.0})
        >>> dwa.epoch_end({"a": 1.0, "b": 2.0})
        >>> dwa.weights({"a": torch.tensor(1.0), "b": torch.tensor(2.0)})
        tensor([1.2449, 0.7551])
    """

    config: DWAConfig
    capturable = True
    last: Tensor
    before_last: Tensor

    def __init__(self, tasks: Sequence[str], config: DWAConfig | None = None, *, seed: int = 0, **options: Any) -> None:
        super().__init__(tasks, config, **options)
        self.register_buffer("last", torch.full((len(tasks),), float("nan")))
        self.register_buffer("before_last", torch.full((len(tasks),), float("nan")))

    @override
    def weights(self, losses: Losses) -> Tensor:
        self.check_nonnegative(losses)
        rates = self.last / self.before_last
        rates = torch.where(rates.isfinite(), rates, 1.0)  # no history yet, or a loss that was zero
        return len(losses) * torch.softmax(self.select(losses, rates) / self.config.temperature, 0)

    @override
    @torch.no_grad()  # for means that are tensors
    def epoch_end(self, mean_losses: Mapping[str, float]) -> None:
        self.check_names(mean_losses)
        for task, mean in mean_losses.items():
            k = self.tasks.index(task)
            self.before_last[k] = self.last[k]
            self.last[k] = mean
