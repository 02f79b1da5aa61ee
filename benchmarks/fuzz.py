"""Fuzz every reader of files that may come from others, and write the findings.

python benchmarks/fuzz.py --seconds 20 --out benchmarks/results/fuzz.json

The targets, their valid files and the known attacks are those of tests/hostile/. A target may read a file or reject it
with a ``ValueError`` or ``OSError`` that names it. Anything else is a finding: another exception, a message without the
name, more than 5 s of processor time, more than 1.5 GiB of memory, a signal. A failing input is written to
tests/hostile/corpus/ or ``--keep``; tests/hostile/test_corpus.py reads that corpus in every test run.

With atheris (libFuzzer for Python) installed, it searches for inputs that reach new lines of the readers. Otherwise the
damage is random: flipped, cut, doubled and exchanged bytes, numbers at their limits, pieces of other files. Every
target runs in its own process.
"""

import argparse
import hashlib
import importlib.util
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
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

HOSTILE = Path(__file__).parents[1] / "tests" / "hostile"
sys.path[:0] = [str(HOSTILE), str(HOSTILE.parent)]

from targets import CORPUS, attacks, is_named, placed, targets  # noqa: E402

MEMORY = 3 << 29
"""Maximum memory in bytes, which an image of the largest accepted size needs."""
SPACE = 6 << 30
"""Bytes of address space. A size that a file claims in four bytes may be allocated if it is not filled."""
SLOW = 5.0
"""Maximum processor time in seconds."""
LIMITS = (0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
WORDS = (b"[" * 80, b"{" * 80, b"&a *a", b"<<: *a", b"!!python/name:os.system", b"1e999", b"-1", b"null", b"../", b"\0")
ATHERIS = importlib.util.find_spec("atheris") is not None
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
INSTRUMENTED = ["taskscape", "PIL", "scipy.io", "zipfile"]
"""Packages that atheris instruments; not yaml, which would become too slow."""


class Fuzzer:
    """Passes damaged files to one target and counts the outcomes."""

    def __init__(self, suffix: str, read: Callable[[Path], Any], folder: Path, keep: Path) -> None:
        self.read, self.keep = read, keep
        self.path, self.last = placed(folder, suffix), folder / "last"
        self.counts = {"inputs": 0, "read": 0, "refused": 0}
        self.findings: dict[str, str] = {}
        self.max_memory = peak() + MEMORY

    def __call__(self, content: bytes) -> None:
        self.path.unlink(missing_ok=True)  # a mapped file stays as it was
        self.path.write_bytes(content)
        self.last.write_bytes(content)  # in case the process ends
        self.counts["inputs"] += 1
        start, previous_peak = time.process_time(), peak()
        signal.alarm(60)
        try:
            self.read(self.path)
            self.counts["read"] += 1
        except (ValueError, OSError) as error:
            self.counts["refused"] += 1
            if not is_named(self.path, str(error)):
                self._note(f"{type(error).__name__} without the file's name: {error}", content)
            if isinstance(error.__cause__, MemoryError):
                self._note(f"out of memory: {error}", content)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            self._note(f"{type(error).__name__} in {Path(frame.filename).name}: {error}", content)
        signal.alarm(0)
        if (seconds := time.process_time() - start) > SLOW:
            self._note(f"{seconds:.0f} s", content)
        if previous_peak < peak() > self.max_memory:
            self._note(f"{peak() >> 20} MiB", content)

    def _note(self, message: str, content: bytes) -> None:
        if message[:80] not in self.findings:
            self.findings[message[:80]] = message[:400]
            write_kept(self.keep, content)

    def print(self) -> None:
        """Print the findings as a line of JSON."""
        print(json.dumps({**self.counts, "findings": list(self.findings.values())}), flush=True)


def peak() -> int:
    """Return the peak memory of this process in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def write_kept(folder: Path, content: bytes) -> None:
    """Write a failing input to the folder of its target."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)


def damage(seeds: list[bytes], rng: random.Random) -> bytes:
    """Return a seed with a few random changes."""
    content = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        offset = rng.randrange(min(len(content), rng.choice((64, 512, 1 << 20))) or 1) if content else 0
        mutation = rng.randrange(8)
        if mutation == 0:
            content[offset : offset + 1] = bytes([rng.randrange(256)])
        elif mutation == 1:
            del content[offset:]
        elif mutation == 2:
            del content[offset : offset + rng.randrange(1, 16)]
        elif mutation == 3:
            content[offset:offset] = content[offset : offset + rng.randrange(1, 64)] * rng.choice((1, 1, 100))
        elif mutation == 4:
            size = rng.choice((1, 2, 4, 8))
            number = rng.choice(LIMITS) % (1 << 8 * size)
            content[offset : offset + size] = number.to_bytes(size, rng.choice(("little", "big")))
        elif mutation == 5:
            content[offset:offset] = rng.choice(WORDS)
        elif mutation == 6:
            content[offset:offset] = str(rng.choice(LIMITS)).encode()
        else:
            donor = rng.choice(seeds)
            start = rng.randrange(len(donor) or 1)
            content[offset : offset + 16] = donor[start : start + rng.randrange(1, 64)]
    return bytes(content)


def by_chance(fuzzer: Fuzzer, valid: list[bytes], known_attacks: list[bytes], seconds: float, seed: int) -> None:
    """Damage valid files and known attacks at random, half of the time each."""
    rng, deadline = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < deadline:
        fuzzer(damage(rng.choice((valid, known_attacks or valid)), rng))
    fuzzer.print()


def by_coverage(fuzzer: Fuzzer, seeds: list[bytes], seconds: float, seed: int) -> None:
    """Fuzz with inputs chosen by atheris. It does not return, so the process ends here."""
    import atheris

    deadline = time.monotonic() + seconds

    def fuzz_one(content: bytes) -> None:
        if time.monotonic() > deadline:
            fuzzer.print()
            os._exit(0)
        fuzzer(content)

    for name in ("found", "seeds"):
        (fuzzer.last.parent / name).mkdir()
    for index, content in enumerate(seeds):
        (fuzzer.last.parent / "seeds" / str(index)).write_bytes(content)
    signals = [f"-handle_{name}=0" for name in ("segv", "bus", "abrt", "ill", "fpe")]
    options = [
        f"-seed={seed + 1}",
        "-timeout=0",
        "-rss_limit_mb=0",
        f"-artifact_prefix={fuzzer.last.parent}/",
        *signals,
    ]
    atheris.Setup([sys.argv[0], *options, *(str(fuzzer.last.parent / name) for name in ("found", "seeds"))], fuzz_one)
    atheris.Fuzz()


def instrumented() -> Any:
    """Return the context in which imported packages are instrumented, if atheris is installed."""
    if not ATHERIS:
        return nullcontext()
    import atheris

    return atheris.instrument_imports(include=INSTRUMENTED)


def run_target(name: str, seconds: float, keep: Path, folder: Path, seed: int) -> None:
    """Fuzz one target in this process and print the findings."""
    warnings.simplefilter("ignore")
    with instrumented():
        suffix, valid, read = targets()[name]()
        fuzzer = Fuzzer(suffix, read, folder, keep / name)
        for content in valid:  # triggers imports on first use
            fuzzer(content)
        known_attacks = attacks(name)
    assert fuzzer.counts["read"] == len(valid), f"of {len(valid)} sound files: {fuzzer.counts}, {fuzzer.findings}"
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + SPACE,) * 2)
    if ATHERIS:
        by_coverage(fuzzer, valid + known_attacks, seconds, seed)
    else:
        by_chance(fuzzer, valid, known_attacks, seconds, seed)


