"""Class sets: names, palettes and the maps between them. Ids are 0 … n-1, and VOID marks pixels without a class."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

VOID = 255
"""The id of pixels without a class, in 8-bit label images and in packed stores."""


@dataclass(frozen=True)
class ClassSet:
    """The classes of a data set: their names and colours, by id."""

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    """One RGB colour (0..255) per class."""

    def __post_init__(self) -> None:
        """Check that every class has a colour and a name of its own."""
        if len(self.classes) != len(self.palette):
            raise ValueError(f"class set {self.name}: {len(self.classes)} names but {len(self.palette)} colours")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"class set {self.name}: a class name occurs twice")

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.classes)

    def colors(self) -> npt.NDArray[np.uint8]:
        """Return a (256, 3) look-up table from id to RGB; ids outside the set are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self)] = self.palette
        return table


CITYSCAPES_19 = ClassSet(
    "cityscapes-19",
    (
        "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
        "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
    ),
    (
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153),
        (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0),
        (0, 0, 142), (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
    ),
)  # fmt: skip

CITYSCAPES_7 = ClassSet(
    "cityscapes-7",
    ("flat", "construction", "object", "nature", "sky", "human", "vehicle"),
    ((128, 64, 128), (70, 70, 70), (153, 153, 153), (107, 142, 35), (70, 130, 180), (220, 20, 60), (0, 0, 142)),
)

CITYSCAPES_2 = ClassSet("cityscapes-2", ("background", "foreground"), ((70, 70, 70), (0, 0, 142)))

NYUV2_13 = ClassSet(
    "nyuv2-13",
    (
        "bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa", "table", "tv", "wall",
        "window",
    ),
    (
        (255, 187, 120), (148, 103, 189), (188, 189, 34), (214, 39, 40), (152, 223, 138), (140, 86, 75),
        (227, 119, 194), (23, 190, 207), (31, 119, 180), (255, 127, 14), (44, 62, 80), (174, 199, 232),
        (158, 218, 229),
    ),
)  # fmt: skip

NYUV2_40 = ClassSet(
    "nyuv2-40",
    (
        "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture",
        "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes",
        "ceiling", "books", "refrigerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard",
        "person", "night stand", "toilet", "sink", "lamp", "bathtub", "bag", "other structure", "other furniture",
        "other prop",
    ),
    (
        (174, 199, 232), (152, 223, 138), (31, 119, 180), (255, 187, 120), (188, 189, 34), (140, 86, 75),
        (255, 152, 150), (214, 39, 40), (197, 176, 213), (148, 103, 189), (196, 156, 148), (23, 190, 207),
        (178, 76, 76), (247, 182, 210), (66, 188, 102), (219, 219, 141), (140, 57, 197), (202, 185, 52),
        (51, 176, 203), (200, 54, 131), (92, 193, 61), (78, 71, 183), (172, 114, 82), (255, 127, 14),
        (91, 163, 138), (153, 98, 156), (140, 153, 101), (158, 218, 229), (100, 125, 154), (178, 127, 135),
        (120, 185, 128), (146, 111, 194), (44, 160, 44), (112, 128, 144), (96, 207, 209), (227, 119, 194),
        (213, 92, 176), (94, 106, 211), (82, 84, 163), (100, 85, 144),
    ),
)  # fmt: skip

CLASS_SETS = {s.name: s for s in (CITYSCAPES_19, CITYSCAPES_7, CITYSCAPES_2, NYUV2_13, NYUV2_40)}
"""The class sets by name."""

CITYSCAPES_19_TO_7 = (0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 6, 6, 6, 6, 6, 6)
"""The 7-class id of each of the 19 classes."""

CITYSCAPES_19_TO_2 = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
"""The 2-class id of each of the 19 classes."""


def mapping(source: ClassSet, target: ClassSet) -> npt.NDArray[np.uint8]:
    """Return a (256,) look-up table from the ids of ``source`` to those of ``target``; other ids become VOID.

    Raises ``ValueError`` where no map between the two is known.
    """
    table = np.full(256, VOID, np.uint8)
    if source.classes == target.classes:
        table[: len(source)] = np.arange(len(source))
    elif source.classes == CITYSCAPES_19.classes and target.classes == CITYSCAPES_7.classes:
        table[: len(source)] = CITYSCAPES_19_TO_7
    elif source.classes == CITYSCAPES_19.classes and target.classes == CITYSCAPES_2.classes:
        table[: len(source)] = CITYSCAPES_19_TO_2
    else:
        raise ValueError(
            f"labels of class set {source.name!r} cannot become {target.name!r}; "
            f"leave the task's classes open to take those of the data, or prepare the data with {target.name!r}"
        )
    return table
