"""``taskscape sweep``."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import tyro

from taskscape.commands.arguments import read
from taskscape.commands.experiment import parse, scaled
from taskscape.commands.layout import filled, line, usage
from taskscape.commands.parts import without
from taskscape.commands.published import published_sweeps
from taskscape.commands.recipes import described_recipe, print_list, read_recipe
from taskscape.commands.settings import nodes
from taskscape.commands.shared import if_interrupted
from taskscape.commands.sweep_words import OWN, Variation, Words, continues, not_replaced, own_and_others, take_apart
from taskscape.commands.topics import asks_for_help, help_or_page, topic_of

if TYPE_CHECKING:
    from taskscape.runs import Experiment
    from taskscape.sweeps import Axis, Executor, Sampler, Trial
    from taskscape.sweeps.sweep import Monitor, Outcomes

_USAGE = (
    "taskscape sweep RECIPE [--SETTING VALUE VALUE ...] [CHOICE:NAME CHOICE:NAME ...] [--seeds SEED ...]",
    "taskscape sweep NAME [--SETTING VALUE ...]",
    "taskscape sweep --resume SWEEP",
)

_TEXT = """Train a recipe with many settings: all combinations of a grid, or those that a search proposes.

RECIPE and its settings are those of taskscape train; taskscape sweep RECIPE --help TOPIC shows them too. A setting with
several values is an axis of the sweep, as is a choice that is given several times:

  taskscape sweep joint --optimizer.lr 1e-4 1e-3 weighting:fixed weighting:dwa \\
      --seeds 0 1 2

A value of several words has commas: --weighting.weights depth=3,semseg=7 depth=5,semseg=5. A switch takes on and off.
Every value is checked before the first run. The same command, or --resume, continues a sweep that was stopped."""

_FLAGS = {
    "--out SWEEP": "Folder of the sweep; by default sweeps/RECIPE-N. It has a run folder per run, index.html, "
    "results.csv and results.json.",
    "--seeds SEED ...": "Train each setting with these seeds; means and deviations are over them.",
    '--axis "ARGUMENTS" ...': 'Settings that vary together: --axis "--batch-size 4 --epochs 8" "--batch-size 8 '
    '--epochs 16".',
    "--search N": "Let Optuna propose N runs instead of a grid; --optimizer.lr 1e-5..1e-2 is a range. Runs that are "
    "worse than most after an epoch are ended early. Compared is the metric of --monitor.",
    "--storage URL": "Keep the search in this database, such as sqlite:///sweep.db; by default in a file of the sweep.",
    "--workers N": "Runs at a time; by default one per GPU. The threads are shared among them.",
    "--on ray": "Train on a Ray cluster, whose nodes share the file system: a GPU per run, where there are GPUs.",
    "--address ADDRESS": "The cluster's address; by default that of the machine's own cluster, started where there is "
    "none.",
    "--gpus-per-run N": "GPUs of each run: 0.5 lets two runs share one, 2 takes two of a Ray cluster. By default 1.",
    "--stack N": "Train up to N runs of a worker at once, as one network with N sets of weights, where they differ in "
    "seed, weights of tasks, learning rate and the like: for small networks on a GPU.",
    "--plan": "Write the folders of a grid, and run nothing: for a scheduler of yours.",
}

PLAN = "sweep.json"
"""The file that says what a sweep is, in its folder."""

RUNS = "runs.txt"
"""The folders of a planned sweep, one a line."""


@dataclass(frozen=True)
class _Options:
    """How to run a sweep."""

    out: Path | None = None
    seeds: tuple[int, ...] = ()
    search: int | None = None
    storage: str | None = None
    workers: int | None = None
    on: Literal["local", "ray"] = "local"
    address: str | None = None
    gpus_per_run: float = 1.0
    stack: int | None = None
    plan: bool = False
    resume: Path | None = None


def main(arguments: Sequence[str]) -> None:
    if not arguments or asks_for_help(arguments):
        _print_help(arguments)
        raise SystemExit(0)
    recipe, *rest = arguments
    if recipe.startswith("-"):
        own, others = own_and_others(arguments, ())
        if "resume" not in own:
            raise ValueError(
                "what to sweep comes first: a recipe, or a name of taskscape sweep --help; or --resume alone"
            )
        if odd := [*(f"--{flag.split()[0]}" for flag in own if flag not in _HOW[:6]), *others]:
            raise ValueError(
                f"{odd[0]} does not go with --resume: a sweep is resumed with its own settings. The same command as "
                "before with more --seeds, or a larger --search, enlarges it"
            )
        folder = Path(own["resume"][0])
        recipe, kept = _read_plan(folder)
        _sweep(recipe, [*kept, *_executing(own)], out=folder)
        return
    recipe, published = _published(recipe)
    _sweep(recipe, rest, published)


def _print_help(arguments: Sequence[str]) -> None:
    """Print how sweeps are written and which are published, or a page of a recipe's settings."""
    recipe, *rest = arguments or ["--help"]
    flags = [one for name, text in _FLAGS.items() for one in line(name, text)]
    text = "\n".join([*usage(*_USAGE), "", filled(_TEXT), "", *flags, ""])
    print(help_or_page("sweep", text, [_published(recipe)[0], *rest]))
    if recipe.startswith("-") or topic_of(rest) is None:
        print("NAME is a published sweep:\n")
        print_list({name: one.text for name, one in published_sweeps().items()})


