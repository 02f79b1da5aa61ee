"""A run is a folder: train an experiment into it, load the network from it, evaluate it."""

import io
import logging
import platform
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import taskscape
from taskscape import logs
from taskscape.batch import Batch
from taskscape.data import DataSource, Loader, Store
from taskscape.data.check import quick, require_labels
from taskscape.devices import find_device
from taskscape.distributed import launch, rank, world_size
from taskscape.evaluation import (
    ConfidenceEvaluator,
    TestTimeAugmentation,
    baseline,
    collect_samples,
    evaluate,
    find_tta,
    seconds_of,
)
from taskscape.files import atomic_write
from taskscape.models import Network, Outputs
from taskscape.models.layers.encoder import Encoder
from taskscape.progress import ProgressCallback, progress_bar, reporter
from taskscape.released import resolve
from taskscape.run_folder import Result, RunFolder, locked
from taskscape.runs.account import asked_for, last_epochs, parts, progress_of
from taskscape.runs.calibration import calibrated
from taskscape.runs.experiment import Experiment
from taskscape.runs.known_data import remember, require_same, result_name
from taskscape.runs.other_data import adapted, source_of
from taskscape.runs.precision import apply_recorded, precision_in_words, verify_precision
from taskscape.runs.start import Start
from taskscape.serialization import dump, keep_code, parse, unstructure
from taskscape.serialization.plain import read_text
from taskscape.tasks import Task
from taskscape.trackers import Tracking
from taskscape.training import checkpoint
from taskscape.training.features import FeatureCache, require_constant
from taskscape.training.loop import Trainer
from taskscape.training.optimization import build_optimizer
from taskscape.training.pace import Pace
from taskscape.training.peers import loss_of_a_process_named
from taskscape.training.precision import autocast
from taskscape.training.step import TrainingStep

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_LOGGER = logging.getLogger(__name__)

Device = str
"""The name of a device, such as ``auto``, ``cpu`` or ``cuda:1``: see ``taskscape.devices.find_device``."""

SAMPLES = 8
"""How many images of a split a report shows."""

FITTED = 1000
"""To how many training images, at most, the image-blind baselines of a result are fitted."""


class TrainedModel(NamedTuple):
    """A trained network, ready to predict."""

    experiment: Experiment
    network: Network
    """In evaluation mode, on the device."""
    device: torch.device

    @property
    def tasks(self) -> Mapping[str, Task]:
        """What it predicts, by name."""
        return self.experiment.tasks

    def forward(self, image: Tensor) -> Outputs:
        """Predict (B, 3, H, W) images in 0..1, at the precision of the experiment."""
        with torch.no_grad(), autocast(self.device, self.experiment.precision):
            outputs: Outputs = self.network(image.to(self.device))
            return outputs

    def forward_tta(self, image: Tensor, tta: TestTimeAugmentation | str | bool = True) -> Outputs:
        """Predict with test-time augmentation: by default the mean over the images and their mirror images."""
        augmentation = find_tta(tta)
        if augmentation is None:
            return self.forward(image)
        return Outputs(augmentation(self.forward, self.tasks, image.to(self.device)), {}, ())


def train(experiment: Experiment, run: str | Path, *, resume: bool = False, quiet: bool = False) -> Result:
    """Train an experiment into the folder ``run``, evaluate it there, and return the result.

    With ``resume``, continue from the folder's checkpoint, if it has one, and return the result of a run that is
    finished; with ``quiet``, print nothing. Raises ``ValueError`` for settings that do not fit each other or the data,
    and when another process writes the folder, before any training; ``TrainingError`` and ``Interrupted`` as
    ``Trainer.run``.
    """
    experiment.check()
    folder = RunFolder(Path(run))
    if resume and is_finished(folder, experiment):
        return Result.load(folder.result())
    start = None if resume and folder.checkpoint.exists() else Start.of(experiment)
    fabric = launch(experiment.device)
    if not resume and fabric.is_global_zero and folder.experiment.exists():
        raise ValueError(
            f"{folder.path} holds a run, which is never overwritten: continue it with resume=True (taskscape train "
            f"--resume {folder.path}), name another folder, or delete it"
        )
    resume = resume and folder.checkpoint.exists()
    go_on = f"continue with taskscape train --resume {folder.path}, started as this was"
    with (
        locked(folder) if fabric.is_global_zero else nullcontext(),
        logs.kept() as keep_log_in,
        loss_of_a_process_named(go_on),
    ):
        return _train(experiment, fabric, folder, start, keep_log_in, resume=resume, quiet=quiet)


