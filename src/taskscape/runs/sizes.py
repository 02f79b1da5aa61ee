"""Settings that are too large for the machine or the data: rejected or reported before any long work."""

from collections.abc import Iterator
from dataclasses import fields

import psutil
from torch import nn

from taskscape.data import Augmentation, Store
from taskscape.models import NetworkConfig
from taskscape.serialization import show_size

_MAX_OUTSIDE = 0.75
"""Largest fraction of a training image that may lie outside the photograph."""


def check_memory(network: nn.Module, config: NetworkConfig) -> None:
    """Raise ``ValueError`` if the weights of a network, on the meta device, and their gradients exceed the memory.

    The message names the settings that are above their defaults.
    """
    needed = 2 * sum(parameter.nbytes for parameter in network.parameters())
    total = psutil.virtual_memory().total
    if needed > total:
        raise ValueError(
            f"{too_large(config)}: its {sum(p.numel() for p in network.parameters()):,} parameters with their "
            f"gradients take {needed / 1e9:,.0f} GB, and this machine has {total / 1e9:,.0f} GB"
        )


def too_large(config: NetworkConfig) -> str:
    """Return a message that a network is too large, with the settings that make it so."""
    config_fields = fields(config)  # type: ignore[arg-type]  # it is a dataclass
    defaults = {field.name: field.default for field in config_fields if type(field.default) is int}
    raised = {name: getattr(config, name) for name, default in defaults.items() if getattr(config, name) > default}
    remedy = "make " + " and ".join(f"network.{name} ({value})" for name, value in raised.items()) + " smaller"
    return f"the network {config.name} is too large, {remedy if raised else 'choose another one or fewer outputs'}"


def oversized_settings(store: Store, batch_size: int, augmentation: Augmentation) -> Iterator[str]:
    """Yield sentences on settings that are larger than the training images in ``store`` allow.

    Raises ``ValueError`` for a crop that lies mostly outside of the images.
    """
    if batch_size > len(store):
        yield f"batch_size is {batch_size}, and there are {len(store)} training images: each step uses all of them"
    if outside := augmentation.outside(store.size):
        text = (
            f"augmentation.crop is {show_size(augmentation.crop)}, and the images are {show_size(store.size)}: "
            f"{outside:.0%} or more of each training image is black, without labels"
        )
        if outside > _MAX_OUTSIDE:
            raise ValueError(f"{text}; make the crop smaller")
        yield text
