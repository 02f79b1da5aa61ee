"""Parse command-line arguments into an experiment: first choices, then flags, then the files that flags name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import tyro

from taskscape.commands.arguments import Arguments, flags_and_values, read
from taskscape.commands.choices import chosen, split
from taskscape.commands.encoders import require_encoder
from taskscape.commands.flags import RefusedError, registry
from taskscape.commands.settings import Choice, Setting, by_flag, nodes
from taskscape.commands.shared import require_run, require_store
from taskscape.errors import SettingError

OptionalRun = Annotated[Path | None, tyro.conf.arg(metavar="RUN")]
NewRun = Annotated[Path | None, tyro.conf.arg(metavar="RUN", aliases=["--run"])]
"""torchrun takes ``--run`` for an abbreviation of a flag of its own."""

RUN_FLAGS = {
    "out": "Run folder; by default runs/RECIPE-N.",
    "run": "Same as --out.",
    "resume": "Resume this run, which must have been started with the same settings.",
    "scale": "Shrink the recipe so that it trains in minutes on two cores: half the image size, fewer images and "
    "epochs, random initial weights. Other flags are applied afterwards.",
    "from": "Start from the weights of this run or file where they fit; tasks and classes may differ.",
}
"""Flags of ``taskscape train`` that are not settings of an experiment."""

OF_RECIPE = ("scale", "from")
"""The flags of ``RUN_FLAGS`` that other commands with a recipe have too."""

RUN_SETTINGS = [
    Setting(flag, Literal["small"] if flag == "scale" else Path | None, None, text) for flag, text in RUN_FLAGS.items()
]

OUTPUTS = frozenset({"data.folder"})
"""Settings whose path is created if it does not exist."""


_MODELS = ("from", "network.pretrained")
"""Flags whose value may be the name of a model."""

OF_STORES = ("packed", "part", "mixed")
"""Data sources that consist of packed stores."""


_FLAGS = {"start_from": "from"}
"""The flags of settings that have another name on the command line."""


class CommandLine(NamedTuple):
    """A parsed command line of a command with a recipe."""

    experiment: Any
    out: Path | None
    resume: Path | None


def parse(
    recipe: str, default: Any, arguments: Sequence[str], command: str = "train", own: Iterable[str] = ()
) -> CommandLine:
    """Apply the choices and flags of a command line to the experiment ``default``. Their order does not matter.

    ``command`` is the name of the command, and ``own`` has its own flags, which were parsed before. Raises
    ``ValueError`` for an unknown choice or flag, with the nearest names, and for a value of the wrong type.
    """
    try:
        base, read_arguments = _choose_and_read(default, arguments, own)
    except ValueError as error:
        raise ValueError(f"{error} (taskscape {command} {recipe} --help all lists everything)") from None
    values = {flag: words[0] for flag, words in read_arguments.flags.items() if words}
    _check_folders(values)
    settings = by_flag(nodes(base))
    for flag, value in values.items():
        _require_existing(flag, value, settings.get(flag))
    for flag, store in _stores(base.data, read_arguments.flags):
        require_store(flag, store)
    return _fill_in(base, read_arguments.words, command, has_start="from" in values)


def _choose_and_read(default: Any, arguments: Sequence[str], own: Iterable[str]) -> tuple[Any, Arguments]:
    """Return the experiment with the chosen parts, and the other arguments, as flags of its settings.

    Raises ``ValueError``.
    """
    choices, others = split(arguments, [field.name for field in fields(default)])
    paths = [path for path, _ in choices]
    if repeated := next((path for path in paths if paths.count(path) > 1), None):
        raise ValueError(f"{repeated} is chosen twice: leave one out")
    base = chosen(default, [*choices, *_implied_choices(default, choices, others)])
    return base, read(others, [*nodes(base), *RUN_SETTINGS], also=own)


def _check_folders(values: Mapping[str, str]) -> None:
    """Raise ``ValueError`` if a run is to be resumed in another folder."""
    out = values.get("out", values.get("run"))
    if out and values.get("resume", out) != out:
        raise ValueError(f"--out {out} and --resume {values['resume']} are different folders; leave out --out")


@contextmanager
def named_by_flag() -> Iterator[None]:
    """Name the flag of a setting, instead of the setting, in errors that come up only when the setting is used."""
    try:
        yield
    except SettingError as error:
        flag = _FLAGS.get(error.setting, error.setting.replace("_", "-"))
        raise ValueError(f"--{flag}: {error.reason}") from error


def _fill_in(base: Any, words: Sequence[str], command: str, *, has_start: bool) -> CommandLine:
    """Apply flags to the experiment ``base``; ``has_start`` is whether ``--from`` is one of them.

    Raises ``ValueError`` for values that the experiment refuses.
    """

    def options(
        experiment: Annotated[type(base), tyro.conf.arg(name="", help="")] = base,  # type: ignore[valid-type]
        *,
        out: NewRun = None,
        resume: OptionalRun = None,
        scale: Literal["small"] | None = None,  # ``scaled`` applies it
        origin: Annotated[Path | None, tyro.conf.arg(name="from", metavar="RUN")] = None,
    ) -> CommandLine:
        changed: Any = experiment
        if has_start:  # --from none overrides a recipe that starts from a model
            changed = replace(changed, start_from=origin, start_checksum=None)
        return CommandLine(changed, out, resume)

    try:
        return tyro.cli(options, args=words, prog=f"taskscape {command}", registry=registry(), add_help=False)
    except RefusedError as refused:
        candidates = (node.path for node in nodes(base) if isinstance(node, Choice) and type(node.value) is refused.cls)
        prefix = next((f"{path}: " for path in candidates if path not in str(refused)), "")
        raise ValueError(f"{prefix}{refused}") from refused


def scaled(
    recipe: str, default: Any, arguments: Sequence[str], command: str = "train", own: Iterable[str] = ()
) -> CommandLine:
    """Return the result of ``parse``, with the experiment and its data shrunk if ``--scale small`` is given.

    Raises ``ValueError`` under the same conditions as ``parse``.
    """
    if dict(flags_and_values(arguments)).get("scale") != "small":
        return parse(recipe, default, arguments, command, own)
    from taskscape.recipes.scale import small, small_store

    command_line = parse(recipe, small(default), arguments, command, own)
    return command_line._replace(
        experiment=replace(command_line.experiment, data=small_store(command_line.experiment.data))
    )


def _implied_choices(default: Any, choices: Sequence[tuple[str, str]], rest: Sequence[str]) -> list[tuple[str, str]]:
    """Return the choice ``data:packed`` if ``--data.path`` implies it, because the recipe's data have no path."""
    has_path = any(field.name == "path" for field in fields(default.data))
    is_chosen = has_path or any(path == "data" for path, _ in choices)
    return [("data", "packed")] if "data.path" in dict(flags_and_values(rest)) and not is_chosen else []