def _train(
    experiment: Experiment,
    fabric: "Fabric",
    folder: RunFolder,
    start: Start | None,
    keep_log_in: Callable[[Path], None],
    *,
    resume: bool,
    quiet: bool,
) -> Result:
    about = environment(fabric.device) | {"command": shlex.join(sys.argv)}
    _LOGGER.debug("%s: %s", "resumed" if resume else "started", ", ".join(f"{k} {v}" for k, v in about.items()))
    stores = open_data(experiment, fabric, quiet=quiet)
    if missing := [split for split in ("train", "val") if split not in stores]:
        where = " and ".join(missing)
        raise ValueError(f"the data have no images in {where}: a run trains on those of train and validates on val")
    require_labels(stores["train"], {task.source_for(name) for name, task in experiment.tasks.items()})
    notes = [experiment.note or ""]
    experiment = experiment.for_data(stores["train"], notes.append)
    trainer = assemble(experiment, stores, fabric, folder)
    with progress_bar(fabric.is_global_zero and not quiet) as progress, logs.shown(progress.console):
        if fabric.is_global_zero and not quiet:
            fields = {task.source_for(name) for name, task in experiment.tasks.items()}
            for warning in quick(stores, fields):
                _LOGGER.warning("%s", warning)
        notes += dict.fromkeys(module.note for module in trainer.network.modules() if isinstance(module, Encoder))
        if start is not None:
            notes += start.fill(trainer.network, experiment)
            experiment = replace(experiment, start_checksum=start.checksum)
        for note in filter(None, notes):
            _LOGGER.info("%s", note)
        if resume:
            require_same(folder, stores)
            for warning in trainer.load_state(checkpoint.load(folder.checkpoint)):
                _LOGGER.warning("%s", warning)
        if fabric.is_global_zero:
            folder.path.mkdir(parents=True, exist_ok=True)
            atomic_write(folder.experiment, dump(experiment))
            keep_code(experiment, folder.path)
            remember(folder, stores)
            keep_log_in(folder.log)
        verify_precision(trainer, experiment, folder, progress, resume=resume)
        trainer.run(progress)
    model = load(folder.path, str(fabric.device))
    spreads = calibrated(model.forward, model.device, model.experiment, stores, folder)
    result = evaluate_model(model, stores, folder, split="val", spreads=spreads)
    if experiment.tta is not None:
        evaluate_model(model, stores, folder, split="val", tta=experiment.tta, spreads=spreads)
    if fabric.is_global_zero and not experiment.keep_checkpoint:
        folder.checkpoint.unlink(missing_ok=True)  # last, so that a run killed before can be resumed
    return result


def is_finished(folder: RunFolder, experiment: Experiment) -> bool:
    """Return whether the run of an experiment has come to its end: nothing is left to train or to evaluate.

    A run that keeps its checkpoint may be trained on with other settings, so it counts as finished with its own only.
    """
    if not (folder.result().is_file() and folder.weights.is_file()):
        return False
    if not folder.checkpoint.exists():
        return True
    evaluated = {False, _known(find_tta(experiment.tta))}
    try:
        now = progress_of(folder, experiment)
        return (
            experiment.keep_checkpoint
            and experiment == read_experiment(folder.path)
            and now.finished
            and all(Result.load(folder.result(tta=tta)).progress == now for tta in evaluated)
        )
    except (OSError, ValueError):
        return False  # what is missing or damaged is made anew


