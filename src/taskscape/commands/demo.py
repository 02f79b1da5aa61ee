"""``taskscape demo``."""

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from taskscape.commands.train import print_outcome, resumable
from taskscape.serialization.ranges import Positive

if TYPE_CHECKING:
    from taskscape.run_folder import Result


def demo(*, out: Path | None = None, minutes: Positive = 5.9) -> None:
    """Render streets, train and evaluate a small network on them, and write a report. Nothing is downloaded.

    Args:
        out: Run folder; by default runs/demo-N.
        minutes: Total time, including the report.
    """
    started = time.monotonic()
    if out is not None:
        from taskscape.run_folder.fresh import require_fresh

        require_fresh(out)
    with _compiling_streets():
        from taskscape.demo import demo as train_demo
        from taskscape.demo import photograph
        from taskscape.run_folder.fresh import fresh_folder

    run = fresh_folder(out, "demo")
    with resumable(run):
        result = train_demo(run, minutes, started)
        picture = photograph(run)
        print_outcome(run, result)
    print(f"photograph with predictions: {picture}")
    print(reached(result, minutes))


def _compiling_streets() -> "subprocess.Popen[bytes]":
    """Start a process that compiles the street renderer, unless it is compiled already, while torch is imported here.

    Compiling takes 20 seconds. Leaving the context waits for the process; anything it failed to compile is compiled
    later.
    """
    code = "from taskscape.streets import render; render(0, 'train', 0)"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def reached(result: "Result", minutes: float) -> str:
    """Return a summary: the network's metrics next to those of an image-blind prediction, and what to do next."""
    baseline = result.blind
    parts, has_learned = [], False
    for name, spec in result.specs.items():
        if spec.leads and name in result.metrics and name in baseline:
            value, blind_value = result.metrics[name], baseline[name]
            has_learned |= value > blind_value if spec.higher_is_better else value < blind_value
            unit = f" {spec.unit}" if spec.unit else ""
            parts.append(f"{spec.title} {value:.3g}{unit} (image-blind: {blind_value:.3g}{unit})")
    text = f"reached in {minutes:g} {'minute' if minutes == 1 else 'minutes'}: {', '.join(parts)}"
    if not has_learned:
        return f"{text}; so the network has learned nothing yet: give it more time with --minutes {4 * minutes:g}"
    return f"{text}; with taskscape demo --minutes {4 * minutes:g} it learns finer outlines and rarer classes"