def _require_existing(flag: str, value: str, setting: Setting | None) -> None:
    """Check that the run, file or encoder named by a flag exists, before slow imports.

    Raises ``FileNotFoundError`` or ``ValueError`` with the flag.
    """
    if flag == "resume":
        require_run(Path(value))
    elif flag == "from" or (
        setting and setting.path not in OUTPUTS and Path in (setting.kind, *get_args(setting.kind))
    ):
        if value not in ("True", "False", "None") and not (Path(value).exists() or _is_model(flag, value)):
            switch = "; it may also be True or False" if setting and bool in get_args(setting.kind) else ""
            raise FileNotFoundError(f"--{flag}: there is no file or folder {value}{switch}")
    elif flag == "device":
        from taskscape.devices import check_device_name

        check_device_name(value)
    elif flag == "network.encoder":
        require_encoder(value, f"--{flag}")


def _stores(data: Any, flags: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Path]]:
    """Yield the folders that must be stores, each with its flag."""
    if getattr(type(data), "name", "") in OF_STORES:
        yield from (("data.path", Path(word)) for word in flags.get("data.path", ()))
        folders = (word.partition(",")[0] for word in flags.get("data.parts", ()))
        yield from (("data.parts", Path(folder)) for folder in folders if folder not in ("", "streets"))


def _is_model(flag: str, value: str) -> bool:
    """Return whether a flag's value is the name of a model to start from. Raises ``ValueError`` with the flag."""
    from taskscape.released import is_name

    try:
        return flag in _MODELS and is_name(value)
    except ValueError as error:
        raise ValueError(f"--{flag}: {error}") from None
