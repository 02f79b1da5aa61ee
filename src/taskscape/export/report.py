"""How far a file is from its network: ``parity.json`` for programs, and what the model card says of it."""

import json
from dataclasses import asdict
from pathlib import Path

import torch

from taskscape.export.exported import Exported
from taskscape.export.formats import Job
from taskscape.export.parity import BOUND, EQUAL
from taskscape.files import atomic_write
from taskscape.publishing.card import Shipped
from taskscape.serialization import show_size


def write_report(path: Path, job: Job, to: str, done: Exported) -> None:
    """Write ``parity.json``: differences by task, metrics before and after, and times."""
    content = {
        "format": to,
        "bytes": done.bytes,
        "pictures": done.pictures,
        "bounds": {"largest_relative_difference": BOUND, "same_class": EQUAL},
        "tasks": {
            name: {
                "pixels_compared": one.compared,
                **(
                    {"same_class": 1 - one.largest}
                    if one.whole
                    else {
                        "largest_relative_difference": one.largest,
                        "mean_relative_difference": one.mean,
                        "largest_difference": one.absolute,
                        "unit": job.about["outputs"][name]["unit"],
                    }
                ),
            }
            for name, one in done.parity.items()
        },
        "seconds": {
            "network": done.seconds[0],
            "file": done.seconds[1],
            "size": list(_timed(job)),
            "threads": torch.get_num_threads(),
        },
        "metrics": None
        if done.measured is None
        else {
            "split": "val",
            "images": done.measured.images,
            "network": dict(done.measured.network),
            "file": dict(done.measured.file),
        },
        "reduced": None if done.reduced is None else asdict(done.reduced),
    }
    atomic_write(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def shipped(job: Job, runtime: str, done: Exported) -> Shipped:
    """Return what the model card says of the file; ``runtime`` is what runs it, in words."""
    threads = torch.get_num_threads()
    return Shipped(
        name=job.folder.name,
        file=done.path.name,
        runtime=runtime,
        tasks=tuple(job.tasks),
        confidence={
            name: f"{of['title']}, {'calibrated' if of['calibrated'] else 'not calibrated'}"
            for name, of in job.about["outputs"].items()
            if "of" in of
        },
        takes=(
            f"RGB images in 0..255, (1, 3, {job.size[0]}, {job.size[1]}) uint8"
            if job.size
            else "RGB images in 0..255, (1, 3, H, W) uint8, of any size; it was trained and measured on images of a "
            f"height of {job.evaluated[0]}, so scale yours to about that height"
        ),
        megabytes=done.bytes / 1e6,
        parity={name: str(one) for name, one in done.parity.items()},
        pictures=done.pictures,
        seconds=done.seconds,
        conditions=f"images of {show_size(_timed(job))}, CPU, {threads} thread{'s' * (threads > 1)} in PyTorch",
        metrics=None if done.measured is None else (done.measured.network, done.measured.file),
        specs={} if done.measured is None else done.measured.specs,
        measured=0 if done.measured is None else done.measured.images,
        changed="" if done.reduced is None else done.reduced.words,
        sentences=() if done.reduced is None else done.reduced.sentences,
    )


def _timed(job: Job) -> tuple[int, int]:
    return job.size or job.evaluated
