"""What a model of timm takes and gives, found by a pass without numbers."""

from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from taskscape.imports import late_compiler, quick_imports
from taskscape.models.layers.meta import without_numbers

_ODD, _STEP = (75, 130), 32
"""A size of images to try that few models foresee, and the step that all with halved maps take."""


class Traits(NamedTuple):
    """Of a backbone as ``timm.create_model(name, features_only=True)`` makes it."""

    channels: tuple[int, ...]
    """Of each level."""
    strides: tuple[int, ...]
    """Input pixels per feature of each level."""
    step: int
    """Sides of images must be multiples of this, or maps would not reach the lower and right edges."""
    size: tuple[int, int] | None
    """The one size of images that the model takes; None where it takes any."""
    channels_last: bool
    """Whether it gives (B, h, w, C)."""
    is_plain: bool
    """Whether all its blocks have features of the same stride, as those of a plain vision transformer."""
    interpolates: bool
    """Whether it is a plain one that interpolates its positions for images of another size, when it is told to."""


@cache
def traits(name: str) -> Traits:
    """Return the traits of the timm model ``name``. Raises what timm raises for one that gives no features."""
    with without_numbers():
        model = _create(name, features_only=True)
    info: Any = model.feature_info
    channels, strides = tuple(info.channels()), tuple(info.reduction())
    if len(set(strides)) == 1 and (plain := _plain(name)) is not None:
        return plain
    fixed = tuple(model.pretrained_cfg["input_size"][1:])
    channels_last = str(getattr(model, "output_fmt", "NCHW")).endswith("NHWC")
    steps = max(_STEP, *strides)
    for size, step, only in ((_ODD, 1, None), ((3 * steps, 5 * steps), steps, None), (fixed, 1, fixed)):
        try:
            with torch.no_grad(), without_numbers():
                maps: list[Tensor] = model.eval()(torch.zeros(1, 3, *size, device="meta"))
        except Exception:  # noqa: S112, PERF203, RUF100  # torch and timm raise anything where a size does not fit
            continue
        found = tuple(x.shape[-1 if channels_last else 1] for x in maps)
        sides = [tuple(x.shape[1:3] if channels_last else x.shape[2:]) for x in maps]
        if size == _ODD and sides != [tuple(-(-side // stride) for side in _ODD) for stride in strides]:
            continue  # as a stem of patches, which leaves out what is no whole patch
        return Traits(found, strides, step, only, channels_last, is_plain=False, interpolates=False)
    return Traits(channels, strides, 1, None, channels_last, is_plain=False, interpolates=False)


def _plain(name: str) -> Traits | None:
    """Return the traits of a model of which all blocks are read; None where these have several strides or widths."""
    try:
        with without_numbers():
            model = _create(name, num_classes=0, dynamic_img_size=True)
        interpolates, size = True, None
    except TypeError:  # it has no such option: its positions are of one size, or it has none
        with without_numbers():
            model = _create(name, num_classes=0)
        interpolates = False
        size = tuple(model.pretrained_cfg["input_size"][1:]) if model.pretrained_cfg.get("fixed_input_size") else None
    channels = tuple(level.get("num_chs_norm", level["num_chs"]) for level in model.feature_info)  # SAM has a neck
    strides = tuple(level["reduction"] for level in model.feature_info)
    if len(set(strides)) > 1 or len(set(channels)) > 1:
        return None
    return Traits(channels, strides, strides[-1], size, channels_last=False, is_plain=True, interpolates=interpolates)


def _create(name: str, **options: Any) -> Any:
    with quick_imports(), late_compiler():
        import timm

    return timm.create_model(name, **options)
