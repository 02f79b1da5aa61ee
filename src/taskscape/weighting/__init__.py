"""Ways of balancing tasks."""

from taskscape.weighting.aggregation import GradientOptions
from taskscape.weighting.aligned_mtl import AlignedMTL
from taskscape.weighting.base import Losses, Shared, Weighting, WeightingOptions
from taskscape.weighting.cagrad import CAGrad
from taskscape.weighting.config import ConFIG
from taskscape.weighting.dwa import DWA
from taskscape.weighting.famo import FAMO
from taskscape.weighting.fixed import Fixed
from taskscape.weighting.geometric import Geometric
from taskscape.weighting.graddrop import GradDrop
from taskscape.weighting.gradnorm import GradNorm
from taskscape.weighting.imtl_g import IMTLG
from taskscape.weighting.imtl_l import IMTLL
from taskscape.weighting.mgda import MGDA
from taskscape.weighting.nash_mtl import NashMTL
from taskscape.weighting.pcgrad import PCGrad
from taskscape.weighting.random_gradient import RandomGradient
from taskscape.weighting.random_loss import RandomLoss
from taskscape.weighting.stch import STCH
from taskscape.weighting.uncertainty import Uncertainty
from taskscape.weighting.upgrad import UPGrad

__all__ = [
    "DWA",
    "FAMO",
    "IMTLG",
    "IMTLL",
    "MGDA",
    "OPTIONS",
    "STCH",
    "AlignedMTL",
    "CAGrad",
    "ConFIG",
    "Fixed",
    "Geometric",
    "GradDrop",
    "GradNorm",
    "GradientOptions",
    "Losses",
    "NashMTL",
    "PCGrad",
    "RandomGradient",
    "RandomLoss",
    "Shared",
    "UPGrad",
    "Uncertainty",
    "Weighting",
    "WeightingOptions",
]

OPTIONS: dict[str, type[WeightingOptions]] = {
    options.name: options
    for options in (
        Fixed,
        DWA,
        Uncertainty,
        GradNorm,
        RandomLoss,
        Geometric,
        FAMO,
        STCH,
        IMTLL,
        PCGrad,
        MGDA,
        CAGrad,
        NashMTL,
        AlignedMTL,
        IMTLG,
        UPGrad,
        GradDrop,
        ConFIG,
        RandomGradient,
    )
}
"""The settings of every method, by its name: of the losses first, then of the gradients."""
