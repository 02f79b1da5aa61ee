"""Estimate the motion of each pixel between two frames.

Phase correlation estimates the shift of the whole frame, such as that of a panning camera. Dense pyramidal Lucas-Kanade
then refines it to the motion of each pixel.

Papers: Kuglin and Hines, "The Phase Correlation Image Alignment Method" (1975); Lucas and Kanade, "An Iterative Image
Registration Technique with an Application to Stereo Vision" (IJCAI 1981); Bouguet, "Pyramidal Implementation of the
Lucas Kanade Feature Tracker" (2001).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 3
"""Levels of the pyramid; each is half the size of the previous one."""
STEPS = 2
"""Lucas-Kanade steps at each level."""
RADIUS = 4
"""Radius of the square whose pixels are assumed to move alike."""
_MAX_STEP = 2.0
"""Maximum length of a step in each direction, in pixels of the level."""
_DAMPING = 1e-4
"""Added to the squared gradients of brightness in 0..1, so that areas without texture move with the whole frame."""


def motion(frame: Tensor, before: Tensor) -> Tensor:
    """Return the flow (1, 2, H, W) in pixels, right and down: ``frame`` at x equals ``before`` at x + flow(x).

    Both frames are gray, (1, 1, H, W) in 0..1.
    """
    pyramid = [(frame, before)]
    for _ in range(LEVELS - 1):
        pyramid.append((_halved(pyramid[-1][0]), _halved(pyramid[-1][1])))
    flow = shift(frame, before).view(1, 2, 1, 1).expand(1, 2, *frame.shape[-2:])
    for current, previous in reversed(pyramid):
        sides = zip(current.shape[:1:-1], flow.shape[:1:-1], strict=True)
        scale = current.new_tensor([(n - 1) / max(m - 1, 1) for n, m in sides])
        flow = F.interpolate(flow, current.shape[-2:], mode="bilinear") * scale.view(1, 2, 1, 1)
        flow = _refined(flow, current, previous)
    return flow


def shift(frame: Tensor, before: Tensor) -> Tensor:
    """Return the shift of the whole frame, (2,) in whole pixels, right and down, with the sign of ``motion``."""
    height, width = frame.shape[-2:]
    rows = torch.hann_window(height, periodic=False, device=frame.device)
    columns = torch.hann_window(width, periodic=False, device=frame.device)
    window = rows[:, None] * columns  # the FFT treats the frame as periodic, which it is not
    spectrum = torch.fft.rfft2((frame - frame.mean()) * window)
    spectrum_before = torch.fft.rfft2((before - before.mean()) * window)
    cross = spectrum_before * spectrum.conj()
    peak = torch.fft.irfft2(cross / (cross.abs() + 1e-8), s=(height, width)).flatten().argmax()
    down, right = peak // width, peak % width
    right = torch.where(right > width // 2, right - width, right)
    down = torch.where(down > height // 2, down - height, down)
    return torch.stack([right, down]).to(frame.dtype)


def warp(values: Tensor, flow: Tensor) -> Tensor:
    """Return (1, C, H, W) values sampled at the positions given by the flow, clamped to the border."""
    height, width = values.shape[-2:]
    y = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    x = torch.arange(width, dtype=flow.dtype, device=flow.device)
    positions = [(x + flow[:, 0]) * (2 / max(width - 1, 1)) - 1, (y + flow[:, 1]) * (2 / max(height - 1, 1)) - 1]
    grid = torch.stack(positions, -1)
    return F.grid_sample(values, grid, mode="bilinear", padding_mode="border", align_corners=True)


def mean_around(values: Tensor, radius: int) -> Tensor:
    """Return the mean over the square around every pixel, (B, C, H, W)."""
    padded = F.pad(values, (radius,) * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * radius + 1, stride=1)


def _halved(gray: Tensor) -> Tensor:
    return F.avg_pool2d(gray, 2, ceil_mode=True)


def _refined(flow: Tensor, frame: Tensor, before: Tensor) -> Tensor:
    """Return the flow after ``STEPS`` Lucas-Kanade steps, which minimize the squared difference around each pixel."""
    padded = F.pad(frame, (1, 1, 1, 1), mode="replicate")
    right = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    xx, xy, yy = mean_around(torch.cat([right * right, right * down, down * down], 1), RADIUS).split(1, 1)
    xx, yy = xx + _DAMPING, yy + _DAMPING
    determinant = xx * yy - xy * xy
    for _ in range(STEPS):
        error = frame - warp(before, flow)
        x, y = mean_around(torch.cat([right * error, down * error], 1), RADIUS).split(1, 1)
        step = torch.cat([yy * x - xy * y, xx * y - xy * x], 1) / determinant
        flow = flow + step.clamp(-_MAX_STEP, _MAX_STEP)
    return flow
