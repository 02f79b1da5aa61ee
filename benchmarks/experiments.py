"""Train published experiments at small scale and record their results, for docs/results/experiments.md.

    python benchmarks/experiments.py --seeds 0 1 2 --workers 10 --minutes 6

trains the recipes of all claims (``tables.CLAIMS``, in that order) at the small scale of ``taskscape train RECIPE
--scale small``, once per seed, in several processes, and validates after the last step. With names of recipes, and
further arguments if needed, only these are trained (the ladder up to rung 9 was measured with ``--validate-every 1``):

    python benchmarks/experiments.py adaptive/silog_joint 'ladder/rung0 --optimizer.lr 1e-3' --seeds 0 1 2

``--train``, ``--val``, ``--halved``, ``--epochs`` and ``--steps`` change images and epochs to suit the machine; the
result records this. The script may be stopped: runs that are in the result are not trained again. A run that fails is
in the result with its error, and runs for which ``--minutes`` left no time are listed.

``--times`` instead measures, interleaved in this process, the times of training steps and predictions of one network
for both tasks, and of one network per task.

``python benchmarks/tables.py`` then writes the document.
"""

import argparse
import gc
import json
import math
import multiprocessing
import os
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

import tables
from table import RESULTS
from taskscape import parallel, recipes, runs
from taskscape.commands.experiment import parse
from taskscape.data import Augmentation, Streets
from taskscape.devices import find_device
from taskscape.distributed import launch
from taskscape.evaluation import evaluate, seconds_of
from taskscape.files import atomic_write
from taskscape.models import Network
from taskscape.recipes.miniscapes import alone
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.training.checkpoint import Checkpointer

RESULT = RESULTS / "experiments.json"
KEPT = (
    *("semseg/miou", "semseg/miou_per_image", "semseg/pixel_accuracy", "depth/abs_err", "depth/abs_rel"),
    *("depth/si_log_rmse", "depth/inverse_abs_err", "depth/inverse_abs_rel", "grader"),
)


# -- trainings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """One training run."""

    name: str
    """The recipe, with further arguments if any."""
    seed: int
    experiment: Experiment
    run: Path


LONGER = {"ladder/rung10": 1.5}
"""Factor on the epochs of recipes that train longer than those they are compared with."""


