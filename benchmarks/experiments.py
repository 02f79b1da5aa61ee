"""Trains published experiments at small scale and keeps what each reached, for docs/results/experiments.md.

    python benchmarks/experiments.py adaptive/silog_joint adaptive/l1_joint --seeds 0 1 2

trains each recipe as ``taskscape train RECIPE --scale small`` does, once per seed. ``--train``, ``--val`` and
``--halved`` make it smaller still, where the machine asks for it; the result says so. It may be stopped: what is in the
result is not trained again, and a run that was interrupted goes on. ``python benchmarks/tables.py`` then writes the
document.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import tables
from taskscape import recipes, runs
from taskscape.data import Streets
from taskscape.files import atomic_write
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import Experiment

RESULT = tables.RESULTS / "experiments.json"
KEPT = (
    *("semseg/miou", "semseg/miou_per_image", "semseg/pixel_accuracy", "depth/abs_err", "depth/abs_rel"),
    *("depth/si_log_rmse", "depth/inverse_abs_err", "depth/inverse_abs_rel", "grader"),
)


def smaller(experiment: Experiment, train: int, val: int, *, halved: bool) -> Experiment:
    """Return an experiment with at most so many images, of half the size where asked for."""
    data, crop = experiment.data, experiment.augmentation.crop
    assert isinstance(data, Streets)
    (height, width), halves = data.size, 2 if halved else 1
    data = replace(data, train=train, val=val, size=(height // halves, width // halves))
    crop = crop and (crop[0] // halves, crop[1] // halves)
    return replace(experiment, data=data, augmentation=replace(experiment.augmentation, crop=crop))


def about(experiment: Experiment, result: Result) -> dict[str, Any]:
    """Return what the document needs of a run."""
    assert isinstance(experiment.data, Streets)
    return {
        "train": experiment.data.train,
        "val": experiment.data.val,
        "size": list(experiment.data.size),
        "epochs": experiment.epochs,
        "parameters": result.cost["parameters"],
        "seconds": result.cost["seconds"],
        "seconds_per_image": result.cost["seconds_per_image"],
        "metrics": {name: result.metrics[name] for name in KEPT if name in result.metrics},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--train", type=int, default=recipes.scale.TRAIN)
    parser.add_argument("--val", type=int, default=recipes.scale.VAL)
    parser.add_argument("--halved", action="store_true", help="half the size of small scale")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--json", type=Path, default=RESULT)
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        for name in arguments.recipes:
            found = json.loads(arguments.json.read_text("utf-8")) if arguments.json.exists() else {}
            if str(seed) in found.get(name, {}):
                continue
            experiment = recipes.small(recipes.find(name)())
            experiment = smaller(experiment, arguments.train, arguments.val, halved=arguments.halved)
            experiment = replace(experiment, seed=seed)
            print(f"— {name}, seed {seed}", flush=True)
            run = arguments.out / f"{name.replace('/', '-')}-{seed}"
            result = runs.train(experiment, run, resume=True)
            if experiment.tta is not None:
                result = Result.load(RunFolder(run).result("val", experiment.tta))
            found.setdefault(name, {})[str(seed)] = about(experiment, result)
            atomic_write(arguments.json, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
