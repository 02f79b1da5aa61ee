"""Do training runs in bf16 end where those in float32 end?

    python benchmarks/precision_training.py

trains each network with the recipe of its name in both precisions, with several seeds and otherwise the same settings
and streets, and writes the validation metrics after the last epoch. Runs are kept in ``--out``: finished ones are not
trained again, interrupted ones are resumed. With ``--networks``, the results of others stay in the file.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from learning import run_of
from table import RESULTS
from taskscape import parallel, recipes, runs
from taskscape.data import Streets
from taskscape.distributed import launch
from taskscape.machine import processor
from taskscape.training.precision import Precision

NETWORKS = ("deeplab-joint", "resnet-mtan", "segnet-split")
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
METRICS = ("semseg/miou", "semseg/pixel_accuracy", "depth/abs_rel", "depth/si_log_rmse")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--streets", type=int, default=600)
    parser.add_argument("--threads", type=int, help="threads of torch; by default one per core")
    parser.add_argument("--out", type=Path, default=Path("runs/precision"))
    parser.add_argument("--json", type=Path, default=RESULTS / "precision_training.json")
    arguments = parser.parse_args()
    if arguments.threads:
        parallel.use_threads(arguments.threads)
    data = Streets(train=arguments.streets, val=200, size=(64, 128))
    settings = {"epochs": arguments.epochs, "batch_size": 8, "validate_every": arguments.epochs, "device": "cpu"}
    results: dict[str, Any] = {}
    if arguments.json.exists():
        earlier = json.loads(arguments.json.read_text("utf-8"))["networks"]
        results = {name: earlier[name] for name in earlier if name not in arguments.networks}
    for name in arguments.networks:
        for seed in arguments.seeds:
            for precision in PRECISIONS:
                experiment = replace(recipes.read(name), **settings, data=data, seed=seed, precision=precision)
                metrics = run_of(f"{name}-{precision}-{seed}", experiment, arguments.out).result.metrics
                figures = {metric: metrics[metric] for metric in METRICS}
                results.setdefault(name, {}).setdefault(precision, {})[str(seed)] = figures
        about = {"epochs": arguments.epochs, "streets": arguments.streets}
        environment = runs.environment(launch("cpu").device) | {"processor": processor()}
        arguments.json.write_text(
            json.dumps({**about, "environment": environment, "networks": results}, indent=1) + "\n", "utf-8"
        )


if __name__ == "__main__":
    main()
