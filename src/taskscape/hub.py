"""Models on the Hugging Face hub: fetched into a folder of this machine, and verified before anything of them is used.

A model there has the files of ``RunFolder`` that a published run keeps, at the top of its repository. Nothing of it is
pickled, and code of its author is fetched only where that is asked for.
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
"""How long the hub may take to answer."""

PATTERNS = (
    "model.safetensors", "experiment.yaml", "result.json", "result-*.json", "calibration.json", "README.md",
    "page.html",
)  # fmt: skip
"""The files of a model, as the hub selects them."""
CODE = ("code/*.py",)
"""Those with code of its author; for the hub ``*`` stands for folders too."""

_BEGUN = ".fetching"
"""A file of a model that is being fetched: until it is whole, its files may be of two versions."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_CODE_NAME = re.compile(r"\S.*\.py:[\w.]+")


def is_repository(name: str) -> bool:
    """Return whether a name has the form of a model on the hub, ``user/name``."""
    return bool(_NAME.fullmatch(name)) and ".." not in name and "--" not in name


def require_repository(name: str) -> None:
    """Raise ``ValueError`` for a name that no model on the hub can have."""
    if not is_repository(name):
        raise ValueError(f"{name!r} is no name of a model on the hub: give user/name, of letters, digits, - _ and .")


def unreachable(path: str = "") -> str:
    """Return why the hub gives no answer at a path, within ``SECONDS``; nothing where it does, be it a refusal."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        address = f"{constants.ENDPOINT}{path}"
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=SECONDS).close()
    except urllib.error.HTTPError:
        return ""
    except (OSError, ValueError) as error:  # no name, no route, no answer in time
        return str(getattr(error, "reason", error))
    return ""


def fetch(name: str, *, code: bool = False) -> Path:
    """Return the folder of a model of the hub on this machine: as it is there now, or as it was fetched before.

    With ``code`` it may have code of its author, which runs when the model is loaded. Raises ``ValueError`` with the
    remedy where the hub does not answer and the model was never fetched, has no such model or none of taskscape, where
    a checksum differs, and where the model needs code and that was not asked for.
    """
    from huggingface_hub import HfApi, snapshot_download

    require_repository(name)
    folder = cache_folder() / "hub" / name
    if reason := unreachable():
        if (folder / _BEGUN).exists():
            raise ValueError(
                f"{folder} was not fetched as a whole, so its files may be of two versions, and the hub cannot be "
                f"asked now ({reason}): fetch it again with a connection, taskscape pull {name}"
            )
        if RunFolder(folder).published.is_file():
            verify(folder, name, code=code)
            return folder
        raise ValueError(
            f"there is no folder {name} here, and the hub cannot be asked for a model of that name ({reason}); fetch "
            f"it with a connection, taskscape pull {name}, and bring the folder here"
        )
    before, begun = _stats(folder), folder / _BEGUN
    with writing(begun):
        folder.mkdir(parents=True, exist_ok=True)
        begun.touch()
    try:
        now = HfApi().model_info(name)
        snapshot_download(name, revision=now.sha, local_dir=folder, allow_patterns=[*PATTERNS, *(CODE if code else ())])
    except Exception as error:  # the hub's own errors and those of its HTTP client
        if _stats(folder) == before:
            begun.unlink()
        raise ValueError(_refusal(name, error)) from error
    names = {file.rfilename for file in now.siblings or ()}
    for path in files_of(folder, code=True):
        if path.relative_to(folder).as_posix() not in names:  # the model had it when it was fetched before
            path.unlink()
    begun.unlink()
    verify(folder, name, code=code)
    return folder


def files_of(folder: Path, *, code: bool) -> list[Path]:
    """Return the files of the model in a folder, with ``code`` those of its author's code too."""
    patterns = (*PATTERNS, *(("code/**/*.py",) if code else ()))
    return [path for pattern in patterns for path in sorted(folder.glob(pattern))]


def _stats(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of each file of a model's folder."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != _BEGUN]
    stats = [path.stat() for path in found]
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in zip(found, stats, strict=True)}


def verify(folder: Path, name: str, *, code: bool) -> None:
    """Raise ``ValueError`` where a folder holds no model of taskscape, or one that must not be used.

    Refused are weights without a checksum or with another one, links that lead out of the folder, and experiments that
    name code, unless ``code`` allows that.
    """
    from taskscape.state_dicts import has_checksum, read_safetensors  # with torch

    run = RunFolder(folder)
    if missing := [path.name for path in (run.experiment, run.published, run.result()) if not path.is_file()]:
        raise ValueError(
            f"{name} is no model of taskscape, it has no {' and no '.join(missing)}: send one with taskscape push"
        )
    for path in folder.rglob("*"):
        check_inside(folder, path)
    if not has_checksum(run.published):
        raise ValueError(
            f"{name}: {run.published.name} has no checksum: send the model with taskscape push, which writes one"
        )
    read_safetensors(run.published, own=True)
    if not code and (named := code_in(read_yaml(run.experiment))):
        raise ValueError(
            f"{name} needs code of its author, {', '.join(named)}, which would run here. Fetch it with taskscape pull "
            f"{name} --with-code, read what is in its folder code, and then name the folder"
        )


def code_in(settings: Any) -> list[str]:
    """Return the names of users' code, such as ``my.py:Mine``, in the plain values of a saved experiment."""
    if isinstance(settings, str):
        return [settings] if _CODE_NAME.fullmatch(settings) else []
    if isinstance(settings, dict):
        settings = list(settings.values())
    found = [name for item in settings for name in code_in(item)] if isinstance(settings, list) else []
    return list(dict.fromkeys(found))


def _refusal(name: str, error: Exception) -> str:
    """Return what went wrong while a model was fetched, and what helps."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return (
            f"the owner of {name} gives access on request: ask for it on the model's page, and log in (hf auth login)"
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"there is no folder {name} here and no such model on the hub, or it is private: check the name, or log in "
            "(hf auth login, or HF_TOKEN)"
        )
    return f"{name} could not be fetched from the hub ({_first_line(error)}): try again"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