def _published(name: str) -> tuple[str, list[str]]:
    """Return the recipe of a published sweep and its arguments; any other name is that of a recipe itself."""
    published = published_sweeps().get(name.replace("_", "-"))
    return (name, []) if published is None else (published.recipe, shlex.split(published.arguments))


def _sweep(recipe: str, arguments: Sequence[str], published: Sequence[str] = (), out: Path | None = None) -> None:
    stand_in = described_recipe(recipe, published_sweeps())
    default = read_recipe(recipe) if stand_in is None else stand_in
    names = [field.name for field in fields(default)]
    arguments = [*not_replaced(published, arguments, names), *arguments]
    own, others = own_and_others(arguments, names)
    if "resume" in own:
        raise ValueError(f"a sweep is resumed with its own settings: taskscape sweep --resume {own['resume'][0]}")
    of_sweep = _own_words(own)
    words = take_apart(default, own, others, search="search" in own)
    _check_values(recipe, default, words)
    options = tyro.cli(_Options, args=of_sweep, prog="taskscape sweep", add_help=False)
    _check_options(options, words)
    real = read_recipe(recipe)
    folder = out or options.out or _fresh(recipe)
    study = _write_plan(folder, recipe, arguments, names)
    _Run(recipe, real, words, options, folder, study).run()


def _own_words(own: Mapping[str, list[str]]) -> Sequence[str]:
    """Return the sweep's own flags as tyro reads them. Raises ``ValueError`` for words that are no values of them."""
    flags = [word for flag, words in own.items() if not flag.startswith("axis") for word in (f"--{flag}", *words)]
    return read(flags, nodes(_Options())).words


def _check_options(options: _Options, words: Words) -> None:
    """Raise ``ValueError`` where options and axes do not fit."""
    if options.gpus_per_run < 0:
        raise ValueError(f"--gpus-per-run {options.gpus_per_run:g}: it must be 0 or more")
    if options.stack is not None:
        if options.stack < 2:
            raise ValueError(f"--stack {options.stack}: it must be 2 or more")
        for flag, given_too in (("search", options.search is not None), ("plan", options.plan)):
            if given_too:
                raise ValueError(f"--stack trains runs of a grid at once, and --{flag} has them begin one by one")
        if options.on == "ray":
            raise ValueError("--stack trains runs at once on this machine: leave out --on ray, or --stack")
    if options.search is None:
        if options.storage is not None:
            raise ValueError("--storage is for a search: add --search N")
        if not words.variations:
            raise ValueError("nothing varies: give a setting several values, or several --seeds")
    else:
        if options.search < 1:
            raise ValueError(f"--search {options.search}: it must be 1 or more")
        if options.plan:
            raise ValueError("--plan is for a grid: a search chooses its runs one after the other")
        if len(options.seeds) > 1:
            raise ValueError("a search takes one seed; train its best settings with several afterwards")
        if not words.variations:
            raise ValueError("nothing varies: give a setting several values, or a range such as 1e-5..1e-2")
    if options.address is not None and options.on != "ray":
        raise ValueError("--address is that of a Ray cluster: add --on ray")


