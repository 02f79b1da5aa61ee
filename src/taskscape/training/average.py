"""The exponential moving average of a network's weights during training."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """Exponential moving average of the trainable weights, and of statistics such as those of batch norms.

    After step t, counted from 1, average ← d · average + (1 - d) · weights, where d is the smaller of ``decay`` and
    (1 + t) / (10 + t), so the poor weights of the first steps are soon forgotten. Both are as in TensorFlow's
    ``ExponentialMovingAverage``, which produced the published weights of EfficientNet
    (https://arxiv.org/abs/1905.11946). Every process of a run computes the same average.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Average the weights of ``network``, which may still be loaded before the first step; 0 ≤ ``decay`` < 1."""
        self.network, self.decay = network, decay
        self.tensors: dict[str, Tensor] = {}
        """The average, by name; empty before the first step."""

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the network's weights after ``step`` steps to the average."""
        current = self._changing_tensors()
        if not self.tensors:
            self.tensors = {name: tensor.clone() for name, tensor in current.items()}
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        averaged = [name for name, tensor in current.items() if tensor.is_floating_point()]
        get_ema_multi_avg_fn(decay)(
            [self.tensors[name] for name in averaged], [current[name] for name in averaged], None
        )
        for name in current.keys() - averaged:
            self.tensors[name].copy_(current[name])  # integers, such as the number of batches

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Replace the network's weights by the average in this context, and restore them at the end."""
        current = self._changing_tensors()
        saved = {name: tensor.clone() for name, tensor in current.items()}
        with torch.no_grad():
            for name, tensor in self.tensors.items():
                current[name].copy_(tensor)
            try:
                yield
            finally:
                for name, tensor in saved.items():
                    current[name].copy_(tensor)

    def load_state(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        """Continue from the average in the checkpoint at ``path``. Raises ``ValueError`` if the network is another."""
        current = self._changing_tensors()
        shapes, saved = (
            {name: x.shape for name, x in tensors_by_name.items()} for tensors_by_name in (current, tensors)
        )
        if shapes != saved:
            different = sorted(name for name in shapes.keys() | saved.keys() if shapes.get(name) != saved.get(name))
            raise ValueError(f"{path}: the average of weights belongs to another network: {', '.join(different[:3])}")
        self.tensors = {name: torch.empty_like(current[name]).copy_(tensor) for name, tensor in tensors.items()}

    def _changing_tensors(self) -> dict[str, Tensor]:
        """Return the tensors of the network that change during training, by name, without copying them."""
        parameters = ((name, p.detach()) for name, p in self.network.named_parameters() if p.requires_grad)
        return dict(chain(parameters, self.network.named_buffers()))
