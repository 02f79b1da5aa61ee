"""Class sets: names, palettes and the maps between them. Ids are 0 … n-1; ``IGNORE_INDEX`` is not a class."""

import colorsys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from taskscape.serialization import counted

IGNORE_INDEX = 255
"""The id of pixels without a class, in 8-bit label images and in packed stores."""


@dataclass(frozen=True, repr=False)
class ClassSet:
    """The classes of a data set: their names and colors, by id.

    >>> ClassSet("mine", ("path", "lawn")).palette
    ((230, 80, 80), (23, 83, 230))
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...] = ()
    """One RGB color (0..255) per class; by default colors that are easily distinguished."""

    def __post_init__(self) -> None:
        """Check that every class has an 8-bit id, a color, and a unique, printable name."""
        if len(self.classes) > IGNORE_INDEX:
            count = len(self.classes)
            raise ValueError(f"class set {self.name}: {count} classes, but 8-bit ids allow at most {IGNORE_INDEX}")
        if not self.palette:
            object.__setattr__(self, "palette", tuple(map(_distinct_color, range(len(self.classes)))))
        if len(self.classes) != len(self.palette):
            raise ValueError(
                f"class set {self.name}: {counted(len(self.classes), 'name', 'names')} but "
                f"{counted(len(self.palette), 'color', 'colors')}"
            )
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"class set {self.name}: a class name occurs twice")
        if odd := [name for name in self.classes if not name.isprintable()]:
            raise ValueError(f"class set {self.name}: the class name {odd[0]!r} has a control character")

    def __repr__(self) -> str:
        """Return the name, the number of classes and the first three."""
        first = ", ".join(self.classes[:3]) + (", …" if len(self) > 3 else "")
        return f"ClassSet({self.name!r}, {len(self)} classes: {first})"

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.classes)

    def colors(self) -> npt.NDArray[np.uint8]:
        """Return a (256, 3) look-up table from id to RGB; ids outside the set are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self)] = self.palette
        return table


