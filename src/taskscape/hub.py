"""Models on the Hugging Face hub: fetched into a local folder, and verified before any of their files is used.

A model has the files of ``RunFolder`` that a published run keeps, at the top level of its repository. None of them is a
pickle, and code of the author is fetched only on request.
"""

import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from taskscape.files import cache_folder, writing
from taskscape.files.paths import check_inside
from taskscape.run_folder import RunFolder
from taskscape.serialization.plain import read_yaml

SECONDS = 3.0
"""Timeout for an answer of the hub."""

PATTERNS = (
    "model.safetensors", "experiment.yaml", "result.json", "result-*.json", "calibration.json", "README.md",
    "page.html",
)  # fmt: skip
"""Glob patterns, in the hub's syntax, of the files of a model."""
CODE = ("code/*.py",)
"""Glob patterns of the author's code; in the hub's syntax ``*`` also matches subfolders."""

_MARKER = ".fetching"
"""Name of the marker file in the folder of a model while it is being fetched, when its files may mix two versions."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_CODE_NAME = re.compile(r"\S.*\.py:[\w.]+")


def is_repository(name: str) -> bool:
    """Return whether a name has the form of a hub model's name, ``user/name``."""
    return bool(_NAME.fullmatch(name)) and ".." not in name and "--" not in name


def require_repository(name: str) -> None:
    """Raise ``ValueError`` unless a name has the form of a hub model's name."""
    if not is_repository(name):
        raise ValueError(
            f"{name!r} is not a valid name of a model on the hub: use user/name, with letters, digits, - _ and ."
        )


def require_login(name: str) -> None:
    """Raise ``ValueError`` without a login or a connection."""
    from huggingface_hub import get_token

    if get_token() is None:
        raise ValueError(
            f"you are not logged in to the hub, so {name} cannot be sent: log in with hf auth login, or set HF_TOKEN "
            "to a token with write access; --dry-run shows what would be sent"
        )
    if reason := unreachable():
        raise ValueError(f"the hub cannot be reached ({reason}): try again with a connection; --dry-run needs none")


def unreachable(path: str = "") -> str:
    """Return why the hub does not answer at ``path`` within ``SECONDS``, or "" if it does, even with an error."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        address = f"{constants.ENDPOINT}{path}"
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=SECONDS).close()
    except urllib.error.HTTPError:
        return ""
    except (OSError, ValueError) as error:  # the name does not resolve, no route, or a timeout
        return str(getattr(error, "reason", error))
    return ""


def fetch(name: str, *, code: bool = False) -> Path:
    """Fetch the current version of a hub model and return its local folder; offline, return the copy fetched before.

    With ``code``, code of its author is fetched too, which runs when the model is loaded. Raises ``ValueError`` with
    the remedy if the hub does not answer and the model was never fetched, if the hub has no such model or it is not a
    taskscape model, if a checksum differs, and if the model needs code that was not requested.
    """
    from huggingface_hub import HfApi, snapshot_download

    require_repository(name)
    folder = cache_folder() / "hub" / name
    if reason := unreachable():
        if (folder / _MARKER).exists():
            raise ValueError(
                f"{folder} was fetched only in part, so its files may mix two versions, and the hub cannot be reached "
                f"({reason}): fetch it again when you are online, with taskscape pull {name}"
            )
        if RunFolder(folder).published.is_file():
            verify(folder, name, code=code)
            return folder
        raise ValueError(
            f"there is no folder {name}, and the hub cannot be reached to look for a model of that name ({reason}); "
            f"fetch it where you are online, with taskscape pull {name}, and copy the folder here"
        )
    stats_before, marker = _file_stats(folder), folder / _MARKER
    is_mixed = marker.exists()
    with writing(marker):
        folder.mkdir(parents=True, exist_ok=True)
        marker.touch()
    try:
        info = HfApi().model_info(name)
        snapshot_download(
            name, revision=info.sha, local_dir=folder, allow_patterns=[*PATTERNS, *(CODE if code else ())]
        )
    except Exception as error:  # the hub's own errors and those of its HTTP client
        if _file_stats(folder) == stats_before and not is_mixed:
            marker.unlink()
        raise ValueError(_refusal(name, error)) from error
    names = {file.rfilename for file in info.siblings or ()}
    for path in files_of(folder, code=True):
        if path.relative_to(folder).as_posix() not in names:  # left over from a version fetched before
            path.unlink()
    marker.unlink()
    verify(folder, name, code=code)
    return folder


def files_of(folder: Path, *, code: bool) -> list[Path]:
    """Return the files of the model in a folder, including its author's code with ``code``."""
    patterns = (*PATTERNS, *(("code/**/*.py",) if code else ()))
    return [path for pattern in patterns for path in sorted(folder.glob(pattern))]


def _file_stats(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the size and modification time of each file in a model's folder."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != _MARKER]
    stats = [path.stat() for path in paths]
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in zip(paths, stats, strict=True)}


def verify(folder: Path, name: str, *, code: bool) -> None:
    """Raise ``ValueError`` if a folder does not hold a taskscape model, or holds one that is not safe to use.

    A model is rejected if its weights have no checksum or do not match it, if a link leads out of the folder, and,
    without ``code``, if its experiment refers to user code.
    """
    from taskscape.state_dicts import has_checksum, read_safetensors  # with torch

    run = RunFolder(folder)
    if missing := [path.name for path in (run.experiment, run.published, run.result()) if not path.is_file()]:
        raise ValueError(
            f"{name} is not a taskscape model, as it has no {' and no '.join(missing)}: upload one with taskscape push"
        )
    for path in folder.rglob("*"):
        check_inside(folder, path)
    if not has_checksum(run.published):
        raise ValueError(
            f"{name}: {run.published.name} has no checksum: upload the model with taskscape push, which writes one"
        )
    read_safetensors(run.published, own=True)
    if not code and (references := code_in(read_yaml(run.experiment))):
        raise ValueError(
            f"{name} needs code of its author, {', '.join(references)}, which would run on this machine. Fetch it with "
            f"taskscape pull {name} --with-code, read its code folder, and then pass the folder of the model instead"
        )


def code_in(settings: Any) -> list[str]:
    """Return the references to user code, such as ``my.py:Mine``, in the plain values of a saved experiment."""
    if isinstance(settings, str):
        return [settings] if _CODE_NAME.fullmatch(settings) else []
    if isinstance(settings, dict):
        settings = list(settings.values())
    references = [name for item in settings for name in code_in(item)] if isinstance(settings, list) else []
    return list(dict.fromkeys(references))


def _refusal(name: str, error: Exception) -> str:
    """Return why a model could not be fetched, with the remedy."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return (
            f"the owner of {name} grants access on request: request it on the model's page, and log in (hf auth login)"
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"there is no folder {name} and no such model on the hub, or it is private: check the name, or log in "
            "(hf auth login, or HF_TOKEN)"
        )
    return f"{name} could not be fetched from the hub ({_first_line(error)}): try again"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
