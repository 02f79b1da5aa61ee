"""Kill runs with every weighting at random moments, resume them, and compare with runs that were not killed.

The long version of ``tests/faults/test_kills.py``. For each weighting a run is killed ``--kills`` times (SIGKILL, at a
random access to one of its files), resumed each time, and completed. The checkpoint, best weights, table, result and
TensorBoard points must then equal those of a run that was not killed.

    python benchmarks/faults.py --kills 10 --minutes 5 --out benchmarks/results/faults.json
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "faults")]

from dying import train_dying  # noqa: E402
from runs_compared import differences  # noqa: E402

from blocks import pack  # noqa: E402
from taskscape import weighting  # noqa: E402


def measure(methods: list[str], kills: int, epochs: int, seed: int, minutes: float) -> dict[str, Any]:
    """Return kills and differences by weighting; weightings for which there was no time are listed."""
    start, results, unmeasured = time.monotonic(), {}, []
    with tempfile.TemporaryDirectory() as folder:
        store = pack(Path(folder) / "store")
        for number, method in enumerate(methods):
            if time.monotonic() - start > 60 * minutes:
                unmeasured.append(method)
                continue
            uninterrupted, killed = (Path(folder) / method / name for name in ("whole", "killed"))
            train_dying(store, uninterrupted, method, 0, 0, epochs)
            num_kills = train_dying(store, killed, method, seed + number, kills, epochs)
            results[method] = {"kills": num_kills, "differences": differences(uninterrupted, killed)}
            print(f"{method}: {num_kills} kills, {results[method]['differences'] or 'no difference'}", flush=True)
    return {"weightings": results, "no time for": unmeasured}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weightings", nargs="*", default=sorted(weighting.CONFIGS))
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="start no weighting after this time")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result = {
        "command": " ".join(["python benchmarks/faults.py", *sys.argv[1:]]),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        **measure(options.weightings, options.kills, options.epochs, options.seed, options.minutes),
    }
    different = [name for name, outcome in result["weightings"].items() if outcome["differences"]]
    total = sum(outcome["kills"] for outcome in result["weightings"].values())
    print(f"{total} kills, {len(different)} of {len(result['weightings'])} weightings differ")
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