def _check_values(recipe: str, default: Any, words: Words) -> None:
    """Parse each value as ``taskscape train`` would, beside the first values of the others."""
    firsts = {variation.name: _points(variation)[0] for variation in words.variations}
    parse(recipe, default, [*words.common, *(word for point in firsts.values() for word in point)], "sweep", [*OWN])
    for variation in words.variations:
        for point in _points(variation)[1:]:
            varied = [word for one in (firsts | {variation.name: point}).values() for word in one]
            parse(recipe, default, [*words.common, *varied], "sweep", [*OWN])


def _points(variation: Variation) -> list[tuple[str, ...]]:
    """Return the words of each value, or of both ends of a range."""
    if variation.ends is None:
        return list(variation.values.values())
    return [(variation.flag, f"{end:.0f}" if variation.whole else f"{end:g}") for end in variation.ends]


def _fresh(recipe: str) -> Path:
    """Return the first free ``sweeps/RECIPE-N``."""
    name = recipe.rpartition(":")[2].replace("/", "-") if not recipe.endswith((".yaml", ".yml")) else Path(recipe).stem
    return next(path for n in range(1, 10**9) if not (path := Path("sweeps") / f"{name}-{n}").exists())


# -- the plan of a sweep -----------------------------------------------------------------------------------------------


_HOW = ("workers", "on", "address", "gpus-per-run", "stack", "resume", "out")
"""The flags that say how a sweep is run, not what it is."""


def _executing(own: Mapping[str, list[str]]) -> list[str]:
    return [word for flag, words in own.items() if flag in _HOW[:5] for word in (f"--{flag}", *words)]


def _write_plan(folder: Path, recipe: str, arguments: Sequence[str], names: Sequence[str]) -> str:
    """Write what the sweep is into its folder, and return the name of its study.

    ``names`` are the fields of an experiment. Raises ``ValueError`` where the folder holds another sweep, or something
    else.
    """
    from taskscape.files import atomic_write, writing
    from taskscape.files.paths import require_no_file

    what = without(arguments, _HOW, switches=["plan"])
    file = folder / PLAN
    if file.is_file():
        content = _read(file)
        if content["recipe"] != recipe or not continues(what, content["arguments"], names):
            there = shlex.join(["taskscape", "sweep", content["recipe"], *content["arguments"]])
            raise ValueError(
                f"{folder} holds another sweep ({there}); continue it with taskscape sweep --resume {folder}, or name "
                "another folder"
            )
        if content["arguments"] != what:
            atomic_write(file, json.dumps({**content, "arguments": what}, indent=1) + "\n")
        return str(content["study"])
    require_no_file(folder, "the sweep")
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty and holds no sweep: name another folder with --out")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    study = f"{folder.resolve().name}-{uuid4().hex[:8]}"
    atomic_write(file, json.dumps({"recipe": recipe, "arguments": what, "study": study}, indent=1) + "\n")
    return study


def _read_plan(folder: Path) -> tuple[str, list[str]]:
    """Return recipe and arguments of a sweep. Raises ``FileNotFoundError`` where a folder holds none."""
    file = folder / PLAN
    if not file.is_file():
        raise FileNotFoundError(f"{folder} is not a sweep: it has no {PLAN}; start one with taskscape sweep RECIPE")
    content = _read(file)
    return content["recipe"], content["arguments"]


def _read(file: Path) -> dict[str, Any]:
    from taskscape.serialization.plain import read_json

    content = read_json(file)
    if not isinstance(content, dict) or {"recipe", "arguments", "study"} - content.keys():
        raise ValueError(f"{file} is damaged; name another folder with --out")
    return content


