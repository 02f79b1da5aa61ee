"""Fuzzes every reader of files that may come from others, and writes what was found.

python benchmarks/fuzz.py --seconds 20 --out benchmarks/results/fuzz.json

Each target reads a small sound file with random damage: flipped, cut, doubled and exchanged bytes, numbers at their
limits, pieces of other seeds. It may read the file or refuse it with a ``ValueError`` or ``OSError`` that names it;
anything else is a finding: another exception, a message without the name, more than 5 s, more than 1 GB of memory, a
signal. Every target runs in a process of its own. Inputs that fail are kept under ``--keep``; one that is mended
becomes a test in tests/hostile/.
"""

import argparse
import io
import json
import os
import platform
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MEMORY = 1 << 30
SLOW = 5.0
LIMITS = (0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
WORDS = (b"[" * 80, b"{" * 80, b"&a *a", b"<<: *a", b"!!python/name:os.system", b"1e999", b"-1", b"null", b"../", b"\0")

Target = tuple[str, list[bytes], Callable[[Path], Any]]
"""Suffix of the file, sound contents, and what reads it."""


def targets() -> dict[str, Callable[[], Target]]:
    """Return what builds each target, by name; imports wait inside."""
    return {
        "png": lambda: images("PNG"),
        "png16": gray16,
        "jpeg": lambda: images("JPEG"),
        "tiff": lambda: images("TIFF"),
        "webp": lambda: images("WEBP"),
        "gif": lambda: images("GIF"),
        "npy": arrays,
        "mat-splits": matlab_splits,
        "mat-hdf5": matlab_hdf5,
        "taskscape.yaml": description,
        "experiment.yaml": experiment,
        "manifest.json": manifest,
        "result.json": result,
        "metrics.csv": metrics,
        "samples.npz": samples,
        "last.ckpt": checkpoint,
        "best.safetensors": weights,
    }


def images(kind: str) -> Target:
    from PIL import Image

    from taskscape.data.readers.images import read_image

    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    seeds = []
    for image in (Image.fromarray(pixels), Image.fromarray(pixels).quantize(16), Image.fromarray(pixels).convert("L")):
        buffer = io.BytesIO()
        image.convert("RGB" if kind in ("JPEG", "WEBP") else image.mode).save(buffer, kind)
        seeds.append(buffer.getvalue())
    return f".{kind.lower()}", seeds, read_image


def gray16() -> Target:
    from PIL import Image

    from taskscape.data.readers.labels import read_gray

    buffer = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint16).reshape(12, 16) * 300).save(buffer, "PNG")
    return ".png", [buffer.getvalue()], lambda path: read_gray(path, 16, (6, 8), "disparity")


def arrays() -> Target:
    from taskscape.data.readers.labels import read_array

    seeds = []
    for kind in (np.float32, np.uint8, np.int64):
        buffer = io.BytesIO()
        np.save(buffer, np.asfortranarray(np.arange(24, dtype=kind).reshape(4, 6)))
        seeds.append(buffer.getvalue())
    return ".npy", seeds, read_array


def matlab_splits() -> Target:
    from scipy.io import savemat

    from taskscape.data.readers import nyuv2

    buffer = io.BytesIO()
    savemat(buffer, {"trainNdxs": np.array([[1, 3]]), "testNdxs": np.array([[2]])})
    return ".mat", [buffer.getvalue()], nyuv2._splits


def matlab_hdf5() -> Target:
    import h5py

    from taskscape.data.readers import nyuv2

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, shape in (("images", (2, 3, 640, 480)), ("depths", (2, 640, 480)), ("labels", (2, 640, 480))):
            file.create_dataset(name, shape, np.uint8, compression="gzip", chunks=(1, *shape[1:-1], 480), fillvalue=3)

    def read(path: Path) -> None:
        nyuv2._arrays.cache_clear()
        nyuv2._check_arrays(path, ("images", "depths", "labels"), 2)
        for name in ("images", "depths", "labels"):
            nyuv2._array(path, name, nyuv2._sample(1, {}))

    return ".mat", [buffer.getvalue()], read


