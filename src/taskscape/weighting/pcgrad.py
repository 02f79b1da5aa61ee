"""PCGrad: the component against a conflicting gradient is removed from each gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.weighting.aggregation import AggregatorWeighting
from taskscape.weighting.gradients import GradientConfig

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator


@dataclass(frozen=True)
class PCGradConfig(GradientConfig):
    """Gradient surgery (Yu et al., NeurIPS 2020, algorithm 1).

    Each gradient is projected, in random order, onto the planes orthogonal to the gradients it conflicts with,
    g_i ← g_i - min(<g_i, g_j>, 0) / ‖g_j‖² · g_j; the results are summed. A task that is absent from a step has no
    gradient, so nothing is projected against it, and a task that is alone keeps its gradient.
    """

    name: ClassVar[str] = "pcgrad"
    link: ClassVar[str] = "https://arxiv.org/abs/2001.06782"


class PCGrad(AggregatorWeighting, config=PCGradConfig):
    """PCGrad by torchjd.

    Two losses with conflicting gradients for a shared parameter x = (0, 0): descent moves x to the left, or up and to
    the right::

        >>> import torch
        >>> from taskscape.weighting import BalancingContext, PCGrad
        >>> x = torch.nn.Parameter(torch.zeros(2))
        >>> losses = {"a": 2 + x @ torch.tensor([1.0, 0.0]), "b": 2 + x @ torch.tensor([-1.0, -1.0])}
        >>> weights = PCGrad(["a", "b"]).backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        >>> x.grad
        tensor([ 0.5000, -1.5000])
        >>> weights
        {'a': tensor(2.), 'b': tensor(1.5000)}
    """

    @override
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        from torchjd.aggregation import PCGrad

        return PCGrad()
