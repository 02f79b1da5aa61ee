"""LoRA: Low-Rank Adaptation of Large Language Models (Hu et al., ICLR 2022, https://arxiv.org/abs/2106.09685)."""

import math
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args

from torch import Tensor, nn
from torch.nn.utils import parametrize
from typing_extensions import override

from taskscape.models.layers.meta import without_autocast

LowRankLayers = Literal["attention", "convolutions", "both"]
"""The layers that get an adapter: the linear layers of attention, 1×1 convolutions, or both."""

_ATTENTION = re.compile(r"attn|attention|mhsa")


class LowRank(nn.Module):
    """Adds the product of two trained matrices to a weight W: W + B A, where B starts at zero.

    The paper's factor α / r is omitted, since it has the same effect as the learning rate. This is a torch
    parametrization: reading the layer's weight gives the sum, as some of timm's attention modules do without calling
    the layer.
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(weight.new_empty(rank, weight[0].numel()))
        """A, (rank, inputs)."""
        self.up = nn.Parameter(weight.new_zeros(len(weight), rank))
        """B, (outputs, rank)."""
        nn.init.kaiming_uniform_(self.down, math.sqrt(5))

    @override
    def forward(self, weight: Tensor) -> Tensor:
        """Return the sum in the precision of the weight, regardless of autocast."""
        with without_autocast(weight):
            return weight + (self.up @ self.down).view_as(weight)

    @override
    def extra_repr(self) -> str:
        return f"rank={len(self.down)}"


def add_low_rank(module: nn.Module, rank: int, layers: LowRankLayers) -> None:
    """Add adapters of this rank to the layers of a module and freeze everything else in it.

    Raises ``ValueError`` if the module has no such layers.
    """
    module.requires_grad_(False)
    adapted = list(_layers(module, layers))
    if not adapted:
        others = [choice for choice in get_args(LowRankLayers) if choice != layers and any(_layers(module, choice))]
        remedy = f"set network.lora_layers to {others[0]}" if others else "set network.lora to 0"
        raise ValueError(f"network.lora: this encoder has no layers of the kind {layers!r}; {remedy}")
    for layer in adapted:
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank))


def merge_low_rank(network: nn.Module) -> None:
    """Merge all adapters into the weights, which become plain tensors, so inference is as fast as without adapters.

    Outputs are equal up to rounding. The merged layers are frozen.
    """
    for module in list(network.modules()):
        parametrizations: Any = getattr(module, "parametrizations", {})
        if "weight" in parametrizations and any(isinstance(adapter, LowRank) for adapter in parametrizations["weight"]):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
            module.requires_grad_(False)


def _layers(module: nn.Module, layers: LowRankLayers) -> Iterator[nn.Linear | nn.Conv2d]:
    for name, layer in module.named_modules():
        parts = name.split(".")
        is_pointwise = isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1
        is_of_attention = any(map(_ATTENTION.search, parts[:-1]))
        if isinstance(layer, nn.Linear) or is_pointwise:
            is_adapted = is_of_attention if layers != "convolutions" else False
            is_adapted |= is_pointwise and layers != "attention" and "se" not in parts
            if is_adapted:
                assert isinstance(layer, nn.Linear | nn.Conv2d)
                yield layer
