"""Raw data sets as they are published: one reader a file, each with its format in the docstring of the file.

To add one, write its file and name it in ``READERS``; or keep it in a file of your own and call
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
"""The raw data sets, each with its name."""

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
