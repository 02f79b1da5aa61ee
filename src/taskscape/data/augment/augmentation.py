"""Augmentation: camera motions of image and labels in one resampling pass, and changes of the image alone.

Every geometric step is a motion of camera space, p → M p, with one 3×3 matrix M per sample:

- a flip negates x;
- a rotation about the optical axis rotates x and y;
- a zoom by s divides z by s. A pixel lies at f·x/z from the center, so the zoomed image is what the same camera would
  take of the transformed scene: depth is divided by s. Surface normals transform with the inverse transpose of M,
  (x, y, s·z), normalized to unit length;
- a perspective step by (a, b) adds a·x + b·y to z, as if one side of the image were turned away. Depth changes per
  pixel, independently of the focal length; normals depend on it, and a focal length of one image width is assumed.

M is also the homography that moves the image about the center of a window. The position of the window in the source
only shifts the principal point, which changes neither depth nor normals. A label's modality transforms its values
(``Modality.warp``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.batch import Batch, Target
from taskscape.data.augment.draws import Draws, Floats
from taskscape.data.augment.lens import Lens
from taskscape.data.augment.light import Light
from taskscape.data.augment.sensor import Sensor
from taskscape.data.augment.texture import Texture
from taskscape.data.stored import StoredBatch
from taskscape.devices import constant, on_device
from taskscape.modalities import Modality
from taskscape.modalities.linear import apply_matrix, move_points
from taskscape.modalities.rgb import in_unit_range
from taskscape.serialization.ranges import Count, Fraction, Positive, Range, RangedSettings

_LUMA = np.array([0.299, 0.587, 0.114])
_TO_YIQ = np.array([_LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


@dataclass(frozen=True)
class Augmentation(RangedSettings):
    """Random augmentation of training batches. By default, every change is off."""

    flip: bool = False
    """Flip horizontally with probability 0.5."""
    scale_choices: tuple[Positive, ...] = (1.0,)
    """Zoom factors, such as 1 1.2 1.5; each image gets one at random. A zoomed image is cropped at a random place."""
    scale_range: tuple[Positive, Positive] = (1.0, 1.0)
    """Smallest and largest value of a log-uniform zoom factor, on top of ``scale_choices``."""
    crop: tuple[Count, Count] | None = None
    """Height and width of the crop of the zoomed image; by default the size of the image."""
    rotation: Annotated[float, Range(least=0, most=180)] = 0.0
    """Maximum rotation about the optical axis in either direction, in degrees."""
    perspective: Annotated[float, Range(least=0, most=0.49)] = 0.0
    """Maximum relative magnification at an image edge, along each axis; the opposite edge shrinks. Below 0.5."""
    brightness: Fraction = 0.0
    """Brightness is multiplied by a factor in 1 ± this."""
    contrast: Fraction = 0.0
    """Contrast about the image's mean gray is multiplied by a factor in 1 ± this."""
    saturation: Fraction = 0.0
    """Saturation is multiplied by a factor in 1 ± this."""
    hue: Annotated[float, Range(least=0, most=0.5)] = 0.0
    """Maximum hue rotation in either direction, as a fraction of the color circle, 0 … 0.5."""
    texture: Texture = field(default_factory=Texture)
    """Texture of surfaces: for networks trained on generated images."""
    light: Light = field(default_factory=Light)
    """Mid-tone exposure, white balance, shadows."""
    lens: Lens = field(default_factory=Lens)
    """Distortion (also of labels), vignetting, blur."""
    sensor: Sensor = field(default_factory=Sensor)
    """Noise, sharpening, compression."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        if not self.scale_choices:
            raise ValueError("augmentation.scale_choices is (): give one or more zoom factors")
        if not self.scale_range[0] <= self.scale_range[1]:
            raise ValueError(f"augmentation.scale_range is {self.scale_range}: the smallest comes first")

    def __call__(self, batch: Batch | StoredBatch, draws: Draws, modalities: Mapping[str, Modality]) -> Batch:
        """Return the batch augmented with ``draws``; ``modalities`` holds the modality of each label, by name.

        Images are sampled bilinearly; labels take the nearest pixel, so that nothing is mixed across edges. Pixels from
        outside the source image are black, and their labels invalid. Raises ``ValueError`` for images of integers in a
        ``Batch``, except if they are only flipped.
        """
        if isinstance(batch, Batch) and not batch.image.is_floating_point() and self != Augmentation(flip=self.flip):
            raise ValueError(f"the image is {batch.image.dtype}: give floating-point numbers in 0..1, image / 255")
        zooms = any(factor != 1.0 for factor in (*self.scale_choices, *self.scale_range))
        if self.crop or self.rotation or self.perspective or self.lens.distortion or zooms:
            batch = self._resampled(batch, draws, modalities)
        else:
            batch = batch.unpack(modalities) if isinstance(batch, StoredBatch) else batch
            batch = self._flipped(batch, draws, modalities) if self.flip else batch
        image = self.light(self.texture(batch.image, draws), draws)
        if self.brightness or self.contrast or self.saturation or self.hue:
            image = self._recolored(image, draws)
        image = self.sensor(self.lens(image, draws), draws)
        return batch if image is batch.image else batch._replace(image=image)

    def mirrored(self, draws: Draws) -> npt.NDArray[np.bool_]:
        """Return which images are flipped, (B,)."""
        flipped: npt.NDArray[np.bool_] = self.flip & (draws.flip < 0.5)
        return flipped

    def _signs(self, draws: Draws) -> Floats:
        """Return -1 for images to be flipped, else 1."""
        return np.where(self.mirrored(draws), -1.0, 1.0)

    def zoom(self, draws: Draws) -> Floats:
        """Return the zoom factor of each image, (B,)."""
        choice = np.array(self.scale_choices)[(draws.zoom_choice * len(self.scale_choices)).astype(int)]
        smallest, largest = self.scale_range
        zoom: Floats = choice * smallest * (largest / smallest) ** draws.zoom
        return zoom

    def outside(self, size: tuple[int, int]) -> float:
        """Return the fraction of a crop that lies outside an image of this size, (H, W), even at maximum zoom."""
        zoom = max(self.scale_choices) * self.scale_range[1]
        crop = self.crop or size
        return 1 - float(
            np.prod([min(1.0, zoom * length / crop_length) for length, crop_length in zip(size, crop, strict=True)])
        )

    # -- geometry ------------------------------------------------------------------------------------------------------

    def _flipped(self, batch: Batch, draws: Draws, modalities: Mapping[str, Modality]) -> Batch:
        """Flip without resampling."""
        signs = on_device(self._signs(draws).astype(np.float32), batch.image.device)
        ones = torch.ones_like(signs)
        motion = torch.diag_embed(torch.stack([signs, ones, ones], 1))

        def flip(x: Tensor) -> Tensor:
            return torch.where(signs.view(-1, *[1] * (x.ndim - 1)) < 0, x.flip(-1), x)

        targets = {
            name: Target(modalities[name].warp(flip(value), motion, ones.view(-1, 1, 1, 1)), flip(valid))
            for name, (value, valid) in batch.targets.items()
        }
        return batch._replace(image=flip(batch.image), targets=targets)

    def _resampled(self, batch: Batch | StoredBatch, draws: Draws, modalities: Mapping[str, Modality]) -> Batch:
        """Resample images and labels once, with all motions combined."""
        height, width = batch.image.shape[-2:]
        motion, source_pixels, depth_ratio = self._source_pixels(batch.image, draws)
        crop = source_pixels.shape[-2:]
        nearest = [axis.round() for axis in source_pixels.unbind(1)]
        column, row = (pixel.clamp(0, length - 1) for pixel, length in zip(nearest, (width, height), strict=True))
        # In-place float comparisons are as fast as a sum in torch; comparisons with boolean results take five times
        # as long.
        inside = nearest[0].eq_(column).mul_(nearest[1].eq_(row))
        inside_mask = inside.bool()
        column, row = column.int(), row.int()  # much faster than 64 bits
        index = torch.add(column, row, alpha=width).long().flatten(1).unsqueeze(1)

        def take(value: Tensor) -> Tensor:
            channels = value.reshape(len(value), -1, height * width)
            return channels.gather(2, index.expand(-1, channels.shape[1], -1)).view(*value.shape[:-2], *crop)

        def take_stored(stored: Tensor) -> Tensor:
            """Return resampled labels, (B, H, W) + shape."""
            channels = stored.view(len(stored), height, width, -1).movedim(3, 1)
            return take(channels).movedim(1, 3).view(-1, *crop, *stored.shape[3:])

        if isinstance(batch, StoredBatch):
            resampled = {name: modalities[name].unpack(take_stored(stored)) for name, stored in batch.labels.items()}
        else:
            resampled = {name: Target(take(value), take(valid)) for name, (value, valid) in batch.targets.items()}
        targets = {
            name: Target(modalities[name].warp(value, motion, depth_ratio), valid.logical_and(inside_mask))
            for name, (value, valid) in resampled.items()
        }
        to_floats = in_unit_range if isinstance(batch, StoredBatch) else Tensor.clone
        return Batch(_sampled(batch.image, source_pixels, inside, to_floats), targets, batch.indices)

    def _source_pixels(self, image: Tensor, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Return M, (B, 3, 3), and for each pixel of the crop its source, (B, 2, H, W), column and row, and the factor
        by which its depth is divided, (B, 1, H, W) or (B, 1, 1, 1).
        """
        height, width = image.shape[-2:]
        crop = self.crop or (height, width)
        # Computed in double precision on the host: only a few numbers per sample are copied to the device, together.
        motion = self._camera_motion(draws, crop)
        homography = self._pixel_homography(draws, motion, (height, width), crop)
        motion[:, 2, :2] *= width  # the assumed focal length
        matrices = on_device(np.concatenate([motion, homography], 1).astype(np.float32), image.device)
        motion_b33, to_source, to_depth = matrices.split((3, 2, 1), 1)
        pixels = _pixels(crop, image.device)
        if self.lens.distortion:
            pixels = self.lens.bend(pixels, draws)
        # Without perspective, the ratio is the same for all pixels of an image.
        depth_ratio = move_points(to_depth, pixels) if self.perspective else to_depth[:, :, 2:, None]
        depth_ratio = depth_ratio.clamp_min(1e-3)  # points behind the camera lie far outside
        return motion_b33, move_points(to_source, pixels).div_(depth_ratio), depth_ratio

    def _camera_motion(self, draws: Draws, crop: tuple[int, int]) -> Floats:
        """Return M, (B, 3, 3), for a focal length of one pixel: x/z is in pixels from the center."""
        zoom, signs = self.zoom(draws), self._signs(draws)
        angle = np.deg2rad(self.rotation) * (2 * draws.rotation - 1)
        motion = np.zeros((len(zoom), 3, 3))
        motion[:, 0, 0], motion[:, 0, 1] = signs * np.cos(angle), -np.sin(angle)
        motion[:, 1, 0], motion[:, 1, 1] = signs * np.sin(angle), np.cos(angle)
        motion[:, 2, 2] = 1 / zoom
        # The center of the image stays in place and keeps its depth.
        half_width, half_height = crop[1] / zoom / 2, crop[0] / zoom / 2
        motion[:, 2, 0] = self.perspective * (2 * draws.perspective_x - 1) / half_width / zoom
        motion[:, 2, 1] = self.perspective * (2 * draws.perspective_y - 1) / half_height / zoom
        return motion

    def _pixel_homography(self, draws: Draws, motion: Floats, size: tuple[int, int], crop: tuple[int, int]) -> Floats:
        """Return the homography from output to source pixels, (B, 3, 3); (0, 0) is the center of the first pixel.

        Its third component is the factor by which a pixel's depth is divided.
        """
        zoom = self.zoom(draws)
        to_center = np.eye(3)
        to_center[:2, 2] = (1 - crop[1]) / 2, (1 - crop[0]) / 2
        to_source = np.tile(np.eye(3), (len(zoom), 1, 1))
        to_source[:, 0, 2] = _window_center(size[1], crop[1] / zoom, draws.left)
        to_source[:, 1, 2] = _window_center(size[0], crop[0] / zoom, draws.top)
        homography: Floats = to_source @ np.linalg.inv(motion) @ to_center
        return homography

    # -- color ---------------------------------------------------------------------------------------------------------

    def _recolored(self, image: Tensor, draws: Draws) -> Tensor:
        """Change the colors by one affine map of RGB per image; clamp the result to 0..1 once."""
        brightness = _factor(self.brightness, draws.brightness)
        contrast = _factor(self.contrast, draws.contrast)
        saturation = _factor(self.saturation, draws.saturation)
        gray = np.tile(_LUMA, (3, 1))
        saturated = saturation * np.eye(3) + (1 - saturation) * gray
        # A hue change rotates the two chroma axes of YIQ; grays stay the same.
        angle = 2 * np.pi * self.hue * (2 * draws.hue - 1)
        turn = np.tile(np.eye(3), (len(angle), 1, 1))
        turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
        turn[:, 1, 2], turn[:, 2, 1] = -np.sin(angle), np.sin(angle)
        mixing = _FROM_YIQ @ turn @ _TO_YIQ @ saturated * brightness * contrast
        # Contrast keeps the mean gray; neither saturation nor hue changes a gray.
        offset = (1 - contrast) * brightness * gray
        colors, means = on_device(np.stack([mixing, offset]).astype(np.float32), image.device)
        image = image.contiguous()  # four times as fast as channels-last
        return apply_matrix(colors, image).add_(apply_matrix(means, image.mean((2, 3), keepdim=True))).clamp_(0, 1)


