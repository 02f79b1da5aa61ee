"""Temporal smoothing: blend the raw outputs of a frame with those of the previous frames, warped along the motion.

A plain exponential moving average smears moving objects: on a panned street it increases the flicker of classes instead
of reducing it (``benchmarks/video.py``). So previous outputs are warped along the motion (``motion``), and count only
where the warped previous frame looks like the current one. Where hardly any of it does, a scene cut is assumed, and the
previous outputs are discarded.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.inference.video.motion import mean_around, motion, warp
from taskscape.tasks import Task
from taskscape.views import RgbArray

LINES = 120
"""Height at which motion is estimated, in pixels."""
SPREAD = 0.05
"""Difference in brightness, in 0..1, at which the weight of the past is multiplied by exp(-1/2)."""
CUT = 0.4
"""A scene cut is assumed if the mean of these factors over a frame is below this value."""
_RADIUS = 2
"""Radius of the square over which the squared difference is averaged."""
_LUMA = (0.299, 0.587, 0.114)


class Smoother:
    """Blends the raw outputs of successive frames, in each task's own space (``Task.blend``)."""

    def __init__(self, tasks: Mapping[str, Task], share: float) -> None:
        """Start without previous frames; ``share`` is their weight, from 0 (no smoothing) to below 1.

        Raises ``ValueError`` if ``share`` is out of range.
        """
        if not 0 <= share < 1:
            raise ValueError(f"smooth is {share:g}: it must be at least 0, which does not smooth, and below 1")
        self.tasks = tasks
        self.share = share
        self.cuts = 0
        """Number of scene cuts so far."""
        self._past_gray: Tensor | None = None
        self._past: dict[str, Tensor] = {}

    def __call__(self, rgb: RgbArray, raws: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the smoothed raw outputs of the next (H, W, 3) frame, (1, channels, h, w) by task."""
        if self.share == 0:
            return raws
        gray = brightness(rgb, next(iter(raws.values())).device)
        past = self._warped_past(gray, raws)
        if past is not None:
            weights, warped = past
            raws = {name: self.tasks[name].blend(warped[name], raw, weights[name]) for name, raw in raws.items()}
        self._past_gray, self._past = gray, dict(raws)
        return raws

    def state_dict(self) -> dict[str, Tensor]:
        """Return the tensors on which the next frame depends, by name; empty before the first frame."""
        gray = {} if self._past_gray is None else {"gray": self._past_gray}
        return gray | {f"raw.{name}": raw for name, raw in self._past.items()}

    def load_state_dict(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Restore the state returned by ``state_dict``."""
        self._past_gray = state["gray"].to(device) if "gray" in state else None
        self._past = {k.removeprefix("raw."): raw.to(device) for k, raw in state.items() if k.startswith("raw.")}

    def _warped_past(
        self, gray: Tensor, raws: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]] | None:
        """Return the weights, (1, 1, h, w), and the warped outputs of the previous frame; None if there is none."""
        if self._past_gray is None or self._past_gray.shape != gray.shape:
            return None
        similarity, flow = likeness(gray, self._past_gray)
        if similarity.mean() < CUT:
            self.cuts += 1
            return None
        weights, warped = {}, {}
        for name, raw in raws.items():
            size = raw.shape[-2:]
            scale = flow.new_tensor([n / m for n, m in zip(size[::-1], gray.shape[:1:-1], strict=True)])
            scaled_flow = F.interpolate(flow, size, mode="bilinear") * scale.view(1, 2, 1, 1)
            warped[name] = warp(self._past[name], scaled_flow)
            weights[name] = self.share * F.interpolate(similarity, size, mode="bilinear")
        return weights, warped


def likeness(gray: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Return the similarity of each pixel to the one that moved there, (1, 1, H, W) in 0..1, and the flow."""
    flow = motion(gray, before)
    difference = mean_around((gray - warp(before, flow)) ** 2, _RADIUS)
    return torch.exp(-difference / (2 * SPREAD**2)) * _inside(flow), flow


def brightness(rgb: RgbArray, device: torch.device) -> Tensor:
    """Return the brightness of an (H, W, 3) frame, (1, 1, h, w) in 0..1 with a height of at most ``LINES``."""
    image = torch.tensor(rgb, device=device).movedim(-1, 0)[None].float()
    height, width = rgb.shape[:2]
    if height > LINES:
        size = LINES, max(round(width * LINES / height), 1)
        image = F.interpolate(image, size, mode="bilinear", antialias=True)
    return (image * image.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True) / 255


def _inside(flow: Tensor) -> Tensor:
    """Return a (1, 1, H, W) mask, 1 where the flow points into the previous frame and 0 where it points outside."""
    height, width = flow.shape[-2:]
    x = torch.arange(width, device=flow.device) + flow[:, :1]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1:]
    return ((x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)).to(flow.dtype)
