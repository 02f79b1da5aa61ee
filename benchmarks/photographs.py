"""Train the networks of docs/results/photographs.md, and record the results of each run.

    python benchmarks/photographs.py camvid --seeds 0 1 2
    python benchmarks/photographs.py streets --seeds 0 1 2 --ablate
    python benchmarks/photographs.py nyuv2 mixed --seeds 0 1 2

trains the recipes of ``taskscape.recipes.photographs`` and their variants, once per seed, and also evaluates those that
were trained on generated streets on CamVid's photographs. ``docs/results/photographs.md`` explains how the two stores
are prepared. The script may be stopped: runs that are in the result are not trained again, and interrupted runs are
resumed. ``--processes`` trains several runs at a time, which suits a GPU with many CPU cores, ``--minutes`` limits the
time, ``--half`` trains on fewer and smaller images, for a CPU, ``--tiny`` tries everything within minutes.
``python benchmarks/tables.py`` then writes the document.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from consistency import consistency
from table import RESULTS
from taskscape import runs
from taskscape.data import Augmentation, DataSource, Packed, Store, Streets
from taskscape.data.augment import Lens, Light, Sensor, Texture
from taskscape.data.sources import Mixed, MixedPart, Part
from taskscape.distributed import launch
from taskscape.files import atomic_write
from taskscape.models import DeeplabJointConfig
from taskscape.recipes import photographs
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import Experiment
from taskscape.tasks import SemanticSegmentation
from taskscape.training.optimization import AdamWConfig

RESULT = RESULTS / "photographs.json"
PARTS = ("camvid", "streets", "nyuv2", "mixed")
HEIGHTS = (240, 300, 360)
"""Heights of CamVid's photographs for a network that was trained on generated streets of 240×320."""
ENLARGED = (384, 576)
"""Heights of CamVid's photographs (original: 360) for a network that was trained on them at scales of 0.75 to 2."""
Change = Callable[[Experiment], Experiment]


@dataclass(frozen=True)
class Job:
    """A run, and the measurements after it."""

    experiment: Experiment
    urgency: int
    """Lower numbers are started first; for further seeds, three is added."""
    heights: tuple[int, ...] = ()
    """Heights to which CamVid's photographs are scaled for evaluation; empty for a network that is trained on them."""
    splits: tuple[str, ...] = ()
    """Other splits of its own data on which it is evaluated."""
    consistent: bool = False
    """Measure properties that need no labels: the plane of the road, mirror images, zoom."""
    seeds: int = 99
    """Maximum number of seeds."""


# -- jobs --------------------------------------------------------------------------------------------------------------


def camvid(ablate: bool) -> dict[str, Job]:
    """Return the runs on CamVid: from random weights, from ImageNet weights, and from the released model.

    The first recipe used cross-entropy alone, on images at their own size, for 60 epochs.
    """
    recipe = photographs.camvid()
    random = replace(recipe, start_from=None)
    imagenet = with_network(random, pretrained=True)
    first = without_zoom(replace(imagenet, tasks={"semseg": SemanticSegmentation()}, ema=0.0, epochs=60))
    job = partial(Job, heights=ENLARGED)
    jobs = {
        "camvid/streets": Job(recipe, -2),
        "camvid/imagenet": Job(imagenet, -1),
        "camvid/random": Job(random, 3),
        "camvid/first": job(first, 1),
        "camvid/first-random": Job(from_scratch(first), 3),
    }
    if ablate:
        job = partial(job, urgency=4)
        jobs["camvid/without-zoom"] = job(without_zoom(recipe))
        jobs["camvid/without-jaccard"] = job(replace(recipe, tasks={"semseg": SemanticSegmentation()}))
        jobs["camvid/without-ema"] = job(replace(recipe, ema=0.0))
        jobs["camvid/fine"] = job(with_network(without_zoom(recipe), fine_skip=True))
        jobs["camvid/weighted"] = job(with_loss(recipe, class_weights="inverse-log"), seeds=1)
        jobs["camvid/smoothed"] = job(with_loss(recipe, label_smoothing=0.1), seeds=1)
        for name, rate in {"camvid/slower": 5e-4, "camvid/faster": 2e-3}.items():
            jobs[name] = job(replace(recipe, optimizer=AdamWConfig(lr=rate, weight_decay=0.05)), seeds=1)
        jobs["camvid/plain"] = job(replace(recipe, augmentation=Augmentation(flip=True)), seeds=1)
    return jobs


