"""IMTL-G: a gradient that reaches equally far along every task's."""

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
class IMTLGConfig(GradientConfig):
    """Impartial multi-task learning, gradient balance (Liu et al., ICLR 2021, section 3.1).

    d = Σ w_k · g_k with Σ w_k = 1, whose projections <d, g_k / ‖g_k‖> are equal. Its direction does not change with
    the scale of any loss. Weights may be negative.
    """

    name: ClassVar[str] = "imtl-g"
    link: ClassVar[str] = "https://openreview.net/forum?id=IMPnRXEWpvr"


class IMTLG(AggregatorWeighting, config=IMTLGConfig):
    """IMTL-G by torchjd."""

    @override
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        from torchjd.aggregation import IMTLG

        return IMTLG()
