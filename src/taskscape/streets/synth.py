"""Generated streets as files, and many scenes from several processes."""

import io
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from taskscape import parallel
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.streets.scene import GRAMMAR_VERSION, Scene, check_arguments, render

NEAREST, FARTHEST = 4.0, 300.0
"""Depths that 8-bit disparity images show, metres."""
_QUALITY = 95
_RECORD = "streets.json"


class Progress(NamedTuple):
    """How far ``write_miniscapes`` is."""

    done: int
    """Scenes that are complete."""
    total: int
    skipped: int
    """Of those done, how many were complete before."""
    rate: float
    """Scenes per second since the start."""


def encode_depth(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return disparity as 8 bits: 0 invalid, 1 … 255 linear in 1/metres from 1/300 to 1/4."""
    valid = depth > 0
    disparity = 1 / np.clip(np.where(valid, depth, FARTHEST).astype(np.float64), NEAREST, FARTHEST)
    level = 1 + 254 * (disparity - 1 / FARTHEST) / (1 / NEAREST - 1 / FARTHEST)
    return np.where(valid, np.rint(level), 0).astype(np.uint8)


def encode_normals(normals: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return normals as 8-bit RGB: n = v / 255 · 2 - 1, and (0, 0, 0) where there is none."""
    valid = (normals != 0).any(-1, keepdims=True)
    return np.where(valid, np.rint((normals.astype(np.float64) + 1) * 127.5), 0).astype(np.uint8)


def _files(folder: Path, index: int) -> dict[str, Path]:
    """Return the files of a scene, the last written last."""
    kinds = {"semseg": "png", "depth": "png", "normals": "png", "camera": "json", "rgb": "jpg"}
    return {kind: folder / kind / f"{index:06d}.{ending}" for kind, ending in kinds.items()}


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or absent, whatever happens meanwhile."""
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        try:
            draft.unlink(missing_ok=True)
        finally:
            # Say which file: a full disk's own message names none.
            raise OSError(error.errno, f"could not write: {error.strerror}", str(path)) from error


def _image_bytes(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _write_scene(folder: Path, seed: int, split: str, index: int, size: tuple[int, int], samples: int) -> int:
    scene = render(seed, split, index, size, samples)
    files = _files(folder, index)
    semseg = Image.fromarray(scene.semseg)
    semseg.putpalette(CITYSCAPES_19.colors().tobytes())
    _write(files["semseg"], _image_bytes(semseg, "PNG"))
    _write(files["depth"], _image_bytes(Image.fromarray(encode_depth(scene.depth)), "PNG"))
    _write(files["normals"], _image_bytes(Image.fromarray(encode_normals(scene.normals)), "PNG"))
    _write(files["camera"], (json.dumps(scene.camera._asdict()) + "\n").encode())
    rgb = Image.fromarray(scene.image)
    _write(files["rgb"], _image_bytes(rgb, "JPEG", quality=_QUALITY, subsampling=0))
    return index


def _render_scene(seed: int, split: str, index: int, size: tuple[int, int], samples: int) -> tuple[int, Scene]:
    return index, render(seed, split, index, size, samples)


def render_many(
    seed: int,
    split: str,
    indices: Iterable[int],
    size: tuple[int, int] = (128, 256),
    samples: int = 4,
    processes: int | None = None,
) -> Iterator[tuple[int, Scene]]:
    """Yield (index, scene) for all ``indices``, in their order; see ``render``.

    ``processes``: how many to use, one per core by default.
    """
    indices = list(indices)
    for index in indices[:1] or [0]:
        check_arguments(seed, split, index, size, samples)
    jobs = ((seed, split, index, size, samples) for index in indices)
    for result in parallel.parallel_map(_render_scene, jobs, len(indices), parallel.workers(processes)):
        assert isinstance(result, tuple)
        yield result


def _check_record(folder: Path, record: dict[str, object]) -> None:
    """Write ``record`` beside the scenes, or compare it with the one that is there."""
    path = folder / _RECORD
    if path.exists():
        try:
            found = json.loads(path.read_text())
        except ValueError:
            raise ValueError(f"{path} is not readable JSON: delete {folder} or choose another folder") from None
        if found != record:
            different = ", ".join(
                f"{key} {found.get(key) if isinstance(found, dict) else None} there, {value} here"
                for key, value in record.items()
                if not isinstance(found, dict) or found.get(key) != value
            )
            raise ValueError(
                f"{path} records other settings ({different}): use the same settings, delete {folder} or choose "
                "another folder"
            )
    else:
        _write(path, (json.dumps(record, indent=1) + "\n").encode())


def write_miniscapes(
    out: Path,
    split: str,
    count: int,
    size: tuple[int, int] = (128, 256),
    samples: int = 4,
    seed: int = 0,
    processes: int | None = None,
    report: Callable[[Progress], None] | None = None,
) -> None:
    """Write scenes 0 … count - 1 of a split to ``out``/``split``, in the Miniscapes layout with normals.

    ``rgb/INDEX.jpg``; ``semseg/INDEX.png`` train ids with the Cityscapes palette; ``depth/INDEX.png`` 8-bit disparity
    (see ``encode_depth``); ``normals/INDEX.png`` (see ``encode_normals``); ``camera/INDEX.json`` intrinsics in pixels;
    ``streets.json`` what the scenes were made with. Scenes that are complete already are skipped, so a run that was
    stopped goes on where it was. The files do not depend on ``processes``. ``report`` is called after every scene.
    """
    check_arguments(seed, split, 0, size, samples)
    if count < 0:
        raise ValueError(f"count {count} is negative: use 0 or more")
    workers = parallel.workers(processes)
    folder = Path(out) / split
    for kind in _files(folder, 0):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    _check_record(
        folder,
        {"grammar_version": GRAMMAR_VERSION, "split": split, "seed": seed, "size": list(size), "samples": samples},
    )
    missing = [i for i in range(count) if not all(path.exists() for path in _files(folder, i).values())]
    skipped = count - len(missing)
    begin = time.monotonic()
    if report is not None:
        report(Progress(skipped, count, skipped, 0.0))
    jobs = ((folder, seed, split, index, size, samples) for index in missing)
    for done, _ in enumerate(parallel.parallel_map(_write_scene, jobs, len(missing), workers), 1):
        if report is not None:
            report(Progress(skipped + done, count, skipped, done / max(time.monotonic() - begin, 1e-9)))
