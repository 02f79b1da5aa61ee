"""From images and labels to batches on the device: packed stores, augmentation, loading, and the sources of data."""

from taskscape.data.augment import Augmentation
from taskscape.data.fields import FIELDS, Field
from taskscape.data.generated import Streets
from taskscape.data.loader import Loader
from taskscape.data.manifest import Manifest
from taskscape.data.packed import Packed
from taskscape.data.source import DataOptions, Report
from taskscape.data.store import Store
from taskscape.data.writer import StoreWriter

SOURCES: tuple[type[DataOptions], ...] = (Streets, Packed)
"""The sources of data, each with its name."""

__all__ = [
    "FIELDS",
    "SOURCES",
    "Augmentation",
    "DataOptions",
    "Field",
    "Loader",
    "Manifest",
    "Packed",
    "Report",
    "Store",
    "StoreWriter",
    "Streets",
]
