"""The objects in a street, each built from one or more parts."""

from struct import Struct

import numpy as np
import numpy.typing as npt

from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.streets.classes import THINGS
from taskscape.streets.colors import Color
from taskscape.streets.dice import Dice

PART = np.dtype(
    [(name, np.float64) for name in (
        "solid", "object", "x", "y", "z", "half_x", "half_y", "half_z", "yaw", "pitch", "roll", "taper_x", "taper_z",
        "label", "texture", "red", "green", "blue", "red2", "green2", "blue2", "seed",
    )]
)  # fmt: skip
"""A solid in its object's frame: center and half sizes in meters, angles in radians, class and appearance."""

OBJECT = np.dtype([(name, np.float64) for name in ("x", "y", "z", "yaw", "pitch", "number")])
"""The pose of an object in the world, in meters and radians, and its number, which the sections of a train share."""

Point = tuple[float, float, float]

_pack_part, _pack_object = (Struct(f"{kind.itemsize // 8}d").pack for kind in (PART, OBJECT))


class Assembly:
    """Collects the parts of a street.

    Builders describe objects as (right, up, forward) relative to their position on the ground; only this class converts
    up to y down. Rows are packed into byte buffers, which become records without a copy. A street has a thousand parts,
    and appending them to an array of numbers would take several times as long.
    """

    def __init__(self, dice: Dice, shifted: bool = False, clothes: float = 1.0) -> None:
        self.dice = dice
        self.shifted = shifted
        """Whether objects have the styles and colors of the split ``shifted``."""
        self.clothes = clothes
        """Factor of the brightness of people's clothes."""
        self._parts = bytearray()
        self._objects = bytearray()
        self._current = -1.0
        self._number = -1.0
        self._label = 0.0

    def begin(self, label: int, at: Point, yaw: float = 0.0, pitch: float = 0.0, *, section: bool = False) -> None:
        """Begin an object of class ``label`` at the world point ``at`` (x, y, z), in meters.

        ``yaw`` turns it from forward to the right, ``pitch`` raises its nose (radians). ``section`` makes it a further
        section of the previous object, with the same instance.
        """
        self._number += not section
        self._objects += _pack_object(at[0], at[1], at[2], yaw, pitch, self._number)
        self._current += 1
        self._label = float(label)

    def add(
        self,
        solid: int,
        at: Point,
        half: Point,
        color: Color,
        texture: int = 0,
        *,
        yaw: float = 0.0,
        pitch: float = 0.0,
        roll: float = 0.0,
        taper: tuple[float, float] = (1.0, 1.0),
        second: Color = (0.0, 0.0, 0.0),
        label: int | None = None,
        seed: float | None = None,
    ) -> None:
        """Add a solid to the current object.

        ``at`` is its center as (right, up, forward) and ``half`` are its half sizes, in meters. ``taper`` is the ratio
        of its width and length at the top to those at the bottom. ``second`` is the texture's second color. ``seed`` is
        the seed of the texture, 0..1, by default random.
        """
        self._parts += _pack_part(
            solid, self._current, at[0], -at[1], at[2], half[0], half[1], half[2], yaw, pitch, roll, taper[0], taper[1],
            self._label if label is None else label, texture, color[0], color[1], color[2],
            second[0], second[1], second[2], self.dice.random() if seed is None else seed,
        )  # fmt: skip

    def relabel(self, label: int) -> int:
        """Set the class of the object's subsequent parts; return the previous class."""
        previous, self._label = self._label, float(label)
        return int(previous)

    def parts(self) -> npt.NDArray[np.void]:
        """Return the parts as records of ``PART``."""
        return np.frombuffer(self._parts, PART)

    def objects(self) -> npt.NDArray[np.void]:
        """Return the objects as records of ``OBJECT``."""
        return np.frombuffer(self._objects, OBJECT)

    def instances(self) -> npt.NDArray[np.int32]:
        """Return the instance of each part, (P,): 1, 2, … for things, 0 for the rest.

        A rider and the bicycle are different instances.
        """
        parts, objects = self.parts(), self.objects()
        label = parts["label"].astype(np.int64)
        object_number = objects["number"].astype(np.int64)[parts["object"].astype(np.int64)]
        is_thing = np.isin(label, THINGS)
        instances = np.zeros(len(parts), np.int32)
        instances[is_thing] = (
            1 + np.unique((object_number * len(CITYSCAPES_19) + label)[is_thing], return_inverse=True)[1]
        )
        return instances