@dataclass(frozen=True)
class Size:
    """The size of the runs, smaller than the recipes."""

    train: int
    val: int
    halved: bool
    epochs: int
    steps: int | None = None
    """Total number of steps, from which the number of images follows instead of ``train``."""
    validate_every: int | None = None
    """Epochs between validations, of which the best counts; None for a single one after the last step."""

    def of(self, name: str) -> Experiment:
        """Return the experiment of a recipe at small scale, with this number of images."""
        recipe, *arguments = shlex.split(name)
        small = recipes.small(recipes.find(recipe)(), round(self.epochs * LONGER.get(recipe, 1)))
        experiment: Experiment = parse(recipe, small, arguments).experiment
        data, crop = experiment.data, experiment.augmentation.crop
        assert isinstance(data, Streets)
        (height, width), halves = data.size, 2 if self.halved else 1
        train = self.train if self.steps is None else -(-self.steps // self.epochs) * experiment.batch_size
        data = replace(data, train=train, val=self.val, size=(height // halves, width // halves))
        augmentation = replace(experiment.augmentation, crop=crop and (crop[0] // halves, crop[1] // halves))
        return replace(
            experiment,
            data=data,
            augmentation=augmentation,
            validate_every=self.validate_every or experiment.epochs,
            train_metrics=0.0,
        )


class NoCheckpoint(Checkpointer):
    """Saves nothing: runs take a minute and are started again if stopped."""

    def is_due(self) -> bool:
        return False

    def save(self, state: Mapping[str, Any]) -> None:
        """Save nothing."""


def train(job: Job) -> dict[str, Any]:
    """Train a run, and return its results for the document, or the error."""
    try:
        return _train(job)
    except Exception as error:  # continue with the other runs
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        shutil.rmtree(job.run, ignore_errors=True)
        gc.collect()  # free all memory for the next run
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _train(job: Job) -> dict[str, Any]:
    """Train as ``runs.train`` does, and validate as set in ``Size``."""
    experiment, folder = job.experiment, RunFolder(job.run)
    experiment.check()
    data = experiment.data
    assert isinstance(data, Streets)
    stores, fabric = data.open(), launch(experiment.device)
    experiment = experiment.for_data(stores["train"])
    job.run.mkdir(parents=True)
    trainer = runs.assemble(experiment, stores, fabric, folder)
    trainer.checkpointer = NoCheckpoint(folder.checkpoint, fabric, math.inf)
    evaluation = trainer.run()
    if experiment.validate_every < experiment.epochs:
        trainer.network.load_state_dict(load_file(folder.weights, str(fabric.device)))
        evaluation = evaluate(trainer.network.eval(), experiment.tasks, trainer.val_data.epoch(0), fabric.device)
    if experiment.tta is not None:
        model = runs.TrainedModel(experiment, trainer.network.eval(), fabric.device)
        forward = partial(model.forward_tta, tta=experiment.tta)
        evaluation = evaluate(forward, experiment.tasks, trainer.val_data.epoch(0), fabric.device)
    results = {
        "machine": machine(),
        "train": data.train,
        "val": data.val,
        "size": list(data.size),
        "epochs": experiment.epochs,
        "steps": trainer.step,
        "parameters": sum(parameter.numel() for parameter in trainer.network.parameters()),
        "seconds": round(trainer.pace.seconds, 1),
        "metrics": {name: evaluation.metrics[name] for name in KEPT if name in evaluation.metrics},
    }
    if job.name in tables.METERS_AND_LOG:
        results["histogram"] = evaluation.plots["depth/histogram"]
    return results


def serve(connection: Connection, parent: int) -> None:
    """Train the jobs that arrive through the connection; runs in its own process."""
    parallel.end_with(parent)
    parallel.use_threads(1)
    while (job := connection.recv()) is not None:
        connection.send(train(job))


class Queue:
    """Jobs for several processes, and the file of their results. If a process dies, only its current run is lost."""

    def __init__(self, jobs: Sequence[Job], file: Path, until: float) -> None:
        self.jobs, self.file, self.until = list(jobs), file, until
        self.lock = threading.Lock()
        self.started = time.monotonic()

    def run(self, workers: int) -> None:
        """Train all jobs, ``workers`` at a time."""
        threads = [threading.Thread(target=self._work) for _ in range(min(workers, len(self.jobs)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        context = multiprocessing.get_context("spawn")
        process, connection = None, None
        for job in iter(self._next, None):
            if process is None or connection is None:
                connection, child_end = context.Pipe()
                process = context.Process(target=serve, args=(child_end, os.getpid()), daemon=True)
                process.start()
                child_end.close()
            try:
                connection.send(job)
                outcome = connection.recv()
            except (EOFError, OSError):
                process.join()
                outcome = {"error": f"its process ended with {process.exitcode}"}
                process = None
            self._keep(job, outcome)
        if process is not None and connection is not None:
            connection.send(None)
            process.join()

    def _next(self) -> Job | None:
        with self.lock:
            return self.jobs.pop(0) if self.jobs and time.monotonic() < self.until else None

    def _keep(self, job: Job, outcome: dict[str, Any]) -> None:
        with self.lock:
            results = read(self.file)
            outcomes = results["failed" if "error" in outcome else "runs"].setdefault(job.name, {})
            outcomes[str(job.seed)] = outcome.get("error", outcome)
            save(self.file, results)
            summary = outcome.get("error") or ", ".join(f"{k} {v:.2f}" for k, v in outcome["metrics"].items())
            print(f"{time.monotonic() - self.started:4.0f} s  {job.name}, seed {job.seed}: {summary}", flush=True)


def read(file: Path) -> dict[str, Any]:
    """Return the results so far."""
    results = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return {"runs": {}, "failed": {}, "left_out": [], "times": {}, **results}


def save(file: Path, results: dict[str, Any]) -> None:
    atomic_write(file, json.dumps(results, indent=1) + "\n")


def machine() -> str:
    """Return a general description of this machine."""
    environment = runs.environment(find_device())
    return f"{environment['device']}, torch {environment['torch']}"


def jobs(names: Sequence[str], seeds: Sequence[int], size: Size, out: Path, results: dict[str, Any]) -> Iterator[Job]:
    """Yield the runs that are not in the result yet."""
    for name in names:
        experiment = size.of(name)
        for seed in seeds:
            if str(seed) not in results["runs"].get(name, {}):
                folder = "".join(letter if letter.isalnum() else "-" for letter in name)
                yield Job(name, seed, replace(experiment, seed=seed), out / f"{folder}-{seed}")


def train_all(arguments: argparse.Namespace) -> None:
    """Train the requested runs."""
    until = time.monotonic() + 60 * arguments.minutes
    results = read(arguments.json)
    size_values = (arguments.train, arguments.val, arguments.halved, arguments.epochs, arguments.steps)
    size = Size(*size_values, validate_every=arguments.validate_every)
    names = arguments.recipes or tables.recipes_of_claims()
    if arguments.narrow:
        names = list(map(tables.narrow, names))
    pending = list(jobs(names, arguments.seeds, size, arguments.out, results))
    # Runs that differ only in their seed are kept together, so that only whole claims are left out.
    started = time.monotonic()
    for data in dict.fromkeys(job.experiment.data for job in pending):
        data.open()
    print(f"{len(pending)} runs; streets were made in {time.monotonic() - started:.0f} s", flush=True)
    results |= {"failed": {}, "left_out": []}
    save(arguments.json, results)
    queue = Queue(pending, arguments.json, until)
    queue.run(arguments.workers)
    left_out = [f"{job.name}, seed {job.seed}" for job in queue.jobs]
    save(arguments.json, read(arguments.json) | {"left_out": left_out})
    failed = sum(map(len, read(arguments.json)["failed"].values()))
    print(f"{len(left_out)} left out for lack of time, {failed} failed: {arguments.json}")


# -- times -------------------------------------------------------------------------------------------------------------


def alone_and_together() -> dict[str, dict[str, Callable[[], Experiment]]]:
    """Return, by family, networks for both tasks, and single-task networks with the same encoder or trunk."""
    mtan, consistency, attention = recipes.mtan, recipes.consistency, recipes.attention
    return {
        "SegNet": {
            "segmentation alone": mtan.single_semseg_cityscapes_7,
            "depth alone": mtan.single_depth_cityscapes,
            "split": mtan.split_cityscapes_7,
            "MTAN": mtan.cityscapes_7,
            "cross-stitch": mtan.cross_stitch_cityscapes_7,
            "dense": mtan.dense_cityscapes_7,
        },
        "XTasC-Net, ResNet-34": {
            "segmentation alone": consistency.single_semseg_cityscapes_7,
            "depth alone": consistency.single_depth_cityscapes,
            "with consistency": consistency.cityscapes_7,
        },
        "DeepLabV3+, ResNet-18": {
            "segmentation alone": lambda: alone(attention.joint(), "semseg"),
            "depth alone": lambda: alone(attention.joint(), "depth"),
            "joint": attention.joint,
            "branched": attention.branched,
        },
    }


def measure_times(file: Path, size: tuple[int, int], batch_size: int, rounds: int) -> None:
    """Write the median seconds of a training step, and of the prediction of a batch and of one image, by network.

    The networks of a family are measured interleaved. Results in the file for this machine and size are not measured
    again.
    """
    data = Streets(train=batch_size, val=2, size=size)
    stores, fabric = data.open(), launch()
    measured: dict[str, Any] = {"size": list(size), "batch size": batch_size, "rounds": rounds}
    previous = read(file)["times"].get(machine(), {})
    if measured.items() <= previous.items():
        measured = previous
    for family, networks in alone_and_together().items():
        if family in measured:
            continue
        steps: dict[str, Callable[[], object]] = {}
        trained: dict[str, tuple[Network, torch.Tensor]] = {}
        for name, recipe in networks.items():
            experiment = recipes.small(recipe())
            experiment = replace(experiment, data=data, batch_size=batch_size, augmentation=Augmentation())
            trainer = runs.assemble(experiment.for_data(stores["train"]), stores, fabric, RunFolder(Path()))
            batch = next(iter(trainer.train_data.epoch(0)))
            steps[name] = partial(trainer.training_step, batch, 0)
            trained[name] = trainer.network, batch.image
        times = {"step": seconds_of(steps, fabric.device, rounds=rounds)}
        with torch.no_grad():
            for scope, images in (("batch", batch_size), ("image", 1)):
                calls = {name: partial(network.eval(), image[:images]) for name, (network, image) in trained.items()}
                times[scope] = seconds_of(calls, fabric.device, rounds=rounds)
        measured[family] = times
        content = read(file)
        content["times"][machine()] = measured
        save(file, content)
        print(f"{family}: {json.dumps(measured[family])}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help="recipes; by default those of all claims")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--train", type=int, default=recipes.scale.TRAIN)
    parser.add_argument("--val", type=int, default=recipes.scale.VAL)
    parser.add_argument("--halved", action="store_true", help="images of half the size")
    parser.add_argument("--narrow", action="store_true", help="smaller networks and batches, for a CPU")
    parser.add_argument("--epochs", type=int, default=recipes.scale.EPOCHS)
    parser.add_argument("--steps", type=int, help="steps per run: sets --train by the batch size")
    parser.add_argument("--validate-every", type=int, metavar="EPOCHS", help="keep the best; by default at the end")
    parser.add_argument("--workers", type=int, default=1, help="processes, with one thread each")
    parser.add_argument("--minutes", type=float, default=math.inf, help="start no run after this time")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments"), help="folder for the files of runs")
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--times", action="store_true", help="measure times instead of training")
    parser.add_argument("--size", type=int, nargs=2, default=(128, 256), help="image size for --times")
    parser.add_argument("--batch-size", type=int, default=8, help="batch size for --times")
    parser.add_argument("--rounds", type=int, default=10, help="number of rounds for --times")
    arguments = parser.parse_args()
    if not arguments.times:
        train_all(arguments)
        return
    measure_times(arguments.json, tuple(arguments.size), arguments.batch_size, arguments.rounds)


if __name__ == "__main__":
    main()
