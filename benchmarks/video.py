"""How much does temporal smoothing of videos reduce flicker, and what does it cost?

Renders streets from a camera that turns (``pan``) or moves forward (``drive``), each frame with its own sensor noise.
The depth of every frame then gives exactly the pixels of successive frames that show the same point. Predicts the
frames with a network and smooths its outputs in several ways. Measures at corresponding points, and against labels:

- flicker: the fraction of points whose predicted class changes from one frame to the next;
- depth: the mean change of the logarithm of predicted over true depth, in percent;
- normals: the mean change of the predicted direction, in degrees, in world axes;
- accuracy: mIoU, absolute relative error of depth and mean angular error of single frames.

``plain`` is an exponential moving average without motion compensation, for comparison. Writes the figures as JSON, and
prints them as the table of ``docs/guide/video.md``.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskscape import load
from taskscape.files import atomic_write
from taskscape.inference import Predictor
from taskscape.inference.video import smoothing
from taskscape.inference.video.smoothing import Smoother
from taskscape.streets.camera import View, rotation
from taskscape.streets.scene import Scene, render_street, street
from video_tables import smoothing as smoothing_table

SIZE = (240, 320)
KINDS = ("pan", "drive")
TURN = math.radians(15)
"""Maximum angle of the camera to either side in a pan."""
ADVANCE = 0.4
"""Meters that the camera moves per frame: 10 m/s at 25 frames per second."""
SHAKE = math.radians(0.05)
"""Standard deviation of the noise on the camera's heading and elevation in each frame."""
SAME = 0.02
"""Relative difference of depth up to which a point counts as visible in both frames."""


@dataclass(frozen=True)
class Shot:
    """A frame with its labels, and the pose of the camera."""

    view: View
    scene: Scene


