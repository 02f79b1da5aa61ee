"""Processor time of commands that answer before any computation, and of training until its first step, in seconds: the
minimum of three.

python benchmarks/startup.py [--out startup.json]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

LINES = (
    "--help",
    "--version",
    "trian",
    "train three_tasks --help",
    "train three_tasks --help all",
    "train jiont",
    "train joint --epoch 3",
    "train joint weighting:dwaa",
    "train joint --network.encoder resnet-18",
    "train joint --epochs three",
    "train joint --from nowhere",
    "train --resume nowhere",
    "evaluate nowhere",
    "predict nowhere.jpg",
    "predict . --height 0",
    "label nowhere nowhere --out new",
    "export nowhere --to onnx",
    "models",
    "recipes",
    "completion --words train joint network:",
    "predict --help",
    "prepare cityscapes --help",
    "prepare citiscapes",
    "prepare folder nowhere store",
    "completion --words prepare folder --",
)

FIRST_STEP = """
import os, sys
from taskscape.imports import quick_imports
with quick_imports():
    from taskscape.training.step import TrainingStep
TrainingStep.prepare = lambda *_: os._exit(0)
from taskscape.cli import main
main(["train", "joint", "--threads", "1", "--out", f"{sys.argv[1]}/{os.getpid()}"])
"""
"""Training until the first step; from the second time on, its data are already prepared."""


def processor_seconds(arguments: list[str]) -> float:
    """Return the user and system time of a Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure all commands, and print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    commands = {f"taskscape {line}": ["-m", "taskscape", *line.split()] for line in LINES}
    commands |= {
        f"python -c '{code}'": ["-c", code]
        for code in ("import taskscape", "import torch", "from taskscape import runs")
    }
    with tempfile.TemporaryDirectory() as folder:
        commands["first step of taskscape train joint"] = ["-c", FIRST_STEP, folder]
        seconds_by_command = {
            name: min(processor_seconds(arguments) for _ in range(3)) for name, arguments in commands.items()
        }
    for name, seconds in seconds_by_command.items():
        print(f"{seconds:5.2f}  {name}")
    if out:
        out.write_text(
            json.dumps({name: round(seconds, 3) for name, seconds in seconds_by_command.items()}, indent=1) + "\n",
            "utf-8",
        )


if __name__ == "__main__":
    main()
