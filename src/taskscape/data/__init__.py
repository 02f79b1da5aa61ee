"""From images and labels to batches on the device: packed stores, augmentation, loading, and the sources of data."""

from taskscape.data.augment import Augmentation
from taskscape.modalities.fields import FIELDS, Field
from taskscape.data.sources.streets import Streets
from taskscape.data.loader import Loader
from taskscape.data.manifest import Manifest
from taskscape.data.sources.packed import Packed
from taskscape.data.sources.base import DataSource, Report
from taskscape.data.store import Store
from taskscape.data.writer import StoreWriter

SOURCES: tuple[type[DataSource], ...] = (Streets, Packed)
"""The sources of data, each with its name."""

__all__ = [
    "FIELDS",
    "SOURCES",
    "Augmentation",
    "DataSource",
    "Field",
    "Loader",
    "Manifest",
    "Packed",
    "Report",
    "Store",
    "StoreWriter",
    "Streets",
]
