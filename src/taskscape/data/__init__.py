"""Packed stores, data sources, readers of raw data sets, augmentation, and the loader of training batches.

Names are imported on first use, so that raw data sets can be listed and prepared without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskscape.data.augment import Augmentation
    from taskscape.data.dataset import StoreDataset
    from taskscape.data.loader import Loader
    from taskscape.data.manifest import Manifest
    from taskscape.data.readers import READERS, RawData, RawIndex, RawSample
    from taskscape.data.sources import SOURCES, DataSource, Mixed, MixedPart, Packed, Streets
    from taskscape.data.store import Store
    from taskscape.data.writer import StoreWriter

_MODULES = {
    "Augmentation": "augment",
    "DataSource": "sources",
    "Loader": "loader",
    "Manifest": "manifest",
    "Mixed": "sources",
    "MixedPart": "sources",
    "Packed": "sources",
    "READERS": "readers",
    "RawData": "readers",
    "RawIndex": "readers",
    "RawSample": "readers",
    "SOURCES": "sources",
    "Store": "store",
    "StoreDataset": "dataset",
    "StoreWriter": "writer",
    "Streets": "sources",
}

__all__ = [
    "READERS",
    "SOURCES",
    "Augmentation",
    "DataSource",
    "Loader",
    "Manifest",
    "Mixed",
    "MixedPart",
    "Packed",
    "RawData",
    "RawIndex",
    "RawSample",
    "Store",
    "StoreDataset",
    "StoreWriter",
    "Streets",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
