"""Run the commands of README and docs in a scratch folder, at small scale: python .ci/documents.py [PAGE …]

Each page is run in its own folder, which has the files that pages assume: a photograph, a folder of photographs, packed
stores and runs. Training takes one epoch on eight streets. ``ELSEWHERE`` lists the commands that cannot run here, with
the reason. The exit status is 1 if a command fails. It takes about a quarter of an hour on two idle cores.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from blocks import pack
from documents import PAGES, README, ROOT, blocks
from taskscape import recipes, runs
from taskscape.cli import main as taskscape_main
from taskscape.data import Packed, Streets
from taskscape.runs import Experiment

ELSEWHERE = {
    r"^python (benchmarks|-m)|^python \\.": "measures for minutes or hours, or belongs to the work on the package",
    r"\b(push|pull) |evaluate streets-small|network\.pretrained True": "needs the hub",
    r"predict user/name|--from user/name": "needs the hub",
    r"weights\.safetensors|resnet34\.pth": "needs weights that the reader has",
    r"--pretrained (True|resnet34)|photographs/": "needs the data or weights of its page: benchmarks/photographs.py",
    r"(?i)cityscapes\b.*stores/cityscapes|camvid|nyuv2|miniscapes": "needs raw data to be downloaded",
    r"--on (ray|slurm)|--address|SLURM": "needs a cluster",
    r"--trackers": "needs the extras wandb and mlflow; tests/test_trackers.py has it",
    r"--search": "needs the extra sweep; tests/sweeps has it",
    r"sweep ladder/|train ladder/|STORE": "takes hours, or a store of the reader's",
    r"runs/(both|streets|learning|photographs)|teacher\.onnx": "needs the runs of its page, which take hours",
    r"demo$|bench |doctor$|precision auto": "measures for minutes; has its tests",
    r"^taskscape app\b": "serves until it is stopped; tests/app has it",
    r"clip\.mp4|--camera|--watch": "needs a video, a camera or a watched folder; tests/inference/video has them",
    r"--split test": "is for data that have this split",
    r"--minutes|--device cuda|synth streets --count": "takes minutes or hours",
}
"""Expressions for commands that are not run, and why."""

STREETS = 8


def main() -> None:
    """Run the commands of the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="by default README and all of docs")
    pages = [page.resolve() for page in parser.parse_args().pages] or [README, *PAGES]
    original, working_folder = runs.train, Path.cwd()
    runs.train = lambda experiment, *rest, **options: original(small(experiment), *rest, **options)
    num_failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TASKSCAPE_CACHE"] = str(Path(scratch) / "cache")
        template = make(Path(scratch) / "given", original)
        for page in pages:
            if not (lines := lines_of(page)):
                continue
            folder = Path(scratch) / page.stem
            lay_out(folder, template, page, lines)
            os.chdir(folder)
            sys.path.insert(0, str(folder))
            for line in lines:
                num_failed += not run(page, line)
            sys.path.pop(0)
            os.chdir(working_folder)
            shutil.rmtree(folder)
    if num_failed:
        raise SystemExit(f"{num_failed} commands failed")


def small(experiment: Experiment) -> Experiment:
    """Return an experiment that ends in seconds."""
    data: Any = experiment.data
    if isinstance(data, Streets):
        data = replace(data, train=STREETS, val=4, size=(64, 128))
    return replace(experiment, data=data, epochs=1, batch_size=4, minutes=None, device="cpu", train_metrics=0.0)


def make(folder: Path, train: Callable[..., Any]) -> Path:
    """Make the files that pages assume, and return their folder."""
    store = pack(folder / "stores" / "rooms")
    for name in ("garden", "own"):
        shutil.copytree(store, folder / "stores" / name)
    experiment = replace(recipes.joint(), data=Packed(store), epochs=1, batch_size=4, device="cpu")
    for name in ("joint", "branched", "dwa"):
        train(replace(experiment, seed=len(name)), folder / "runs" / name, quiet=True)
    raw_data(folder)
    (folder / "holiday").mkdir()
    for path in (folder / "photo.jpg", folder / "holiday" / "1.jpg", folder / "holiday" / "2.jpg"):
        Image.effect_noise((96, 64), 80).convert("RGB").save(path)
    return folder