def _distinct_color(index: int) -> tuple[int, int, int]:
    """Return a color that differs from those of nearby indices: hues are a golden section apart."""
    r, g, b = colorsys.hsv_to_rgb(index * 0.618034 % 1, (0.65, 0.9)[index % 2], (0.9, 0.7)[index // 2 % 2])
    return round(255 * r), round(255 * g), round(255 * b)


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

CAMVID_11 = ClassSet(
    "camvid-11",
    (
        "sky", "building", "pole", "road", "sidewalk", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
    ),
    (
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
        (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
)  # fmt: skip
"""The 11 classes of Badrinarayanan et al., SegNet, TPAMI 2017, with its colors."""

CLASS_SETS = {s.name: s for s in (CITYSCAPES_19, CITYSCAPES_7, CITYSCAPES_2, NYUV2_13, NYUV2_40, CAMVID_11)}
"""The class sets by name."""

CITYSCAPES_19_TO_7 = (0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 6, 6, 6, 6, 6, 6)
"""The 7-class id of each of the 19 classes."""

CITYSCAPES_19_TO_2 = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
"""The 2-class id of each of the 19 classes."""

CITYSCAPES_19_TO_CAMVID_11 = (3, 4, 1, 1, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10)
"""The CamVid id of each of the 19 classes: wall becomes building, terrain tree, lights and signs sign, vehicles car,
riders and cycles bicyclist."""

CITYSCAPES_RAW_IDS_OF_19 = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The id of each of the 19 classes in ``*_labelIds.png``, whose ids are 0 … 33; the others are not evaluated."""

CITYSCAPES_RAW_IDS_OF_7 = (
    (7, 8, 9, 10), (11, 12, 13, 14, 15, 16), (17, 18, 19, 20), (21, 22), (23,), (24, 25),
    (26, 27, 28, 29, 30, 31, 32, 33, 255),
)  # fmt: skip
"""The ids of each of the 7 groups in ``*_labelIds.png``; -1, the license plate, is 255 if it is drawn at all."""


def from_cityscapes_ids(target: ClassSet) -> npt.NDArray[np.uint8]:
    """Return a (256,) look-up table from the ids of ``*_labelIds.png`` to those of ``target``.

    Other ids become ``IGNORE_INDEX``. Raises ``ValueError`` unless ``target`` is a Cityscapes class set.
    """
    table = np.full(256, IGNORE_INDEX, np.uint8)
    if target == CITYSCAPES_19:
        table[list(CITYSCAPES_RAW_IDS_OF_19)] = range(19)
    elif target in (CITYSCAPES_7, CITYSCAPES_2):
        for group, ids in enumerate(CITYSCAPES_RAW_IDS_OF_7):
            table[list(ids)] = group if target == CITYSCAPES_7 else group >= 5  # humans and vehicles are foreground
    else:
        raise ValueError(f"Cityscapes labels cannot become {target.name!r}: choose 19, 7 or 2 classes")
    return table


NYUV2_40_TO_13 = (
    11, 4, 5, 0, 3, 8, 9, 11, 12, 5, 7, 5, 12, 9, 5, 12, 5, 6, 6, 4, 6, 2, 1, 5, 10, 6, 6, 6, 6, 6, 6, 5, 6, 6, 6, 6,
    6, 6, 5, 6,
)  # fmt: skip
"""The 13-class id of each of the 40 classes (Couprie et al., ICLR 2013)."""

NYUV2_RAW_IDS_OF_40 = (
    21, 11, 3, 157, 5, 83, 19, 28, 59, 88, 64, 7, 80, 36, 42, 89, 169, 119, 122, 143, 141, 4, 85, 17, 172, 15, 135,
    123, 26, 45, 331, 158, 124, 24, 144, 136, 55,
)  # fmt: skip
"""The raw id, 1 … 894, of each of the first 37 of the 40 classes (Gupta et al., CVPR 2013)."""

NYUV2_OTHER_STRUCTURE = (
    8, 25, 33, 38, 51, 53, 57, 58, 62, 65, 79, 94, 104, 112, 134, 153, 215, 216, 223, 225, 238, 241, 242, 256, 295,
    301, 339, 342, 354, 363, 372, 380, 392, 408, 412, 453, 456, 463, 477, 497, 541, 550, 553, 567, 573, 582, 591, 609,
    612, 615, 642, 645, 657, 658, 659, 663, 667, 668, 686, 700, 702, 777, 778, 782, 850, 861, 868, 874,
)  # fmt: skip
"""The raw ids that are "other structure", the 38th class."""

NYUV2_OTHER_FURNITURE = (
    12, 43, 48, 50, 87, 106, 111, 161, 163, 174, 183, 204, 214, 219, 221, 224, 236, 262, 278, 291, 298, 313, 343, 344,
    356, 359, 373, 393, 401, 414, 418, 419, 430, 443, 444, 447, 448, 457, 458, 460, 462, 475, 479, 485, 486, 493, 494,
    498, 499, 509, 510, 515, 521, 524, 540, 549, 551, 554, 556, 558, 576, 580, 608, 625, 703, 734, 770, 772, 797, 800,
    803, 804, 813, 814, 815, 820, 829, 835, 858, 863, 882, 892,
)  # fmt: skip
"""The raw ids that are "other furniture", the 39th class; all ids not listed here are "other prop", the 40th."""


def from_nyuv2_ids(target: ClassSet) -> npt.NDArray[np.uint8]:
    """Return an (895,) look-up table from the ids of the labeled NYUv2 images, 0 = none, to those of ``target``.

    Raises ``ValueError`` unless ``target`` is one of the two NYUv2 class sets.
    """
    to_40 = np.full(895, 39, np.uint8)
    to_40[list(NYUV2_RAW_IDS_OF_40)] = range(37)
    to_40[list(NYUV2_OTHER_STRUCTURE)] = 37
    to_40[list(NYUV2_OTHER_FURNITURE)] = 38
    to_40[0] = IGNORE_INDEX
    return label_map(NYUV2_40, target)[to_40]


KNOWN_MAPS = {
    "cityscapes-to-camvid": (CITYSCAPES_19, CAMVID_11, CITYSCAPES_19_TO_CAMVID_11),
    "cityscapes-to-7": (CITYSCAPES_19, CITYSCAPES_7, CITYSCAPES_19_TO_7),
    "cityscapes-to-2": (CITYSCAPES_19, CITYSCAPES_2, CITYSCAPES_19_TO_2),
    "nyuv2-40-to-13": (NYUV2_40, NYUV2_13, NYUV2_40_TO_13),
}
"""The maps by name: source classes, target classes, and the target id of each source class."""


def label_map(source: ClassSet, target: ClassSet) -> npt.NDArray[np.uint8]:
    """Return a (256,) look-up table from the ids of ``source`` to those of ``target``.

    Other ids become ``IGNORE_INDEX``. Raises ``ValueError`` if no map between the two is known.
    """
    table = np.full(256, IGNORE_INDEX, np.uint8)
    for known_source, known_target, ids in ((source, source, range(len(source))), *KNOWN_MAPS.values()):
        if (source.classes, target.classes) == (known_source.classes, known_target.classes):
            table[: len(source)] = ids
            return table
    raise ValueError(
        f"labels of class set {source.name!r} cannot become {target.name!r}; "
        f"leave the task's classes unset to use those of the data, or prepare the data with {target.name!r}"
    )