# -- running -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """A sweep whose words were read."""

    recipe: str
    default: "Experiment"
    words: Words
    options: _Options
    folder: Path
    study: str

    def run(self) -> None:
        from taskscape.run_folder import RunFolder, locked
        from taskscape.sweeps import Sweep, run

        with locked(RunFolder(self.folder)):
            sampler, monitor = self._sampler()
            if self.options.plan:
                return
            sweep = Sweep(
                sampler,
                self._executor(),
                monitor,
                build=lambda trial: self.experiment(trial.words),
                on_outcome=lambda outcomes: self._write(outcomes, monitor),
            )
            with if_interrupted(f"continue with taskscape sweep --resume {self.folder}"):
                outcomes = run(sweep)
            page = self._write(outcomes, monitor)
        self._say(outcomes, monitor, page)

    def experiment(self, words: Sequence[str]) -> "Experiment":
        """Return the experiment of a trial."""
        experiment: Experiment = scaled(self.recipe, self.default, [*self.words.common, *words], "sweep").experiment
        return experiment

    def command(self, trial: "Trial") -> str:
        """Return what trains a trial alone."""
        return shlex.join(["taskscape", "train", self.recipe, *self.words.common, *trial.words])

    def _sampler(self) -> "tuple[Sampler, Monitor]":
        """Return what proposes the trials, all checked as far as they are known, and what to compare."""
        from taskscape.serialization import dump
        from taskscape.sweeps import Grid, Values
        from taskscape.sweeps.sweep import Monitor

        axes = self._axes()
        if self.options.search is not None:
            from taskscape.sweeps.search import Search

            first = self.experiment([word for one in self.words.variations for word in _points(one)[0]])
            first.check()
            monitor = Monitor.of(first)
            higher = monitor.spec.higher_is_better
            search = Search(
                self.folder,
                axes,
                self.options.search,
                study=self.study,
                higher_is_better=higher,
                storage=self.options.storage,
            )
            return search, monitor
        grid = Grid(self.folder, [axis for axis in axes if isinstance(axis, Values)])
        same: dict[str, Trial] = {}
        for trial in grid.trials:
            experiment = self.experiment(trial.words)
            experiment.check()
            other = same.setdefault(dump(experiment), trial)
            if other is not trial:
                raise ValueError(f"{other.name} and {trial.name} are the same experiment: leave one of the values out")
        if self.options.plan:
            self._plan(grid.trials)
        return grid, Monitor.of(self.experiment(grid.trials[0].words))

    def _axes(self) -> "list[Axis]":
        from taskscape.sweeps import Point, Range, Values

        return [
            Values(one.name, [Point(label, words) for label, words in one.values.items()])
            if one.ends is None
            else Range(one.name, one.flag, *one.ends, one.whole)
            for one in self.words.variations
        ]

    def _executor(self) -> "Executor":
        from taskscape.sweeps import StackedExecutor

        executor = self._executor_of_workers()
        return executor if self.options.stack is None else StackedExecutor(executor, self.options.stack, self.folder)

    def _executor_of_workers(self) -> "Executor":
        import torch

        from taskscape.sweeps import LocalExecutor

        if self.options.on == "ray":
            from taskscape.sweeps.on_ray import RayExecutor

            return RayExecutor(self.options.workers, self.options.address, self.options.gpus_per_run)
        return LocalExecutor(self.options.workers, torch.cuda.device_count(), self.options.gpus_per_run)

    def _plan(self, trials: "Sequence[Trial]") -> None:
        """Write the folder of every trial, and a list of them."""
        from taskscape.files import atomic_write

        for trial in trials:
            trial.write(self.experiment(trial.words))
        file = self.folder / RUNS
        atomic_write(file, "".join(f"{trial.path}\n" for trial in trials))
        print(
            f"{len(trials)} run folders are written, {file} lists them: taskscape train --resume RUN trains one, and "
            f"taskscape sweep --resume {self.folder} writes the page"
        )

    def _write(self, outcomes: "Outcomes", monitor: "Monitor") -> Path:
        from taskscape.report.sweep import SweepTable, SweptRun, write_sweep

        runs = [
            SweptRun.read(trial.path, trial.values, outcome.state, outcome.error, self.command(trial))
            for trial, outcome in outcomes.values()
        ]
        axes = [variation.name for variation in self.words.variations]
        return write_sweep(SweepTable(self.folder.resolve().name, runs, axes, monitor.name, monitor.spec), self.folder)

    def _say(self, outcomes: "Outcomes", monitor: "Monitor", page: Path) -> None:
        """Print what came out, and raise ``TrainingError`` where no run has a result."""
        from taskscape.errors import TrainingError

        failed = [(trial, outcome) for trial, outcome in outcomes.values() if outcome.state == "failed"]
        if len(failed) == len(outcomes):
            raise TrainingError(f"all {len(failed)} runs failed, the first of them because: {failed[0][1].error}")
        best = json.loads((self.folder / "results.json").read_text("utf-8"))["best"]
        if best is not None:
            print(f"best by {monitor.name}: {best['run']}\n  {best['command']}")
        if failed:
            again = f"; taskscape sweep --resume {self.folder} tries again" if self.options.search is None else ""
            print(f"{len(failed)} of {len(outcomes)} runs failed{again}")
        print(f"sweep: {self.folder}\npage: {page}")
