"""A run is a folder: train an experiment into it, load the network from it, evaluate it."""

import io
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import taskscape
from taskscape.training import checkpoint
from taskscape.data import Store
from taskscape.distributed import launch
from taskscape.evaluation.evaluate import measure, pictures
from taskscape.runs.experiment import Experiment
from taskscape.files import atomic_write
from taskscape.run_folder.run_log import read_rows
from taskscape.models import Network, Outputs
from taskscape.distributed import rank, world
from taskscape.progress import progress_bar, reporter
from taskscape.run_folder.result import Result, TaskInfo, suffix
from taskscape.serialization import dump, parse
from taskscape.tasks import Task
from taskscape.training.loop import Plan, Training, autocast

EXPERIMENT, WEIGHTS, CHECKPOINT, RESULT = "experiment.yaml", "best.safetensors", "last.ckpt", "result.json"
"""The files of a run."""

PICTURES = 8
"""How many images of a split a report shows."""


class Trained(NamedTuple):
    """A trained network, ready to predict."""

    experiment: Experiment
    tasks: dict[str, Task]
    network: Network
    """In evaluation mode, on the device."""
    device: torch.device

    def forward(self, image: Tensor) -> Outputs:
        """Predict for (B, 3, H, W) images in 0..1, at the precision of the experiment."""
        with torch.no_grad(), autocast(self.device, self.experiment.precision):
            outputs: Outputs = self.network(image.to(self.device))
            return outputs

    def forward_mirrored_too(self, image: Tensor) -> Outputs:
        """Predict as the mean of the raw outputs for the images and for their mirror images."""
        plain, mirrored = self.forward(image).final, self.forward(image.flip(-1)).final
        final = {name: (plain[name] + task.mirrored(mirrored[name])) / 2 for name, task in self.tasks.items()}
        return Outputs(final, {}, ())


def train(experiment: Experiment, run: Path, *, resume: bool = False) -> Result:
    """Train an experiment into the folder ``run``, evaluate it there, and return the result.

    With ``resume``, continue from the folder's checkpoint, if it has one. Raises ``ValueError`` for settings that do
    not fit each other or the data, before any training; ``TrainingError`` and ``Interrupted`` as ``Training.run``.
    """
    fabric = launch(experiment.device)
    stores = open_data(experiment, fabric)
    experiment = experiment.for_data(stores["train"])
    training = assemble(experiment, stores, fabric, run)
    if resume and (run / CHECKPOINT).exists():
        for warning in training.load_state(checkpoint.load(run / CHECKPOINT), run / CHECKPOINT):
            fabric.print(warning)
    if fabric.is_global_zero:
        run.mkdir(parents=True, exist_ok=True)
        atomic_write(run / EXPERIMENT, dump(experiment).encode())
    with progress_bar(fabric.is_global_zero) as progress:
        training.run(progress)
    return evaluate_run(run, device=str(fabric.device))


def assemble(experiment: Experiment, stores: Mapping[str, Store], fabric: Fabric, run: Path) -> Training:
    """Build every part of a run for an experiment whose classes are known."""
    by_name = experiment.tasks.by_name()
    if experiment.batch_size < 2 * world():
        raise ValueError(
            f"batch_size is {experiment.batch_size} on {world()} processes: batch normalisation needs 2 images "
            f"on each at least, so make it {2 * world()} or more"
        )
    torch.manual_seed(experiment.seed)
    network = experiment.network.build({name: task.channels for name, task in by_name.items()}).to(fabric.device)
    if experiment.channels_last:
        network = network.to(memory_format=torch.channels_last)
    weighting = experiment.weighting.build(tuple(by_name), experiment.seed).to(fabric.device)
    if experiment.compile:
        if weighting.retains_graph:
            torch._functorch.config.donated_buffer = False
        network.compile()
    groups: list[dict[str, Any]] = [{"params": [p for p in network.parameters() if p.requires_grad]}]
    if learnt := [p for p in weighting.parameters() if p.requires_grad]:
        rate = {} if weighting.learning_rate is None else {"lr": weighting.learning_rate}
        groups.append({"params": learnt, "weight_decay": 0.0, **rate})
    return Training(
        fabric=fabric,
        network=network,
        tasks=by_name,
        objective=experiment.objective,
        weighting=weighting,
        optimizer=experiment.optimizer.build(groups),
        learning_rate=lambda epoch: experiment.schedule.factor(epoch, experiment.epochs),
        train=experiment.loader(stores["train"], fabric.device, training=True),
        val=experiment.loader(stores["val"], fabric.device, training=False),
        plan=Plan(
            epochs=experiment.epochs,
            seed=experiment.seed,
            precision=experiment.precision,
            gradient_clip=experiment.gradient_clip,
            best=experiment.best,
            checkpoint_minutes=experiment.checkpoint_minutes,
        ),
        run=run,
        compiled=experiment.compile,
    )


