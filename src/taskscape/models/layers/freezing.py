"""Frozen layers of an encoder."""

from collections.abc import Iterator
from typing import Literal

from torch import nn

from taskscape.models.layers.plain_backbone import PlainBackbone
from taskscape.models.layers.stages import layer_numbers
from taskscape.serialization.ranges import CountOrZero

Freeze = Literal["none", "all"] | CountOrZero
"""The part of an encoder whose weights stay fixed: nothing, all, or the stem and this many stages after it."""


def freeze_layers(backbone: nn.Module, name: str, freeze: Freeze) -> None:
    """Freeze all layers, or the first ones, of the backbone ``name``.

    Raises ``ValueError`` if ``freeze`` exceeds the number of stages.
    """
    if freeze == "all":
        backbone.requires_grad_(False)
    elif freeze != "none":
        numbers = layer_numbers(backbone, name, stages=True)
        num_stages = max(numbers.values())
        if freeze > num_stages:
            unit = "blocks" if isinstance(backbone, PlainBackbone) else "stages"
            raise ValueError(
                f"network.freeze is {freeze}: {name} has {num_stages} {unit} after its stem; give a number up to that, "
                "all or none"
            )
        for parameter, number in numbers.items():
            if number <= freeze:
                backbone.get_parameter(parameter).requires_grad_(False)


def freezing_message(backbone: nn.Module, name: str, *, random: bool) -> str:
    """Return a message with the number of trained parameters; ``random`` means that the others were not loaded."""
    trained, total = (
        sum(p.numel() for p in backbone.parameters() if p.requires_grad or not trained_only)
        for trained_only in (True, False)
    )
    message = f"{trained:,} of {total:,} parameters of the encoder {name} are trained"
    return f"{message}; the others keep random values unless --from loads them" if random else message


def frozen_modules(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the largest modules that have parameters, all of them frozen."""
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        yield module
        return
    for child in module.children():
        yield from frozen_modules(child)
