"""How does bf16 change the predictions of trained networks? ``precision.py RUN...`` compares it with float32.

For every run: the relative L2 distance of the raw outputs, and the metrics, over the first ``--images`` validation
images. Prints a Markdown table.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from taskscape import runs
from taskscape.evaluation import evaluate

METRICS = ("semseg/miou", "semseg/pixel_accuracy", "depth/abs_rel")


def row(run: Path, images: int) -> str:
    """Return the row of a run."""
    model = runs.load(run)
    experiment = model.experiment
    store = experiment.data.open()["val"]
    indices = torch.arange(min(images, len(store))).split(experiment.batch_size)
    loader = experiment.loader(store, model.device, training=False)
    batches = [loader.batch(chunk.numpy()) for chunk in indices]
    forward = {p: model._replace(experiment=replace(experiment, precision=p)).forward for p in ("fp32", "bf16")}
    outputs = {p: [forward[p](batch.image).final for batch in batches] for p in forward}
    metrics = {p: evaluate(forward[p], model.tasks, batches, model.device).metrics for p in forward}
    cells = []
    for task in model.tasks:
        exact, rounded = (torch.cat([final[task].float() for final in outputs[p]]) for p in ("fp32", "bf16"))
        cells.append(f"{task} {100 * float((rounded - exact).norm() / exact.norm()):.2f}")
    changes = [f"{metrics['fp32'][m]:.4g} → {metrics['bf16'][m]:.4g}" for m in METRICS if m in metrics["fp32"]]
    return f"| {experiment.network.name} | {', '.join(cells)} | {' | '.join(changes)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--images", type=int, default=64)
    arguments = parser.parse_args()
    print("| | relative L2, % | mIoU % | accuracy % | abs rel |\n|---|---|---|---|---|")
    for run in arguments.runs:
        print(row(run, arguments.images), flush=True)


if __name__ == "__main__":
    main()
