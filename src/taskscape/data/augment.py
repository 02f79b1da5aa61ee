"""Augmentation of whole batches on the device: image, labels and masks together, in one resampling pass.

Every geometric step is a motion of camera space, p → M p, with M one 3×3 matrix per sample:

- a flip mirrors x;
- a rotation about the optical axis turns x and y;
- a zoom by s divides z by s. A pixel lies at f·x/z from the centre, so this is the scene that the same camera would
  have to see to take the zoomed picture: depth divides by s. Surface normals go with the inverse transpose of M:
  (x, y, s·z), brought back to unit length.

- a perspective step by (a, b) adds a·x + b·y to z, as if the picture were turned away at one side. Depth follows per
  pixel and does not depend on the focal length; normals do, and one image width is assumed.

M is also the homography that moves the picture about the centre of a window, and where the window lies in the source
only shifts the principal point, which changes neither depth nor normals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.batch import Batch, Target
from taskscape.modalities.fields import FIELDS, linear

Floats = npt.NDArray[np.float64]

_LUMA = np.array([0.299, 0.587, 0.114])


def draws(seed: int, step: int, indices: Sequence[int] | npt.NDArray[np.int64]) -> Floats:
    """Return (B, 16) random numbers in [0, 1), a function of (seed, step, index) and of nothing else.

    ``step`` is any number that is different whenever a sample returns, such as the epoch.
    """
    # Philox is a function of (key, counter); a counter's low words are left to count the draws of one sample.
    streams = (np.random.Philox(key=[seed, 1], counter=[0, 0, step, int(index)]) for index in indices)
    return np.array([np.random.Generator(stream).random(16) for stream in streams]).reshape(-1, 16)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training batch. What is left at its default does nothing."""

    flip: bool = False
    """Mirror every other image left to right."""
    scales: tuple[float, ...] = (1.0,)
    """Zoom factors of which each image gets one, such as 1 1.2 1.5; a zoomed image is cropped at a random place."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Smallest and largest of a continuous zoom factor, evenly drawn in logarithms, on top of ``scales``."""
    crop: tuple[int, int] | None = None
    """Height and width of what is cut out of the zoomed image; by default the size of the image."""
    rotation: float = 0.0
    """Largest rotation about the optical axis either way, in degrees."""
    perspective: float = 0.0
    """Largest perspective either way, along each axis: by so much are things at an edge larger than in the middle, and
    smaller at the opposite edge; below 0.5."""
    brightness: float = 0.0
    """Brightness is multiplied by a factor in 1 ± this."""
    contrast: float = 0.0
    """Contrast about the image's mean grey is multiplied by a factor in 1 ± this."""
    saturation: float = 0.0
    """Saturation is multiplied by a factor in 1 ± this."""
    hue: float = 0.0
    """Hue turns by up to this fraction of the colour circle either way, 0 … 0.5."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        if not self.scales or not min(self.scales) > 0:
            raise ValueError(f"augmentation.scales is {self.scales}: give one or more positive zoom factors")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"augmentation.scale is {self.scale}: it must be 0 < smallest <= largest")
        if self.crop is not None and min(self.crop) < 1:
            raise ValueError(f"augmentation.crop is {self.crop}: height and width must be positive")
        limits = {
            "rotation": 180.0,
            "perspective": 0.49,
            "brightness": 1.0,
            "contrast": 1.0,
            "saturation": 1.0,
            "hue": 0.5,
        }
        for name, limit in limits.items():
            if not 0 <= getattr(self, name) <= limit:
                raise ValueError(f"augmentation.{name} is {getattr(self, name)}: it must lie in 0 … {limit:g}")

    def __call__(self, batch: Batch, draws: Floats) -> Batch:
        """Return the batch changed by one row of ``draws`` per sample; each use has columns of its own.

        Images are sampled bilinearly; labels take the nearest pixel, so that nothing is mixed across edges. What comes
        from outside the frame is black and not valid.
        """
        if self.crop or self.rotation or self.perspective or {*self.scales, *self.scale} != {1.0}:
            batch = self._moved(batch, draws)
        elif self.flip:
            batch = self._flipped(batch, draws)
        if self.brightness or self.contrast or self.saturation or self.hue:
            batch = batch._replace(image=self._recoloured(batch.image, draws))
        return batch

    def _mirror(self, draws: Floats) -> Floats:
        """Return -1 for images to be flipped, else 1."""
        return np.where(self.flip & (draws[:, 0] < 0.5), -1.0, 1.0)

    def _flipped(self, batch: Batch, draws: Floats) -> Batch:
        """Flip without resampling."""
        mirror = torch.as_tensor(self._mirror(draws), dtype=torch.float32).to(batch.image.device)
        unmoved = torch.ones_like(mirror)
        points = torch.diag_embed(torch.stack([mirror, unmoved, unmoved], 1))
        unmoved = unmoved.view(-1, 1, 1, 1)

        def flipped(x: Tensor) -> Tensor:
            return torch.where(mirror.view(-1, *[1] * (x.ndim - 1)) < 0, x.flip(-1), x)

        targets = {
            task: Target(FIELDS[task].moved(flipped(target.value), points, unmoved), flipped(target.valid))
            for task, target in batch.targets.items()
        }
        return batch._replace(image=flipped(batch.image), targets=targets)

    def _matrices(self, draws: Floats, size: tuple[int, int], crop: tuple[int, int]) -> tuple[Floats, Floats]:
        """Return M, (B, 3, 3), and the homography from output to source pixels, (B, 3, 3), (0, 0) a pixel's centre.

        The third component of the homography is the factor by which a pixel's depth is divided.
        """
        choice = np.array(self.scales)[(draws[:, 1] * len(self.scales)).astype(int)]
        smallest, largest = self.scale
        zoom = choice * smallest * (largest / smallest) ** draws[:, 2]
        angle = np.deg2rad(self.rotation) * (2 * draws[:, 3] - 1)
        mirror = self._mirror(draws)
        points = np.zeros((len(draws), 3, 3))
        points[:, 0, 0], points[:, 0, 1] = mirror * np.cos(angle), -np.sin(angle)
        points[:, 1, 0], points[:, 1, 1] = mirror * np.sin(angle), np.cos(angle)
        points[:, 2, 2] = 1 / zoom
        # First with x and y in pixels from the centre. The middle of the picture stays, and so does its depth.
        length = np.array([crop[1], crop[0]]) / zoom[:, None] / 2
        points[:, 2, :2] = self.perspective * (2 * draws[:, 6:8] - 1) / length / zoom[:, None]

        to_centre = np.eye(3)
        to_centre[:2, 2] = (1 - crop[1]) / 2, (1 - crop[0]) / 2
        to_source = np.tile(np.eye(3), (len(draws), 1, 1))
        for row, (length, window, draw) in enumerate(
            ((size[1], crop[1] / zoom, draws[:, 4]), (size[0], crop[0] / zoom, draws[:, 5]))
        ):
            # The window starts between two pixels, so that without zoom and rotation nothing is interpolated.
            start = np.rint(draw * (length - window))
            to_source[:, row, 2] = start + (window - 1) / 2
        sampling = to_source @ np.linalg.inv(points) @ to_centre
        points[:, 2, :2] *= size[1]  # the focal length that is assumed
        return points, sampling

    def _moved(self, batch: Batch, draws: Floats) -> Batch:
        """Resample everything once."""
        height, width = batch.image.shape[-2:]
        rows, columns = self.crop or (height, width)
        # Worked out in double precision on the host: two small matrices per sample cross to the device.
        points, sampling = (
            torch.from_numpy(matrix).float().to(batch.image.device)
            for matrix in self._matrices(draws, (height, width), (rows, columns))
        )
        y, x = torch.meshgrid(
            torch.arange(rows, device=points.device, dtype=torch.float32),
            torch.arange(columns, device=points.device, dtype=torch.float32),
            indexing="ij",
        )
        pixels = torch.stack([x, y, torch.ones_like(x)]).unsqueeze(0)
        x, y, w = linear(sampling, pixels).flatten(2).unbind(1)
        w = w.clamp_min(1e-3)  # what a strong perspective puts behind the camera lies far outside
        x, y, nearer = x / w, y / w, w.view(-1, 1, rows, columns)
        column, row = x.round().long(), y.round().long()
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        nearest = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)  # (B, rows · columns)

        def gathered(value: Tensor) -> Tensor:
            channels = value.reshape(len(value), -1, height * width)
            index = nearest.unsqueeze(1).expand(-1, channels.shape[1], -1)
            return channels.gather(2, index).view(*value.shape[:-2], rows, columns)

        targets = {
            task: Target(
                FIELDS[task].moved(gathered(target.value), points, nearer),
                gathered(target.valid) & inside.view(-1, rows, columns),
            )
            for task, target in batch.targets.items()
        }
        grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1).view(-1, rows, columns, 2)
        # Padding with the border, then blackening, keeps the outermost half pixel from fading to black.
        image = F.grid_sample(batch.image, grid, padding_mode="border", align_corners=False)
        return batch._replace(image=image * inside.view(-1, 1, rows, columns), targets=targets)

    def _recoloured(self, image: Tensor, draws: Floats) -> Tensor:
        """Change the colours: one affine map of RGB per image, clamped to 0..1 once, at its end."""

        def factor(amount: float, column: int) -> Floats:
            return 1 + amount * (2 * draws[:, column, None, None] - 1)

        brightness, contrast = factor(self.brightness, 8), factor(self.contrast, 9)
        grey = np.tile(_LUMA, (3, 1))
        saturation = factor(self.saturation, 10)
        saturated = saturation * np.eye(3) + (1 - saturation) * grey
        # A hue turns the two axes of colour of YIQ; greys stay.
        angle = 2 * np.pi * self.hue * (2 * draws[:, 11] - 1)
        to_yiq = np.array([_LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
        turn = np.tile(np.eye(3), (len(draws), 1, 1))
        turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
        turn[:, 1, 2], turn[:, 2, 1] = -np.sin(angle), np.sin(angle)
        mixing = np.linalg.inv(to_yiq) @ turn @ to_yiq @ saturated * brightness * contrast
        # Contrast keeps the mean grey where it is; neither saturation nor hue changes a grey.
        offset = (1 - contrast) * brightness * grey
        colours, means = (torch.from_numpy(matrix).float().to(image.device) for matrix in (mixing, offset))
        image = image.contiguous()  # four times as fast as with the channels last
        return linear(colours, image).add_(linear(means, image.mean((2, 3), keepdim=True))).clamp_(0, 1)
