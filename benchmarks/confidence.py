"""How well does the confidence of each task fit its errors, before and after calibration, in and out of distribution?

Trains the recipe three_tasks unchanged, and with predicted widths for some ``beta`` (``taskscape.losses.Likelihood``),
on the same streets from the same seed; then measures each on val, on which it is calibrated, and on ``shifted``, which
it has never seen. Calibration error (ECE), likelihood and sparsification (AUSE) are shown beside the AUSE of a random
order; the best order has an AUSE of 0. The cost of measuring is the ratio of evaluation times with and without it.

Runs are kept in ``--out``; existing ones are not trained again. Prints a Markdown table and writes JSON.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import confidence_tables
from taskscape import recipes, runs
from taskscape.data import Streets
from taskscape.distributed import launch
from taskscape.evaluation import ConfidenceEvaluator, evaluate
from taskscape.losses import Angular, Laplace
from taskscape.run_folder import Calibration, Result, RunFolder
from taskscape.runs import Experiment
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task

KEPT = (
    "miou",
    "abs_rel",
    "delta1",
    "mean",
    "ece",
    "ece_uncalibrated",
    "nll",
    "nll_uncalibrated",
    "ause",
    "ause_random",
)
SPLITS = ("val", "shifted")


def experiments(betas: list[float]) -> dict[str, Experiment]:
    """Return the recipe with losses without a width, and with losses that have one."""
    recipe = recipes.three_tasks()
    classes = SemanticSegmentation(confidence="probability")
    variants = {"without widths": replace(recipe, tasks={**recipe.tasks, "semseg": classes})}
    for beta in betas:
        tasks: dict[str, Task] = {
            "semseg": classes,
            "depth": Depth(loss=Laplace(beta=beta)),
            "normals": SurfaceNormals(loss=Angular(beta=beta)),
        }
        variants[f"beta {beta:g}"] = replace(recipe, tasks=tasks)
    return variants


def trained(experiment: Experiment, run: Path) -> dict[str, Result]:
    """Train an experiment unless that is already done, and evaluate it on both splits."""
    folder = RunFolder(run)
    if not folder.result().exists():
        runs.train(experiment, run, resume=True)
    if not folder.result("shifted").exists():
        runs.evaluate(run, split="shifted")
    return {split: Result.load(folder.result(split)) for split in SPLITS}


def figures(name: str, results: Mapping[str, Result], run: Path) -> dict[str, Any]:
    """Return the figures of a run for the table and the JSON."""
    metrics = {
        split: {key: round(value, 5) for key, value in result.metrics.items() if key.partition("/")[2] in KEPT}
        for split, result in results.items()
    }
    spreads = Calibration.load(RunFolder(run).calibration).spreads
    parameters = results["val"].cost["parameters"]
    return {"name": name, "parameters": parameters, "spreads": dict(spreads), "metrics": metrics}


def cost(run: Path, rounds: int) -> float:
    """Return the ratio of the times of an evaluation with and without confidence, each the minimum of some rounds.

    On a CPU it is processor time, so that other work on the machine does not count.
    """
    model = runs.load(run)
    store = model.experiment.data.open()["val"]
    spreads = dict(Calibration.load(RunFolder(run).calibration).spreads)
    clock = time.perf_counter if model.device.type == "cuda" else time.process_time
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds + 1):
        for is_measured, durations in seconds.items():
            loader = model.experiment.loader(store, model.device, training=False)
            confidence = ConfidenceEvaluator(model.tasks, spreads if is_measured else {}, model.device)
            started = clock()
            confidence.added_to(
                evaluate(model.forward, model.tasks, loader.epoch(0), model.device, also=confidence.update)
            )
            durations.append(clock() - started)
    return min(seconds[True][1:]) / min(seconds[False][1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--betas", type=float, nargs="*", default=[1.0, 0.5, 0.0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--streets", type=int, default=1600)
    parser.add_argument("--measured", type=int, default=200, help="number of streets of val, and of shifted")
    parser.add_argument("--size", type=int, nargs=2, default=(64, 128), help="height and width")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5, help="number of measurements of the cost")
    parser.add_argument("--out", type=Path, default=Path("runs/confidence"))
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    data = Streets(
        train=arguments.streets, val=arguments.measured, shifted=arguments.measured, size=tuple(arguments.size)
    )
    rows = []
    for name, experiment in experiments(arguments.betas).items():
        print(f"— {name}", flush=True)
        run = arguments.out / f"{name.replace(' ', '-')}-seed{arguments.seed}"
        network: Any = experiment.network
        experiment = replace(
            experiment,
            data=data,
            network=replace(network, encoder=arguments.encoder),
            epochs=arguments.epochs,
            batch_size=arguments.batch,
            seed=arguments.seed,
        )
        row = figures(name, trained(experiment, run), run)
        row["relative_cost"] = round(cost(run, arguments.rounds), 3)
        rows.append(row)
    print(confidence_tables.confidence(rows), confidence_tables.quality(rows), sep="\n\n")
    if arguments.json:
        machine = {**runs.environment(launch("auto").device), "cores": str(os.cpu_count())}
        settings = {
            key: getattr(arguments, key) for key in ("epochs", "streets", "measured", "batch", "encoder", "seed")
        }
        settings["size"] = list(arguments.size)
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({**settings, "machine": machine, "rows": rows}, indent=1) + "\n")
    if torch.cuda.is_available():
        print(f"largest memory on the GPU: {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
