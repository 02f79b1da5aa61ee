"""Reduced precision in a run: whether to use it, and its self-check before training and when a network is loaded."""

import logging
import math
from collections.abc import Callable
from dataclasses import replace

import torch
from rich.progress import Progress
from torch import nn

from taskscape import selfcheck
from taskscape.data import Loader
from taskscape.distributed import of_first_process, rank, world_size
from taskscape.progress import reporter
from taskscape.run_folder import RunFolder
from taskscape.runs.experiment import Experiment
from taskscape.selfcheck import findings
from taskscape.training.bf16_speed import faster_precision, slow_bf16
from taskscape.training.loop import Trainer
from taskscape.training.precision import autocast

_LOGGER = logging.getLogger(__name__)


def verify_precision(trainer: Trainer, experiment: Experiment, progress: Progress, *, resume: bool) -> None:
    """Check the network of a run at the shapes of its batches, fix layers that compute wrongly, and log and record it.

    A resumed run keeps earlier fixes, even those from another machine. Every process must call it.
    """
    path = trainer.folder.precision
    recorded = findings.load(path) if resume else ()
    selfcheck.apply(trainer.network, recorded)
    new_findings: tuple[selfcheck.Finding, ...] = ()
    if experiment.precision != "fp32":
        new_findings = selfcheck.verify(
            trainer.network,
            _shapes(trainer),
            lambda: autocast(trainer.fabric.device, experiment.number_format),
            report=reporter(progress, "checking precision"),
        )
    all_findings = tuple(dict.fromkeys((*recorded, *new_findings)))
    if rank() == 0 and all_findings:
        _LOGGER.info("%s; see %s", findings.in_one_line(all_findings), path)
        findings.save(path, all_findings)
    elif rank() == 0:
        path.unlink(missing_ok=True)  # left by an earlier run in this folder


def with_faster_precision(
    experiment: Experiment, device: torch.device, report: Callable[[str], None] = lambda text: None
) -> Experiment:
    """Return the experiment with ``precision: fast`` replaced by the precision that this machine is faster with.

    ``report`` is called with a remark if bf16 is slower here. With several processes, each must call it; the first
    decides.
    """
    slow = slow_bf16(device) if experiment.precision in ("fast", "bf16") else ""
    if experiment.precision == "fast":
        experiment = replace(experiment, precision=of_first_process(faster_precision(device), device))
        slow = slow and f"{slow}, so this run computes in fp32"
    elif slow:
        slow += "; --precision fp32 is faster and as accurate"
    if slow:
        report(slow)
    return experiment


def apply_recorded(network: nn.Module, folder: RunFolder) -> None:
    """Make the layers of a run's network compute as they did in training."""
    selfcheck.apply(network, findings.load(folder.precision))


def precision_in_words(experiment: Experiment, folder: RunFolder) -> dict[str, str]:
    """Return the precision of a run and the changes of the self-check, for the environment of a result."""
    changes = findings.load(folder.precision)
    entries = {"precision": experiment.precision}
    return entries | ({"self-check": ". ".join(map(str, changes))} if changes else {})


def _shapes(trainer: Trainer) -> list[selfcheck.Shape]:
    train, val = trainer.train_data, trainer.val_data
    crop = train.augmentation.crop if train.augmentation is not None else None
    return [
        selfcheck.Shape(_images_per_process(train), crop or train.store.size),
        selfcheck.Shape(_images_per_process(val), val.store.size, training=False),
    ]


def _images_per_process(loader: Loader) -> int:
    """Return the number of images of a full batch on one process."""
    return math.ceil(min(loader.batch_size, len(loader.store)) / world_size())
