"""Predictions for pictures, as files that other programs read and as views for people."""

import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

from taskscape.files import atomic_write
from taskscape.views.pictures import overlay, paint_classes, paint_depth, paint_directions
from taskscape.run_folder.result import Result
from taskscape.runs.run import RESULT, Trained, load
from taskscape.tasks import Task

Array = npt.NDArray[Any]
Rgb = npt.NDArray[np.uint8]

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
"""What counts as a picture in a folder; a file that is named by itself may be called anything."""

STEPS_PER_METRE = {"mm": 1000, "cm": 100}
"""Of depth in 16 bits, by unit: millimetres end at 65.5 m, centimetres at 655 m."""

FARTHEST_STEP = 65535


def predict(
    run: Path,
    images: Sequence[Path],
    out: Path,
    *,
    height: int | None = None,
    own_size: bool = False,
    depth_unit: Literal["mm", "cm"] = "mm",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    report: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Predict pictures, and the pictures in folders, and return the files that were written.

    For a picture NAME and a task TASK these are, at the size of the picture:

    - classes: ``NAME.TASK.png``, class ids with a palette, and ``NAME.TASK-overlay.png``;
    - depth: ``NAME.TASK.png``, 16-bit steps of ``depth_unit`` (0 is none, 65535 is 65535 or farther), and
      ``NAME.TASK-view.png``;
    - directions: ``NAME.TASK.png``, the unit vector in OpenCV axes from -1..1 to 0..255, and ``NAME.TASK-view.png``;
    - ``NAME.side-by-side.png``, the picture and a view of every task;

    and ``about.json``, which says how to read them. The network sees pictures brought to ``height``, by
    default that of the images it was trained on: what is enlarged looks nearer. ``own_size`` leaves them as they are.
    Raises ``ValueError`` at the end with the pictures that could not be read; the others are done.
    """
    if height is not None and height < 1:
        raise ValueError(f"height is {height}: it must be at least 1")
    if height is not None and own_size:
        raise ValueError("height and own size exclude each other; give one of them")
    sources = name_pictures(images, out)
    trained = load(run, device)
    if height is None and not own_size:
        height = Result.load(run / RESULT).size[0]
    out.mkdir(parents=True, exist_ok=True)
    written = [out / "about.json"]
    atomic_write(written[0], json.dumps(_about(trained.tasks, STEPS_PER_METRE[depth_unit]), indent=1).encode())
    unreadable = []
    for done, (name, source) in enumerate(sources.items(), 1):
        try:
            image = read_picture(source)
        except ValueError as error:
            unreadable.append(str(error))
        else:
            quantities = predict_picture(trained, image, height)
            files = draw(trained.tasks, quantities, image, STEPS_PER_METRE[depth_unit])
            written += [_save(picture, out / f"{name}.{kind}.png") for kind, picture in files.items()]
        if report is not None:
            report(done, len(sources))
    if unreadable:
        raise ValueError("\n".join([f"{len(unreadable)} of {len(sources)} pictures were left out:", *unreadable]))
    return written


def predict_picture(trained: Trained, image: Rgb, height: int | None = None) -> dict[str, Array]:
    """Return the quantity of every task for an (H, W, 3) picture: ids (H, W), metres (H, W), directions (H, W, 3)."""
    pixels = torch.tensor(image, device=trained.device).permute(2, 0, 1)[None] / 255
    size = pixels.shape[-2:]
    if height is not None:
        width = max(round(size[1] * height / size[0]), 1)
        pixels = F.interpolate(pixels, (height, width), mode="bilinear", antialias=True)
    quantities = {}
    for name, raw in trained.forward(pixels).final.items():
        raw = raw.float()
        if raw.shape[-2:] != size:
            raw = F.interpolate(raw, size, mode="bilinear")  # before decoding: ids cannot be interpolated
        array = trained.tasks[name].decode(raw)[0].cpu().numpy()
        quantities[name] = (
            array if array.ndim == 2 else np.moveaxis(array, 0, -1).squeeze(-1 if len(array) == 1 else ())
        )
    return quantities


def draw(tasks: Mapping[str, Task], quantities: Mapping[str, Array], image: Rgb, steps: int) -> dict[str, Image.Image]:
    """Return the files of a picture by what stands between its name and ``.png``."""
    files: dict[str, Image.Image] = {}
    views = [image]
    for name, quantity in quantities.items():
        match tasks[name].kind:
            case "classes":
                classes = tasks[name].class_set
                assert classes is not None
                files[name] = Image.fromarray(quantity.astype(np.uint8))
                files[name].putpalette(classes.colors().tobytes())
                views.append(overlay(image, paint_classes(quantity, classes.palette)))
                files[f"{name}-overlay"] = Image.fromarray(views[-1])
            case "depth":
                files[name] = Image.fromarray(np.rint(quantity * steps).clip(1, FARTHEST_STEP).astype(np.uint16))
                views.append(paint_depth(quantity))
                files[f"{name}-view"] = Image.fromarray(views[-1])
            case "directions":
                views.append(paint_directions(quantity))
                files[name] = Image.fromarray(np.rint((quantity + 1) * 127.5).astype(np.uint8))
                files[f"{name}-view"] = Image.fromarray(views[-1])
    files["side-by-side"] = Image.fromarray(np.concatenate(views, axis=1))
    return files


def name_pictures(images: Iterable[Path], out: Path) -> dict[str, Path]:
    """Return the pictures by the names of their predictions: their paths below the folder that they share.

    Pictures that differ in nothing but the suffix keep it. What lies in ``out`` is not taken from a folder.
    Raises ``ValueError`` for a path that does not exist, or when there is no picture.
    """
    files: dict[Path, None] = {}  # in the order of their naming, each once
    for path in images:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            files |= dict.fromkeys(p.resolve() for p in inside if out.resolve() not in p.resolve().parents)
        elif path.exists():
            files[path.resolve()] = None
        else:
            raise ValueError(f"there is no picture or folder {path}")
    if not files:
        raise ValueError(f"there is no picture in {', '.join(map(str, images)) or 'an empty list'}; name some")
    shared = Path(os.path.commonpath([file.parent for file in files]))
    short = [file.relative_to(shared).with_suffix("").as_posix() for file in files]
    return {
        name if short.count(name) == 1 else file.relative_to(shared).as_posix(): file
        for name, file in zip(short, files, strict=True)
    }


def read_picture(path: Path) -> Rgb:
    """Read a picture of any mode as (H, W, 3) RGB, turned the way its camera was held.

    Raises ``ValueError`` that names the file when it is damaged or no picture.
    """
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip at 255
            image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
        elif image.mode == "F":
            raise ValueError("its pixels are floating-point numbers of unknown range; save it with 8 bits")
        elif image.mode == "P":
            image = image.convert("RGBA")
        return np.array(image.convert("RGB"))
    except Exception as error:  # Pillow raises anything from OSError to SyntaxError and struct.error here
        raise ValueError(f"{path} cannot be read as a picture: {error}") from error


def _about(tasks: Mapping[str, Task], steps: int) -> dict[str, Any]:
    """Return how to read the files of each task."""
    about: dict[str, Any] = {}
    for name, task in tasks.items():
        match task.kind:
            case "classes":
                about[name] = {"kind": task.kind, "classes": task.class_set.classes if task.class_set else ()}
            case "depth":
                farthest = FARTHEST_STEP / steps
                unit = {"unit": "metre" if task.in_known_scale else "unknown: proportional to metres within an image"}
                step = {"metres_per_step" if task.in_known_scale else "value_per_step": 1 / steps}
                about[name] = {"kind": task.kind, **unit, **step, "none": 0, "clipped_beyond": farthest}
            case "directions":
                axes = "OpenCV: x right, y down, z forward"
                about[name] = {"kind": task.kind, "vector": "rgb / 255 * 2 - 1", "axes": axes}
    return about


def _save(picture: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    picture.save(content, "PNG")
    atomic_write(path, content.getbuffer())
    return path
