"""Build the training step of an experiment whose settings are complete (``Experiment.for_data``)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from taskscape.runs.experiment import Experiment
from taskscape.training.optimization import build_optimizer
from taskscape.training.recompute import recompute_activations
from taskscape.training.step import TrainingStep

if TYPE_CHECKING:
    from taskscape.distributed import Processes


def build_step(
    experiment: Experiment,
    device: torch.device,
    *,
    learning_rate: Callable[[int], float] | None = None,
    fabric: "Processes | None" = None,
) -> TrainingStep:
    """Return the network, weighting and optimizer of an experiment as one training step, with the experiment's seed."""
    torch.manual_seed(experiment.seed)
    network = experiment.network.build(experiment.channels).to(device)
    if experiment.channels_last:
        network = network.to(memory_format=torch.channels_last)
    if experiment.recompute_activations:
        recompute_activations(network)
    weighting = experiment.weighting.build(tuple(experiment.tasks), experiment.seed).to(device)
    return TrainingStep(
        network,
        experiment.tasks,
        experiment.objective,
        weighting,
        build_optimizer(experiment.optimizer, network, weighting),
        learning_rate=learning_rate,
        precision=experiment.number_format,
        gradient_clip=experiment.gradient_clip,
        compile=experiment.compile,
        cuda_graphs=experiment.cuda_graphs and not experiment.feature_cache,  # kept features are handed over in Python
        seed=experiment.seed,
        fabric=fabric,
    )
