"""Draws ``docs/pictures/depth-histograms.svg``: depth of streets per meter and per octave, labels and predictions.

    python docs/histograms.py

Labels are those of the streets that ``benchmarks/experiments.py`` validates on, predictions those of its runs in meters
and in log meters (``tables.METERS_AND_LOG``), added up over seeds, where its result has them.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from taskscape.data import Streets
from taskscape.metrics import DepthMetrics

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import tables  # noqa: E402

OUT = ROOT / "docs" / "pictures" / "depth-histograms.svg"
NEAREST, FARTHEST = 4.0, 300.0
"""Meters that depth is clipped to."""
WORDS = ("predicted, learned in meters", "predicted, learned in log meters")
Counts = npt.NDArray[np.float64]


def labels(scenes: int) -> tuple[Counts, Counts]:
    """Return the edges, in meters, and the pixels of a histogram of the depth of validation scenes."""
    store = Streets(train=2, val=scenes, size=(128, 256)).open()["val"]
    metrics = DepthMetrics()
    for row in range(len(store)):
        true, valid = store.gather([row], ["depth"], torch.device("cpu")).targets["depth"]
        true = true.clamp(NEAREST, FARTHEST)
        metrics.update(true, true, valid)
    histogram = metrics.plots()["histogram"]
    return np.array(histogram["edges"]), np.array(histogram["true"], np.float64)


def predictions() -> dict[str, Counts]:
    """Return the pixels of predictions by words, for the edges of ``labels``; empty without a result."""
    found = {}
    for name, words in zip(tables.METERS_AND_LOG, WORDS, strict=True):
        runs = tables.experiments()["runs"].get(name, {}).values()
        every = [run["histogram"]["predicted"] for run in runs if "histogram" in run]
        if every:
            found[words] = np.sum(np.array(every, np.float64), axis=0)
    return found


def draw(edges: Counts, true: Counts, predicted: Mapping[str, Counts]) -> Figure:
    """Return both histograms: the share of pixels per meter, and per octave."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    figure.patch.set_facecolor("white")
    meters, octaves = figure.subplots(1, 2)
    for axes, width, unit in ((meters, np.diff(edges), "meter"), (octaves, np.diff(np.log2(edges)), "octave")):
        axes.stairs(100 * true / true.sum() / width, edges, fill=True, color="#cfcdc8", label="labels")
        for (words, pixels), color in zip(predicted.items(), ("#c2610a", "#3f5bd9"), strict=False):
            axes.stairs(100 * pixels / pixels.sum() / width, edges, color=color, linewidth=1.6, label=words)
        axes.set_ylabel(f"% of pixels per {unit}")
        axes.set_xlim(0 if axes is meters else NEAREST * 0.9, FARTHEST * 1.05)
        axes.spines[["top", "right"]].set_visible(False)
    meters.set_xlabel("depth in meters")
    octaves.set_xlabel("depth in meters, on a logarithmic axis")
    octaves.set_xscale("log")
    octaves.set_xticks([5, 10, 20, 50, 100, 200, 300], ["5", "10", "20", "50", "100", "200", "300"])
    octaves.minorticks_off()
    meters.legend(frameon=False)
    return figure


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    draw(*labels(80), predictions()).savefig(OUT, metadata={"Date": None})
    print(OUT.relative_to(ROOT))
