"""Ways of balancing tasks."""

from taskscape.weighting.aggregation import AggregatorConfig
from taskscape.weighting.aligned_mtl import AlignedMTLConfig
from taskscape.weighting.base import Losses, Shared, Weighting, WeightingConfig
from taskscape.weighting.cagrad import CAGradConfig
from taskscape.weighting.conflict_free import ConFIGConfig
from taskscape.weighting.dwa import DWAConfig
from taskscape.weighting.famo import FAMOConfig
from taskscape.weighting.fixed import FixedConfig
from taskscape.weighting.geometric import GeometricConfig
from taskscape.weighting.graddrop import GradDropConfig
from taskscape.weighting.gradnorm import GradNormConfig
from taskscape.weighting.imtl_g import IMTLGConfig
from taskscape.weighting.imtl_l import IMTLLConfig
from taskscape.weighting.mgda import MGDAConfig
from taskscape.weighting.nash_mtl import NashMTLConfig
from taskscape.weighting.pcgrad import PCGradConfig
from taskscape.weighting.random_gradient import RandomGradientConfig
from taskscape.weighting.random_loss import RandomLossConfig
from taskscape.weighting.stch import STCHConfig
from taskscape.weighting.uncertainty import UncertaintyConfig
from taskscape.weighting.upgrad import UPGradConfig

__all__ = [
    "DWAConfig",
    "FAMOConfig",
    "IMTLGConfig",
    "IMTLLConfig",
    "MGDAConfig",
    "OPTIONS",
    "STCHConfig",
    "AlignedMTLConfig",
    "CAGradConfig",
    "ConFIGConfig",
    "FixedConfig",
    "GeometricConfig",
    "GradDropConfig",
    "GradNormConfig",
    "AggregatorConfig",
    "Losses",
    "NashMTLConfig",
    "PCGradConfig",
    "RandomGradientConfig",
    "RandomLossConfig",
    "Shared",
    "UPGradConfig",
    "UncertaintyConfig",
    "Weighting",
    "WeightingConfig",
]

OPTIONS: dict[str, type[WeightingConfig]] = {
    options.name: options
    for options in (
        FixedConfig,
        DWAConfig,
        UncertaintyConfig,
        GradNormConfig,
        RandomLossConfig,
        GeometricConfig,
        FAMOConfig,
        STCHConfig,
        IMTLLConfig,
        PCGradConfig,
        MGDAConfig,
        CAGradConfig,
        NashMTLConfig,
        AlignedMTLConfig,
        IMTLGConfig,
        UPGradConfig,
        GradDropConfig,
        ConFIGConfig,
        RandomGradientConfig,
    )
}
"""The settings of every method, by its name: of the losses first, then of the gradients."""
