"""Compare methods of balancing tasks: the same network and data, several methods, one page with all results.

::

    python examples/compare_weightings.py
    python examples/compare_weightings.py --methods fixed pcgrad
    python examples/compare_weightings.py --quick    # tiny runs, to check that everything works

The page also compares them with single-task networks: Δm is the mean relative change of the metrics against these.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import taskscape
from taskscape import recipes, weighting
from taskscape.data import Streets
from taskscape.report import write_comparison
from taskscape.runs import Experiment

METHODS = {
    "fixed": weighting.FixedConfig(),
    "uncertainty": weighting.UncertaintyConfig(),
    "famo": weighting.FAMOConfig(),
    "pcgrad": weighting.PCGradConfig(mode="features"),
    "mgda": weighting.MGDAConfig(mode="features"),
}


def experiments(base: Experiment, methods: list[str]) -> dict[str, Experiment]:
    """Return the runs to compare: these methods, and each task alone."""
    joint = {name: replace(base, weighting=METHODS[name]) for name in methods}
    base = replace(base, weighting=weighting.FixedConfig())
    alone = {f"{name} alone": replace(base, tasks={name: task}) for name, task in base.tasks.items()}
    return joint | alone


def main(base: Experiment, methods: list[str], folder: Path) -> Path:
    """Train all of them, print their leading metrics, and return the path of the page."""
    runs = []
    for name, experiment in experiments(base, methods).items():
        run = folder / name.replace(" ", "-")
        result = taskscape.train(experiment, run, resume=True)  # a finished run is not trained again
        leading = {key: value for key, value in result.metrics.items() if result.specs[key].leads}
        print(name, {key: round(value, 2) for key, value in leading.items()})
        runs.append(run)
    return write_comparison(runs, folder / "comparison.html")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compare methods of balancing tasks.")
    parser.add_argument("--out", type=Path, default=Path("runs/weightings"), help="folder of the runs and the page")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="which methods")
    parser.add_argument("--quick", action="store_true", help="tiny runs")
    arguments = parser.parse_args()
    experiment = recipes.demo()
    if arguments.quick:
        experiment = replace(experiment, data=Streets(train=16, val=8, size=(32, 64)), epochs=1)
    print(main(experiment, arguments.methods, arguments.out))
