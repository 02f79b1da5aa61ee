"""Assignment of a timm backbone's parameters to its stages or blocks, as timm groups them."""

import re
from functools import cache
from typing import Any

from torch import nn

from taskscape.models.layers.meta import without_numbers

_PARAMETRIZATION = re.compile(r"parametrizations\.(\w+)\..*")


def layer_numbers(backbone: nn.Module, name: str, *, stages: bool = False) -> dict[str, int]:
    """Return the layer number of each parameter of a backbone of the timm model ``name``, counted from the input.

    0 is the stem with the position embeddings. The next numbers are blocks, or with ``stages`` stages of blocks; in a
    plain transformer they are always blocks. A low-rank adapter has the number of its weight. Raises ``ValueError`` if
    timm does not group the model's layers.
    """
    model_numbers = _model_layer_numbers(name, stages)
    last = max(model_numbers.values(), default=0)
    numbers = {}
    for parameter, _ in backbone.named_parameters():
        key = _plain_name(parameter)
        numbers[parameter] = model_numbers.get(key, model_numbers.get(key.removeprefix("model."), last))
    used_numbers = sorted(set(numbers.values()))  # the classifier's numbers are absent
    return {parameter: used_numbers.index(number) for parameter, number in numbers.items()}


def _plain_name(parameter: str) -> str:
    """Return a parameter's name with dots only, since timm's feature models write ``stages_0`` for ``stages.0``."""
    return _PARAMETRIZATION.sub(r"\1", parameter).replace("_", ".")


@cache
def _model_layer_numbers(name: str, stages: bool) -> dict[str, int]:
    import timm
    from timm.models import group_parameters

    with without_numbers():
        model: Any = timm.create_model(name)
    if not hasattr(model, "group_matcher"):
        raise ValueError(
            f"network.encoder: timm does not define the stages of {name}; freeze all or none of it, and leave "
            "optimizer.layer_decay at 1"
        )
    numbers: dict[str, int] = group_parameters(model, model.group_matcher(coarse=stages), reverse=True)
    return {parameter.replace("_", "."): number for parameter, number in numbers.items()}
