"""``taskscape bench``."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from taskscape.commands.experiment import CommandLine, parse, scaled
from taskscape.commands.layout import filled, line, usage
from taskscape.commands.parts import without
from taskscape.commands.recipes import described_recipe, read_recipe
from taskscape.commands.topics import asks_for_help, help_or_page
from taskscape.serialization import counted

if TYPE_CHECKING:
    from taskscape.bench import Bench
    from taskscape.runs import Experiment

_USAGE = "taskscape bench RECIPE [--SETTING VALUE ...] [CHOICE:NAME ...]"

_TEXT = """\
Measure how fast a recipe trains on this machine: the time of steps in bf16 and fp32 with both memory formats, how it is
spent, the time of the convolutions alone, images per second, and memory. No network is trained or saved.

RECIPE and its settings are as in taskscape train; taskscape bench RECIPE --help TOPIC lists them too. With --precision
auto the fastest combination is used, as in a run."""

SWITCHES = {
    "compiled": "Also try compiled steps, which takes minutes.",
    "no-memory": "Do not measure memory, which takes two more processes.",
    "json": "Print JSON instead of tables.",
}
GIB = 2**30


def main(arguments: Sequence[str]) -> None:
    if not arguments or asks_for_help(arguments):
        flags = [row for name, text in SWITCHES.items() for row in line(f"--{name}", text)]
        print(help_or_page("bench", "\n".join([*usage(_USAGE), "", filled(_TEXT), "", *flags, ""]), arguments))
        raise SystemExit(0)
    recipe, *rest = arguments
    if recipe.startswith("-"):
        raise ValueError(
            "what to measure comes first: a name of taskscape recipes, my.py:function or RUN/experiment.yaml"
        )
    experiment = _experiment(recipe, without(rest, (), [*SWITCHES]))
    switches = {name for name in SWITCHES if f"--{name}" in rest}
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # silences messages of torch's profiler
    from taskscape.bench import bench
    from taskscape.devices import find_device
    from taskscape.progress import progress_bar, reporter
    from taskscape.training.freed_memory import freed_memory_kept

    with progress_bar("json" not in switches) as progress, freed_memory_kept(find_device(experiment.device)):
        measured = bench(
            experiment,
            compiled="compiled" in switches,
            with_memory="no-memory" not in switches,
            say=lambda text: progress.console.print(f"{text} …", highlight=False),
            report=reporter(progress, "convolutions"),
        )
    if "json" in switches:
        print(json.dumps(plain(measured), indent=1, ensure_ascii=False))
    else:
        print_tables(measured)


def _experiment(recipe: str, words: Sequence[str]) -> "Experiment":
    if (stand_in := described_recipe(recipe)) is not None:
        _require_no_run(parse(recipe, stand_in, words, "bench", SWITCHES))  # before torch is imported
    command_line = scaled(recipe, read_recipe(recipe), words, "bench", SWITCHES)
    _require_no_run(command_line)
    experiment: Experiment = command_line.experiment
    return experiment


def _require_no_run(command_line: CommandLine) -> None:
    if command_line.out or command_line.resume:
        raise ValueError("taskscape bench keeps nothing, so it has no run folder: leave out --out and --resume")


def plain(measured: "Bench") -> dict[str, Any]:
    """Return the measurements as plain values: times in seconds, memory in bytes, shares in 0..1."""
    memory = measured.memory
    return {
        "network": measured.experiment.network.name,
        "environment": measured.environment,
        "batch": [measured.images, 3, *measured.size],
        "way": str(measured.way),
        "seconds of a step": {str(way): time for way, time in measured.times.items()},
        "images per second": measured.images / measured.seconds,
        "times as fast as plain": measured.against_plain,
        "parts": measured.profile.parts,
        "kinds": measured.profile.kinds,
        "seconds of convolutions and linear layers alone": measured.roof,
        "share of the roof": measured.share_of_roof,
        "seconds to load a batch": measured.loading,
        "memory": memory and {**memory._asdict(), "largest batch": memory.largest_batch},
    }


def print_tables(measured: "Bench") -> None:
    """Print the measurements as tables."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from taskscape.training.ways import PLAIN

    console = Console(highlight=False, markup=False)  # names chosen by users may contain brackets
    height, width = measured.size
    info = measured.environment
    console.print(
        Text(measured.experiment.network.name, "bold", end=""),
        f", {', '.join(measured.experiment.tasks)}: batches of {counted(measured.images, 'image', 'images')} of "
        f"{height}x{width}\n"
        f"{info['processor']}; {info['device']}; torch {info['torch']}"
        + (f"; load {info['load']}" if "load" in info else ""),
        sep="",
    )
    table = Table(box=None, padding=(0, 2))
    for title in ("", "s per step", "images/s", "ratio"):
        table.add_column(title, justify="right" if title else "left")
    for way, seconds in sorted(measured.times.items(), key=lambda item: item[1]):
        name = Text(f"{way}{' (plain)' if way == PLAIN else ''}", "bold" if way == measured.way else "")
        ratio = f"{measured.times[PLAIN] / seconds:.2f}"
        table.add_row(name, f"{seconds:.3g}", f"{measured.images / seconds:.1f}", ratio)
    console.print(table)
    _print_shares("parts of a step", measured.profile.parts, measured.seconds)
    _print_shares("kinds of operators", measured.profile.kinds, measured.seconds)
    console.print(
        f"convolutions and linear layers alone: {measured.roof:.3g} s, {measured.share_of_roof:.0%} of the step\n"
        f"loading a batch takes {measured.loading:.3g} s"
    )
    if (memory := measured.memory) is not None:
        fits = "" if memory.largest_batch is None else f"; batches of up to {memory.largest_batch} fit in free memory"
        console.print(
            f"memory: {memory.peak / GIB:.2f} GiB, {memory.per_image / GIB:.3f} GiB more for each image{fits}"
        )


def _print_shares(title: str, shares: Mapping[str, float], seconds: float) -> None:
    print(f"{title}: " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share >= 0.005))
