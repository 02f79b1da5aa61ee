"""The geometric mean of the losses."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.weighting.base import Losses, WeightingConfig, stack
from taskscape.weighting.weighted_sum import WeightedSum

_TINY = 1e-8
"""Lower bound of the losses, since the geometric mean has no gradient at zero."""


@dataclass(frozen=True)
class GeometricConfig(WeightingConfig):
    """Geometric loss strategy (Chennupati et al., CVPR workshops 2019): M = (Π L_k)^(1/K).

    The direction of its gradient, Σ M / (K·L_k) · ∇L_k, does not depend on the scale of any loss. If a task is absent
    from a step, the mean is that of the others, and K is their number.
    """

    name: ClassVar[str] = "geometric"
    link: ClassVar[str] = "https://arxiv.org/abs/1904.08492"


class Geometric(WeightedSum, config=GeometricConfig):
    """The gradient of the geometric mean.

    For the losses 1 and 4::

        >>> import torch
        >>> from taskscape.weighting import Geometric
        >>> Geometric(["a", "b"]).weights({"a": torch.tensor(1.0), "b": torch.tensor(4.0)})
        tensor([1.0000, 0.2500])
    """

    capturable = True

    @override
    def weights(self, losses: Losses) -> Tensor:
        """Return M / (K·L_k)."""
        self.check_nonnegative(losses)
        clamped = stack(losses).clamp_min(_TINY)
        return clamped.log().mean().exp() / (len(losses) * clamped)
