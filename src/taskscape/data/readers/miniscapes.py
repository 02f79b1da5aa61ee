"""Miniscapes, and generated streets in its layout: rendered scenes with segmentation, depth and normals.

This is the home of the format, in both directions. The raw folder holds, for each of the splits ``train`` (20,000
images), ``val`` (2,500), ``test`` (2,500), or those that were generated::

    SPLIT/rgb/INDEX.jpg         RGB
    SPLIT/semseg/INDEX.png      palette or gray: Cityscapes train ids 0 … 18, 255 = none
    SPLIT/depth/INDEX.png       8-bit disparity v: 0 is invalid, 1 … 255 are linear in 1/metres from 1/300 to 1/4
    SPLIT/normals/INDEX.png     generated streets only: n = v / 255 · 2 - 1 in camera axes (x right, y down,
                                z forward), (0, 0, 0) is invalid
    SPLIT/camera/INDEX.json     generated streets only: intrinsics in pixels
    SPLIT/streets.json          generated streets only: what they were made with

Depth in the store is in metres, 4 … 300; a step of the disparity is 0.4 % at 4 m and 29 % at 300 m.
"""

import io
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from typing_extensions import override

from taskscape import parallel
from taskscape.batch import Sample
from taskscape.data.readers.aspect import check_aspect
from taskscape.data.readers.base import RawData, RawIndex, RawSample
from taskscape.data.readers.files import match_files, read_json, require, stems
from taskscape.data.readers.images import read_image_with_size, size_of
from taskscape.data.readers.labels import read_gray, read_label, resize_nearest, unit_vectors
from taskscape.files import atomic_write, require_room, writing
from taskscape.files.paths import check_inside
from taskscape.modalities import Depth, Modality, Normals, Semseg
from taskscape.modalities.base import Array
from taskscape.modalities.class_sets import CITYSCAPES_19, IGNORE_INDEX
from taskscape.modalities.normals import decode_8bit, encode_8bit
from taskscape.progress import ProgressCallback
from taskscape.serialization import plain

PUBLISHED = {"train": 20000, "val": 2500, "test": 2500}
"""Number of images per split."""
WHERE = (
    "Miniscapes is available from the Computer Vision Lab of ETH Zurich; "
    "taskscape synth writes generated streets in the same layout"
)
NEAREST, FARTHEST = 4.0, 300.0
"""Metres at v = 255 and at v = 1."""
_KINDS = {"semseg": "png", "depth": "png", "normals": "png", "camera": "json", "rgb": "jpg"}
"""The files of a generated scene and their endings; the last written last."""
_LEAST_BYTES = 100
"""No file of a scene is smaller."""
_RECORD = "streets.json"


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Miniscapes(RawData):
    """Miniscapes, or generated streets that taskscape synth wrote, which have normals too."""

    name: ClassVar[str] = "miniscapes"

    size: tuple[int, int] | None = None
    """Height and width of the store's images; by default those of the first."""
    partial: bool = False
    """Accept fewer images than the published 20,000, 2,500 and 2,500, and leave out those without all their files."""

    @override
    def contents(self, raw: Path) -> RawIndex:
        require(raw, ["train"], f"The folder above train, val and test is needed. {WHERE}")
        folders = {split: raw / split for split in (*PUBLISHED, "shifted") if (raw / split).is_dir()}
        for folder in folders.values():
            require(folder, ["rgb", "semseg", "depth"], WHERE)
        records = {split: read_json(path) for split, folder in folders.items() if (path := folder / _RECORD).exists()}
        kinds = ["rgb", "semseg", "depth"]
        fields: dict[str, Modality] = {"semseg": Semseg(CITYSCAPES_19), "depth": Depth()}
        source: dict[str, object] = {
            "depth": {"unit": "metre", "formula": "1 / (1/300 + (v - 1) / 254 * (1/4 - 1/300)); v = 0 is not valid"}
        }
        if records:
            source["generated"] = records
        if all((folder / "normals").is_dir() for folder in folders.values()):
            kinds.append("normals")
            fields["normals"] = Normals()
            source["normals"] = {"from": "normals/", "axes": "x right, y down, z forward"}
        splits = {}
        for split, folder in folders.items():
            files = {kind: stems(folder / kind) for kind in kinds}
            published = None if split in records else PUBLISHED.get(split)
            remedy = "Let taskscape synth finish" if split in records else WHERE
            splits[split] = match_files(files, str(folder), published, self.partial, remedy)
        size = self.size or size_of(next(iter(splits.values()))[0].files["rgb"])
        return RawIndex(size, splits, fields, source, partial(_read, size=size))


def decode_depth(v: Array) -> npt.NDArray[np.float32]:
    """Return the metres of 8-bit disparities; those of 0 mean nothing."""
    disparity = 1 / FARTHEST + (np.maximum(v, 1.0) - 1) / 254 * (1 / NEAREST - 1 / FARTHEST)
    return np.asarray(1 / disparity, np.float32)


