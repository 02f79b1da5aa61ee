"""The calibration of a run: found on its validation images, saved in its folder, used on every split."""

from collections.abc import Mapping

import torch

from taskscape.data import Loader, Store
from taskscape.distributed import rank
from taskscape.evaluation import Forward, calibrate
from taskscape.files.digest import sha256
from taskscape.run_folder import Calibration, RunFolder
from taskscape.runs.experiment import Experiment
from taskscape.runs.known_data import trained_on

SPLIT = "val"
IMAGES = 500
"""Maximum number of validation images for a calibration."""


def measured_tasks(experiment: Experiment, *, all_tasks: bool = False) -> list[str]:
    """Return the tasks whose confidence is measured: those with the setting, or all that can say how sure they are."""
    return [
        name
        for name, task in experiment.tasks.items()
        if task.measures_confidence or (all_tasks and task.distribution is not None)
    ]


def calibrated(
    forward: Forward,
    device: torch.device,
    experiment: Experiment,
    stores: Mapping[str, Store],
    folder: RunFolder,
    *,
    all_tasks: bool = False,
) -> dict[str, float | None]:
    """Return the spread of each task whose confidence is measured; None for a task without calibration.

    The calibration in the folder is used if it belongs to the weights. Otherwise one is found on the run's own
    validation images and saved; if ``stores`` does not have these, there is none. ``forward`` is the network as it was
    trained, without test-time augmentation.
    """
    names = measured_tasks(experiment, all_tasks=all_tasks)
    if not names:
        return {}
    calibration = Calibration.of(folder)
    if calibration is None or not set(names) <= calibration.spreads.keys():
        store = stores.get(SPLIT)
        if store is not None and trained_on(folder, SPLIT) in (None, store.manifest.fingerprint):
            calibration = _measure_spreads(forward, device, experiment, names, store, sha256(folder.weights))
            if rank() == 0:
                calibration.save(folder.calibration)
    return {name: None if calibration is None else calibration.spreads.get(name) for name in names}


def _measure_spreads(
    forward: Forward, device: torch.device, experiment: Experiment, names: list[str], store: Store, weights: str
) -> Calibration:
    """Find the spreads; every process does all of the work."""
    tasks, images = {name: experiment.tasks[name] for name in names}, min(IMAGES, len(store))
    loader = Loader(store, tasks, experiment.batch_size, device, rank=0, world_size=1)
    spreads = calibrate(forward, tasks, loader.spread(images), images)
    return Calibration(spreads, SPLIT, images, store.manifest.fingerprint, weights)
