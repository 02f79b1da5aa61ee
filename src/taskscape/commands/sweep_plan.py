"""The plan of a sweep: a file in its folder that defines the sweep, so that it can be resumed."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from taskscape.commands.parts import without
from taskscape.commands.sweep_flags import EXECUTION
from taskscape.commands.sweep_words import continues

FILE = "sweep.json"


class Plan(NamedTuple):
    """The definition of a sweep."""

    recipe: str
    arguments: list[str]
    """The arguments after the recipe, without --out, --resume, --plan and the flags in ``EXECUTION``."""
    study: str
    """The name of a search in its storage."""


def resume_command(folder: Path) -> str:
    """Return the command that continues the sweep in a folder, for use in messages."""
    return shlex.join(["taskscape", "sweep", "--resume", str(folder)])


def require_place(folder: Path) -> None:
    """Raise ``ValueError`` if a folder holds something other than a sweep, or is a file."""
    from taskscape.files.paths import require_writable
    from taskscape.run_folder import RunFolder

    require_writable(folder, "the sweep")
    entries = set(folder.iterdir()) if folder.exists() else set()
    if entries - {RunFolder(folder).lock} and folder / FILE not in entries:
        raise ValueError(f"{folder} is not empty and holds no sweep: name another folder with --out")


def write_plan(folder: Path, recipe: str, arguments: Sequence[str], names: Sequence[str]) -> Plan:
    """Write the plan of a sweep into its folder, which must be locked, and return it.

    ``names`` are the fields of an experiment. Raises ``ValueError`` if the folder holds another sweep.
    """
    from uuid import uuid4

    from taskscape.files import atomic_write

    plan = Plan(recipe, without(arguments, (*EXECUTION, "resume", "out"), switches=["plan"]), "")
    if (folder / FILE).is_file():
        existing = read_plan(folder)
        if existing.recipe != recipe or not continues(plan.arguments, existing.arguments, names):
            command = shlex.join(["taskscape", "sweep", existing.recipe, *existing.arguments])
            raise ValueError(
                f"{folder} holds another sweep ({command}); continue it with {resume_command(folder)}, or name "
                "another folder"
            )
        plan = plan._replace(study=existing.study)
        if plan == existing:
            return plan
    else:
        plan = plan._replace(study=f"{folder.resolve().name}-{uuid4().hex[:8]}")
    atomic_write(folder / FILE, json.dumps(plan._asdict(), indent=1) + "\n")
    return plan


def read_plan(folder: Path) -> Plan:
    """Return the plan of a sweep.

    Raises ``FileNotFoundError`` if the folder has no plan, and ``ValueError`` if the plan is damaged.
    """
    from taskscape.serialization.plain import read_json

    file = folder / FILE
    if not file.is_file():
        raise FileNotFoundError(f"{folder} is not a sweep: it has no {FILE}; start one with taskscape sweep RECIPE")
    content = read_json(file)
    if not isinstance(content, dict) or set(Plan._fields) - content.keys():
        raise ValueError(f"{file} is damaged; name another folder with --out")
    return Plan(*(content[name] for name in Plan._fields))
