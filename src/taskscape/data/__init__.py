"""Packed stores, data sources, readers of raw data sets, augmentation, and the loader of training batches.

Names are imported on first use, so that raw data sets can be listed and prepared without torch.
"""

from typing import TYPE_CHECKING

from taskscape.lazy import imported_on_first_use

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

__getattr__, __dir__ = imported_on_first_use(__name__, __all__, _MODULES)