def _sampled(image: Tensor, pixels: Tensor, inside: Tensor, to_floats: Callable[[Tensor], Tensor]) -> Tensor:
    """Return images sampled bilinearly at ``pixels``, (B, 2, H, W), which are overwritten; black where not ``inside``.

    ``to_floats`` converts images to new ones of floats.
    """
    half_size = constant((image.shape[-1] / 2, image.shape[-2] / 2), pixels).view(1, 2, 1, 1)
    grid = pixels.add_(0.5).div_(half_size).sub_(1).movedim(1, 3)  # -1 … 1 from edge to edge
    result = pixels.new_empty(len(pixels), image.shape[1], *pixels.shape[-2:])
    # On a CPU, one image at a time while its copy is still in the cache: twice as fast.
    num_parts = len(image) if image.device.type == "cpu" else 1
    for source, positions, inside_part, out in zip(
        *(x.chunk(num_parts) for x in (image, grid, inside.unsqueeze(1), result)), strict=True
    ):
        # Padding with the border, then blackening, keeps the outermost half pixel from fading to black.
        sampled = F.grid_sample(to_floats(source), positions, padding_mode="border", align_corners=False)
        torch.mul(sampled, inside_part, out=out)
    return result


def _window_center(length: int, window: Floats, draw: Floats) -> Floats:
    """Return the center of a randomly placed window along an axis, in source pixels."""
    # The window starts between two pixels, so that without zoom and rotation nothing is interpolated.
    start = np.rint(draw * (length - window))
    center: Floats = start + (window - 1) / 2
    return center


def _pixels(size: tuple[int, int], device: torch.device) -> Tensor:
    """Return column and row of the pixels of an image, (1, 2, H, W)."""
    row, column = (torch.arange(length, dtype=torch.float32, device=device) for length in size)
    return torch.stack([column.expand(size), row.unsqueeze(1).expand(size)]).unsqueeze(0)


def _factor(amount: float, draw: Floats) -> Floats:
    """Return factors in 1 ± amount, (B, 1, 1)."""
    return 1 + amount * (2 * draw[:, None, None] - 1)
