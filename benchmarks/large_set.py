"""How much memory do preparation, check and training need for a small and for a large data set? Linux only.

Writes folders of ``--counts`` labeled images, and runs ``taskscape prepare folder``, ``taskscape data check`` and one
epoch of ``taskscape train`` on each. Memory is the peak of the anonymous memory of all processes of a command together
(the system cannot drop it, unlike the mapped files of a store). Prints a Markdown table.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import tables

SIZE = (48, 64)
DESCRIPTION = "{semseg: {classes: {0: a, 1: b, 2: c}}, depth: {unit: millimeter}, splits: {val: 200, train: %d}}"
EXPERIMENT = """
from pathlib import Path
from taskscape.data import Packed
from taskscape.runs.experiment import Experiment
from taskscape.models import DeeplabPlainConfig

def experiment():
    network = DeeplabPlainConfig(encoder="resnet10t")
    return Experiment(network=network, data=Packed(Path("store")), epochs=1, batch_size=32)
"""


def make(raw: Path, count: int) -> None:
    """Write a folder of images: coarse noise, so that no two are the same."""
    for part in ("images", "semseg", "depth"):
        (raw / part).mkdir(parents=True)

    def picture(index: int) -> None:
        rng = np.random.default_rng(index)
        coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
        scaled = {"images": coarse, "semseg": coarse[..., 0] % 3, "depth": coarse[..., 1].astype(np.uint16) * 100 + 500}
        for part, array in scaled.items():
            fine = array.repeat(SIZE[0] // 6, 0).repeat(SIZE[1] // 8, 1)
            Image.fromarray(fine).save(raw / part / f"{index:06d}.png", compress_level=1)

    with ThreadPoolExecutor() as pool:
        list(pool.map(picture, range(count)))
    (raw / "taskscape.yaml").write_text(DESCRIPTION % (count - 200))


def own_mebibytes(pid: int) -> float:
    """Return the anonymous memory of a process and all its descendants, in MiB."""
    try:
        match = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        children = [c for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it has ended meanwhile
    return (int(match[1]) / 1024 if match else 0.0) + sum(own_mebibytes(int(child)) for child in children)


def peak(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command of taskscape and return its peak memory in MiB and its time in seconds."""
    started, largest = time.monotonic(), 0.0
    with (folder / "output.txt").open("a") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", "taskscape.cli", *command], cwd=folder, stdout=output, stderr=output
        )
        while running.poll() is None:
            largest = max(largest, own_mebibytes(running.pid))
            time.sleep(0.1)
    if running.returncode:
        raise RuntimeError(f"taskscape {' '.join(command)} failed:\n{(folder / 'output.txt').read_text()}")
    return largest, time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[2000, 20000])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    commands = {
        "prepare": ["prepare", "folder", "raw", "store"],
        "prepare in shards of 1,000": ["prepare", "folder", "raw", "shards", "--shard", "1000"],
        "check": ["data", "check", "store"],
        "train": ["train", "my.py:experiment", "--out", "run"],
    }
    results: dict[str, Any] = {name: {} for name in commands}
    stores = {}
    for count in arguments.counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make(folder / "raw", count)
            (folder / "my.py").write_text(EXPERIMENT)
            for title, command in commands.items():
                mebibytes, seconds = peak(command, folder)
                results[title][count] = {"mebibytes": mebibytes, "seconds": seconds}
            stores[count] = sum(file.stat().st_size for file in (folder / "store").rglob("*")) / 2**20
    result = {"store MiB": stores, "commands": results}
    print(tables.large_set(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