def streets(ablate: bool) -> dict[str, Job]:
    """Return the runs on generated streets, measured on CamVid."""
    recipe = photographs.streets_to_camvid()
    job = partial(Job, heights=HEIGHTS)
    jobs = {
        "streets/all": job(recipe, 1),
        "streets/small": job(photographs.streets_small(), 0, splits=("shifted",), consistent=True),
    }
    if not ablate:
        return jobs
    job = partial(Job, heights=HEIGHTS, urgency=4, seeds=1)
    base = replace(with_data(recipe, train=3000, val=100, shifted=0), epochs=4)
    jobs["streets/base"] = job(base)
    jobs["streets/more"] = job(replace(recipe, epochs=2))
    jobs["streets/fewer"] = job(replace(with_data(base, train=750), epochs=16))
    jobs["streets/smaller"] = replace(job(with_data(base, size=(120, 160))), heights=(120, 180, 240))
    larger = augmented(with_data(base, size=(360, 480)), crop=(240, 320), scale_range=(0.5, 4 / 3))
    jobs["streets/larger"] = job(larger, urgency=5)
    nothing = base
    for name, change in INGREDIENTS.items():
        jobs[f"streets/without-{name}"] = job(change(base))
        nothing = change(nothing)
    jobs["streets/nothing"] = job(nothing)
    for name in INGREDIENTS:
        alone = base
        for other_name, change in INGREDIENTS.items():
            alone = alone if other_name == name else change(alone)
        jobs[f"streets/only-{name}"] = job(alone, urgency=6)
    return jobs


def nyuv2(ablate: bool) -> dict[str, Job]:
    """Return the runs on photographs of rooms."""
    recipe = photographs.nyuv2()
    semseg, depth = recipe.tasks["semseg"], recipe.tasks["depth"]
    return {
        "nyuv2/imagenet": Job(recipe, 1),
        "nyuv2/random": Job(from_scratch(recipe), 3),
        "nyuv2/frozen": Job(with_network(recipe, freeze="all"), 4),
        "nyuv2/semseg": Job(replace(recipe, tasks={"semseg": semseg}), 4),
        "nyuv2/depth": Job(replace(recipe, tasks={"depth": depth}), 4),
    }


def mixed(ablate: bool) -> dict[str, Job]:
    """Return the run with classes from CamVid, and depth and normals from generated streets."""
    return {"mixed/classes-and-depth": Job(photographs.classes_and_depth(), 2, consistent=True)}


def with_network(experiment: Experiment, **options: Any) -> Experiment:
    assert isinstance(experiment.network, DeeplabJointConfig)
    return replace(experiment, network=replace(experiment.network, **options))


def from_scratch(experiment: Experiment) -> Experiment:
    return replace(experiment, network=experiment.network.from_scratch())


def with_data(experiment: Experiment, **options: Any) -> Experiment:
    assert isinstance(experiment.data, Streets)
    return replace(experiment, data=replace(experiment.data, **options))


def with_loss(experiment: Experiment, **options: Any) -> Experiment:
    task: Any = experiment.tasks["semseg"]
    return replace(experiment, tasks={"semseg": replace(task, loss=replace(task.loss, **options))})


def without_zoom(experiment: Experiment) -> Experiment:
    """Return an experiment whose network does not enlarge images, with crops that are as large for it as before."""
    return augmented(with_network(experiment, zoom=1.0), crop=(288, 384), scale_range=(0.75, 2.0))


def augmented(experiment: Experiment, **options: Any) -> Experiment:
    return replace(experiment, augmentation=replace(experiment.augmentation, **options))


