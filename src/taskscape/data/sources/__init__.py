"""Sources of an experiment's data."""

from taskscape.data.sources.base import DataSource, Preview
from taskscape.data.sources.mixed import Mixed
from taskscape.data.sources.mixed_part import MixedPart
from taskscape.data.sources.packed import Packed
from taskscape.data.sources.part import Part
from taskscape.data.sources.streets import Streets
from taskscape.serialization import offer

SOURCES: tuple[type[DataSource], ...] = (Streets, Packed, Mixed, Part)
"""All data sources; each has a name."""

offer(DataSource, SOURCES)

__all__ = ["SOURCES", "DataSource", "Mixed", "MixedPart", "Packed", "Part", "Preview", "Streets"]
