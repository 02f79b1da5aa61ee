"""Ratios of times that should not change, to detect slowdowns early.

    python benchmarks/ratios.py             # all, in ten minutes; or name some
    python benchmarks/ratios.py --check     # compare with benchmarks/results/ratios.json, and exit with 1 if worse
    python benchmarks/ratios.py --device cuda               # on a GPU, all except steps

``step``: a training step of ``joint`` against its convolutions and linear layers alone, a lower bound of its time.
``rung3``, ``rung10``: the same of the networks of these recipes of ``ladder``, at 128x256. ``loading``: an
augmented image of a batch from a packed store, against torch's DataLoader with four workers that decodes files of the
same images and transforms them in the same way. ``together``: one network for two tasks against two networks, in
training and prediction. ``evaluation``: a pass over a split with every metric against the network's forward passes.

All times are processor time of one thread, plus that of worker processes, as medians of interleaved calls (for
steps the minimum), so other work of the machine changes them little. Ratios depend on the machine.

On a GPU, times are wall-clock times after the GPU has finished. Batches are then on the GPU, those of the DataLoader
copied there from pinned memory, and batches for evaluation have 32 images. ``gpu_speed.py`` measures steps.
"""

import argparse
import json
import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from table import RESULTS
from taskscape import recipes
from taskscape.batch import Batch
from taskscape.bench.profile import profiled
from taskscape.bench.roof import roof
from taskscape.data import Augmentation, Store, Streets
from taskscape.data.loader import Loader
from taskscape.evaluation import evaluate, seconds_of
from taskscape.machine import processor
from taskscape.models import DeeplabJointConfig, NetworkConfig
from taskscape.recipes import ladder
from taskscape.runs import Experiment, environment
from taskscape.runs.fastest import in_format_of, trial_step
from taskscape.training.captured import WARM_UP
from taskscape.training.freed_memory import freed_memory_kept
from taskscape.training.precision import autocast
from taskscape.training.ways import Way

CPU = torch.device("cpu")
WAY = Way("bf16", channels_last=True)
WORSE = 1.25
"""A ratio that is worse than the saved one by this factor is a slowdown."""

AUGMENTATION = Augmentation(
    flip=True, scale_range=(1.0, 1.5), rotation=5.0, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05
)
TRANSFORMS = v2.Compose(
    [v2.RandomHorizontalFlip(), v2.RandomAffine(5.0, scale=(1.0, 1.5)), v2.ColorJitter(0.2, 0.2, 0.2, 0.05)]
)
"""The same augmentation in torchvision, except that its zoom does not change depth values."""


def in_turns(
    calls: Mapping[str, Callable[[], object]], device: torch.device = CPU, rounds: int = 5
) -> dict[str, float]:
    """Return the median processor time of each call in seconds; on a GPU, wall-clock time after graphs are captured."""
    if device.type == "cpu":
        return seconds_of(calls, device, rounds=rounds, warm_up=1, clock=time.process_time)
    return seconds_of(calls, device, rounds=4 * rounds, warm_up=1 + WARM_UP)


# -- step --------------------------------------------------------------------------------------------------------------


