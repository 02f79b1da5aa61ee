"""``taskscape sweep``."""

import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from taskscape.commands.experiment import parse
from taskscape.commands.layout import filled, usage
from taskscape.commands.published import published_sweeps
from taskscape.commands.recipes import described_recipe, print_list, read_recipe
from taskscape.commands.sweep_flags import EXECUTION, OWN, flag_lines, parse_options
from taskscape.commands.sweep_plan import read_plan, require_place, resume_command, write_plan
from taskscape.commands.sweep_run import SweepRun
from taskscape.commands.sweep_words import Words, not_replaced, own_and_others, take_apart
from taskscape.commands.topics import asks_for_help, help_or_page, topic_of

_USAGE = (
    "taskscape sweep RECIPE [--SETTING VALUE VALUE ...] [CHOICE:NAME CHOICE:NAME ...] [--seeds SEED ...]",
    "taskscape sweep NAME [--SETTING VALUE ...]",
    "taskscape sweep --resume SWEEP",
)

_TEXT = """Train a recipe with many settings: all combinations of a grid, or those proposed by a search.

RECIPE and its settings are as in taskscape train; taskscape sweep RECIPE --help TOPIC lists them too. A setting with
several values is an axis of the sweep, and so is a choice that is given several times:

  taskscape sweep joint --optimizer.lr 1e-4 1e-3 weighting:fixed weighting:dwa \\
      --seeds 0 1 2

Commas join the parts of a single value: --weighting.weights depth=3,semseg=7 depth=5,semseg=5. A switch takes the
values on and off. All values are checked before the first run. To continue a stopped sweep, repeat the command with its
--out, or use --resume."""


def main(arguments: Sequence[str]) -> None:
    if not arguments or asks_for_help(arguments):
        _print_help(arguments)
        raise SystemExit(0)
    recipe, *rest = arguments
    if recipe.startswith("-"):
        _resume(arguments)
    else:
        _sweep(*_recipe_and_arguments(recipe), rest)


def _print_help(arguments: Sequence[str]) -> None:
    """Print the help of ``taskscape sweep`` with the published sweeps, or a page of a recipe's settings."""
    recipe, *rest = arguments or ["--help"]
    text = "\n".join([*usage(*_USAGE), "", filled(_TEXT), "", *flag_lines(), ""])
    print(help_or_page("sweep", text, [_recipe_and_arguments(recipe)[0], *rest]))
    if recipe.startswith("-") or topic_of(rest) is None:
        print("NAME is a published sweep:\n")
        print_list({name: entry.text for name, entry in published_sweeps().items()})


def _recipe_and_arguments(name: str) -> tuple[str, list[str]]:
    """Return the recipe and arguments of a published sweep; any other name is a recipe, without arguments."""
    published = published_sweeps().get(name.replace("_", "-"))
    return (name, []) if published is None else (published.recipe, shlex.split(published.arguments))


def _resume(arguments: Sequence[str]) -> None:
    """Continue a sweep with its own settings. Raises ``ValueError`` for arguments that would change the sweep."""
    own_flags, others = own_and_others(arguments, ())
    if "resume" not in own_flags:
        raise ValueError(
            "what to sweep comes first: a recipe, or a published sweep from taskscape sweep --help; or --resume alone"
        )
    if extra := [*(f"--{flag.split()[0]}" for flag in own_flags if flag not in (*EXECUTION, "resume")), *others]:
        raise ValueError(
            f"{extra[0]} does not go with --resume: a sweep is resumed with its own settings. To extend it, repeat its "
            "command with more --seeds or a larger --search"
        )
    folder = Path(own_flags["resume"][0])
    plan = read_plan(folder)
    execution = [word for flag in EXECUTION if flag in own_flags for word in (f"--{flag}", *own_flags[flag])]
    _sweep(plan.recipe, [], [*plan.arguments, *execution], folder)


def _sweep(recipe: str, published: Sequence[str], arguments: Sequence[str], out: Path | None = None) -> None:
    """Sweep a recipe with the arguments of a published sweep, if any, and further arguments."""
    stand_in = described_recipe(recipe, published_sweeps())
    default = read_recipe(recipe) if stand_in is None else stand_in
    names = [field.name for field in fields(default)]
    arguments = [*not_replaced(published, arguments, names), *arguments]
    own_flags, others = own_and_others(arguments, names)
    if "resume" in own_flags:
        raise ValueError(f"a sweep is resumed with its own settings: {resume_command(Path(own_flags['resume'][0]))}")
    options = parse_options(own_flags)
    words = take_apart(default, own_flags, others, search=options.search is not None)
    _check_values(recipe, default, words)
    options.check()
    if not words.axes:
        more = "several --seeds" if options.search is None else "a range such as 1e-5..1e-2"
        raise ValueError(f"nothing varies: give a setting several values, or {more}")
    if place := out or options.out:
        require_place(place)
    experiment = read_recipe(recipe)
    from taskscape.run_folder import RunFolder, locked
    from taskscape.run_folder.fresh import first_free, short_name

    folder = out or options.out or first_free(Path("sweeps"), short_name(recipe))
    with locked(RunFolder(folder)):
        plan = write_plan(folder, recipe, arguments, names)
        SweepRun(recipe, experiment, words, options, folder, plan.study).run()


def _check_values(recipe: str, default: Any, words: Words) -> None:
    """Parse each value like ``taskscape train``, together with the first value of every other axis."""
    first_points = {axis.name: axis.points[0] for axis in words.axes}
    others = [first_points | {axis.name: point} for axis in words.axes for point in axis.points[1:]]
    for points in (first_points, *others):
        varied = [word for point in points.values() for word in point.words]
        parse(recipe, default, [*words.common, *varied], "sweep", [*OWN])
