"""The parameters that an optimizer updates, in groups with learning rates of their own."""

from typing import Any

import torch
from torch import nn

from taskscape.models import Encoder
from taskscape.training.optimization.optimizers import OptimizerConfig
from taskscape.weighting import Weighting


def build_optimizer(config: OptimizerConfig, network: nn.Module, weighting: Weighting) -> torch.optim.Optimizer:
    """Return the optimizer of a run, with the learning rates of the encoder's layers.

    Raises ``ValueError`` as ``parameter_groups`` does.
    """
    optimizer = config.build(parameter_groups(network, weighting, config))
    for group in optimizer.param_groups:
        group["lr"] *= group.pop(_SCALE, 1.0)
    return optimizer


def parameter_groups(
    network: nn.Module, weighting: Weighting, config: OptimizerConfig | None = None
) -> list[dict[str, Any]]:
    """Return the parameter groups of an optimizer: the network's parameters, and those that the weighting learns.

    The latter have no weight decay, and the weighting's own learning rate if it has one. With ``config`` there is one
    group for each factor on the learning rate, stored as ``lr_scale``; ``build_optimizer`` applies it. Raises
    ``ValueError`` if factors for an encoder are set and the network has no encoder.
    """
    scales = {} if config is None else _scales(network, config)
    by_scale: dict[float, list[nn.Parameter]] = {1.0: []}  # first, since its learning rate is logged
    for parameter in network.parameters():
        if parameter.requires_grad:
            by_scale.setdefault(scales.get(id(parameter), 1.0), []).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": parameters, **({} if scale == 1 else {_SCALE: scale})}
        for scale, parameters in by_scale.items()
        if parameters or scale == 1
    ]
    if weighting_parameters := [p for p in weighting.parameters() if p.requires_grad]:
        rate = {} if weighting.learning_rate is None else {"lr": weighting.learning_rate}
        groups.append({"params": weighting_parameters, "weight_decay": 0.0, **rate})
    return groups


def _scales(network: nn.Module, config: OptimizerConfig) -> dict[int, float]:
    """Return the learning-rate factor of each encoder parameter, by its id; empty if all are 1.

    With n layers, of which the stem is layer 0, the factor of layer i is encoder_lr · layer_decay^(n - i), so the last
    layer has one factor of ``layer_decay`` (Bao et al., BEiT, ICLR 2022, https://arxiv.org/abs/2106.08254).
    """
    if config.encoder_lr == config.layer_decay == 1:
        return {}
    encoders = [module for module in network.modules() if isinstance(module, Encoder)]
    if not encoders:
        raise ValueError(
            f"optimizer.encoder_lr is {config.encoder_lr} and optimizer.layer_decay {config.layer_decay}, but this "
            "network has no encoder (taskscape.models.Encoder): leave both at 1, or choose a network with an encoder"
        )
    scales = {}
    for encoder in encoders:
        numbers = encoder.layer_numbers() if config.layer_decay != 1 else {}
        layers = max(numbers.values(), default=0) + 1
        for name, parameter in encoder.backbone.named_parameters():
            scales[id(parameter)] = config.encoder_lr * config.layer_decay ** (layers - numbers.get(name, layers))
    return scales


_SCALE = "lr_scale"
"""Key of a parameter group for its factor; timm uses the same name."""