@freed_memory_kept(CPU)  # as in the training of a run
def step(
    device: torch.device,
    network: NetworkConfig | None = None,
    images: int = 16,
    size: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Measure complete steps of ``joint``, perhaps with another network, and its convolutions alone."""
    recipe = recipes.joint() if network is None else replace(recipes.joint(), network=network.from_scratch())
    experiment, batch = with_data(recipe, device, images, size)
    training_step, formatted_batch = trial_step(experiment, WAY, batch), in_format_of(WAY, batch)
    roofs, steps = [], []
    for _ in range(4):
        roofs.append(roof(training_step.network, formatted_batch.image, clock=time.process_time))
        steps += [in_turns({"step": lambda: training_step(formatted_batch, 0)}, rounds=1)["step"] for _ in range(4)]
    shares = profiled(training_step, formatted_batch)
    return {
        "seconds": {"step": min(steps), "convolutions alone": min(roofs)},
        "ratio": min(steps) / min(roofs),
        "parts": shares.parts,
        "kinds": shares.kinds,
    }


def with_data(
    experiment: Experiment, device: torch.device, images: int, size: tuple[int, int] | None = None
) -> tuple[Experiment, Batch]:
    """Return an experiment adapted to its data, and a batch of them."""
    assert isinstance(experiment.data, Streets)
    data = replace(experiment.data, train=images, val=2, size=size or experiment.data.size)
    experiment = replace(experiment, data=data, batch_size=images)
    store = data.open()["train"]
    experiment = experiment.for_data(store)
    return experiment, next(experiment.loader(store, device, training=True).epoch(0))


# -- loading -----------------------------------------------------------------------------------------------------------


class Files(Dataset[tuple[Tensor, ...]]):
    """Images and labels in PNG files, loaded in the usual way."""

    def __init__(self, folder: Path, count: int, repeats: int) -> None:
        self.folder, self.count, self.repeats = folder, count, repeats

    def __len__(self) -> int:
        return self.count * self.repeats

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """Return the transformed image, class ids and depth of a sample."""
        name = f"{index % self.count}.png"
        image = tv_tensors.Image(torchvision.io.decode_image(str(self.folder / "image" / name)))
        semseg, depth = (
            tv_tensors.Mask(torch.from_numpy(np.array(Image.open(self.folder / part / name)).astype(np.int32)))
            for part in ("semseg", "depth")
        )
        image, semseg, depth = TRANSFORMS(image, semseg, depth)
        return image.float() / 255, semseg.long(), depth.float() / 256


def write_files(store: Store, folder: Path) -> None:
    """Write the images and labels of a store as PNG files; depth in 16 bits."""
    for part in ("image", "semseg", "depth"):
        (folder / part).mkdir(parents=True)
    for index in range(len(store)):
        stored = store.stored(index)
        arrays = {"image": stored["image"], "semseg": stored["semseg"]}
        depth = np.nan_to_num(np.asarray(stored["depth"], np.float32))
        arrays["depth"] = np.clip(256 * depth, 0, 65535).astype(np.uint16)
        for part, array in arrays.items():
            Image.fromarray(np.ascontiguousarray(array)).save(folder / part / f"{index}.png")


def loading(device: torch.device, images: int = 64, batch_size: int = 8) -> dict[str, Any]:
    """Measure batches of 128x256 with segmentation and depth and the same augmentation."""
    on_gpu = device.type == "cuda"
    repeats = 8 if on_gpu else 3
    experiment, _ = with_data(recipes.joint(), device, images, (128, 256))
    store = experiment.data.open()["train"]
    loader = Loader(store, experiment.tasks, batch_size, device, augmentation=AUGMENTATION, shuffle=True)
    plain = Loader(store, experiment.tasks, batch_size, device, shuffle=True)

    def ours(source: Loader) -> None:
        for epoch in range(repeats):
            for _ in source.epoch(epoch):
                pass

    with tempfile.TemporaryDirectory() as folder:
        write_files(store, Path(folder))
        files = Files(Path(folder), images, repeats)

        def theirs() -> None:
            for batch in DataLoader(files, batch_size, shuffle=True, num_workers=4, drop_last=True, pin_memory=on_gpu):
                for x in batch:
                    x.to(device, non_blocking=True)

        calls: dict[str, Callable[[], object]] = {
            "DataLoader": theirs,
            "store": partial(ours, loader),
            "store, not augmented": partial(ours, plain),
        }
        wall = seconds_of(calls, device, rounds=3, warm_up=1 if on_gpu else 0)
        seconds = wall if on_gpu else seconds_of(calls, device, rounds=5, warm_up=1, clock=_with_workers)
    num_images = images * repeats
    return {
        "seconds": {name: time / num_images for name, time in seconds.items()},
        "wall": {name: time / num_images for name, time in wall.items()},
        "ratio": seconds["store"] / seconds["DataLoader"],
    }


def _with_workers() -> float:
    """Return the processor seconds of this process and of those of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


# -- together ----------------------------------------------------------------------------------------------------------


def together(device: torch.device) -> dict[str, Any]:
    """Measure ``joint`` against one network per task: steps, and predictions of a batch."""
    joint, batch = with_data(recipes.joint(), device, images=8)
    experiments = {
        "both": joint,
        **{name: replace(joint, tasks={name: task}) for name, task in joint.tasks.items()},
    }
    steps = {name: trial_step(experiment, WAY, batch) for name, experiment in experiments.items()}
    formatted_batch = in_format_of(WAY, batch)
    trained = in_turns(
        {name: partial(training_step, formatted_batch, 0) for name, training_step in steps.items()}, device
    )

    def predict(network: Any) -> None:
        with torch.no_grad(), autocast(device, WAY.precision):
            network(formatted_batch.image)

    predicted = in_turns(
        {name: partial(predict, training_step.network.eval()) for name, training_step in steps.items()}, device
    )
    return {
        "seconds": {
            f"{work}, {name}": t
            for work, times in (("step", trained), ("batch", predicted))
            for name, t in times.items()
        },
        "ratio": trained["both"] / (sum(trained.values()) - trained["both"]),
        "ratio of predictions": predicted["both"] / (sum(predicted.values()) - predicted["both"]),
    }


# -- evaluation --------------------------------------------------------------------------------------------------------


def evaluation(device: torch.device) -> dict[str, Any]:
    """Measure a pass over batches with every metric of three tasks, and the forward passes alone."""
    recipe = replace(recipes.three_tasks(), network=DeeplabJointConfig(encoder="resnet34"))
    batch_size = 8 if device.type == "cpu" else 32
    experiment, _ = with_data(recipe, device, 2 * batch_size, (128, 256))
    store = experiment.data.open()["train"]
    experiment = replace(experiment, batch_size=batch_size, channels_last=True)
    loader = experiment.loader(store, device, training=False)
    batches = list(loader.epoch(0))
    network = trial_step(experiment, WAY, batches[0]).network.eval()

    def forward(image: Tensor) -> Any:
        with torch.no_grad(), autocast(device, WAY.precision):
            return network(image)

    def alone() -> None:
        for batch in batches:
            forward(batch.image)

    def every(read_batches: Callable[[], Iterator[Batch]]) -> None:
        evaluate(forward, experiment.tasks, read_batches(), device)

    seconds = in_turns(
        {
            "forward passes": alone,
            "with every metric": partial(every, lambda: iter(batches)),
            "with every metric, read from the store": partial(every, lambda: loader.epoch(0)),
        },
        device,
    )
    return {"seconds": seconds, "ratio": seconds["with every metric"] / seconds["forward passes"]}


STEPS = ("step", "rung3", "rung10")
PARTS: dict[str, Callable[[torch.device], dict[str, Any]]] = {
    "step": step,
    "rung3": partial(step, network=ladder.rung3().network, images=8, size=(128, 256)),
    "rung10": partial(step, network=ladder.rung10().network, images=8, size=(128, 256)),
    "loading": loading,
    "together": together,
    "evaluation": evaluation,
}


def compared(name: str, saved: Mapping[str, Any], measured: Mapping[str, Any]) -> list[str]:
    """Print every ratio of a part beside the saved one, and return those that are slower."""
    slower = []
    for ratio_name in (ratio_name for ratio_name in saved if ratio_name.startswith("ratio")):
        sentence = f"{name}, {ratio_name}: {measured[ratio_name]:.3f}, kept {saved[ratio_name]:.3f}"
        print(sentence, flush=True)
        if measured[ratio_name] > WORSE * saved[ratio_name]:
            slower.append(sentence)
    return slower


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; by default all")
    parser.add_argument("--check", action="store_true", help="compare with the saved result, and save nothing")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--seconds", type=float, default=math.inf, help="start no part after this time")
    parser.add_argument("--json", type=Path, help="output file; by default that in results/")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    on_gpu = device.type == "cuda"
    result: Path = arguments.json or RESULTS / f"ratios{'_gpu' if on_gpu else ''}.json"
    parts = arguments.parts or [name for name in PARTS if not (on_gpu and name in STEPS)]
    saved: dict[str, Any] = json.loads(result.read_text("utf-8")) if result.exists() else {}
    if unknown := [name for name in parts if name not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}, only {', '.join(PARTS)}")
    if arguments.check and (missing := [name for name in parts if name not in saved]):
        parser.error(f"nothing is kept to compare with: run `python benchmarks/ratios.py {' '.join(missing)}`")
    until = time.monotonic() + arguments.seconds
    torch.set_num_threads(1)
    slower = []
    for name in parts:
        if time.monotonic() > until:
            print(f"{name}: no time was left", flush=True)
            continue
        measured = PARTS[name](device)
        print(f"{name}: {json.dumps(measured)}", flush=True)
        if arguments.check:
            slower += compared(name, saved[name], measured)
            continue
        saved[name] = measured
        saved["environment"] = environment(device) | {"processor": processor()}
        result.write_text(json.dumps(saved, indent=1) + "\n", "utf-8")
    if slower:
        sys.exit("slower than before: " + "; ".join(slower))


if __name__ == "__main__":
    main()