def raw_data(folder: Path) -> None:
    """Make the raw data of the page on one's own data: images with labels, and images with arrays of depth."""
    rng = np.random.default_rng(0)
    garden, raw = folder / "my-garden", folder / "raw"
    for path in (raw, *(garden / name for name in ("images", "semseg", "depth"))):
        path.mkdir(parents=True)
    for number in range(10):
        image = Image.fromarray(rng.integers(0, 255, (96, 128, 3), np.uint8))
        depth = rng.integers(1000, 9000, (96, 128), np.uint16)
        image.save(garden / "images" / f"{number}.png")
        Image.fromarray(rng.choice(np.array([1, 2, 5], np.uint8), (96, 128))).save(garden / "semseg" / f"{number}.png")
        Image.fromarray(depth).save(garden / "depth" / f"{number}.png")
        image.save(raw / f"{number}.jpg")
        np.save(raw / f"{number}.npy", depth / 1000)
    (garden / "taskscape.yaml").write_text(
        "splits: {train: 0.8, val: 0.2}\nsemseg:\n  classes: {1: lawn, 2: path, 5: tree}\ndepth:\n  unit: millimeter\n"
    )


def lay_out(folder: Path, template: Path, page: Path, lines: list[str]) -> None:
    """Copy ``template`` to a page's folder, without the runs and stores that the page makes, and save its files."""
    shutil.copytree(template, folder)
    shutil.copytree(ROOT / "examples", folder / "examples")
    for example in (ROOT / "examples").glob("*.py"):
        shutil.copy(example, folder)
    for line in lines:
        for groups in re.findall(r"--out (runs/\S+)|prepare \S+ \S+ (stores/\S+)", line):
            shutil.rmtree(folder / "".join(groups), ignore_errors=True)
    for language in ("python", "yaml"):
        for block in blocks(page, language):
            if block.title:
                (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
                (folder / block.title).write_text(block.code)


def run(page: Path, line: str) -> bool:
    """Run one command, print its outcome, and return whether it succeeded."""
    name = f"{page.relative_to(ROOT)}: {line}"
    if reasons := [reason for expression, reason in ELSEWHERE.items() if re.search(expression, line)]:
        print(f"  not here: {name} ({reasons[0]})", flush=True)
        return True
    if line.startswith("python "):
        succeeded = subprocess.run([sys.executable, *line.split()[1:]], check=False).returncode == 0
        print(f"{'well' if succeeded else 'FAILED'}: {name}", flush=True)
        return succeeded
    _, *arguments = [word for part in shlex.split(line) for word in expanded(part)]
    if arguments[0] == "sweep" and "--resume" not in arguments:
        arguments += ["--data.train", str(STREETS), "--data.val", "4", "--data.size", "64x128"]
        if "--epochs" in arguments:
            arguments[arguments.index("--epochs") + 1] = "1"
        else:
            arguments += ["--epochs", "1"]
    if arguments[0] == "synth":
        arguments[arguments.index("--count") + 1] = "4"
    if arguments[0] in ("train", "sweep") and "--out" in arguments:  # pages show one folder for several ways
        shutil.rmtree(arguments[arguments.index("--out") + 1], ignore_errors=True)
    started = time.monotonic()
    exit_code: Any = 0
    stdout = sys.stdout
    try:
        taskscape_main(["--quiet", *arguments] if arguments[0] == "train" and "--help" not in arguments else arguments)
    except SystemExit as end:
        exit_code = end.code
    finally:
        sys.stdout = stdout
    if exit_code in (129, 130, 143):  # stopped by a signal
        raise SystemExit(exit_code)
    succeeded = exit_code in (0, None)
    print(f"{'well' if succeeded else 'FAILED'} in {time.monotonic() - started:.0f} s: {name}", flush=True)
    return succeeded


def lines_of(page: Path) -> list[str]:
    """Return the lines of a page that call taskscape or Python, with loops of the shell unrolled."""
    code = "\n".join(block.code for block in blocks(page, "bash")).replace("\\\n", " ")
    for name, words, body in re.findall(r"^for (\w+) in (.+); do\n(.+)\ndone$", code, re.MULTILINE):
        loop = f"for {name} in {words}; do\n{body}\ndone"
        code = code.replace(loop, "\n".join(body.replace(f"${name}", word) for word in words.split()))
    parts = (part.strip() for line in code.splitlines() for part in line.partition("#")[0].split("&&"))
    return [" ".join(part.split()) for part in parts if part.startswith(("taskscape ", "python "))]


def expanded(word: str) -> list[str]:
    """Return the files that match a word with a star, as a shell does; any other word is returned unchanged."""
    return sorted(map(str, Path().glob(word))) if "*" in word else [word]


if __name__ == "__main__":
    main()
