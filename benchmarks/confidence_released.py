"""How confident is a released model in its classes, and how accurate, on streets, `shifted` streets and photographs?

Calibrates on generated streets of val, as a run does at its end, and measures there, on ``shifted`` and, with
``--store``, on the split val of a store of photographs. The model was trained on none of these images.
Prints a Markdown table and writes JSON. ``--keep`` also writes the calibration into the folder of the model, so that it
is published with it: ``python benchmarks/release.py`` on a copy of that folder then writes its card again.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import confidence_tables
from taskscape import runs
from taskscape.data import Loader, Store, Streets
from taskscape.evaluation import ConfidenceEvaluator, calibrate, evaluate
from taskscape.files.digest import sha256
from taskscape.released import resolve
from taskscape.run_folder import Calibration, RunFolder
from taskscape.runs import TrainedModel
from taskscape.runs.other_data import adapted

TASK = "semseg"
KEPT = ("miou", "ece", "ece_uncalibrated", "nll", "nll_uncalibrated", "ause", "ause_random")


def measured(model: TrainedModel, store: Store, spread: float) -> dict[str, float]:
    """Return the figures of the classes on a split."""
    tasks = {TASK: model.tasks[TASK]}
    confidence = ConfidenceEvaluator(tasks, {TASK: spread}, model.device)
    batches = Loader(store, tasks, 4, model.device).epoch(0)
    evaluation = confidence.added_to(evaluate(model.forward, tasks, batches, model.device, also=confidence.update))
    return {key: round(evaluation.metrics[f"{TASK}/{key}"], 5) for key in KEPT}


def keep(spread: float, store: Store, folder: RunFolder) -> None:
    """Save a calibration as a run does at its end."""
    weights = sha256(folder.weights)
    calibration = Calibration({TASK: spread}, "val", len(store), store.manifest.fingerprint, weights)
    calibration.save(folder.calibration)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="taskscape/streets-small")
    parser.add_argument("--streets", type=int, default=32, help="number of streets of val, and of shifted")
    parser.add_argument("--store", type=Path, help="a packed store of photographs, such as CamVid")
    parser.add_argument("--height", type=int, default=360, help="height of photographs for the network")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--keep", action="store_true", help="write the calibration into the model's folder")
    arguments = parser.parse_args()
    model = runs.load(arguments.model)
    data: Any = model.experiment.data
    assert isinstance(data, Streets)
    stores = replace(data, train=0, val=arguments.streets, shifted=arguments.streets).open()
    loader = Loader(stores["val"], {TASK: model.tasks[TASK]}, 4, model.device)
    spreads = calibrate(model.forward, {TASK: model.tasks[TASK]}, loader.epoch(0), arguments.streets)
    rows = {split: measured(model, stores[split], spreads[TASK]) for split in ("val", "shifted")}
    if arguments.store:
        store = Store.open(arguments.store, "val")
        experiment, network, _ = adapted(
            model.experiment, model.network, store.fields, str(store.path), height=arguments.height
        )
        photographs = TrainedModel(experiment, network, torch.device(model.device))
        rows[f"{arguments.store.name}, {len(store)} photographs"] = measured(photographs, store, spreads[TASK])
    figures = {"model": arguments.model, "streets": arguments.streets, "spread": spreads[TASK], "rows": rows}
    print(confidence_tables.released(figures))
    if arguments.keep:
        keep(spreads[TASK], stores["val"], RunFolder(resolve(arguments.model)))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
