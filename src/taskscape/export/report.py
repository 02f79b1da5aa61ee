"""Write the differences of a file from its network for programs, ``parity.json``."""

import json
from dataclasses import asdict
from pathlib import Path

import torch

from taskscape.export.exported import Exported
from taskscape.export.formats import Job
from taskscape.export.parity import BOUND, EQUAL
from taskscape.files import atomic_write


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
            "size": list(job.usual_size),
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
