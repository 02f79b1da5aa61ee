"""Information on a run for its result, besides the metrics: training progress, and the parts of the network."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from statistics import fmean

from torch import nn

from taskscape.data import Store
from taskscape.metrics.joint import JOINT
from taskscape.metrics.spec import MetricSpec
from taskscape.run_folder import EpochMean, Progress, RunFolder
from taskscape.runs.experiment import Experiment


def progress_of(folder: RunFolder, experiment: Experiment) -> Progress:
    """Return the training progress of the run in a folder."""
    rows, minutes, patience = folder.metric_rows(), experiment.minutes, experiment.patience
    if not rows:
        return Progress(0, experiment.epochs, finished=False)
    epochs = int(rows[-1]["epoch"])
    is_over = (minutes is not None and float(rows[-1]["seconds"]) >= 60 * minutes) or (
        patience is not None and int(rows[-1].get("epochs_since_best", 0)) >= patience
    )
    planned = epochs if is_over else experiment.epochs
    return Progress(epochs, planned, epochs >= planned)


def training_time(folder: RunFolder) -> dict[str, float]:
    """Return the seconds of training as a cost of a result; empty if the run in the folder has no log."""
    rows = folder.metric_rows()
    return {"seconds": float(rows[-1]["seconds"])} if rows else {}


def sharing_in_words(folder: RunFolder) -> dict[str, str]:
    """Return how many runs were trained at once and share the seconds of training; empty for a run trained alone."""
    counts = [int(row["runs_at_once"]) for row in folder.metric_rows() if "runs_at_once" in row]
    return {"runs at once": str(max(counts))} if counts else {}


def last_epochs(folder: RunFolder, count: int) -> EpochMean | None:
    """Return the means of the validation metrics over the last ``count`` epochs; None if there are none."""
    rows = folder.metric_rows()
    rows = [row for row in rows if int(row["epoch"]) > int(rows[-1]["epoch"]) - count]
    validated = [{name: float(cell) for name, cell in row.items() if _is_metric(name)} for row in rows]
    validated = [row for row in validated if row]
    names = dict.fromkeys(name for row in validated for name in row)
    means = {name.removeprefix("val/"): fmean(row[name] for row in validated if name in row) for name in names}
    return EpochMean(len(validated), means) if means else None


def _is_metric(column: str) -> bool:
    return column.startswith("val/") and not column.startswith(("val/loss/", "val/consistency/"))


def parts(network: nn.Module) -> dict[str, int]:
    """Return the number of parameters of each part of a network; a parameter of two parts is counted in the first.

    The members of a list or dict of modules are separate parts, such as ``decoders.semseg``.
    """
    counted: set[nn.Parameter] = set()
    sizes = {}
    for name, module in _children(network):
        uncounted = set(module.parameters()) - counted
        counted |= uncounted
        sizes[name] = sum(parameter.numel() for parameter in uncounted)
    num_other = sum(parameter.numel() for parameter in set(network.parameters()) - counted)
    return {name: size for name, size in {**sizes, "other": num_other}.items() if size}


def _children(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, module in network.named_children():
        if isinstance(module, nn.ModuleDict | nn.ModuleList):
            yield from ((f"{name}.{member}", part) for member, part in module.named_children())
        else:
            yield name, module


def mark_required(specs: Mapping[str, MetricSpec], monitor: str | None, store: Store) -> dict[str, MetricSpec]:
    """Return the specs, with the monitored metric and those of papers on the data marked as not optional."""
    data_kind = store.manifest.source.get("kind")
    required = {monitor, *(joint.name for joint in JOINT if data_kind in joint.of_data)}
    return {name: replace(spec, optional=False) if name in required else spec for name, spec in specs.items()}