def description() -> Target:
    from taskscape.data.readers.folder.description import Description

    seeds = [
        b"images: images\nsplits: {train: 0.9, val: 0.1}\nsemseg:\n  classes: {1: bed, 2: books}\n  void: [0, 255]\n",
        b"depth: {unit: millimetre, inverse: false, invalid: [0]}\nnormals: {axes: [x, -y, z]}\nalbedo: {}\n",
        b"a: &a {type: semseg, classes: [rest, lamp]}\nb:\n  <<: *a\n  folder: other\n",
    ]
    return ".yaml", seeds, Description.load


def experiment() -> Target:
    from taskscape.runs import Experiment
    from taskscape.runs.run import read_experiment
    from taskscape.serialization import dump

    return "run/experiment.yaml", [dump(Experiment()).encode()], lambda path: read_experiment(path.parent)


def manifest() -> Target:
    from taskscape.data import Store
    from taskscape.data.manifest import FileInfo, Manifest
    from taskscape.modalities import Depth, Normals, Rgb, Semseg
    from taskscape.modalities.class_sets import CITYSCAPES_2
    from taskscape.serialization import unstructure

    fields = {"image": Rgb(), "semseg": Semseg(CITYSCAPES_2), "depth": Depth(), "normals": Normals()}
    names = {"train": ["a", "b"], "val": ["c"]}
    files = {"train/image-000.npy": FileInfo(99, 1)}
    whole = Manifest((8, 16), {"train": 2, "val": 1}, fields, {"kind": "fuzz"}, 2, names, files)
    seed = json.dumps(unstructure(whole)).encode()

    def read(path: Path) -> None:
        try:
            Store.open(path.parent, "train")
        except FileNotFoundError as error:
            if "missing: copy the store again" not in str(error):  # the arrays, which are not there
                raise

    return "store/manifest.json", [seed], read


def fake_run() -> Path:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from report.fake_runs import make_run

    return make_run(Path(tempfile.mkdtemp()))


def result() -> Target:
    from taskscape.report.run import Run

    seed = (fake_run() / "result.json").read_bytes()
    return "run/result.json", [seed], in_a_run(lambda path: Run.load(path.parent))


def metrics() -> Target:
    from taskscape.report.run import Run

    seed = (fake_run() / "metrics.csv").read_bytes()
    return "run/metrics.csv", [seed], in_a_run(lambda path: Run.load(path.parent))


def samples() -> Target:
    from taskscape.report.run import Run

    seed = (fake_run() / "samples.npz").read_bytes()
    return "run/samples.npz", [seed], in_a_run(lambda path: Run.load(path.parent).samples())


