"""Write the differences of a file from its network for programs, ``parity.json``."""

import json
from dataclasses import asdict
from pathlib import Path

import torch

from taskscape.export.exported import Exported
from taskscape.export.formats import Job
from taskscape.export.parity import BOUND, EQUAL
from taskscape.files import atomic_write


def write_report(path: Path, job: Job, to: str, exported: Exported) -> None:
    """Write ``parity.json``: differences by task, metrics before and after, and times."""
    content = {
        "format": to,
        "bytes": exported.bytes,
        "pictures": exported.pictures,
        "bounds": {"largest_relative_difference": BOUND, "same_class": EQUAL},
        "tasks": {
            name: {
                "pixels_compared": parity.compared,
                **(
                    {"same_class": 1 - parity.largest}
                    if parity.whole
                    else {
                        "largest_relative_difference": parity.largest,
                        "mean_relative_difference": parity.mean,
                        "largest_difference": parity.absolute,
                        "unit": job.about["outputs"][name]["unit"],
                    }
                ),
            }
            for name, parity in exported.parity.items()
        },
        "seconds": {
            "network": exported.seconds[0],
            "file": exported.seconds[1],
            "size": list(job.usual_size),
            "threads": torch.get_num_threads(),
        },
        "metrics": None
        if exported.measured is None
        else {
            "split": "val",
            "images": exported.measured.images,
            "network": dict(exported.measured.network),
            "file": dict(exported.measured.file),
        },
        "reduced": None if exported.reduced is None else asdict(exported.reduced),
    }
    atomic_write(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
