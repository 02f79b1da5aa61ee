"""Low-rank adapters in weights files."""

from collections.abc import Mapping

from torch import Tensor

ORIGINAL = "parametrizations.weight.original"
"""Torch's name for a parametrized weight, instead of ``weight``."""
_DOWN, _UP = (f"parametrizations.weight.0.{part}" for part in ("down", "up"))


def merged(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights with each adapter merged into its weight, W + B A, under the plain name."""
    names = {name.removesuffix(_UP) for name in weights if name.endswith(_UP)}
    result = {}
    for name, tensor in weights.items():
        layer = next((name.removesuffix(suffix) for suffix in (ORIGINAL, _DOWN, _UP) if name.endswith(suffix)), None)
        if layer not in names:
            result[name] = tensor
        elif name.endswith(ORIGINAL):
            adapter = weights[layer + _UP] @ weights[layer + _DOWN]
            result[f"{layer}weight"] = tensor + adapter.view_as(tensor)
    return result