def assemble(experiment: Experiment, stores: Mapping[str, Store], fabric: "Fabric", folder: RunFolder) -> Trainer:
    """Build every part of a run for an experiment that has met its data (``Experiment.for_data``)."""
    if experiment.batch_size < 2 * world_size():
        raise ValueError(
            f"batch_size is {experiment.batch_size} on {world_size()} processes: batch normalization needs 2 images "
            f"on each at least, so make it {2 * world_size()} or more"
        )
    train_data = experiment.loader(stores["train"], fabric.device, training=True)
    unchanged = experiment.loader(stores["train"], fabric.device, training=False)
    measured = round(experiment.train_metrics * len(stores["train"]))
    torch.manual_seed(experiment.seed)
    network = experiment.network.build(_channels(experiment)).to(fabric.device)
    if experiment.channels_last:
        network = network.to(memory_format=torch.channels_last)
    weighting = experiment.weighting.build(tuple(experiment.tasks), experiment.seed).to(fabric.device)
    seconds = None if experiment.minutes is None else 60 * experiment.minutes
    pace = Pace(len(train_data), experiment.epochs, seconds, fabric.device)
    training_step = TrainingStep(
        network,
        experiment.tasks,
        experiment.objective,
        weighting,
        build_optimizer(experiment.optimizer, network, weighting),
        learning_rate=lambda step: experiment.schedule.factor(pace.epoch(step), experiment.epochs),
        precision=experiment.precision,
        gradient_clip=experiment.gradient_clip,
        compile=experiment.compile,
        seed=experiment.seed,
        fabric=fabric,
    )
    val_data = experiment.loader(stores["val"], fabric.device, training=False)
    features = _features(experiment, network, stores)
    if features is not None:
        train_data.on_batch = unchanged.on_batch = partial(features.give, "train")
        val_data.on_batch = partial(features.give, "val")
    return Trainer(
        training_step,
        train_data,
        val_data,
        fabric,
        folder,
        epochs=experiment.epochs,
        pace=pace,
        validate_every=experiment.validate_every,
        monitor=experiment.monitor,
        patience=experiment.patience,
        track=partial(_tracking, experiment, folder) if experiment.trackers else None,
        train_metrics=partial(unchanged.spread, measured) if measured else None,
        features=features,
        checkpoint_minutes=experiment.checkpoint_minutes,
    )


def _features(experiment: Experiment, network: Network, stores: Mapping[str, Store]) -> FeatureCache | None:
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
    from taskscape.report.run import flatten  # with all that draws reports, which takes a while

    return Tracking(experiment.trackers, folder, flatten(unstructure(experiment)))


def read_experiment(run: str | Path) -> Experiment:
    """Read a run's experiment. Raises ``FileNotFoundError`` or ``ValueError`` that names the file."""
    path = RunFolder(Path(run)).experiment
    if not path.is_file():
        raise FileNotFoundError(f"{run} is not a run: it has no {path.name}; make one with taskscape train")
    return parse(read_text(path), str(path), Experiment)


def load(run: str | Path, device: str = "auto") -> TrainedModel:
    """Load the network of a run as it was after its best epoch, or a model by its name.

    Names are those of ``taskscape.released.resolve``.

    Raises ``FileNotFoundError`` or ``ValueError`` that names the file, where the folder is not a trained run.
    """
    run = resolve(run)
    experiment = read_experiment(run)
    place = find_device(device)
    network = experiment.network.from_scratch().build(_channels(experiment))
    checkpoint.load_weights(RunFolder(Path(run)).weights, network)
    if experiment.channels_last:
        network = network.to(memory_format=torch.channels_last)
    apply_recorded(network, RunFolder(Path(run)))
    return TrainedModel(experiment, network.to(place).eval(), place)


