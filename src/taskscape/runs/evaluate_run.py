"""Evaluate the network of a run on a split: a result, and samples for the report."""

import io
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from taskscape import evaluation, logs
from taskscape.batch import Batch
from taskscape.data import DataSource, Loader, Store
from taskscape.distributed import rank, world_size
from taskscape.evaluation import (
    ConfidenceEvaluator,
    TestTimeAugmentation,
    baseline,
    collect_samples,
    find_tta,
    seconds_of,
)
from taskscape.files import atomic_write, writing
from taskscape.progress import ProgressCallback, progress_bar, reporter
from taskscape.run_folder import Result, RunFolder
from taskscape.runs.account import last_epochs, mark_required, parts, progress_of, sharing_in_words, training_time
from taskscape.runs.calibration import SPLIT as CALIBRATION_SPLIT
from taskscape.runs.calibration import calibrated, measured_tasks
from taskscape.runs.cost import environment, flops
from taskscape.runs.experiment import Experiment
from taskscape.runs.known_data import result_name
from taskscape.runs.other_data import adapted, beyond_range, measured_on, source_of
from taskscape.runs.precision import precision_in_words
from taskscape.runs.trained_model import TrainedModel, load, read_experiment
from taskscape.serialization.arguments import checked
from taskscape.serialization.ranges import Count

_LOGGER = logging.getLogger(__name__)

SAMPLES = 8
"""Number of images of a split that a report shows."""

BASELINE_IMAGES = 1000
"""Maximum number of training images to which the image-blind baselines of a result are fitted."""


@checked
def evaluate(
    run: str | Path,
    *,
    split: str = "val",
    data: DataSource | str | Path | None = None,
    classes: str = "",
    height: Count | None = None,
    tta: TestTimeAugmentation | str | bool = False,
    confidence: bool = False,
    device: str | torch.device = "auto",
    quiet: bool = False,
) -> Result:
    """Evaluate the best weights of a run on a split, and write the result and samples for the report to its folder.

    With ``tta``, test-time augmentation, predictions are the mean over the image and its mirror image, or as specified
    by a ``TestTimeAugmentation`` or its ``word``; the files then have different names (``RunFolder``).

    ``data``, a source or the folder of a store, replaces the run's own data; its splits are called ``STORE-SPLIT`` in
    the run's folder. Tasks without labels in it are left out. If it has other classes, ``classes`` maps the network's
    classes to them (``taskscape.modalities.class_maps.class_table``): ``cityscapes-to-camvid``, or
    ``wall:building+terrain:tree``. By default the known map between the two is used, or classes of the same name. The
    probabilities of merged classes are added. ``height`` scales images to this height for the network, and its output
    back; by default images are not scaled.

    Confidence is calibrated on the run's validation images and measured for the tasks whose settings ask for it, or
    with ``confidence`` for all tasks that can say how sure they are, such as those with classes. An evaluation replaces
    the one of the same name, also where only the earlier one measured confidence.

    If the data are not those that the run was trained with, the names of the files contain the fingerprint of the data,
    as does ``Result.split``, and a message says so. For a published run on generated data, only the scenes of the split
    are made; without training scenes, the result has no image-blind baselines. Raises ``ValueError`` for a split that
    the data lack, and for labels on which the network cannot be evaluated; ``OSError`` if the folder cannot be written.
    """
    augmentation = find_tta(tta)
    experiment = read_experiment(run)  # a folder to write into, not the name of a model
    source = experiment.data if data is None else source_of(data)
    is_other = data is not None or bool(classes) or height is not None
    if (preview := source.preview()) is not None:
        _require_split(split, preview.counts, str(run) if data is None else preview.where)
        if is_other:
            measured_on(experiment.tasks, preview.fields, preview.where, classes)
    folder = RunFolder(Path(run))
    _try_writing(folder.path)
    model = load(run, device)
    needed = source
    if data is None and not folder.data.is_file():  # a published run, whose data may have to be generated here
        needed = source.only(_splits_for(split, experiment, confidence))
    with progress_bar(rank() == 0 and not quiet) as progress, logs.shown_on(progress.console):
        stores = needed.open(reporter(progress, "preparing data"))
        _require_split(split, stores, str(run if data is None else stores[next(iter(stores))].path))
        store = stores[split]
        name, note = result_name(
            folder,
            split,
            tta_record_of(augmentation),
            store,
            source=None if data is None else store.path.name,
            classes=classes,
            height=height,
            is_part=needed != source,
        )
        own_stores = stores if data is None else {}
        spreads = calibrated(model.forward, model.device, model.experiment, own_stores, folder, all_tasks=confidence)
        changes: list[str] = []
        if is_other:
            model, changes = _adapted(model, store, classes, height)
        for sentence in filter(None, [*changes, note, *beyond_range(model.tasks, store)]):
            _LOGGER.info("%s", sentence)
        return evaluate_model(
            model,
            stores,
            folder,
            split=split,
            name=name,
            classes=classes,
            tta=augmentation,
            spreads=spreads,
            report=reporter(progress, "batches evaluated"),
        )


