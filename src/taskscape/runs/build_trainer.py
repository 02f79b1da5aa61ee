"""Build all parts of a run."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from taskscape.data import Store
from taskscape.distributed import world_size
from taskscape.models import Network
from taskscape.run_folder import RunFolder
from taskscape.runs.build_step import build_step
from taskscape.runs.experiment import Experiment
from taskscape.runs.same_settings import trained_settings
from taskscape.serialization import unstructure
from taskscape.serialization.flat import flatten
from taskscape.trackers import Tracking
from taskscape.training.average import WeightAverage
from taskscape.training.features import FeatureCache, require_constant
from taskscape.training.loop import Trainer
from taskscape.training.pace import Pace
from taskscape.training.selection import BestEpoch
from taskscape.training.validation import Validation

if TYPE_CHECKING:
    from taskscape.distributed import Processes


def assemble(experiment: Experiment, stores: Mapping[str, Store], fabric: "Processes", folder: RunFolder) -> Trainer:
    """Build all parts of a run, for an experiment whose settings are complete (``Experiment.for_data``)."""
    if experiment.batch_size < 2 * world_size():
        raise ValueError(
            f"batch_size is {experiment.batch_size} on {world_size()} processes: batch normalization needs at "
            f"least 2 images on each, so make it {2 * world_size()} or more"
        )
    train_data = experiment.loader(stores["train"], fabric.device, training=True)
    unaugmented = experiment.loader(stores["train"], fabric.device, training=False)
    val_data = experiment.loader(stores["val"], fabric.device, training=False)
    num_measured = round(experiment.train_metrics * len(stores["train"]))
    seconds = None if experiment.minutes is None else 60 * experiment.minutes
    pace = Pace(len(train_data), experiment.epochs, seconds, fabric.device)
    training_step = build_step(
        experiment,
        fabric.device,
        learning_rate=lambda step: experiment.schedule.factor(pace.epoch(step), experiment.epochs),
        fabric=fabric,
    )
    features = _feature_cache(experiment, training_step.network, stores)
    if features is not None:
        train_data.on_batch = unaugmented.on_batch = partial(features.give, "train")
        val_data.on_batch = partial(features.give, "val")
    return Trainer(
        training_step,
        train_data,
        Validation(
            training_step,
            val_data,
            train_images=partial(unaugmented.spread, num_measured) if num_measured else None,
            average=WeightAverage(training_step.network, experiment.ema) if experiment.ema else None,
        ),
        fabric,
        folder,
        pace=pace,
        best=BestEpoch(experiment.tasks, experiment.monitor, experiment.patience),
        validate_every=experiment.validate_every,
        checkpoint_minutes=experiment.checkpoint_minutes,
        track=partial(_tracking, experiment, folder) if experiment.trackers else None,
        features=features,
        settings=trained_settings(experiment),
    )


def _feature_cache(experiment: Experiment, network: Network, stores: Mapping[str, Store]) -> FeatureCache | None:
    if not experiment.feature_cache:
        return None
    return FeatureCache(
        require_constant(network, experiment.augmentation, compiled=experiment.compile),
        experiment.build_without_numbers(),
        {split: stores[split] for split in ("train", "val")},
        mirrored=experiment.augmentation.flip,
        gigabytes=experiment.feature_cache,
    )


def _tracking(experiment: Experiment, folder: RunFolder) -> Tracking:
    return Tracking(experiment.trackers, folder, flatten(unstructure(experiment)))
