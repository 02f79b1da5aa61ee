"""The label fields of a packed store: how each quantity is kept, and what becomes of it when the picture moves.

This is the one place that knows sentinels: ``pack`` writes them, ``unpack`` turns them into a mask.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from taskscape.batch import Target
from taskscape.modalities.class_sets import VOID, ClassSet

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class Field(ABC):
    """One quantity per pixel."""

    dtype: ClassVar[str]
    """Of the stored array."""
    shape: ClassVar[tuple[int, ...]] = ()
    """What follows (N, H, W) in the stored array."""
    unit: ClassVar[str]
    sentinel: ClassVar[int]
    """The stored value of pixels without a label."""

    def pack(self, label: Array, valid: Mask, classes: ClassSet | None) -> Array:
        """Return the stored form, (H, W) + ``shape``, of one label.

        Raises ``ValueError`` where shapes disagree or a valid pixel holds something that cannot be.
        """
        if label.shape != valid.shape + self.shape:
            expected = valid.shape + self.shape
            raise ValueError(f"the label has shape {label.shape}, its image asks for {expected}: resize one of them")
        self.check(label[valid], classes)
        stored = np.full(label.shape, self.sentinel, self.dtype)
        stored[valid] = self.stored(label[valid])
        return stored

    @abstractmethod
    def check(self, label: Array, classes: ClassSet | None) -> None:
        """Raise ``ValueError`` unless the labels of the valid pixels, (pixels,) + ``shape``, are possible."""

    def stored(self, label: Array) -> Array:
        """Return the stored form of checked labels."""
        return label

    @abstractmethod
    def unpack(self, stored: Tensor) -> Target:
        """Turn stored labels (B, H, W) + ``shape`` into values and their mask."""

    def moved(self, value: Tensor, points: Tensor, nearer: Tensor) -> Tensor:
        """Return what ``value`` becomes when every point p of camera space moves to ``points`` @ p.

        ``points`` is (B, 3, 3); ``nearer``, (B, 1, H, W) or (B, 1, 1, 1), is what this divides each pixel's depth by.
        """
        return value


class ClassIds(Field):
    """Class ids, (H, W)."""

    dtype = "uint8"
    unit = "class id"
    sentinel = VOID

    def check(self, label: Array, classes: ClassSet | None) -> None:
        """Refuse ids outside the class set."""
        if classes is None:
            raise ValueError("the store has no class set: give the writer one")
        outside = np.setdiff1d(label, np.arange(len(classes)))
        if len(outside):
            raise ValueError(
                f"ids {outside[:5].tolist()} are outside class set {classes.name!r} (0 … {len(classes) - 1}): "
                "mark such pixels as not valid, or use the class set they belong to"
            )

    def unpack(self, stored: Tensor) -> Target:
        """Return (B, H, W) int64 ids, 0 where there is none."""
        valid = stored != VOID
        return Target(stored.long() * valid, valid)

    @staticmethod
    def relabelled(target: Target, table: Tensor) -> Target:
        """Return the target with its ids sent through a (256,) int64 table, in which VOID means no class."""
        ids = table.take(target.value)
        valid = target.valid & (ids != VOID)
        return Target(ids * valid, valid)


class Metres(Field):
    """Depth along the optical axis, (H, W)."""

    # Half precision would round by up to 0.05 % and overflow at 65 km, which raw disparities reach.
    dtype = "float32"
    unit = "metre"
    sentinel = 0

    def check(self, label: Array, classes: ClassSet | None) -> None:
        """Refuse depth that is not positive and finite."""
        if not np.all((label > 0) & (label < np.inf)):
            raise ValueError("a valid depth is not a positive, finite number of metres: mark such pixels as not valid")

    def unpack(self, stored: Tensor) -> Target:
        """Return (B, 1, H, W) float32 metres."""
        return Target(stored.unsqueeze(1), stored > 0)

    def moved(self, value: Tensor, points: Tensor, nearer: Tensor) -> Tensor:
        """Divide the metres."""
        return value / nearer


class Directions(Field):
    """Unit vectors in camera axes, (H, W, 3); kept in 127ths, which turns them by 0.4° at most."""

    dtype = "int8"
    shape = (3,)
    unit = "1/127"
    sentinel = 0

    def check(self, label: Array, classes: ClassSet | None) -> None:
        """Refuse vectors that are not of unit length."""
        length = np.linalg.norm(label.astype(np.float32), axis=-1)
        if not np.all(np.abs(length - 1) < 0.01):
            raise ValueError("a valid normal is not of unit length: normalise it, or mark the pixel as not valid")

    def stored(self, label: Array) -> Array:
        """Return 127ths."""
        return np.rint(label.astype(np.float32) * 127)

    def unpack(self, stored: Tensor) -> Target:
        """Return (B, 3, H, W) float32 unit vectors, zero where there is none."""
        value = stored.permute(0, 3, 1, 2).contiguous().float()
        squares = _squares(value)
        return Target(value * squares.clamp_min(1).rsqrt_(), squares.squeeze(1) > 0)

    def moved(self, value: Tensor, points: Tensor, nearer: Tensor) -> Tensor:
        """Move the normals as a moved surface's: with the inverse transpose, back to unit length."""
        turned = linear(torch.linalg.inv(points).mT, value)
        return turned * _squares(turned).clamp_min_(1e-12).rsqrt_()


def linear(matrix: Tensor, x: Tensor) -> Tensor:
    """Return the (B, 3, 3) matrices applied to the three channels of (B, 3, H, W).

    Not as a matrix product, which a GPU may round to ten bits and autocast to eight.
    """
    m = matrix[..., None, None]
    mixed = torch.addcmul(m[:, :, 0] * x[:, 0:1], m[:, :, 1], x[:, 1:2])
    return torch.addcmul(mixed, m[:, :, 2], x[:, 2:3])


def _squares(x: Tensor) -> Tensor:
    """Return the squared length over three channels, (B, 1, H, W); a hundred times as fast as ``x.norm`` on a CPU."""
    return x[:, 0:1].square() + x[:, 1:2].square() + x[:, 2:3].square()


FIELDS: dict[str, Field] = {"semseg": ClassIds(), "depth": Metres(), "normals": Directions()}
"""The label fields by task name."""
