"""Records of the data that a run was trained with, so that other data are not mistaken for them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taskscape.data import DataSource, Manifest, Mixed, MixedPart, Packed, Store
from taskscape.files import atomic_write
from taskscape.modalities.class_maps import CLASS_MAPS
from taskscape.run_folder import Result, RunFolder
from taskscape.serialization.plain import read_json


def remember(folder: RunFolder, stores: Mapping[str, Store]) -> None:
    """Record the data that a run is trained with: folder and fingerprint of each split."""
    content = {
        split: {"store": str(store.path), "fingerprint": store.manifest.fingerprint} for split, store in stores.items()
    }
    atomic_write(folder.data, json.dumps(content, indent=1) + "\n")


def require_same(folder: RunFolder, stores: Mapping[str, Store]) -> None:
    """Raise ``ValueError`` if a run would be resumed with other training or validation data than before."""
    for split, fingerprint in _fingerprints(folder.data).items():
        if split in ("train", "val") and fingerprint != (current := stores[split].manifest.fingerprint):
            raise ValueError(
                f"{folder.path} was trained with other data: the split {split} in {stores[split].path} has the "
                f"fingerprint {current} and had {fingerprint}; restore the old store, or start a new run from this "
                f"one: {folder.train_on_command} --out NEW"
            )


def require_unchanged(folder: RunFolder, data: DataSource) -> None:
    """Raise ``ValueError`` if a finished run was trained with other data than those now at the same place.

    Only data that open at once are compared: prepared stores, but not generated streets, which their settings define.
    """
    match data:
        case Packed() if data.path.is_dir():
            current = dict.fromkeys(("train", "val"), Manifest.of(data.path).fingerprint)
        case Mixed() if all(isinstance(MixedPart.parse(part).source, Packed) for part in data.parts):
            current = {split: store.manifest.fingerprint for split, store in data.open().items()}
        case _:
            return
    for split, previous in _fingerprints(folder.data).items():
        if previous != current.get(split, previous):
            raise ValueError(
                f"{folder.path} is finished, and was trained with other data: the split {split} has the fingerprint "
                f"{current[split]} now, and had {previous}; restore the old store, or train all runs again in another "
                "folder"
            )


def trained_on(folder: RunFolder, split: str) -> str | None:
    """Return the fingerprint of the data that a run used as this split; None if it is unknown."""
    return _fingerprints(folder.data).get(split)


def result_name(
    folder: RunFolder,
    split: str,
    tta: bool | str,
    store: Store,
    *,
    source: str | None = None,
    classes: str = "",
    height: int | None = None,
    is_part: bool = False,
) -> tuple[str, str]:
    """Return the name of the result of a split in the folder of a run, and a remark on it if needed.

    The name is that of the split for the data that the run was trained with, and ``SOURCE-SPLIT`` for another source;
    the map of classes is added if one is given, and ``-heightN`` if images are scaled to a height of N. For a different
    data set of the same name, such as a store that was prepared again, the fingerprint is added, so that no result
    replaces that of other data. This is not checked for a store that is only a part (``is_part``) of the run's
    generated data, since its fingerprint covers fewer splits.
    """
    current = store.manifest.fingerprint
    base_name = (
        (split if source is None else f"{source}-{split}")
        + (f"-{_file_word(classes)}" if classes else "")
        + (f"-height{height}" if height is not None else "")
    )
    if is_part:
        return base_name, ""
    recorded = (
        trained_on(folder, split) if source is None else None,
        _fingerprint_of_result(folder.result(base_name, tta)),
    )
    previous = next((fingerprint for fingerprint in recorded if fingerprint not in (None, current)), None)
    if previous is None:
        return base_name, ""
    name = f"{base_name}-{current[:8]}"
    return name, (
        f"the split {split} in {store.path} is not the one that {folder.path} was trained or evaluated with before "
        f"(fingerprint {current} instead of {previous}); the result is written to {folder.result(name, tta)}"
    )


def _file_word(classes: str) -> str:
    """Return a map of classes as a part of file names: its name if it is known, or else a checksum of its pairs."""
    return classes if classes in CLASS_MAPS else f"classes-{hashlib.sha256(classes.encode()).hexdigest()[:8]}"


def _fingerprints(path: Path) -> dict[str, str]:
    """Return the fingerprint of each split; empty for a run of an earlier version."""
    if not path.exists():
        return {}
    try:
        content: Any = read_json(path)
        return {str(split): str(info["fingerprint"]) for split, info in content.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is damaged ({error}); it records the data that the run was trained with: restore it from a copy, "
            "or delete it to continue without this check"
        ) from error


def _fingerprint_of_result(path: Path) -> str | None:
    try:
        return Result.load(path).data or None
    except (ValueError, OSError):  # missing, or of another version, and therefore replaced
        return None
