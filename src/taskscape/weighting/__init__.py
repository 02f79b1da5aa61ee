"""Weighting methods, which balance the losses of several tasks in one update.

In the plain sum of the losses, the task with the largest gradients dominates, and conflicting gradients cancel. There
are two families of remedies. One weights the losses and runs one backward pass (``Fixed``, ``Uncertainty``, ``DWA``,
``GradNorm``, ``FAMO``, …). The other computes one gradient per task at the shared layers and combines these gradients
(``PCGrad``, ``MGDA``, ``CAGrad``, ``NashMTL``, ``UPGrad``, …), at about the cost of one backward pass per task, or,
with ``mode="features"``, of one pass through the encoder.

All methods have the same interface and work with your own network and training loop: ``backward`` replaces
``loss.backward()``. A method needs to know which parameters the tasks share; a ``BalancingContext`` lists them:

    >>> import torch
    >>> from torch import nn
    >>> from taskscape import weighting
    >>> _ = torch.manual_seed(0)
    >>> encoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    >>> heads = nn.ModuleDict({"position": nn.Linear(8, 2), "speed": nn.Linear(8, 1)})
    >>> balance = weighting.PCGrad(["position", "speed"], mode="features", seed=0)
    >>> optimizer = torch.optim.SGD([*encoder.parameters(), *heads.parameters(), *balance.parameters()], lr=0.1)

    >>> x, targets = torch.randn(16, 4), {"position": torch.randn(16, 2), "speed": torch.randn(16, 1)}
    >>> for step in range(3):
    ...     optimizer.zero_grad()
    ...     features = encoder(x)
    ...     losses = {task: (head(features) - targets[task]).square().mean() for task, head in heads.items()}
    ...     context = weighting.BalancingContext.of(
    ...         losses, shared=encoder.parameters(), tasks=heads.parameters(), features=[features]
    ...     )
    ...     weights = balance.backward(losses, context)
    ...     optimizer.step()
    >>> sorted(weights)
    ['position', 'speed']

Some methods need more calls: FAMO and GradNorm require ``balance.after_step(losses_again)`` after every step, where
``losses_again`` recomputes the losses of the same batch, and DWA requires ``balance.epoch_end(mean_losses)``. It is
safe to call both for every method. ``balance.state_dict()`` contains the complete state of a method.

With several processes, a loss is each process's part of the loss of the global batch. After ``backward``, sum the
gradients of the network's parameters over the processes, but not those of the method's parameters, which are global
already.

``CONFIGS`` lists the settings of every method by its name on the command line. To add a method, write a module in this
package and a line below.
"""

# ruff: noqa: F401
# mypy: implicit-reexport

from taskscape.serialization import ByName, offer
from taskscape.weighting.aggregation import AggregatorWeighting
from taskscape.weighting.aligned_mtl import AlignedMTL, AlignedMTLConfig
from taskscape.weighting.base import BalancingContext, Losses, Weighting, WeightingConfig
from taskscape.weighting.cagrad import CAGrad, CAGradConfig
from taskscape.weighting.conflict_free import ConFIG, ConFIGConfig
from taskscape.weighting.db_mtl import DBMTL, DBMTLConfig
from taskscape.weighting.dwa import DWA, DWAConfig
from taskscape.weighting.excess_mtl import ExcessMTL, ExcessMTLConfig
from taskscape.weighting.fairgrad import FairGrad, FairGradConfig
from taskscape.weighting.famo import FAMO, FAMOConfig
from taskscape.weighting.fixed import Fixed, FixedConfig
from taskscape.weighting.geometric import Geometric, GeometricConfig
from taskscape.weighting.graddrop import GradDrop, GradDropConfig
from taskscape.weighting.gradients import GradientConfig, GradientWeighting
from taskscape.weighting.gradnorm import GradNorm, GradNormConfig
from taskscape.weighting.gradvac import GradVac, GradVacConfig
from taskscape.weighting.gramian import Gramian, GramianWeighting
from taskscape.weighting.imtl_g import IMTLG, IMTLGConfig
from taskscape.weighting.imtl_l import IMTLL, IMTLLConfig
from taskscape.weighting.mgda import MGDA, MGDAConfig
from taskscape.weighting.nash_mtl import NashMTL, NashMTLConfig
from taskscape.weighting.pcgrad import PCGrad, PCGradConfig
from taskscape.weighting.random_gradient import RandomGradient, RandomGradientConfig
from taskscape.weighting.random_loss import RandomLoss, RandomLossConfig
from taskscape.weighting.stch import STCH, STCHConfig
from taskscape.weighting.uncertainty import Uncertainty, UncertaintyConfig
from taskscape.weighting.upgrad import UPGrad, UPGradConfig
from taskscape.weighting.weighted_sum import WeightedSum

_imported = [value for value in globals().values() if isinstance(value, type) and issubclass(value, WeightingConfig)]
_methods = [config for config in _imported if "name" in vars(config)]

CONFIGS = ByName(
    (config.name, config)
    for config in sorted(_methods, key=lambda config: issubclass(config.weighting, GradientWeighting))
)
"""The settings class of every method by its name: first methods that weight losses, then those that use gradients."""

offer(WeightingConfig, CONFIGS.values())