INGREDIENTS: Mapping[str, Change] = {
    "imagenet": from_scratch,
    "style": partial(with_data, style="classic"),
    "color": partial(augmented, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0, light=Light()),
    "texture": partial(augmented, texture=Texture()),
    "lens": partial(augmented, lens=Lens()),
    "sensor": partial(augmented, sensor=Sensor()),
    "zoom": partial(augmented, scale_range=(1.0, 1.0)),
}
"""Changes that remove an ingredient."""


# -- one run -----------------------------------------------------------------------------------------------------------


@dataclass
class Place:
    """Folders of data and runs, and the device."""

    camvid: Path
    nyuv2: Path
    out: Path
    tiny: bool
    device: str
    precision: str | None = None

    def run(self, name: str, seed: int) -> Path:
        """Return the folder of a run."""
        return self.out / f"{name.replace('/', '-')}-{seed}"

    def rendered(self, data: Streets) -> Path:
        """Return the file that marks these streets as rendered."""
        return self.out / "rendered" / hashlib.sha256(repr(data).encode()).hexdigest()[:12]

    def fitted(self, job: Job) -> Job:
        """Return a job with the data of this place; with ``--tiny``, with a small experiment."""
        experiment = job.experiment
        data = at_place(experiment.data, {"data/camvid": self.camvid, "data/nyuv2-photographs": self.nyuv2})
        experiment = replace(experiment, data=data, device=self.device)
        if self.precision is not None:
            experiment = replace(experiment, precision=self.precision)  # type: ignore[arg-type]
        if not self.tiny:
            return replace(job, experiment=experiment)
        crop = experiment.augmentation.crop
        experiment = replace(
            experiment,
            data=tiny(experiment.data),
            augmentation=replace(experiment.augmentation, crop=crop and (crop[0] // 4, crop[1] // 4)),
            epochs=1,
            batch_size=4,
            tta=experiment.tta and "mirror",
        )
        return replace(job, experiment=experiment, heights=job.heights and (48,))


def at_place(data: DataSource, places: Mapping[str, Path]) -> DataSource:
    """Return a source with the paths of its stores, including nested ones, replaced by those of this place."""
    if isinstance(data, Packed):
        return Packed(places.get(data.path.as_posix(), data.path))
    return with_parts(data, partial(at_place, places=places)) if isinstance(data, Mixed) else data


def tiny(data: DataSource) -> DataSource:
    """Return a source with few and small images."""
    match data:
        case Packed():
            return Part(data.path, train=8, val=4)
        case Streets():
            return replace(data, train=8, val=4, shifted=data.shifted and 2, size=(48, 64))
        case Mixed():
            data = replace(data, size=(48, 64), images=16)
            return with_parts(data, lambda each: tiny(each) if isinstance(each, Streets) else each)
    raise TypeError(data)


def with_parts(data: Mixed, change: Callable[[DataSource], DataSource]) -> Mixed:
    parts = (replace(part, data=change(part.source)) for part in map(MixedPart.parse, data.parts))
    return Mixed.of_parts(*parts, size=data.size, images=data.images)


def halved(job: Job) -> Job:
    """Return a job for a CPU: images of half the height and width, a quarter of the steps.

    Half as many streets are seen half as often; all photographs are seen, but a quarter as often.

    The images of a packed store keep the size at which it was prepared.
    """
    experiment = job.experiment
    data, crop, epochs = experiment.data, experiment.augmentation.crop, experiment.epochs
    if isinstance(data, Streets):
        height, width = data.size
        data, epochs = replace(data, train=data.train // 2, size=(height // 2, width // 2)), epochs // 2
    else:
        epochs //= 4
    augmentation = replace(experiment.augmentation, crop=crop and (crop[0] // 2, crop[1] // 2))
    experiment = replace(experiment, data=data, augmentation=augmentation, epochs=epochs)
    heights = tuple(height // 2 for height in job.heights)
    return replace(job, experiment=experiment, heights=heights, seeds=Job.seeds)


def streets_in(data: DataSource) -> list[Streets]:
    """Return the generated streets in a source, including nested sources."""
    if isinstance(data, Mixed):
        return [source for part in data.parts for source in streets_in(MixedPart.parse(part).source)]
    return [data] if isinstance(data, Streets) else []


def train(job: Job, seed: int, run: Path, place: Place) -> dict[str, Any]:
    """Train a job, evaluate it, and return the results for the document."""
    experiment = replace(job.experiment, seed=seed)
    began = time.perf_counter()
    result = runs.train(experiment, run, resume=True, quiet=True)
    results: dict[str, Any] = {
        "metrics": rounded(result.metrics),
        "parameters": result.cost["parameters"],
        "seconds": round(result.cost["seconds"], 1),
        "seconds_per_image": result.cost["seconds_per_image"],
        "device": result.environment["device"],
        "precision": result.environment["precision"],
        "epochs": experiment.epochs,
        "batch_size": experiment.batch_size,
        "size": list(result.size),
    }
    if experiment.tta is not None:
        results["tta"] = {
            "word": experiment.tta,
            "metrics": rounded(Result.load(tta_result_file(run, experiment.tta)).metrics),
        }
    for split in job.splits:
        results[split] = rounded(runs.evaluate(run, split=split, device=place.device, quiet=True).metrics)
    for height in job.heights:
        camvid_result = runs.evaluate(run, data=place.camvid, height=height, device=place.device, quiet=True)
        results.setdefault("camvid", {})[str(height)] = rounded(camvid_result.metrics)
    if job.consistent:
        every, size = (50, (48, 64)) if place.tiny else (1, (240, 320))
        store = Store.open(place.camvid, "val")
        results["consistency"] = consistency(runs.load(run, place.device), store, size, every)
    return results | {"total_seconds": round(time.perf_counter() - began, 1)}


def tta_result_file(run: Path, tta: str) -> Path:
    return RunFolder(run).result("val", True if tta == "mirror" else tta)


def rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in metrics.items()}


# -- times on a CPU ----------------------------------------------------------------------------------------------------

TIMED = {
    "camvid": (photographs.camvid, 367),
    "nyuv2": (photographs.nyuv2, 500),
    "streets_to_camvid": (photographs.streets_to_camvid, 6000),
    "streets_small": (photographs.streets_small, 6000),
    "classes_and_depth": (photographs.classes_and_depth, 6000),
}
"""Recipes, with the number of images of an epoch."""


def times(place: Place, only: list[str], steps: int = 3) -> Iterator[tuple[str, dict[str, float]]]:
    """Measure a step of each recipe on the CPU in processor time, on which other programs have little effect."""
    torch.set_num_threads(1)
    for name, (recipe, images) in TIMED.items():
        if only and name not in only:
            continue
        experiment = place.fitted(Job(recipe(), 0)).experiment
        experiment = replace(experiment, data=few(experiment.data), device="cpu")
        fabric = launch("cpu")
        stores = runs.open_data(experiment, fabric, quiet=True)
        experiment = experiment.for_data(stores["train"])
        trainer = runs.assemble(experiment, stores, fabric, RunFolder(place.out / "times"))
        loader = trainer.train_data
        batch = next(iter(loader.epoch(0)))
        unaugmented_experiment = replace(experiment, augmentation=Augmentation(crop=experiment.augmentation.crop))
        unaugmented_loader = unaugmented_experiment.loader(stores["train"], fabric.device, training=True)
        read_seconds, augmented_seconds = (
            spent(partial(first_batch, data_loader), steps) for data_loader in (unaugmented_loader, loader)
        )
        step = spent(partial(trainer.training_step, batch), steps)
        total = experiment.epochs * (images // experiment.batch_size)
        yield (
            name,
            {
                "batch_size": experiment.batch_size,
                "steps": total,
                "seconds_per_step": round(step + augmented_seconds, 3),
                "of_augmentation": round(augmented_seconds - read_seconds, 3),
                "minutes_on_two_cores": round(total * (step + augmented_seconds) / 120, 1),
            },
        )


def first_batch(loader: Any, epoch: int) -> object:
    return next(iter(loader.epoch(epoch)))


def spent(make: Callable[[int], object], times: int) -> float:
    """Return the seconds of processor time of one call, after a warm-up call."""
    make(0)
    began = time.process_time()
    for index in range(1, times + 1):
        make(index)
    return (time.process_time() - began) / times


def few(data: DataSource) -> DataSource:
    """Return a source with only as many generated streets as a few steps need."""
    if isinstance(data, Streets):
        return replace(data, train=32, val=2, shifted=0)
    return with_parts(data, few) if isinstance(data, Mixed) else data


# -- several at a time -------------------------------------------------------------------------------------------------


@dataclass
class Queue:
    """Runs jobs in separate processes, the most urgent first, each as soon as its streets are rendered."""

    jobs: Mapping[str, Job]
    seeds: list[int]
    place: Place
    result: Path
    processes: int
    deadline: float
    command_line: list[str]
    """The command line."""
    running: dict[tuple[str, int], subprocess.Popen[bytes]] = field(default_factory=dict)
    failed: set[tuple[str, int]] = field(default_factory=set)
    retried: set[tuple[str, int]] = field(default_factory=set)
    renderer: subprocess.Popen[bytes] | None = None

    def results(self) -> dict[str, Any]:
        """Return the results so far."""
        results: dict[str, Any] = json.loads(self.result.read_text("utf-8")) if self.result.exists() else {}
        return results

    def waiting(self) -> list[tuple[str, int]]:
        """Return the runs that are not trained yet, the most urgent first."""
        results = self.results()
        pending = [
            (name, seed)
            for name, job in self.jobs.items()
            for seed in self.seeds[: job.seeds]
            if str(seed) not in results.get(name, {})
            and (name, seed) not in self.running
            and (name, seed) not in self.failed
        ]
        return sorted(
            pending,
            key=lambda name_and_seed: (
                self.jobs[name_and_seed[0]].urgency + 3 * min(self.seeds.index(name_and_seed[1]), 1)
            ),
        )

    def is_ready(self, name: str) -> bool:
        """Return whether the streets of a job are rendered."""
        return all(self.place.rendered(data).exists() for data in streets_in(self.jobs[name].experiment.data))

    def run(self) -> bool:
        """Run all jobs, or as many as the time allows, and return whether none failed."""
        if self.waiting():
            self.renderer = self.start("--render")
        began = time.monotonic()
        while self.waiting() or self.running:
            if time.monotonic() > self.deadline:
                self.stop()
                print(f"out of time: {len(self.waiting())} runs were not made", flush=True)
                break
            self.collect(began)
            rendered = self.renderer is None or self.renderer.poll() is not None
            most_urgent = any(self.jobs[name].urgency == 0 and seed == self.seeds[0] for name, seed in self.running)
            places = self.processes - 2 * (most_urgent and self.processes > 3)
            for name, seed in self.waiting():
                if not self.is_ready(name):
                    # Keep a place for an urgent job until its streets are rendered.
                    places -= self.jobs[name].urgency <= 1 and seed == self.seeds[0] and self.processes > 3
                elif len(self.running) < places:
                    extra = ["--precision", "fp32"] if (name, seed) in self.retried else []
                    self.running[name, seed] = self.start("--job", name, "--seed", str(seed), *extra)
            if not self.running and self.waiting() and rendered:
                print(f"cannot be run: {self.waiting()}", flush=True)
                return False
            time.sleep(0.3)
        if self.renderer is not None:
            self.renderer.wait()
        return not self.failed

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start this script with these additional arguments."""
        environment = dict(os.environ)
        if self.processes > 1 and arguments[0] == "--job":
            environment |= {"OMP_NUM_THREADS": "1"}
        log = self.place.out / "logs" / ("-".join(a.strip("-").replace("/", "-") for a in arguments) + ".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, __file__, *self.command_line, *arguments]
        with log.open("wb") as file:
            return subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)

    def collect(self, began: float) -> None:
        """Collect the results of processes that have ended."""
        for (name, seed), process in list(self.running.items()):
            if process.poll() is None:
                continue
            del self.running[name, seed]
            file = self.place.run(name, seed) / "found.json"
            elapsed = f"{time.monotonic() - began:.0f} s"
            if process.returncode == 0 and file.exists():
                results = self.results()
                results.setdefault(name, {})[str(seed)] = json.loads(file.read_text("utf-8"))
                atomic_write(self.result, json.dumps(results, indent=1) + "\n")
                metrics = results[name][str(seed)]
                shown = {key: metrics["metrics"][key] for key in SHOWN if key in metrics["metrics"]}
                shown |= {f"camvid {h}": m["semseg/miou"] for h, m in metrics.get("camvid", {}).items()}
                print(f"{elapsed}: {name} {seed}: {shown} in {metrics['total_seconds']} s", flush=True)
            elif (name, seed) not in self.retried:  # for example because of wrong bf16 kernels on this machine
                self.retried.add((name, seed))
                print(f"{elapsed}: {name} {seed} failed and is tried again in fp32", flush=True)
            else:
                self.failed.add((name, seed))
                print(f"{elapsed}: {name} {seed} failed, see {self.place.out / 'logs'}", flush=True)

    def stop(self) -> None:
        """End all processes; runs keep their checkpoints."""
        processes = [*self.running.values(), *([self.renderer] if self.renderer is not None else [])]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 8
        for process in processes:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()


SHOWN = ("semseg/miou", "depth/abs_rel", "depth/median_scaled_delta1", "normals/mean")


def render(jobs: Mapping[str, Job], place: Place) -> None:
    """Render all streets that the jobs need, the most urgent first."""
    pending = {
        place.rendered(data): data
        for job in sorted(jobs.values(), key=lambda job: job.urgency)
        for data in streets_in(job.experiment.data)
    }
    for file, data in pending.items():
        if not file.exists():
            began = time.perf_counter()
            data.open()
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{data}\n{time.perf_counter() - began:.1f} s\n")
            if hasattr(os, "nice") and not os.nice(0):
                os.nice(5)  # the most urgent are rendered: give training priority over the rest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--ablate", action="store_true", help="also train without each ingredient, and with each alone")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these runs")
    parser.add_argument("--camvid", type=Path, default=Path("data/camvid"), help="the packed store of CamVid")
    parser.add_argument(
        "--nyuv2", type=Path, default=Path("data/nyuv2-photographs"), help="the packed store of NYUv2's photographs"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/photographs"))
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("bf16", "fp32"))
    parser.add_argument("--half", action="store_true", help="fewer and smaller images, for a CPU")
    parser.add_argument("--tiny", action="store_true", help="a few small images, one epoch, to test everything")
    parser.add_argument("--times", action="store_true", help="measure a step of each recipe on this CPU instead")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--render", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    place = Place(
        arguments.camvid, arguments.nyuv2, arguments.out, arguments.tiny, arguments.device, arguments.precision
    )
    jobs: dict[str, Job] = {}
    for part in arguments.parts:
        jobs |= {"camvid": camvid, "streets": streets, "nyuv2": nyuv2, "mixed": mixed}[part](arguments.ablate)
    jobs = {name: place.fitted(job) for name, job in jobs.items() if not arguments.only or name in arguments.only}
    if arguments.half:
        jobs = {f"half/{name}": halved(job) for name, job in jobs.items()}
    if arguments.times:
        for name, row in times(place, arguments.only or []):
            print(name, row, flush=True)
            results = json.loads(arguments.json.read_text("utf-8")) if arguments.json.exists() else {}
            results.setdefault("times", {})[name] = row
            atomic_write(arguments.json, json.dumps(results, indent=1) + "\n")
    elif arguments.render:
        render(jobs, place)
    elif arguments.job:
        job, run = jobs[arguments.job], place.run(arguments.job, arguments.seed)
        results = train(job, arguments.seed, run, place)
        atomic_write(run / "found.json", json.dumps(results) + "\n")
    else:
        deadline = time.monotonic() + 60 * arguments.minutes
        queue = Queue(jobs, arguments.seeds, place, arguments.json, arguments.processes, deadline, sys.argv[1:])
        sys.exit(not queue.run())


if __name__ == "__main__":
    main()
