"""Readers of raw data sets as published, one per module; the module docstring describes the format.

To add one, write a module and list its class in ``READERS``; or keep it in a file of your own and run
``taskscape prepare my.py:MyData RAW OUT``.
"""

from taskscape.data.readers.base import RawData, RawIndex, RawSample
from taskscape.data.readers.camvid import CamVid
from taskscape.data.readers.cityscapes import Cityscapes
from taskscape.data.readers.coco import Coco
from taskscape.data.readers.cvat import Cvat
from taskscape.data.readers.folder import Folder
from taskscape.data.readers.miniscapes import Miniscapes
from taskscape.data.readers.mtan_arrays import MtanArrays
from taskscape.data.readers.nyuv2 import Nyuv2
from taskscape.data.readers.voc import Voc
from taskscape.serialization import offer

READERS: tuple[type[RawData], ...] = (Cityscapes, Nyuv2, CamVid, Miniscapes, MtanArrays, Coco, Voc, Cvat, Folder)
"""All readers; each has a name."""

offer(RawData, READERS)

__all__ = [
    "READERS",
    "CamVid",
    "Cityscapes",
    "Coco",
    "Cvat",
    "Folder",
    "Miniscapes",
    "MtanArrays",
    "Nyuv2",
    "RawData",
    "RawIndex",
    "RawSample",
    "Voc",
]
