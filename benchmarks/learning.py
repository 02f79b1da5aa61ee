"""Which metrics do networks, or weightings, reach after the same short training?

``learning.py networks`` trains every network, ``learning.py weightings`` one network with every weighting and its
single-task baselines, all with the same streets, seeds, epochs and optimizer. Runs are kept in ``--out``: finished ones
are not trained again, interrupted ones are resumed. The time of a step is measured separately, after all training.
Prints a Markdown table and writes the figures as JSON, of several seeds the figure of each; with ``--only``, rows of
other names in the file are kept.

Δm is the mean relative change of the metrics semseg/miou, semseg/pixel_accuracy, depth/abs_err and depth/abs_rel
against the single-task networks, signed so that worse is positive: lower is better.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

import tables
from taskscape import models, recipes, runs, weighting
from taskscape.data import Streets
from taskscape.distributed import launch
from taskscape.evaluation.baselines import baseline
from taskscape.losses import SILog
from taskscape.report.comparison.delta_m import delta_m_of, single_task_groups
from taskscape.report.groups import Group
from taskscape.report.run import Run
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.tasks import Depth, SemanticSegmentation
from taskscape.training.optimization import AdamWConfig

SHOWN = ("semseg/miou", "semseg/pixel_accuracy", "depth/abs_err", "depth/abs_rel", "depth/si_log_rmse")
SINGLE = {"semseg": "segmentation alone", "depth": "depth alone"}


def networks() -> dict[str, Experiment]:
    """Return the recipe of every network, by its name."""
    return {name: recipes.read(name) for name in models.NAMES}


def quick() -> Experiment:
    """Return a DeepLabV3+ with a ResNet-10-T for segmentation and depth, which trains quickly."""
    return replace(
        recipes.joint(),
        network=models.DeeplabJointConfig(encoder="resnet10t", output_stride=32, width=96, fine_skip=True),
        tasks={"semseg": SemanticSegmentation(), "depth": Depth(loss=SILog())},
        optimizer=AdamWConfig(lr=2e-3),
    )


def weightings(recipe: str | None) -> dict[str, Experiment]:
    """Return a recipe's network, or that of ``quick``, for each of its tasks alone and with every weighting."""
    joint: Experiment = recipes.find(recipe)() if recipe else quick()
    joint = replace(joint, weighting=weighting.FixedConfig())
    single_tasks = {SINGLE[name]: {name: task} for name, task in joint.tasks.items()}
    experiments = {name: replace(joint, tasks=tasks) for name, tasks in single_tasks.items()}
    return experiments | {name: replace(joint, weighting=config()) for name, config in weighting.CONFIGS.items()}


def run_of(name: str, experiment: Experiment, out: Path) -> Run:
    """Return the run of an experiment, which is trained if it is not finished."""
    run = out / name.replace(" ", "-")
    if not RunFolder(run).result().exists():
        print(f"— {name}", flush=True)
        runs.train(experiment, run, resume=True)
    return Run.load(run)


def group_of(name: str, experiment: Experiment, seeds: int, out: Path) -> Group:
    """Return the runs of an experiment with the seeds 0, 1, …"""
    names = [f"{name} seed{seed}" if seed else name for seed in range(seeds)]
    return Group(name, [run_of(name, replace(experiment, seed=seed), out) for seed, name in enumerate(names)])


def seconds_per_step(experiment: Experiment, steps: int) -> float:
    """Return the median time of ``steps`` training steps, after three warm-up steps."""
    fabric = launch(experiment.device)
    stores = runs.open_data(experiment, fabric)
    trainer = runs.assemble(experiment.for_data(stores["train"]), stores, fabric, RunFolder(Path(os.devnull)))
    seconds = []
    for step, batch in enumerate(islice(trainer.train_data.epoch(0), steps + 3)):
        started = time.perf_counter()
        trainer.training_step(batch, step)
        if fabric.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[3:])


def row(group: Group, step: float, single: dict[str, Group]) -> dict[str, Any]:
    """Return the figures of the runs of one group: a number, or a list with that of each seed."""
    results = [run.result for run in group.runs]
    metrics = {metric: [result.metrics[metric] for result in results] for metric in SHOWN if metric in group.means}
    cost = {"parameters": results[0].cost["parameters"], "flops": results[0].cost["flops"], "seconds_per_step": step}
    changes = [change.percent for run in group.runs if (change := delta_m_of(Group(group.name, [run]), single))]
    figures = metrics | ({"delta_m": changes} if changes else {})
    several = len(results) > 1
    return {"name": group.name, **cost} | {name: values if several else values[0] for name, values in figures.items()}


def image_blind(streets: Streets) -> list[dict[str, Any]]:
    """Return the figures of both image-blind baselines."""
    stores = streets.open()
    metrics = baseline(stores["train"], stores["val"])
    by_name = {"blind, constant": metrics.constant, "blind, by position": metrics.by_position}
    return [{"name": name} | {metric: values[metric] for metric in SHOWN} for name, values in by_name.items()]


def merged(rows: list[dict[str, Any]], file: Path, names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows and those of other names in a file of results, in the order of ``names``."""
    earlier = json.loads(file.read_text("utf-8"))["rows"] if file.exists() else []
    by_name = {row["name"]: row for row in [*earlier, *rows]}
    return [by_name[name] for name in names if name in by_name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("networks", "weightings"))
    parser.add_argument("--recipe", help="recipe whose network is trained; by default a small one")
    parser.add_argument("--only", nargs="*", help="names to train; by default all")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1, help="number of runs of each name")
    parser.add_argument("--streets", type=int, default=800)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5, help="number of timed steps")
    parser.add_argument("--out", type=Path, default=Path("runs/learning"))
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    experiments = networks() if arguments.what == "networks" else weightings(arguments.recipe)
    streets = Streets(train=arguments.streets, val=200, size=(64, 128))
    budget = {"epochs": arguments.epochs, "batch_size": arguments.batch, "data": streets}
    groups: dict[str, Group] = {}
    for name, experiment in experiments.items():
        if arguments.only and name not in arguments.only:
            continue
        try:
            experiment = replace(experiment, **budget)
            groups[name] = group_of(name, experiment, arguments.seeds, arguments.out / arguments.what)
        except ValueError as error:
            print(f"{name} is left out: {error}")
    rows = [
        row(
            group,
            seconds_per_step(replace(experiments[name], **budget), arguments.steps),
            single_task_groups(group, groups.values()),
        )
        for name, group in groups.items()
    ]
    print(tables.learning(rows))
    if arguments.json:
        machine = {**runs.environment(launch("auto").device), "cores": str(os.cpu_count())}
        settings: dict[str, Any] = {
            "what": arguments.what,
            "recipe": arguments.recipe,
            "epochs": arguments.epochs,
            "seeds": arguments.seeds,
            "streets": arguments.streets,
            "batch": arguments.batch,
            "machine": machine,
        }
        if arguments.what == "networks":
            settings["baselines"] = image_blind(streets)
        if arguments.only:
            rows = merged(rows, arguments.json, experiments)
        arguments.json.write_text(json.dumps({**settings, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
