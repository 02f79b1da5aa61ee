"""The command and settings that trained a run, without folders of the local machine."""

import re
import shlex
from pathlib import PurePath, PureWindowsPath
from typing import Any

from taskscape.run_folder import RunFolder


def command_of(run: RunFolder) -> str:
    """Return the command that trained a run, without local folders; if unknown, one that trains it again."""
    text = run.log.read_text("utf-8", errors="replace") if run.log.is_file() else ""
    commands = re.findall(r" started: .*\bcommand (\S*\btaskscape\b .*)$", text, re.MULTILINE)
    if not commands:
        return f"taskscape train {run.experiment.name}"
    program, *words = shlex.split(commands[-1])
    return shlex.join([PurePath(program).name, *map(_without_folder, words)])


def _without_folder(word: str) -> str:
    """Return a word of a command without the folders of its value, which may follow its flag: ``--data.path=/a/b``."""
    flag, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{flag}{equals}{without_folders(value)}"


def without_folders(value: Any) -> Any:
    """Return plain values in which absolute paths are reduced to their last part."""
    if isinstance(value, dict):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_folders(item) for item in value]
    return PurePath(value.replace("\\", "/")).name if isinstance(value, str) and is_absolute(value) else value


def is_absolute(text: str) -> bool:
    """Return whether text is an absolute path, in the notation of any operating system."""
    return text.startswith(("/", "~")) or PureWindowsPath(text).is_absolute()
