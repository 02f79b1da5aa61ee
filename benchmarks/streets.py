"""How fast are streets rendered on one core and on several, compared with the prototype if its folder is given?

Both are timed in the same process, alternating scene by scene, so that a busy machine slows both equally.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import street_tables
from table import RESULTS
from taskscape.streets import STYLES, render, render_many

CASES = [((128, 256), 4), ((128, 256), 1), ((256, 512), 4), ((256, 512), 1)]


def prototype_render(folder: Path) -> Callable[[int, int, int, int], object]:
    """Return the prototype's render(seed, height, width, samples along each axis)."""
    sys.path.insert(0, str(folder))
    render: Callable[[int, int, int, int], object] = __import__("render").render
    return render


def milliseconds(function: Callable[[], object], repeats: int) -> float:
    """Return the shortest time of a call in milliseconds."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return min(times) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prototype", type=Path, help="folder of the prototype's render.py")
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    begin = time.process_time()
    render(0, "train", 0)
    first = time.process_time() - begin
    prototype = prototype_render(arguments.prototype) if arguments.prototype else None
    rows = []
    for style, (size, samples) in product(STYLES, CASES):
        density = round(samples**0.5)
        ours = theirs = 0.0
        for index in range(arguments.scenes):
            ours += milliseconds(lambda: render(0, "train", index, size, samples, style), arguments.repeats)  # noqa: B023
            if prototype is not None and style == "classic":
                theirs += milliseconds(lambda: prototype(index, *size, density), arguments.repeats)  # noqa: B023
        row: dict[str, object] = {
            "style": style,
            "size": size,
            "samples": samples,
            "ms": round(ours / arguments.scenes, 1),
        }
        if theirs:
            row |= {"prototype_ms": round(theirs / arguments.scenes, 1), "ratio": round(theirs / ours, 2)}
        rows.append(row)
        print(row)
    scaling = {}
    for processes in sorted({1, arguments.processes}):
        scenes = render_many(0, "train", range(20 + 8 * arguments.scenes), (128, 256), 4, processes)
        for _ in range(20):  # workers start and load their machine code
            next(scenes)
        begin = time.perf_counter()
        scaling[processes] = round(sum(1 for _ in scenes) / (time.perf_counter() - begin), 1)
    print("scenes per second, by processes:", scaling)
    result = {
        "versions": STYLES,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "scenes": arguments.scenes,
        "first_call_s": round(first, 1),
        "cases": rows,
        "scenes_per_second": scaling,
    }
    (RESULTS / "streets.json").write_text(json.dumps(result, indent=1) + "\n")
    lines = [
        "# Streets",
        "",
        f"Processor time per scene on one core, least of {arguments.repeats}, mean over {arguments.scenes} scenes "
        "(`python benchmarks/streets.py --prototype FOLDER`).",
        f"First call in this process: {first:.1f} s. Scenes per second at 128 x 256 with 4 samples, by processes: "
        + ", ".join(f"{p}: {rate}" for p, rate in scaling.items())
        + ".",
        "",
        street_tables.times(result),
    ]
    (RESULTS / "streets.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
