"""The random numbers of an augmentation: a function of (seed, step, sample)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from taskscape.devices import on_device

Floats = npt.NDArray[np.float64]


class Draws(NamedTuple):
    """Random numbers in [0, 1), (B,) each, one field per use. New fields go last, so that the others stay the same."""

    flip: Floats
    zoom_choice: Floats
    zoom: Floats
    rotation: Floats
    left: Floats
    top: Floats
    perspective_x: Floats
    perspective_y: Floats
    brightness: Floats
    contrast: Floats
    saturation: Floats
    hue: Floats
    distortion: Floats
    texture_fields: Floats
    texture_noise: Floats
    texture_mixing: Floats
    gamma: Floats
    red: Floats
    blue: Floats
    gradient: Floats
    gradient_angle: Floats
    shadow: Floats
    shadow_angle: Floats
    shadow_place: Floats
    shadow_width: Floats
    shadow_softness: Floats
    vignetting: Floats
    blur: Floats
    noise_field: Floats
    noise: Floats
    sharpening: Floats
    jpeg: Floats


def draw(seed: int, step: int, indices: Sequence[int] | npt.NDArray[np.int64]) -> Draws:
    """Return the random numbers of some samples, a function of (seed, step, index) only.

    ``step`` is any number that differs each time a sample comes again, such as the epoch.
    """
    # Philox is a function of (key, counter); the low words of the counter are left to count the draws of one sample.
    stream = np.random.Philox(key=[seed, 1])
    state, generator = stream.state, np.random.Generator(stream)
    numbers = np.empty((len(indices), len(Draws._fields)))
    for row, index in zip(numbers, indices, strict=True):
        state["state"]["counter"][:] = 0, 0, step, index
        stream.state = state
        generator.random(out=row)
    return Draws(*numbers.T)


def per_image(numbers: Floats, image: Tensor) -> Tensor:
    """Return numbers, (B,) or (B, C), as (B, C or 1, 1, 1) on the image's device and in its type."""
    tensor = on_device(np.asarray(numbers), image.device).to(image.dtype)
    return tensor.reshape(len(tensor), -1, 1, 1)


def signed(numbers: Floats) -> Floats:
    """Return numbers in [0, 1) mapped to [-1, 1)."""
    return 2 * numbers - 1


def gaussian(numbers: Floats, shape: Sequence[int], device: torch.device) -> Tensor:
    """Return standard normal noise, (B, *shape) float32, for each image a function of its number in [0, 1).

    The noise differs between types of devices.
    """
    fields = torch.empty(len(numbers), *shape, device=device)
    for field, number in zip(fields, numbers, strict=True):
        field.normal_(generator=torch.Generator(device).manual_seed(int(number * 2**53)))
    return fields
