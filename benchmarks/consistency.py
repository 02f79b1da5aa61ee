"""Measure predictions for photographs of CamVid, which has no depth and normals, by properties that must hold.

- The road is a plane that faces up.
- The prediction for a mirror image is mirrored.
- In an enlarged image, everything seems nearer by the same factor.
"""

from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.data import Store
from taskscape.modalities import Semseg
from taskscape.runs import TrainedModel

ZOOM = 1.25
MAX_DEPTH = 100.0
"""Depth in meters beyond which predictions are not compared."""
MIN_PIXELS = 500
"""Number of pixels of road above which a plane is fitted to them."""
UP = torch.tensor([0.0, -1.0, 0.0])


class Maps(NamedTuple):
    """Predictions for one image: class ids (H, W), meters (H, W) and unit vectors (3, H, W), on the CPU."""

    semseg: Tensor
    depth: Tensor
    normals: Tensor


def consistency(model: TrainedModel, store: Store, size: tuple[int, int], every: int = 1) -> dict[str, float]:
    """Return the median of each measure over every so many photographs, scaled to ``size``."""
    semseg = store.fields["semseg"]
    assert isinstance(semseg, Semseg)
    road = semseg.classes.classes.index("road")
    by_image = []
    for index in range(0, len(store), every):
        batch = store.gather([index], ["semseg"], torch.device("cpu"))
        image = F.interpolate(batch.image, size, mode="bilinear", antialias=True)
        target = batch.targets["semseg"]
        ids, valid = (F.interpolate(values[None].float(), size)[0, 0] for values in (target.value, target.valid))
        maps = predict(model, image)
        mirrored = predict(model, image.flip(-1))
        enlarged = predict(model, F.interpolate(center(image), size, mode="bilinear"))
        is_road = (ids == road) & (valid > 0)
        by_image.append(of_road(maps, is_road) | of_mirror(maps, mirrored) | of_zoom(maps, enlarged))
    medians = {
        name: float(np.median([measures[name] for measures in by_image if name in measures]))
        for name in dict.fromkeys(chain(*by_image))
    }
    return {name: float(f"{median:.4g}") for name, median in medians.items()}


def predict(model: TrainedModel, image: Tensor) -> Maps:
    """Return the predictions for an image (1, 3, H, W)."""
    final = model.forward(image).final
    semseg, depth, normals = (model.tasks[name].decode(final[name]).cpu() for name in Maps._fields)
    return Maps(semseg[0], depth[0, 0], normals[0])


def of_road(maps: Maps, is_road: Tensor) -> dict[str, float]:
    """Compare the road with the best plane through it; nothing if there is hardly any road.

    On a plane, inverse depth is linear in the image. The measures are the median relative distance from the plane, the
    fraction of the variance of inverse depth that it explains, and the median angle between the normals and the
    vertical of the camera.
    """
    if is_road.sum() <= MIN_PIXELS:
        return {}
    y, x = torch.nonzero(is_road, as_tuple=True)
    inverse = (1 / maps.depth[is_road]).double().numpy()
    points = np.stack([x.numpy(), y.numpy(), np.ones(len(x))], 1)
    plane, *_ = np.linalg.lstsq(points / inverse[:, None], np.ones(len(x)), rcond=None)  # relative distances
    return {
        "road/relative_error": float(np.median(np.abs(points @ plane / inverse - 1))),
        "road/explained": float(1 - np.var(inverse - points @ plane) / np.var(inverse)),
        "road/from_vertical": float(angle(maps.normals[:, is_road], UP[:, None]).median()),
    }


def of_mirror(maps: Maps, mirrored: Maps) -> dict[str, float]:
    """Compare with the predictions for the mirror image: relative depth, normals in degrees, same classes in %."""
    semseg, depth, normals = (values.flip(-1) for values in mirrored)
    normals = normals * torch.tensor([-1.0, 1, 1])[:, None, None]
    near = maps.depth < MAX_DEPTH
    return {
        "mirror/depth": float(((depth - maps.depth).abs() / maps.depth)[near].median()),
        "mirror/normals": float(angle(normals, maps.normals)[near].median()),
        "mirror/classes": float(100 * (semseg == maps.semseg).float().mean()),
    }


def of_zoom(maps: Maps, enlarged: Maps) -> dict[str, float]:
    """Compare with the predictions for the enlarged center: relative depth, its ratio, same classes in %."""
    expected = center(maps.depth)
    depth = F.interpolate(enlarged.depth[None, None], expected.shape, mode="bilinear")[0, 0] * ZOOM
    semseg = F.interpolate(enlarged.semseg[None, None].float(), expected.shape)[0, 0]
    near = expected < MAX_DEPTH
    return {
        "zoom/depth": float(((depth - expected).abs() / expected)[near].median()),
        "zoom/scale": float((depth / expected)[near].median()),
        "zoom/classes": float(100 * (semseg == center(maps.semseg)).float().mean()),
    }


def center(maps: Tensor) -> Tensor:
    """Return the part of (..., H, W) maps that fills them when it is enlarged."""
    height, width = maps.shape[-2:]
    top, left = (round(side * (1 - 1 / ZOOM) / 2) for side in (height, width))
    return maps[..., top : height - top, left : width - left]


def angle(a: Tensor, b: Tensor) -> Tensor:
    """Return the angles between unit vectors along the first dimension, in degrees."""
    return torch.rad2deg((a * b).sum(0).clamp(-1, 1).acos())
