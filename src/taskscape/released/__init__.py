"""Models by name: those that come with taskscape, ``taskscape/streets-small``, and ``user/name`` of the hub.

A released model is a folder beside this file, with the files of a published run: ``model.safetensors``,
``experiment.yaml``, ``result.json`` and its card, ``README.md``.
"""

from pathlib import Path

from taskscape import hub
from taskscape.files import atomic_write, writing
from taskscape.files.paths import require_no_file
from taskscape.released.listing import Listing, in_words, listing
from taskscape.run_folder import RunFolder
from taskscape.serialization import nearest

OWNER = "taskscape"
"""What the names of released models begin with."""

DEFAULT = f"{OWNER}/streets-small"
"""The model that predicts where none is named."""

FOLDER = Path(__file__).parent

PHOTOGRAPH = FOLDER / "street.jpg"
"""A photograph of a street that may be shared; its license stands beside it, in ``street.jpg.license``."""

PHOTOGRAPHER = "Adrien Pavie, MIT license"
"""Who took it."""

MOST_BYTES = 12_000_000
"""Of a released model: it is part of the package."""

__all__ = [
    "DEFAULT",
    "FOLDER",
    "MOST_BYTES",
    "OWNER",
    "PHOTOGRAPH",
    "PHOTOGRAPHER",
    "Listing",
    "default",
    "find",
    "in_words",
    "introduced",
    "is_name",
    "listing",
    "names",
    "pull",
    "resolve",
]


def names() -> list[str]:
    """Return the names of the released models."""
    return [f"{OWNER}/{path.name}" for path in sorted(FOLDER.iterdir()) if RunFolder(path).experiment.is_file()]


def find(name: str) -> Path:
    """Return the folder of a released model. Raises ``ValueError`` with the nearest names where there is none."""
    if name not in names():
        raise ValueError(f"there is no released model {name!r}{nearest(name, names())}")
    return FOLDER / name.removeprefix(f"{OWNER}/")


def default() -> str:
    """Return the name of the model that predicts where none is named. Raises ``ValueError`` where none is released."""
    if DEFAULT not in names():
        raise ValueError("no model comes with this version of taskscape: name the folder of a run before the images")
    return DEFAULT


def introduced(model: str) -> str:
    """Return a line that says what predicts where no run was named, and what to expect of it."""
    about = listing(find(model))
    metric = in_words(*next(iter(about.metrics.items())))  # of the first task
    return f"no run is named, so {model} predicts: trained on {about.trained_on}, for {about.expects} ({metric})"


def is_name(model: str | Path) -> bool:
    """Return whether this names a model, released or perhaps on the hub, instead of a file or folder.

    What is there is no name, and ``runs/joint`` is none where there is a folder ``runs``. Raises ``ValueError`` with
    the nearest names for one that no released model has.
    """
    path = Path(model)
    name = path.as_posix()
    if path.exists():
        return False
    if name.startswith(f"{OWNER}/"):
        return find(name).exists()
    if f"{OWNER}/{name}" in names():
        raise ValueError(f"there is no folder {name}; did you mean {OWNER}/{name}?")
    return hub.is_repository(name) and not path.parent.exists()


def resolve(model: str | Path) -> Path:
    """Return the folder of a model: the folder of a run as it is, or that of a model by its name (``is_name``).

    A model of the hub is fetched (``taskscape.hub.fetch``). A path that is not there is returned as it is. Raises
    ``ValueError`` with the remedy for a model that there is not.
    """
    if not is_name(model):
        return Path(model)
    name = Path(model).as_posix()
    if name.startswith(f"{OWNER}/"):
        return find(name)
    try:
        return hub.fetch(name)
    except ValueError as error:
        near = nearest(name, names())
        raise ValueError(f"{error}{near if 'did you mean' in near else ''}") from error


def pull(name: str, out: Path, *, code: bool = False) -> list[Path]:
    """Copy the files of a model, released or of the hub, into a new folder, and return them.

    With ``code`` that of its author is among them, where it needs any. Raises ``ValueError`` as ``resolve``, and where
    the folder has files already, or is a file.
    """
    require_no_file(out, "the model")
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty: name another folder with --out, or delete it")
    folder = find(name) if name.startswith(f"{OWNER}/") else hub.fetch(name, code=code)
    found = hub.files_of(folder, code=code)
    for path in found:
        copy = out / path.relative_to(folder)
        with writing(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(copy, path.read_bytes())
    return [out / path.relative_to(folder) for path in found]