@dataclass(frozen=True)
class Pairs:
    """The pixel of the previous frame that shows the same point, for each pixel: (H, W) rows, columns and validity."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    valid: NDArray[np.bool_]


Raws = Mapping[str, Tensor]
Smoothing = Callable[[Sequence[Shot], Sequence[Raws]], list[Raws]]


def views(kind: str, start: View, frames: int) -> Iterator[View]:
    """Yield the pose of the camera in each frame."""
    rng = np.random.default_rng(0)
    forward = start.rotation[2]
    yaw, pitch = math.atan2(forward[0], forward[2]), -math.asin(forward[1])
    ahead = np.array([math.sin(yaw), 0.0, math.cos(yaw)])
    for number in range(frames):
        turned = TURN * math.sin(2 * math.pi * number / frames) if kind == "pan" else 0.0
        position = start.position + (ADVANCE * number * ahead if kind == "drive" else 0.0)
        shaken = SHAKE * rng.normal(size=2)
        yield start._replace(position=position, rotation=rotation(yaw + turned + shaken[0], pitch + shaken[1], 0.0))


def shots(kind: str, index: int, frames: int) -> list[Shot]:
    """Render a sequence of a validation street."""
    scene = street(0, "val", index, "photographs")
    sequence = []
    for number, view in enumerate(views(kind, scene.view, frames)):
        noisy = scene._replace(view=view, seed=(scene.seed + 1000 * number) % (2**31 - 1))  # textures stay the same
        sequence.append(Shot(view, render_street(noisy, SIZE, 4)))
    return sequence


def pairs(previous_shot: Shot, shot: Shot) -> Pairs:
    """Return the corresponding pixels of two frames, for points with the same class that are visible in both."""
    camera, depth = shot.scene.camera, shot.scene.depth.astype(np.float64)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    points = np.stack([(x - camera.cx) / camera.fx * depth, (y - camera.cy) / camera.fy * depth, depth], -1)
    previous_points = (
        points @ shot.view.rotation + shot.view.position - previous_shot.view.position
    ) @ previous_shot.view.rotation.T
    ahead = np.where(previous_points[..., 2] > 0.1, previous_points[..., 2], np.inf)
    columns = np.rint(previous_points[..., 0] / ahead * camera.fx + camera.cx)
    rows = np.rint(previous_points[..., 1] / ahead * camera.fy + camera.cy)
    valid = (depth > 0) & np.isfinite(ahead) & (rows >= 0) & (rows < SIZE[0]) & (columns >= 0) & (columns < SIZE[1])
    rows, columns = (np.where(valid, indices, 0).astype(np.intp) for indices in (rows, columns))
    valid &= np.abs(previous_shot.scene.depth[rows, columns] / ahead - 1) < SAME
    valid &= previous_shot.scene.semseg[rows, columns] == shot.scene.semseg
    return Pairs(rows, columns, valid)


def smoothed(predictor: Predictor, share: float) -> Smoothing:
    """Return the smoothing of ``taskscape predict --smooth``."""

    def smooth(sequence: Sequence[Shot], raws: Sequence[Raws]) -> list[Raws]:
        smoother = Smoother(predictor.model.tasks, share)
        return [smoother(shot.scene.image, raw) for shot, raw in zip(sequence, raws, strict=True)]

    return smooth


def plain(predictor: Predictor, share: float) -> Smoothing:
    """Return an exponential moving average without motion compensation."""

    def smooth(sequence: Sequence[Shot], raws: Sequence[Raws]) -> list[Raws]:
        blended, weight = [raws[0]], torch.tensor(share)
        for raw in raws[1:]:
            tasks = predictor.model.tasks
            blended.append({name: tasks[name].blend(blended[-1][name], raw[name], weight) for name in tasks})
        return blended

    return smooth


def measure(predictor: Predictor, sequence: Sequence[Shot], raws: Sequence[Raws]) -> dict[str, float]:
    """Return the figures of a sequence: flicker and errors."""
    predictions = [predictor.decode(s.scene.image, raw) for s, raw in zip(sequence, raws, strict=True)]
    changes: dict[str, list[float]] = {"flicker": [], "depth": [], "normals": []}
    shown = list(zip(sequence, predictions, strict=True))
    for (previous_shot, old_prediction), (shot, new_prediction) in pairwise(shown):
        matches = pairs(previous_shot, shot)
        old = {name: old_prediction[name][matches.rows, matches.columns][matches.valid] for name in old_prediction}
        previous_depth = previous_shot.scene.depth[matches.rows, matches.columns][matches.valid]
        new = {name: new_prediction[name][matches.valid] for name in new_prediction}
        changes["flicker"].append(100 * float((old["semseg"] != new["semseg"]).mean()))
        ratio = np.log(new["depth"] / shot.scene.depth[matches.valid]) - np.log(old["depth"] / previous_depth)
        changes["depth"].append(100 * float(np.abs(ratio).mean()))
        cosine = ((old["normals"] @ previous_shot.view.rotation) * (new["normals"] @ shot.view.rotation)).sum(-1)
        changes["normals"].append(float(np.degrees(np.arccos(cosine.clip(-1, 1))).mean()))
    figures = {name: float(np.mean(values)) for name, values in changes.items()}
    return figures | errors(predictor, shown)


def errors(predictor: Predictor, shown: Sequence[tuple[Shot, Mapping[str, Any]]]) -> dict[str, float]:
    """Return the metrics of all frames against their labels."""
    figures: dict[str, float] = {}
    for name, key in (("semseg", "pixel_accuracy"), ("semseg", "miou"), ("depth", "abs_rel"), ("normals", "mean")):
        metric = predictor.model.tasks[name].metrics()
        for shot, prediction in shown:
            label = torch.from_numpy(np.asarray(getattr(shot.scene, name)))
            valid = torch.ones(SIZE, dtype=torch.bool) if name == "semseg" else torch.from_numpy(shot.scene.depth > 0)
            predicted = torch.from_numpy(np.asarray(prediction[name]))
            label, predicted = (t.long() if name == "semseg" else t.float() for t in (label, predicted))
            if name == "depth":
                label, predicted = label[None], predicted[None]
            if name == "normals":
                label, predicted = label.movedim(-1, 0), predicted.movedim(-1, 0)
            metric.update(predicted[None], label[None], valid[None])
        figures[f"{name}/{key}"] = float(metric.compute()[key])
    return figures


def likeness(sequences: Sequence[Sequence[Shot]]) -> dict[str, list[float]]:
    """Return the factor on the share of the past, at each step of the sequences and at cuts between them."""
    grays = [
        [smoothing.brightness(shot.scene.image, torch.device("cpu")) for shot in sequence] for sequence in sequences
    ]
    steps = [float(smoothing.likeness(now, old)[0].mean()) for sequence in grays for old, now in pairwise(sequence)]
    firsts = [sequence[0] for sequence in grays]
    cuts = [
        float(smoothing.likeness(a, b)[0].mean()) for i, a in enumerate(firsts) for j, b in enumerate(firsts) if i != j
    ]
    return {"steps": sorted(steps), "cuts": sorted(cuts)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="taskscape/streets-small")
    parser.add_argument("--streets", type=int, nargs="+", default=[1, 5, 9], help="numbers of validation streets")
    parser.add_argument("--frames", type=int, default=24, help="frames of each sequence")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "video.json")
    arguments = parser.parse_args()
    predictor = load(arguments.model, device="cpu")
    ways = {"none": smoothed(predictor, 0.0), "plain 0.6": plain(predictor, 0.6)}
    ways |= {f"smooth {share}": smoothed(predictor, share) for share in (0.4, 0.6, 0.8)}
    results: dict[str, Any] = {"model": arguments.model, "streets": arguments.streets, "frames": arguments.frames}
    first: dict[int, list[Shot]] = {}
    for kind in KINDS:
        figures: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        seconds: dict[str, list[float]] = {"network": [], "smoothing": []}
        for index in arguments.streets:
            sequence = shots(kind, index, arguments.frames)
            first.setdefault(index, sequence)
            started = time.perf_counter()
            raws: list[Raws] = [predictor.raw_outputs(shot.scene.image) for shot in sequence]
            seconds["network"].append((time.perf_counter() - started) / len(sequence))
            for way, smooth in ways.items():
                started = time.perf_counter()
                outputs = smooth(sequence, raws)
                if way == "smooth 0.6":
                    seconds["smoothing"].append((time.perf_counter() - started) / len(sequence))
                figures[way].append(measure(predictor, sequence, outputs))
                print(kind, index, way, {k: round(v, 3) for k, v in figures[way][-1].items()}, flush=True)
        means = {way: {k: float(np.mean([f[k] for f in each])) for k in each[0]} for way, each in figures.items()}
        results[kind] = {"means": means, "seconds_a_frame": {k: float(np.median(v)) for k, v in seconds.items()}}
    results["likeness"] = likeness(list(first.values()))
    atomic_write(arguments.out, json.dumps(results, indent=1) + "\n")
    print(smoothing_table(results))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