def _read(raw: RawSample, size: tuple[int, int]) -> Sample:
    image, native = read_image_with_size(raw.files["rgb"], size, None)
    whole = read_gray(raw.files["semseg"], 8, "class ids", native)
    ids = resize_nearest(whole, size)
    disparity = resize_nearest(read_gray(raw.files["depth"], 8, "disparity", native), size)
    values = {"image": image, "semseg": ids, "depth": decode_depth(disparity)}
    valid = {"semseg": ids != IGNORE_INDEX, "depth": disparity > 0}
    if "normals" in raw.files:
        stored = read_label(raw.files["normals"])
        check_aspect(raw.files["normals"], stored.shape, native)
        values["normals"], valid["normals"] = unit_vectors(decode_8bit(resize_nearest(stored, size)))
    return Sample(values, valid, raw.name, {"semseg": (whole, whole != IGNORE_INDEX)})


# -- writing -----------------------------------------------------------------------------------------------------------


def write_miniscapes(
    out: Path,
    split: str,
    count: int,
    size: tuple[int, int] = (128, 256),
    samples: int = 4,
    seed: int = 0,
    processes: int | None = None,
    report: ProgressCallback | None = None,
    style: str = "classic",
    portion: parallel.Portion | None = None,
) -> None:
    """Render streets 0 … count - 1 of a split and write them to ``out``/``split``.

    Scenes that are complete already are skipped, so an interrupted run resumes. The files do not depend on
    ``processes``, the number of them (by default one per core). ``report`` is called once before the first scene and
    after every scene. ``style``: one of ``streets.STYLES``. With a ``portion`` only that part of the scenes is written,
    so that machines that share the folder write one each.

    Raises:
        ValueError: An argument is impossible, or the folder holds streets that were made with other settings.
        OSError: The disk is full, for one.
    """
    from taskscape.streets import STYLES, check_arguments  # with numba, which takes a while to import

    check_arguments(seed, split, 0, size, samples, style)
    if count < 0:
        raise ValueError(f"count {count} is negative: use 0 or more")
    workers = parallel.workers(processes)
    folder = Path(out) / split
    require_room(folder, count * len(_KINDS) * _LEAST_BYTES, f"a set of {count} streets, however small,")
    for kind in _KINDS:
        check_inside(Path(out), folder / kind)
        with writing(folder / kind):
            (folder / kind).mkdir(parents=True, exist_ok=True)
    record = {"grammar_version": STYLES[style], "split": split, "seed": seed, "size": list(size), "samples": samples}
    _check_record(folder / _RECORD, record if style == "classic" else record | {"style": style})
    indices = range(count) if portion is None else portion.among(count)
    missing = [index for index in indices if not all(path.exists() for path in _files(folder, index).values())]
    count, skipped = len(indices), len(indices) - len(missing)
    if report is not None:
        report(skipped, count)
    jobs = ((folder, seed, split, index, size, samples, style) for index in missing)
    for done, _ in enumerate(parallel.parallel_map(_write_scene, jobs, len(missing), workers), skipped + 1):
        if report is not None:
            report(done, count)


def encode_depth(metres: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return depth as 8-bit disparity, 0 where it is 0; depth outside 4 … 300 m is clipped."""
    valid = metres > 0
    disparity = 1 / np.clip(np.where(valid, metres, FARTHEST).astype(np.float64), NEAREST, FARTHEST)
    level = 1 + 254 * (disparity - 1 / FARTHEST) / (1 / NEAREST - 1 / FARTHEST)
    return np.where(valid, np.rint(level), 0).astype(np.uint8)


def _write_scene(
    folder: Path, seed: int, split: str, index: int, size: tuple[int, int], samples: int, style: str
) -> None:
    from taskscape.streets import render

    scene = render(seed, split, index, size, samples, style)
    semseg = Image.fromarray(scene.semseg)
    semseg.putpalette(CITYSCAPES_19.colors().tobytes())
    contents: dict[str, bytes | str] = {
        "semseg": _encoded(semseg, "PNG"),
        "depth": _encoded(Image.fromarray(encode_depth(scene.depth)), "PNG"),
        "normals": _encoded(Image.fromarray(encode_8bit(scene.normals)), "PNG"),
        "camera": json.dumps(scene.camera._asdict()) + "\n",
        "rgb": _encoded(Image.fromarray(scene.image), "JPEG", quality=95, subsampling=0),
    }
    for kind, path in _files(folder, index).items():
        atomic_write(path, contents[kind], durable=False)


def _files(folder: Path, index: int) -> dict[str, Path]:
    """Return the files of a scene, the last written last."""
    return {kind: folder / kind / f"{index:06d}.{ending}" for kind, ending in _KINDS.items()}


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _check_record(path: Path, record: dict[str, object]) -> None:
    """Write what the scenes are made with, or compare it with what is there. Raises ``ValueError``."""
    if not path.exists():
        atomic_write(path, json.dumps(record, indent=1) + "\n")
        return
    remedy = f"delete {path.parent} or choose another folder"
    try:
        there = plain.read_json(path)
    except ValueError as error:
        raise ValueError(f"{path} is not readable ({error}): {remedy}") from None
    if there != record:
        there = there if isinstance(there, dict) else {}
        different = ", ".join(
            f"{key} {there.get(key)} there, {value} here" for key, value in record.items() if there.get(key) != value
        )
        raise ValueError(f"{path} records other settings ({different}): use the same settings, {remedy}")
