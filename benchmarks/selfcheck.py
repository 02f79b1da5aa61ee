"""How long does the self-check of bf16 take, and what does it find on this machine? Prints a Markdown table.

``selfcheck.py`` checks networks at the shape of a training batch of eight images, once with an empty cache and once
from the cache, in one thread. Times are processor time, which other programs affect less than wall-clock time.
"""

import argparse
import os
import tempfile
import time
from collections import Counter

import torch

from taskscape import models
from taskscape.selfcheck import Finding, Shape, verify
from taskscape.training.precision import autocast

CHANNELS = {"semseg": 19, "depth": 1, "normals": 3}

DILATED = ("tf_efficientnet_lite0", "mobilenetv2_100", "convnext_atto", "regnety_004")

NETWORKS: list[tuple[str, tuple[int, int], dict[str, object]]] = [
    ("deeplab-joint", (64, 128), {}),
    ("segnet-mtan", (64, 128), {}),
    ("adaptive-depth", (64, 128), {}),
    ("deeplab-joint", (256, 512), {}),
    *(("deeplab-joint", (256, 512), {"encoder": encoder, "output_stride": 8}) for encoder in DILATED),
]


def checked(name: str, size: tuple[int, int], options: dict[str, object]) -> tuple[float, tuple[Finding, ...]]:
    """Return the processor seconds of a check and its findings."""
    network = models.build(name, CHANNELS, **options).to(memory_format=torch.channels_last)
    start = time.process_time()
    findings = verify(network, [Shape(8, size)], lambda: autocast(torch.device("cpu"), "bf16"))
    return time.process_time() - start, findings


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    print("| network | image | s, first | s, cached | layers that are wrong |\n|---|---|---|---|---|")
    for name, size, options in NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["TASKSCAPE_CACHE"] = folder
            first, findings = checked(name, size, options)
            cached, _ = checked(name, size, options)
        kinds: Counter[str] = Counter()
        for finding in findings:
            kinds[f"{finding.operator.partition('(')[0]}, {finding.remedy}"] += len(finding.layers)
        wrong = "; ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
        title = ", ".join([name, *(f"{value}" for value in options.values())])
        print(f"| {title} | {size[0]}×{size[1]} | {first:.1f} | {cached:.1f} | {wrong} |", flush=True)


if __name__ == "__main__":
    main()
