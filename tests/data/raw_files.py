"""Tiny raw data sets in the layouts, data types and bit depths of the real ones."""

import json
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat

from taskscape.modalities.class_sets import CITYSCAPES_19


def save(path: Path, array: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".npy":
        with path.open("wb") as file:  # numpy would add a lower-case suffix
            np.save(file, array)
    else:
        Image.fromarray(array).save(path, **options)


def cityscapes(raw: Path, cameras: bool = False, **counts: int) -> dict[str, dict[str, np.ndarray]]:
    """Write images of 8×16 with label ids 0 … 33 and 16-bit disparity; return them by their names in the store."""
    random, written = np.random.default_rng(0), {}
    for split, count in (counts or {"train": 3, "val": 2}).items():
        for index in range(count):
            city = ("aachen", "bochum")[index % 2]
            name = f"{city}_{index:06d}_000019"
            files = {
                "leftImg8bit": random.integers(0, 256, (8, 16, 3), np.uint8),
                "gtFine": random.integers(0, 34, (8, 16), np.uint8),
                "disparity": random.integers(0, 126 * 256 + 2, (8, 16), np.uint16),
            }
            files["disparity"][0, :4] = 0, 1, 2, 32257
            endings = {"leftImg8bit": "leftImg8bit", "gtFine": "gtFine_labelIds", "disparity": "disparity"}
            for kind, array in files.items():
                save(raw / kind / split / city / f"{name}_{endings[kind]}.png", array)
            if cameras:
                camera = {"extrinsic": {"baseline": 0.2 + index / 100}, "intrinsic": {"fx": 2000.0, "fy": 2001.0}}
                path = raw / "camera" / split / city / f"{name}_camera.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(camera))
            written[f"{split}/{name}"] = files
    return written


def plane(height: int, width: int, focal: float, centre: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the depth of a slanted plane, (H, W) meters, and its normal toward the camera."""
    normal = np.array([0.3, -0.5, -0.8])
    normal /= np.linalg.norm(normal)
    y, x = np.mgrid[:height, :width]
    rays = np.stack([(x - centre[0]) / focal, (y - centre[1]) / focal, np.ones((height, width))], -1)
    return (normal @ np.array([0, 0, 4.0]) / (rays @ normal)).astype(np.float32), normal.astype(np.float32)


def nyuv2(raw: Path, count: int = 4, train: tuple[int, ...] = (2, 4)) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Write a MATLAB 7.3 file (HDF5 after 512 bytes, axes reversed); return its arrays and the normal of its planes."""
    random = np.random.default_rng(0)
    depth, normal = plane(480, 640, 518.857901, (324.58, 252.74))
    arrays = {
        "images": random.integers(0, 256, (count, 480, 640, 3), np.uint8),
        "depths": np.stack([depth * (1 + index / 10) for index in range(count)]).astype(np.float32),
        "labels": random.integers(0, 895, (count, 480, 640), np.uint16),
    }
    arrays["rawDepths"] = arrays["depths"].copy()
    arrays["rawDepths"][:, :100] = 0
    raw.mkdir(parents=True, exist_ok=True)
    with h5py.File(raw / "nyu_depth_v2_labeled.mat", "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = np.moveaxis(array, 0, -1).T  # MATLAB's (480, 640, …, count), with reversed axes
    with (raw / "nyu_depth_v2_labeled.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    test = [number for number in range(1, count + 1) if number not in train]
    columns = {"trainNdxs": np.array([train], np.uint16).T, "testNdxs": np.array([test], np.uint16).T}
    savemat(raw / "splits.mat", columns)
    return arrays, normal


def miniscapes(raw: Path, **counts: int) -> dict[str, dict[str, np.ndarray]]:
    """Write palette PNGs of train ids, and 8-bit disparity."""
    random, written = np.random.default_rng(0), {}
    for split, count in (counts or {"train": 3, "val": 2}).items():
        for index in range(count):
            semseg = random.choice([*range(19), 255], (6, 10)).astype(np.uint8)
            depth = random.integers(0, 256, (6, 10)).astype(np.uint8)
            depth[0, :3] = 0, 1, 255
            palette = Image.fromarray(semseg)
            palette.putpalette(CITYSCAPES_19.colors().tobytes())
            for kind in ("semseg", "depth", "rgb"):
                (raw / split / kind).mkdir(parents=True, exist_ok=True)
            palette.save(raw / split / "semseg" / f"{index:06d}.png")
            save(raw / split / "depth" / f"{index:06d}.png", depth)
            save(raw / split / "rgb" / f"{index:06d}.jpg", np.full((6, 10, 3), 20 * index, np.uint8), quality=95)
            written[f"{split}/{index:06d}"] = {"semseg": semseg, "depth": depth}
    return written


def mtan(
    raw: Path, of: str, count: int = 12, normals: bool = True
) -> tuple[dict[int, dict[str, np.ndarray]], np.ndarray]:
    """Write numbered arrays; NYUv2's normals have y up and z toward the camera. Return the train split."""
    random = np.random.default_rng(0)
    height, width = (24, 48) if of == "cityscapes" else (30, 40)
    depth, normal = plane(height, width, 518.9 / 640 * width, ((width - 1) / 2, (height - 1) / 2))
    written = {}
    for split in ("train", "val"):
        for index in range(count):
            files = {
                "image": random.random((height, width, 3)),
                "label": random.integers(-1, 19 if of == "cityscapes" else 13, (height, width)).astype(np.float32),
                "depth": (1.8499 / depth if of == "cityscapes" else depth)[..., None].astype(np.float32),
            }
            files["depth"][0] = 0
            if of == "nyuv2" and normals:
                files["normal"] = np.tile(normal * np.array([1, -1, -1], np.float32), (height, width, 1))
                files["normal"][:, :2] = 0
            for kind, array in files.items():
                save(raw / split / kind / f"{index}.npy", array)
            written.setdefault(index, files)
    return written, normal