def _try_writing(folder: Path) -> None:
    """Write a file to the folder and remove it, so that ``OSError`` comes before the evaluation, not after it."""
    with writing(folder), tempfile.TemporaryFile(dir=folder):
        pass


def _splits_for(split: str, experiment: Experiment, confidence: bool) -> set[str]:
    """Return the splits that the evaluation of one needs: itself, and that on which confidence is calibrated."""
    return {split, CALIBRATION_SPLIT} if measured_tasks(experiment, all_tasks=confidence) else {split}


def _adapted(model: TrainedModel, store: Store, classes: str, height: int | None) -> tuple[TrainedModel, list[str]]:
    """Return the model for other data, classes or sizes, and sentences about what is different."""
    experiment, network, changes = adapted(
        model.experiment, model.network, store.fields, str(store.path), classes=classes, height=height
    )
    return TrainedModel(experiment, network, model.device), changes


def _require_split(split: str, splits: Iterable[str], where: str) -> None:
    if split not in splits:
        raise ValueError(f"the data of {where} has no split {split!r}; it has {', '.join(splits)}")


def evaluate_model(
    model: TrainedModel,
    stores: Mapping[str, Store],
    folder: RunFolder,
    *,
    split: str,
    name: str | None = None,
    classes: str = "",
    tta: TestTimeAugmentation | None = None,
    spreads: Mapping[str, float | None],
    report: ProgressCallback | None = None,
) -> Result:
    """Evaluate a network on a split, and write the result and samples to the folder of its run.

    ``name`` is the name of the split in that folder, by default its own; ``classes`` is the map of classes that the
    model was adapted with; ``spreads`` has the calibration of each task whose confidence is measured; ``report`` is
    called with the number of batches done and the total. If several processes train together, all must call it, and
    each evaluates its part of the images.
    """
    store, name = stores[split], name or split
    loader = model.experiment.loader(store, model.device, training=False)
    tta_record = tta_record_of(tta)
    forward = partial(model.forward_tta, tta=tta) if tta else model.forward
    confidence = ConfidenceEvaluator(model.tasks, spreads, model.device)
    batches = _with_reports(loader, report)
    measured = evaluation.evaluate(forward, model.tasks, batches, model.device, also=confidence.update)
    measured = confidence.added_to(measured)
    blind = baseline(stores["train"], store, model.tasks, most=BASELINE_IMAGES) if "train" in stores else None
    result = Result(
        split=name,
        images=len(store),
        size=store.size,
        tasks={name: task.modality for name, task in model.tasks.items()},
        metrics=measured.metrics,
        specs=mark_required(measured.specs, model.experiment.monitor, store),
        plots=measured.plots,
        cost={
            "parameters": sum(p.numel() for p in model.network.parameters()),
            "flops": (tta.cost if tta else 1.0) * flops(model.network, store.size),
            "seconds_per_image": measured.seconds_per_image,
            "latency": _latency(forward, loader),
            **training_time(folder),
        },
        environment={
            **environment(model.device),
            "batch size": str(-(-min(loader.batch_size, len(store)) // world_size())),
            **precision_in_words(model.experiment, folder),
            **sharing_in_words(folder),
        },
        tta=tta_record,
        data=store.manifest.fingerprint,
        classes=classes,
        progress=progress_of(folder, model.experiment),
        last_epochs=None if tta_record or name != "val" else last_epochs(folder, model.experiment.average_last),
        baselines={} if blind is None else {"constant": blind.constant, "by position": blind.by_position},
        parameters=parts(model.network),
    )
    if rank() == 0:
        indices = np.linspace(0, len(store) - 1, min(SAMPLES, len(store))).astype(np.int64)
        network = None if tta else model.network
        samples = collect_samples(forward, model.tasks, loader.batch(indices), network, confidence.spreads)
        names = np.array([store.names[index] for index in indices])
        _save_arrays(folder.samples(name, tta_record), {"name": names, **samples})
        result.save(folder.result(name, tta_record))
    return result


def _latency(forward: evaluation.Forward, loader: Loader) -> float:
    """Return the seconds that the prediction of one image takes."""
    image = loader.batch(np.array([0])).image
    return seconds_of({"": lambda: forward(image)}, image.device)[""]


def tta_record_of(tta: TestTimeAugmentation | None) -> bool | str:
    """Return test-time augmentation as results and their file names record it."""
    if tta is None:
        return False
    return True if tta.word == "mirror" else tta.word


def _with_reports(loader: Loader, report: ProgressCallback | None) -> Iterator[Batch]:
    """Yield the batches of a split, and report each one that is done."""
    for done, batch in enumerate(loader.epoch(0), 1):
        yield batch
        if report is not None:
            report(done, len(loader))


def _save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
    atomic_write(path, buffer.getbuffer())
