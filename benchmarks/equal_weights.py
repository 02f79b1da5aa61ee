"""Compare weights before and after the restructuring: five recipes trained by two versions of the package.

    git worktree add ../before 9338b13
    python benchmarks/equal_weights.py --before ../before --json benchmarks/results/equal_weights.json

trains each recipe for a few steps with each version, in separate processes, and compares all tensors of the networks
and of the weightings bit for bit.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

BEFORE = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
from taskscape import recipes, runs
from taskscape.data import Augmentation, Streets
from taskscape.weighting import DWA, PCGrad
name, run = sys.argv[1:]
variants = {
    "three_tasks": recipes.three_tasks,
    "segnet_mtan": lambda: replace(recipes.segnet_mtan(), weighting=DWA()),
    "distill_up": lambda: replace(recipes.distill_up(), weighting=PCGrad()),
    "adaptive_depth": recipes.adaptive_depth,
    "xtask": recipes.xtask,
}
data = Streets(train=24, val=8, size=(32, 64), samples=1)
moves = Augmentation(flip=True, scales=(1.0, 1.2), rotation=5.0, brightness=0.2, hue=0.1)
experiment = replace(
    variants[name](), data=data, augmentation=moves, epochs=2, batch_size=8, precision="fp32", device="cpu"
)
runs.train(experiment, Path(run))
"""

AFTER = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
from taskscape import recipes, runs
from taskscape.data import Augmentation, Streets
from taskscape.weighting import DWAConfig, PCGradConfig
name, run = sys.argv[1:]
variants = {
    "three_tasks": recipes.three_tasks,
    "segnet_mtan": lambda: replace(recipes.of_network("segnet-mtan"), weighting=DWAConfig()),
    "distill_up": lambda: replace(recipes.of_network("deeplab-distill-up"), weighting=PCGradConfig()),
    "adaptive_depth": recipes.adaptive_depth,
    "xtask": recipes.xtask,
}
data = Streets(train=24, val=8, size=(32, 64), samples=1)
moves = Augmentation(flip=True, scale_choices=(1.0, 1.2), rotation=5.0, brightness=0.2, hue=0.1)
experiment = replace(
    variants[name](), data=data, augmentation=moves, epochs=2, batch_size=8, precision="fp32", device="cpu"
)
if hasattr(experiment, "keep_checkpoint"):  # before, it was always kept
    experiment = replace(experiment, keep_checkpoint=True)
runs.train(experiment, Path(run))
"""

RECIPES = ("three_tasks", "segnet_mtan", "distill_up", "adaptive_depth", "xtask")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=Path, required=True, help="checkout of the previous version")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    after = Path(__file__).resolve().parents[1]
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.recipes:
            states = [
                trained(code, checkout / "src", name, Path(folder) / f"{name}-{label}")
                for code, checkout, label in ((BEFORE, arguments.before, "before"), (AFTER, after, "after"))
            ]
            results[name] = compared(*states)
            print(f"{name:<16}{results[name]}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    if not all(result["equal"] == result["tensors"] for result in results.values()):
        sys.exit(1)


def trained(code: str, source: Path, name: str, run: Path) -> dict[str, Any]:
    """Train in a process that imports the package from ``source``, and return the checkpoint."""
    environment = os.environ | {"PYTHONPATH": str(source.resolve()), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code, name, str(run)], env=environment, check=True, stderr=subprocess.DEVNULL)
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
