"""Compare the weights that two versions of the package train from the same seeds, bit for bit.

    git worktree add ../before COMMIT
    python benchmarks/equal_weights.py --before ../before

trains five recipes for a few steps with each version, in separate processes, and compares all tensors of the networks
and of the weightings. It exits with code 1 if any differ.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from taskscape import recipes, runs
from taskscape.data import Augmentation, Streets
from taskscape.runs import Experiment
from taskscape.weighting import DWAConfig, PCGradConfig

RECIPES: dict[str, Callable[[], Experiment]] = {
    "three_tasks": recipes.three_tasks,
    "segnet_mtan": lambda: replace(recipes.of_network("segnet-mtan"), weighting=DWAConfig()),
    "distill_up": lambda: replace(recipes.of_network("deeplab-distill-up"), weighting=PCGradConfig()),
    "adaptive_depth": recipes.adaptive_depth,
    "xtask": recipes.xtask,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="checkout of the previous version")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train is not None:
        train(RECIPES[arguments.recipes[0]](), arguments.train)
        return
    after = Path(__file__).resolve().parents[1]
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.recipes:
            before, now = (
                trained(name, checkout, Path(folder) / f"{name}-{number}")
                for number, checkout in enumerate((arguments.before, after))
            )
            results[name] = compared(before, now)
            print(f"{name:<16}{results[name]}", flush=True)
    if not all(result["equal"] == result["tensors"] for result in results.values()):
        sys.exit(1)


def train(recipe: Experiment, run: Path) -> None:
    """Train a recipe for a few steps with the version of the package that this process imports."""
    torch.set_num_threads(1)
    experiment = replace(
        recipe,
        data=Streets(train=24, val=8, size=(32, 64), samples=1),
        augmentation=Augmentation(flip=True, scale_choices=(1.0, 1.2), rotation=5.0, brightness=0.2, hue=0.1),
        epochs=2,
        batch_size=8,
        precision="fp32",
        device="cpu",
        keep_checkpoint=True,
    )
    runs.train(experiment, run, quiet=True)


def trained(name: str, checkout: Path, run: Path) -> dict[str, Any]:
    """Train a recipe in a process that imports the package of a checkout, and return the checkpoint."""
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve() / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--before", str(checkout), "--recipes", name, "--train", str(run)]
    subprocess.run(command, env=environment, check=True)
    checkpoint: dict[str, Any] = torch.load(run / "last.ckpt", map_location="cpu", weights_only=True)
    return checkpoint


def compared(before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
    """Return the number of tensors, the number that are equal bit for bit, and the largest difference."""
    old, new = tensors(before), tensors(after)
    pairs = [(old[key], new[key]) for key in old.keys() & new.keys()]
    return {
        "tensors": len(old.keys() | new.keys()),
        "equal": sum(torch.equal(a, b) for a, b in pairs),
        "largest difference": max(float((a.double() - b.double()).abs().max()) for a, b in pairs),
    }


def tensors(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the tensors of the network and of the weighting, by name."""
    return {
        f"{part}.{key}": value
        for part in ("network", "weighting")
        for key, value in checkpoint[part].items()
        if isinstance(value, torch.Tensor)
    }


if __name__ == "__main__":
    main()