def read_experiment(run: Path) -> Experiment:
    """Read a run's experiment. Raises ``FileNotFoundError`` or ``ValueError`` that names the file."""
    path = run / EXPERIMENT
    if not path.is_file():
        raise FileNotFoundError(f"{run} is not a run: it has no {EXPERIMENT}; make one with taskscape train")
    return parse(path.read_text(), str(path), Experiment)


def load(run: Path, device: Literal["auto", "cpu", "cuda"] | str = "auto") -> Trained:
    """Load the best network of a run.

    Raises ``FileNotFoundError`` or ``ValueError`` that names the file, where the folder is not a trained run.
    """
    experiment = read_experiment(run)
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else torch.device(device)
    by_name = experiment.tasks.by_name()
    network = experiment.network.from_scratch().build({name: task.channels for name, task in by_name.items()})
    checkpoint.load_weights(run / WEIGHTS, network)
    if experiment.channels_last:
        network = network.to(memory_format=torch.channels_last)
    return Trained(experiment, by_name, network.to(place).eval(), place)


def evaluate_run(
    run: Path, *, split: str = "val", tta: bool = False, device: Literal["auto", "cpu", "cuda"] | str = "auto"
) -> Result:
    """Measure a run's best network on a split and write ``result.json`` and the pictures of a report.

    For the split ``val`` they are ``result.json`` and ``samples.npz``, for another ``result-SPLIT.json`` and
    ``samples-SPLIT.npz``. ``tta`` is test-time augmentation: predictions are the mean of those for the image and for
    its mirror image, and the files' names end in ``-tta``. Where several processes train together, all call it and
    each measures its share of the images. Raises ``ValueError`` for a split that the data lacks.
    """
    trained = load(run, device)
    with progress_bar(rank() == 0) as progress:
        stores = trained.experiment.data.open(reporter(progress, "preparing data"))
    if split not in stores:
        raise ValueError(f"the data of {run} has no split {split!r}; it has {', '.join(stores)}")
    loader = trained.experiment.loader(stores[split], trained.device, training=False)
    forward = trained.forward_mirrored_too if tta else trained.forward
    measured = measure(forward, trained.tasks, loader.epoch(0), trained.device)
    ending = suffix(split, tta)
    result = Result(
        split=split,
        images=len(stores[split]),
        size=stores[split].size,
        metrics=measured.metrics,
        figures=measured.figures,
        tasks=[_info(task) for task in trained.tasks.values()],
        cost={
            "parameters": sum(p.numel() for p in trained.network.parameters()),
            "flops": float((1 + tta) * flops(trained.network, stores[split].size)),
            "seconds_per_image": measured.seconds_per_image,
            **_training_time(run),
        },
        environment=environment(trained.device) | ({"test-time augmentation": "mirrored"} if tta else {}),
    )
    if rank() == 0:
        shown = np.linspace(0, len(stores[split]) - 1, min(PICTURES, len(stores[split]))).astype(np.int64)
        arrays = pictures(forward, trained.tasks, loader.batch(shown))
        names = np.array([stores[split].names[index] for index in shown])
        save_arrays(run / f"samples{ending}.npz", {"name": names, **arrays})
        result.save(run / f"result{ending}.json")
    return result


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write an ``npz`` file whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
    atomic_write(path, buffer.getbuffer())


def open_data(experiment: Experiment, fabric: Fabric) -> dict[str, Store]:
    """Open the data; the first process makes it, where it must be made, while the others wait."""
    with fabric.rank_zero_first(), progress_bar(fabric.is_global_zero) as progress:
        return experiment.data.open(reporter(progress, "preparing data"))


def flops(network: Network, size: tuple[int, int]) -> int:
    """Return the floating-point operations of one image of (H, W), a multiply-add counted as two."""
    parameter = next(network.parameters())
    # With gradients: the counter's hooks on modules that are given a parameter fail without.
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        network(torch.zeros(1, 3, *size, device=parameter.device, dtype=parameter.dtype))
    return int(counter.get_total_flops())


def environment(device: torch.device) -> dict[str, str]:
    """Return what the figures were measured on, in general terms."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return {
        "taskscape": taskscape.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": where,
        "processes": str(world()),
    }


def _info(task: Task) -> TaskInfo:
    classes = task.class_set
    if classes is None:
        return TaskInfo(task.name, task.kind, scale_known=task.in_known_scale)
    return TaskInfo(task.name, task.kind, list(classes.classes), [list(color) for color in classes.palette])


def _training_time(run: Path) -> dict[str, float]:
    rows = read_rows(run / "metrics.csv")
    return {"seconds": float(rows[-1]["seconds"])} if rows else {}