def in_a_run(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Return what puts the other files of a run beside the one that is damaged."""
    sound = fake_run()

    def prepared(path: Path) -> None:
        for other in sound.iterdir():
            if other.is_file() and not (path.parent / other.name).exists():
                (path.parent / other.name).write_bytes(other.read_bytes())
        read(path)

    return prepared


def checkpoint() -> Target:
    import torch

    from taskscape.training.checkpoint import FORMAT, load

    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "network": {"a": torch.zeros(3)}, "step": 1, "best": None}, buffer)
    return ".ckpt", [buffer.getvalue()], load


def weights() -> Target:
    import torch
    from safetensors.torch import save

    from taskscape.state_dicts import read_safetensors

    return ".safetensors", [save({"a": torch.zeros(3), "b": torch.ones(2, 2)})], read_safetensors


# -- one target --------------------------------------------------------------------------------------------------------


class Fuzzer:
    """Gives one target damaged files and counts what becomes of them."""

    def __init__(self, name: str, suffix: str, read: Callable[[Path], Any], keep: Path | None) -> None:
        self.name, self.read, self.keep = name, read, keep
        self.path = Path(tempfile.mkdtemp()) / (suffix if "/" in suffix else f"file{suffix}")
        self.path.parent.mkdir(exist_ok=True)
        self.counts = {"inputs": 0, "read": 0, "refused": 0}
        self.findings: dict[str, str] = {}

    def __call__(self, content: bytes) -> None:
        self.path.unlink(missing_ok=True)  # what is mapped stays as it was
        self.path.write_bytes(content)
        if self.keep is not None:  # for the case that the process ends
            self.keep.mkdir(parents=True, exist_ok=True)
            (self.keep / f"{self.name}-last").write_bytes(content)
        self.counts["inputs"] += 1
        start = time.monotonic()
        signal.alarm(60)
        try:
            self.read(self.path)
            self.counts["read"] += 1
        except (ValueError, OSError) as error:
            self.counts["refused"] += 1
            if self.path.name not in str(error):
                self._note(f"{type(error).__name__} without the file's name: {error}", content)
            if isinstance(error.__cause__, MemoryError):
                self._note(f"out of memory: {error}", content)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            self._note(f"{type(error).__name__} in {Path(frame.filename).name}: {error}", content)
        if (seconds := time.monotonic() - start) > SLOW:
            self._note(f"{seconds:.0f} s", content)

    def _note(self, what: str, content: bytes) -> None:
        key = what[:80]
        if key not in self.findings:
            self.findings[key] = what[:400]
            if self.keep is not None:
                (self.keep / f"{self.name}-{len(self.findings)}").write_bytes(content)


def damage(seeds: list[bytes], chance: random.Random) -> bytes:
    """Return a seed with a few random changes."""
    content = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        place = chance.randrange(min(len(content), chance.choice((64, 512, 1 << 20))) or 1) if content else 0
        kind = chance.randrange(8)
        if kind == 0:
            content[place : place + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del content[place:]
        elif kind == 2:
            del content[place : place + chance.randrange(1, 16)]
        elif kind == 3:
            content[place:place] = content[place : place + chance.randrange(1, 64)] * chance.choice((1, 1, 100))
        elif kind == 4:
            size = chance.choice((1, 2, 4, 8))
            number = chance.choice(LIMITS) % (1 << 8 * size)
            content[place : place + size] = number.to_bytes(size, chance.choice(("little", "big")))
        elif kind == 5:
            content[place:place] = chance.choice(WORDS)
        elif kind == 6:
            content[place:place] = str(chance.choice(LIMITS)).encode()
        else:
            other = chance.choice(seeds)
            start = chance.randrange(len(other))
            content[place : place + 16] = other[start : start + chance.randrange(1, 64)]
    return bytes(content)


def run_target(name: str, seconds: float, keep: Path | None, seed: int) -> None:
    """Fuzz one target in this process and print what was found as a line of JSON."""
    suffix, seeds, read = targets()[name]()
    fuzzer = Fuzzer(name, suffix, read, keep)
    fuzzer(seeds[0])  # what is imported on first use
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY,) * 2)
    chance, end = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < end:
        fuzzer(damage(seeds, chance))
    print(json.dumps({**fuzzer.counts, "findings": list(fuzzer.findings.values())}))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the inputs that failed")
    parser.add_argument("--out", type=Path, help="JSON file of what was found")
    parser.add_argument("--target", choices=list(targets()), help="only this one, in this process")
    options = parser.parse_args()
    if options.target:
        run_target(options.target, options.seconds, options.keep, options.seed)
        return
    found: dict[str, Any] = {}
    for name in targets():
        command = [sys.executable, __file__, "--target", name, "--seconds", str(options.seconds)]
        command += ["--seed", str(options.seed)] + (["--keep", str(options.keep)] if options.keep else [])
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        lines = done.stdout.splitlines()
        found[name] = json.loads(lines[-1]) if done.returncode == 0 else {"findings": [ended(done)]}
        print(name, json.dumps(found[name]))
    total = sum(target.get("inputs", 0) for target in found.values())
    content = {
        "command": f"python benchmarks/fuzz.py --seconds {options.seconds:g} --seed {options.seed}",
        "python": platform.python_version(),
        "inputs": total,
        "targets": found,
    }
    if options.out:
        options.out.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    sys.exit(1 if any(target["findings"] for target in found.values()) else 0)


def ended(process: subprocess.CompletedProcess[str]) -> str:
    """Return how a target's process ended."""
    last = process.stderr.strip().splitlines()[-1:]
    return f"the process ended with {process.returncode}: {''.join(last)[:300]}"


if __name__ == "__main__":
    main()