def evaluate_run(
    run: str | Path,
    *,
    split: str = "val",
    data: DataSource | str | Path | None = None,
    classes: str = "",
    height: int | None = None,
    tta: TestTimeAugmentation | str | bool = False,
    confidence: bool = False,
    device: str = "auto",
    quiet: bool = False,
) -> Result:
    """Evaluate a run's best network on a split, and write the result and samples for the report into its folder.

    With ``tta``, test-time augmentation, predictions are the mean of those for the image and for its mirror image, or
    what a ``TestTimeAugmentation`` or its word says; the files have names of their own then (``RunFolder``).

    ``data``, a source or the folder of a store, are other data than the run's; their splits are called
    ``STORE-SPLIT`` in the run's folder. Tasks that they have no labels for are left out. Where they have other classes,
    ``classes`` says which of the network's becomes which of theirs
    (``taskscape.modalities.class_maps.class_table``): ``cityscapes-to-camvid``, or ``wall:building+terrain:tree``; by
    default the known map between the two, or classes of the same name. The probabilities of classes that become one
    are added up. ``height`` scales images to this height for the network, and its output back; by default they stay.

    Confidence is calibrated on the run's validation images and measured for the tasks that are set to it, with
    ``confidence`` for all that can say how sure they are, such as those with classes.

    Where the data are not those that the run was trained with, the files have the data's fingerprint in their names, as
    ``Result.split`` has, and that is printed. Raises ``ValueError`` for a split that the data lacks, and for labels
    that the network cannot be measured by.
    """
    known = _known(find_tta(tta))
    read_experiment(run)  # a folder, to write into: not the name of a model
    model = load(run, device)
    folder = RunFolder(Path(run))
    source = model.experiment.data if data is None else source_of(data)
    with progress_bar(rank() == 0 and not quiet) as progress, logs.shown(progress.console):
        stores = source.open(reporter(progress, "preparing data"))
        if split not in stores:
            where = run if data is None else stores[next(iter(stores))].path
            raise ValueError(f"the data of {where} has no split {split!r}; it has {', '.join(stores)}")
        store = stores[split]
        other = None if data is None else store.path.name
        name, note = result_name(folder, split, known, store, source=other, height=height)
        notes = [note]
        own = stores if data is None else {}
        spreads = calibrated(model.forward, model.device, model.experiment, own, folder, all_tasks=confidence)
        if data is not None or classes or height is not None:
            experiment, network, changed = adapted(
                model.experiment, model.network, store.fields, str(store.path), classes=classes, height=height
            )
            model, notes = TrainedModel(experiment, network, model.device), [*changed, note]
        for sentence in filter(None, notes):
            _LOGGER.info("%s", sentence)
        report = reporter(progress, "batches evaluated")
        return evaluate_model(model, stores, folder, split=split, name=name, tta=tta, spreads=spreads, report=report)


