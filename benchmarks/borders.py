"""How does padding affect predicted depth along the border of the image?

Trains a recipe for a few hundred steps on streets, once per padding mode and seed, and measures the error of the
logarithm of depth by the distance to the left and right sides of the image, where the content is the same as beside
them, unlike at the top and bottom. ``context`` is the cost of a border alone: the error at the same pixels, eight from
a new border made by a crop, with and without the content beyond it. Prints one line per run and writes the figures as
JSON; runs that are already in the file are not measured again.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from taskscape import recipes, runs
from taskscape.data import DataSource, Packed, Streets
from taskscape.distributed import launch
from taskscape.files import atomic_write
from taskscape.models import Network
from taskscape.run_folder import RunFolder
from taskscape.tasks import Depth
from taskscape.training.loop import Trainer

BANDS = ((0, 2), (2, 4), (4, 8), (8, 16), (16, 1000))
"""Ranges of distances to the side in pixels; the upper end is exclusive."""
CUT = 8
"""Pixels that a crop removes from each side."""

Change = Callable[[Network], None]


def set_padding(network: Network, mode: Literal["zeros", "reflect", "replicate"], *parts: str) -> None:
    """Set the padding of the 3×3 and larger convolutions in these parts of a network."""
    for part in parts:
        for module in network.get_submodule(part).modules():
            if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
                module.padding_mode = mode


VARIANTS: dict[str, Change] = {
    "zeros": lambda network: None,
    "decoder replicate": lambda network: set_padding(network, "replicate", "decoder", "refine"),
    "decoder reflect": lambda network: set_padding(network, "reflect", "decoder", "refine"),
    "all replicate": lambda network: set_padding(network, "replicate", "encoder", "aspp", "decoder", "refine"),
}


def training(
    recipe: str, data: DataSource, marks: Sequence[int], batch: int, seed: int, change: Change
) -> Iterator[tuple[int, Trainer]]:
    """Train with one padding mode up to the last mark of the step count, and stop at each mark."""
    experiment = recipes.find(recipe)()
    experiment = replace(experiment, data=data, batch_size=batch, seed=seed, compile=False)
    fabric = launch("cpu")
    stores = runs.open_data(experiment, fabric)
    steps_per_epoch = len(experiment.for_data(stores["train"]).loader(stores["train"], fabric.device, training=True))
    experiment = replace(experiment, epochs=-(-marks[-1] // steps_per_epoch))
    trainer = runs.assemble(experiment.for_data(stores["train"]), stores, fabric, RunFolder(Path("/dev/null")))
    change(trainer.network)
    batches = (data_batch for epoch in count() for data_batch in trainer.train_data.epoch(epoch))
    for step in range(marks[-1]):
        trainer.training_step(next(batches), step)
        if step + 1 in marks:
            trainer.network.eval()
            yield step + 1, trainer
            trainer.network.train()


@torch.no_grad()
def measured(trainer: Trainer) -> dict[str, float]:
    """Return the mean error and bias of log depth by the distance to the sides, and the cost of lost context."""
    sums: dict[str, float] = {}

    def add(name: str, values: Tensor, valid: Tensor) -> None:
        sums[name] = sums.get(name, 0.0) + float(values[valid].sum())
        sums[f"{name}/n"] = sums.get(f"{name}/n", 0.0) + float(valid.sum())

    task = trainer.training_step.tasks["depth"]
    assert isinstance(task, Depth)
    for batch in trainer.val_data.epoch(0):
        value, valid = batch.targets["depth"]
        truth = value.squeeze(1).clamp(*task.range).log()

        def error(image: Tensor, truth: Tensor = truth) -> Tensor:
            return task.decode(trainer.network(image).final["depth"]).squeeze(1).log() - truth

        whole = error(batch.image)
        for side, axis, is_reversed in (
            ("left", -1, False),
            ("right", -1, True),
            ("top", -2, False),
            ("bottom", -2, True),
        ):
            length = whole.shape[axis]
            distance = torch.arange(length)
            distance = length - 1 - distance if is_reversed else distance
            for low, high in BANDS:
                indices = ((distance >= low) & (distance < min(high, length // 2))).nonzero().flatten()
                band, band_valid = whole.index_select(axis, indices), valid.index_select(axis, indices)
                for name in {side, "sides" if axis == -1 else side}:
                    add(f"{name} {low}", band.abs(), band_valid)
                    add(f"{name} {low}/bias", band, band_valid)
        width = whole.shape[-1]
        inner = slice(CUT, width - CUT)
        cropped = error(batch.image[..., inner].contiguous(), truth[..., inner])
        edge = torch.tensor([0, 1, -2, -1])
        for name, errors in (("without", cropped), ("with", whole[..., inner])):
            add(f"context {name}", errors[..., edge].abs(), valid[..., inner][..., edge])
            add(f"context {name}/bias", errors[..., edge], valid[..., inner][..., edge])
        for name, errors in (("cropped", cropped), ("whole", whole[..., inner])):
            add(f"middle {name}", errors[..., CUT:-CUT].abs(), valid[..., inner][..., CUT:-CUT])
        add("all", whole.abs(), valid)
    return {name: sums[name] / sums[f"{name}/n"] for name in sums if not name.endswith("/n")}


SHOWN = ("sides 0", "sides 0/bias", "sides 16", "sides 16/bias", "context without", "context with", "all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--size", type=int, nargs=2, default=(64, 128))
    parser.add_argument("--store", type=Path, help="a packed store instead of streets")
    parser.add_argument("--steps", type=int, nargs="+", default=[40, 120], help="steps after which to measure")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data: DataSource = Streets(train=400, val=100, size=tuple(arguments.size))
    if arguments.store:
        data = Packed(arguments.store)
    rows = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
    for seed in arguments.seeds:
        for variant in arguments.variants:
            key = {
                "recipe": arguments.recipe,
                "data": arguments.store.name if arguments.store else "streets {}x{}".format(*arguments.size),
                "of": arguments.steps[-1],
                "batch": arguments.batch,
                "variant": variant,
                "seed": seed,
            }
            if any(key.items() <= row.items() for row in rows):
                continue
            started = time.perf_counter()
            stops = training(arguments.recipe, data, arguments.steps, arguments.batch, seed, VARIANTS[variant])
            for step, trainer in stops:
                rows.append(key | {"steps": step} | measured(trainer))
                shown = "  ".join(f"{name} {rows[-1][name]:.3f}" for name in SHOWN)
                print(f"{variant}, seed {seed}, {step}: {shown}  {time.perf_counter() - started:.0f} s", flush=True)
            atomic_write(arguments.out, json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
