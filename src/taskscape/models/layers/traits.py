"""The input and output properties of a timm model, determined by a pass on the meta device."""

from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from taskscape.imports import late_compiler
from taskscape.models.layers.meta import without_numbers

_ODD_SIZE, _STEP = (75, 130), 32
"""An unusual image size to try, and a step that fits all models that halve their maps repeatedly."""


class Traits(NamedTuple):
    """Properties of a backbone created by ``timm.create_model(name, features_only=True)``."""

    channels: tuple[int, ...]
    """Channels of each level."""
    strides: tuple[int, ...]
    """Input pixels per feature of each level."""
    step: int
    """Image sides must be multiples of this; otherwise maps would not reach the bottom and right edges."""
    size: tuple[int, int] | None
    """The only image size that the model accepts; None if it accepts any."""
    channels_last: bool
    """Whether the model returns (B, h, w, C)."""
    is_plain: bool
    """Whether the features of all blocks have the same stride, as in a plain vision transformer."""
    interpolates: bool
    """Whether the model is plain and has an option to interpolate its position embeddings for other image sizes."""


@cache
def traits(name: str) -> Traits:
    """Return the traits of the timm model ``name``. Passes on timm's errors for models without features."""
    with without_numbers():
        model = _create(name, features_only=True)
    info: Any = model.feature_info
    channels, strides = tuple(info.channels()), tuple(info.reduction())
    if len(set(strides)) == 1 and (plain_traits := _plain_traits(name)) is not None:
        return plain_traits
    native_size = tuple(model.pretrained_cfg["input_size"][1:])
    channels_last = str(getattr(model, "output_fmt", "NCHW")).endswith("NHWC")
    steps = max(_STEP, *strides)
    for size, step, only_size in (
        (_ODD_SIZE, 1, None),
        ((3 * steps, 5 * steps), steps, None),
        (native_size, 1, native_size),
    ):
        try:
            with torch.no_grad(), without_numbers():
                maps: list[Tensor] = model.eval()(torch.zeros(1, 3, *size, device="meta"))
        except Exception:  # noqa: S112, PERF203, RUF100  # torch and timm raise anything for sizes that do not fit
            continue
        map_channels = tuple(x.shape[-1 if channels_last else 1] for x in maps)
        sides = [tuple(x.shape[1:3] if channels_last else x.shape[2:]) for x in maps]
        if size == _ODD_SIZE and sides != [tuple(-(-side // stride) for side in _ODD_SIZE) for stride in strides]:
            continue  # for example a patch stem, which drops incomplete patches
        return Traits(map_channels, strides, step, only_size, channels_last, is_plain=False, interpolates=False)
    return Traits(channels, strides, 1, None, channels_last, is_plain=False, interpolates=False)


def _plain_traits(name: str) -> Traits | None:
    """Return the traits of a model with features of all blocks; None if strides or widths differ between blocks."""
    try:
        with without_numbers():
            model = _create(name, num_classes=0, dynamic_img_size=True)
        interpolates, size = True, None
    except TypeError:  # without this option, its positions have one size, or it has none
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
    with late_compiler():
        import timm

    return timm.create_model(name, **options)
