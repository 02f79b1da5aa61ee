"""The real images of an export: the data of the run, if available, or a store that the user names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taskscape.data import DataSource, Store
from taskscape.modalities import Modality
from taskscape.run_folder import RunFolder
from taskscape.runs import TrainedModel
from taskscape.runs.other_data import source_of
from taskscape.serialization.plain import read_json


def stores_of(folder: RunFolder, model: TrainedModel, data: DataSource | str | Path | None) -> dict[str, Store]:
    """Return stores by split; empty if the run's own stores are not available or have changed since training.

    Raises ``FileNotFoundError`` or ``ValueError`` for ``data`` that cannot be read or lack labels for a task of the
    model.
    """
    if data is None:
        return _unchanged_stores(folder)
    source = source_of(data)
    if (preview := source.preview()) is not None:
        _require_labels(model, preview.fields, preview.where)
    stores = source.open()
    for store in stores.values():
        _require_labels(model, store.fields, str(store.path))
    return stores


def _require_labels(model: TrainedModel, fields: Mapping[str, Modality], where: str) -> None:
    for name, task in model.tasks.items():
        field = task.source_for(name)
        if field not in fields:
            raise ValueError(f"{where} has no labels {field!r} for the task {name}: choose another store")
        task.for_data(field, fields[field])


def _unchanged_stores(folder: RunFolder) -> dict[str, Store]:
    """Return the stores that a run recorded, if they are unchanged; never create or download them."""
    try:
        content: Any = read_json(folder.data)
        stores = {
            split: (Store.open(Path(entry["store"]), split), entry["fingerprint"]) for split, entry in content.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {split: store for split, (store, fingerprint) in stores.items() if store.manifest.fingerprint == fingerprint}
