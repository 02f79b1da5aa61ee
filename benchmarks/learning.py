"""What do networks, or ways of balancing, reach after the same short training?

``learning.py networks`` trains every network, ``learning.py weightings`` one network with every way of balancing and
its single-task baselines: the same streets, seed, epochs, optimiser. Runs are kept in ``--out``; a run that is there
is not trained again, one that was interrupted goes on. The time of a step is measured apart, when all are trained.
Prints a Markdown table and writes the figures as JSON.

Δm is the mean over the metrics semseg/miou, semseg/pixel_accuracy, depth/abs and depth/rel of the relative change
against the single-task networks, signed so that worse is positive: lower is better.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from taskscape import models, recipes, runs, weighting
from taskscape.commands.recipes import recipes as recipe_names
from taskscape.data import Streets
from taskscape.engine import launch
from taskscape.experiment import Experiment
from taskscape.result import Result, higher_is_better

COMPARED = ("semseg/miou", "semseg/pixel_accuracy", "depth/abs", "depth/rel")
SHOWN = (*COMPARED, "depth/si_log_rmse")
SINGLE = {"semseg": "segmentation alone", "depth": "depth alone"}


def networks() -> dict[str, Experiment]:
    """Every network by its own recipe."""
    experiments: dict[str, Experiment] = {}
    for name in recipe_names():
        experiment = getattr(recipes, name)()
        experiments.setdefault(experiment.network.name, experiment)
    return {name: experiments[name] for name in models.NAMES}


def weightings(recipe: str) -> dict[str, Experiment]:
    """A recipe's network alone on each of its tasks, and with every way of balancing them."""
    together: Experiment = getattr(recipes, recipe)()
    alone = {
        SINGLE["semseg"]: replace(together.tasks, depth=None),
        SINGLE["depth"]: replace(together.tasks, semseg=None),
    }
    experiments = {name: replace(together, tasks=tasks) for name, tasks in alone.items()}
    return experiments | {name: replace(together, weighting=options()) for name, options in weighting.OPTIONS.items()}


def result_of(name: str, experiment: Experiment, out: Path) -> Result:
    """Train it, unless that was done before."""
    run = out / name.replace(" ", "-")
    if (run / runs.RESULT).exists():
        return Result.load(run / runs.RESULT)
    print(f"— {name}", flush=True)
    return runs.train(experiment, run, resume=True)


def seconds_per_step(experiment: Experiment, steps: int) -> float:
    """Return the median over ``steps`` training steps, after three to warm up."""
    fabric = launch(experiment.device)
    stores = runs.open_data(experiment, fabric)
    training = runs.assemble(experiment.for_data(stores["train"]), stores, fabric, Path(os.devnull))
    seconds = []
    for batch in islice(training.train_data.epoch(0), steps + 3):
        started = time.perf_counter()
        training.take_step(batch)
        if fabric.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[3:])


def gain(metrics: Mapping[str, float], single: Mapping[str, float]) -> float:
    """Δm in percent."""
    changes = [(metrics[m] / single[m] - 1) * (-1 if higher_is_better(m) else 1) for m in COMPARED]
    return 100 * sum(changes) / len(changes)


def row(name: str, result: Result, step: float, single: Mapping[str, float]) -> dict[str, Any]:
    """The figures of one run."""
    metrics = {metric: result.metrics[metric] for metric in SHOWN if metric in result.metrics}
    cost = {"parameters": result.cost["parameters"], "flops": result.cost["flops"], "seconds_per_step": step}
    figures: dict[str, Any] = {"name": name, **cost, **metrics}
    if single and set(COMPARED) <= metrics.keys():
        figures["delta_m"] = gain(metrics, single)
    return figures


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table; a figure that a run lacks is a dash."""
    columns = {
        "name": ("", "{}"),
        "parameters": ("parameters", "{:,.0f}"),
        "flops": ("GFLOPs", "{:.2f}"),
        "seconds_per_step": ("step, ms", "{:.0f}"),
        "semseg/miou": ("mIoU % ↑", "{:.2f}"),
        "semseg/pixel_accuracy": ("accuracy % ↑", "{:.2f}"),
        "depth/abs": ("abs m ↓", "{:.3f}"),
        "depth/rel": ("rel ↓", "{:.4f}"),
        "depth/si_log_rmse": ("SI ↓", "{:.2f}"),
        "delta_m": ("Δm % ↓", "{:+.2f}"),
    }
    used = {key: column for key, column in columns.items() if any(key in figures for figures in rows)}
    lines = ["| " + " | ".join(title for title, _ in used.values()) + " |", "|---" + "|---:" * (len(used) - 1) + "|"]
    for figures in rows:
        shown = {**figures, "flops": figures["flops"] / 1e9, "seconds_per_step": 1000 * figures["seconds_per_step"]}
        cells = [form.format(shown[key]) if key in shown else "–" for key, (_, form) in used.items()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("networks", "weightings"))
    parser.add_argument("--recipe", default="demo", help="whose network is trained with all weightings")
    parser.add_argument("--only", nargs="*", help="names to train; by default all")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--streets", type=int, default=800)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5, help="how many are timed")
    parser.add_argument("--out", type=Path, default=Path("runs/learning"))
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    experiments = networks() if arguments.what == "networks" else weightings(arguments.recipe)
    budget = {
        "epochs": arguments.epochs,
        "batch_size": arguments.batch,
        "data": Streets(train=arguments.streets, val=200, size=(64, 128)),
    }
    found: dict[str, Result] = {}
    for name, experiment in experiments.items():
        if arguments.only and name not in arguments.only:
            continue
        try:
            found[name] = result_of(name, replace(experiment, **budget), arguments.out / arguments.what)
        except ValueError as error:
            print(f"{name} is left out: {error}")
    single = {m: v for name in SINGLE.values() if name in found for m, v in found[name].metrics.items()}
    single = single if set(COMPARED) <= single.keys() else {}
    rows = [
        row(name, result, seconds_per_step(replace(experiments[name], **budget), arguments.steps), single)
        for name, result in found.items()
    ]
    print(table(rows))
    if arguments.json:
        about = {**runs.environment(launch("auto").device), "cores": str(os.cpu_count())}
        settings = {
            "what": arguments.what,
            "recipe": arguments.recipe,
            "epochs": arguments.epochs,
            "streets": arguments.streets,
            "batch": arguments.batch,
        }
        arguments.json.write_text(json.dumps({**settings, "machine": about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