def in_a_process(name: str, seconds: float, keep: Path, seed: int) -> dict[str, Any]:
    """Fuzz one target in a new process and return the findings; an input that ended the process is kept too."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--target", name, "--seconds", str(seconds), "--seed", str(seed)]
        command += ["--keep", str(keep), "--folder", folder]
        process = subprocess.run(command, capture_output=True, text=True, errors="replace", env=ENVIRONMENT)
        lines = process.stdout.splitlines()
        if process.returncode == 0 and lines:
            return dict(json.loads(lines[-1]))
        if (last := Path(folder) / "last").exists():
            write_kept(keep / name, last.read_bytes())
        return {"findings": [description_of_end(process)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="time for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=CORPUS, help="folder for failing inputs")
    parser.add_argument("--out", type=Path, help="JSON file for the findings")
    parser.add_argument("--target", choices=list(targets()), help="only this one")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        run_target(options.target, options.seconds, options.keep, options.folder, options.seed)
        return
    results: dict[str, Any] = {}
    for name in [options.target] if options.target else targets():
        results[name] = in_a_process(name, options.seconds, options.keep, options.seed)
        print(name, json.dumps(results[name]), flush=True)
    if options.out:
        content = {
            "command": f"python benchmarks/fuzz.py --seconds {options.seconds:g} --seed {options.seed}",
            "driver": "atheris" if ATHERIS else "random damage",
            "python": platform.python_version(),
            "inputs": sum(target.get("inputs", 0) for target in results.values()),
            "targets": results,
        }
        options.out.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    sys.exit(1 if any(target["findings"] for target in results.values()) else 0)


def description_of_end(process: subprocess.CompletedProcess[str]) -> str:
    """Return a description of how a target's process ended."""
    last = process.stderr.strip().splitlines()[-1:]
    return f"the process ended with {process.returncode}: {''.join(last)[:300]}"


if __name__ == "__main__":
    main()