def evaluate_model(
    model: TrainedModel,
    stores: Mapping[str, Store],
    folder: RunFolder,
    *,
    split: str,
    name: str | None = None,
    tta: TestTimeAugmentation | str | bool = False,
    spreads: Mapping[str, float | None] = MappingProxyType({}),
    report: ProgressCallback | None = None,
) -> Result:
    """Evaluate a network on a split, and write the result and samples into the folder of its run.

    ``name`` is what the split is called there, by default its own name; ``spreads`` names the tasks whose confidence
    is measured, with their calibration; ``report`` is told of the batches done. Where several processes train together,
    all call it and each takes its part of the images.
    """
    store, name = stores[split], name or split
    loader = model.experiment.loader(store, model.device, training=False)
    augmentation = find_tta(tta)
    known = _known(augmentation)
    forward = partial(model.forward_tta, tta=augmentation) if augmentation else model.forward
    confidence = ConfidenceEvaluator(model.tasks, spreads, model.device)
    evaluation = evaluate(forward, model.tasks, _reported(loader, report), model.device, also=confidence.update)
    evaluation = confidence.added_to(evaluation)
    blind = baseline(stores["train"], store, model.tasks, most=FITTED) if "train" in stores else None
    one_image = loader.batch(np.array([0])).image
    latency = seconds_of({"": lambda: forward(one_image)}, model.device)[""]
    result = Result(
        split=name,
        images=len(store),
        size=store.size,
        tasks={name: task.modality for name, task in model.tasks.items()},
        metrics=evaluation.metrics,
        specs=asked_for(evaluation.specs, model.experiment.monitor, store),
        plots=evaluation.plots,
        cost={
            "parameters": sum(p.numel() for p in model.network.parameters()),
            "flops": (augmentation.cost if augmentation else 1.0) * flops(model.network, store.size),
            "seconds_per_image": evaluation.seconds_per_image,
            "latency": latency,
            **_training_time(folder),
        },
        environment={
            **environment(model.device),
            "batch size": str(-(-min(loader.batch_size, len(store)) // world_size())),
            **precision_in_words(model.experiment, folder),
        },
        tta=known,
        data=store.manifest.fingerprint,
        progress=progress_of(folder, model.experiment),
        last_epochs=None if known or name != "val" else last_epochs(folder, model.experiment.average_last),
        baselines={} if blind is None else {"constant": blind.constant, "by position": blind.by_position},
        parameters=parts(model.network),
    )
    if rank() == 0:
        indices = np.linspace(0, len(store) - 1, min(SAMPLES, len(store))).astype(np.int64)
        network = None if augmentation else model.network
        samples = collect_samples(forward, model.tasks, loader.batch(indices), network, confidence.spreads)
        names = np.array([store.names[index] for index in indices])
        _save_arrays(folder.samples(name, known), {"name": names, **samples})
        result.save(folder.result(name, known))
    return result


def _known(tta: TestTimeAugmentation | None) -> bool | str:
    """Return what results and their files know of test-time augmentation."""
    if tta is None:
        return False
    return True if tta.word == "mirror" else tta.word


def _reported(loader: Loader, report: ProgressCallback | None) -> Iterator[Batch]:
    """Yield the batches of a split, and report each when it is done."""
    for done, batch in enumerate(loader.epoch(0), 1):
        yield batch
        if report is not None:
            report(done, len(loader))


def open_data(experiment: Experiment, fabric: "Fabric", *, quiet: bool = False) -> dict[str, Store]:
    """Open the data; the first process makes it, where it must be made, while the others wait."""
    with fabric.rank_zero_first(), progress_bar(fabric.is_global_zero and not quiet) as progress:
        return experiment.data.open(reporter(progress, "preparing data"))


def flops(network: Network, size: tuple[int, int]) -> int:
    """Return the floating-point operations of one image of (H, W), a multiply-add counted as two."""
    parameter = next(network.parameters())
    # With gradients: the counter's hooks on modules that get a parameter as an argument fail without.
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        network(torch.zeros(1, 3, *size, device=parameter.device, dtype=parameter.dtype))
    return int(counter.get_total_flops())


def environment(device: torch.device) -> dict[str, str]:
    """Return versions and hardware of an evaluation, in general terms."""
    gpu = device.type == "cuda"
    return {
        "taskscape": taskscape.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "device": torch.cuda.get_device_name(device) if gpu else f"CPU, {_threads()}",
        "processes": str(world_size()),
    }


def _threads() -> str:
    count = torch.get_num_threads()
    return "1 thread" if count == 1 else f"{count} threads"


def _channels(experiment: Experiment) -> dict[str, int]:
    return {name: task.channels for name, task in experiment.tasks.items()}


def _training_time(folder: RunFolder) -> dict[str, float]:
    rows = folder.metric_rows()
    return {"seconds": float(rows[-1]["seconds"])} if rows else {}


def _save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
    atomic_write(path, buffer.getbuffer())
