"""Multi-task and transformer variants, on Miniscapes.

Achenbach, Bonvin and Zhang, 2024, a report. ResNet-18, Adam 1e-4, batch size 16, or 48 where transformers are compared.
Depth is exp(output), clamped to 0.1 to 300 m; its loss is SILog over the whole batch, γ = 0.15; the tasks have equal
weights. Settings that the report omits are as in ``ladder``: weight decay, schedule and crops. For networks with
adaptive bins, the report gives the number of epochs of one transformer run only: two. Two epochs for the others, unless
their docstrings say otherwise, are a guess, supported by a curve that has a second epoch.

Initial weights are torchvision's ImageNet weights, from the hub; ``--network.pretrained False`` or ``--scale small``
trains without them.
"""

from dataclasses import replace
from typing import Any

from taskscape.losses import SILog
from taskscape.models import (
    AdaptiveDepthConfig,
    CrossAttentionConfig,
    DeeplabBranchedLiteConfig,
    DeeplabJointLiteConfig,
    NetworkConfig,
    TransformerConfig,
)
from taskscape.recipes.miniscapes import alone, exponential, meters, miniscapes
from taskscape.runs import Experiment
from taskscape.weighting import FixedConfig

ENCODER = "resnet18.tv_in1k"
LOSS = SILog(gamma=0.15, eps=1e-5, per_image=False)
DECODER: Any = {"skip_width": 64, "decoder_convolutions": 3}
"""Decoder of both tasks from problem 4 on, according to the printed code and its decoder's parameter count."""


def _both_tasks(network: NetworkConfig, epochs: int) -> Experiment:
    weighting = FixedConfig({"semseg": 0.5, "depth": 0.5})
    return replace(miniscapes(network, exponential(LOSS)), weighting=weighting, batch_size=16, epochs=epochs)


def _with_bins(network: NetworkConfig, epochs: int) -> Experiment:
    experiment = _both_tasks(network, epochs)
    return replace(experiment, tasks={**experiment.tasks, "depth": meters(LOSS)}, batch_size=48)


def _bins(**changes: Any) -> AdaptiveDepthConfig:
    bins = AdaptiveDepthConfig(
        encoder=ENCODER, pretrained=True, width=256, heads=4, blocks=3, expansion=4, attention_scale="head"
    )
    return replace(bins, **changes)


def segmentation() -> Experiment:
    """Segmentation alone with ASPP and a decoder with a skip connection of 64 channels, 4 epochs.

    Published: better than 16, 32 or 48 channels (figure only)
    Source: Achenbach et al., 2024, problem 1, figure 3; DeepLabV3+: https://arxiv.org/abs/1802.02611
    """
    network = DeeplabJointLiteConfig(encoder=ENCODER, pretrained=True, rates=(3, 6, 9), skip_width=64)
    return alone(_both_tasks(network, 4), "semseg")


def joint() -> Experiment:
    """Joint network, skip connection of 48 channels, two convolutions in the decoder.

    Published: 16,608,132 parameters; 4 h 46 min and 207 W for 32 epochs
    Source: Achenbach et al., 2024, problems 2 and 3; DeepLabV3+: https://arxiv.org/abs/1802.02611

    The report gives 64 channels for the skip connection; the published parameter count is that of 48.
    """
    return _both_tasks(DeeplabJointLiteConfig(encoder=ENCODER, pretrained=True, rates=(3, 6, 9), skip_width=48), 32)


def branched() -> Experiment:
    """An ASPP and a decoder per task, half the epochs of joint.

    Published: 22,034,612 parameters; 8 h 57 min and 130 W for 16 epochs
    Source: Achenbach et al., 2024, problem 3
    """
    return replace(
        joint(),
        network=DeeplabBranchedLiteConfig(encoder=ENCODER, pretrained=True, rates=(3, 6, 9), skip_width=48),
        epochs=16,
    )


def weights_25() -> Experiment:
    """Joint network, task weights of 0.25 for depth and 0.75 for segmentation.

    Published: IoU 85.1, SI 17.6
    Source: Achenbach et al., 2024, problem 2, figure 4
    """
    return replace(joint(), weighting=FixedConfig({"semseg": 0.75, "depth": 0.25}))


def weights_50() -> Experiment:
    """Joint network, task weights of 0.5 for depth and 0.5 for segmentation.

    Published: IoU 84.7, SI 16.6
    Source: Achenbach et al., 2024, problem 2, figure 4
    """
    return joint()


def weights_75() -> Experiment:
    """Joint network, task weights of 0.75 for depth and 0.25 for segmentation.

    Published: IoU 83.1, SI 16.3
    Source: Achenbach et al., 2024, problem 2, figure 4
    """
    return replace(joint(), weighting=FixedConfig({"semseg": 0.25, "depth": 0.75}))


def adaptive_depth() -> Experiment:
    """Depth alone with adaptive bins from the encoder's last feature map: 256 channels, 4 heads, 3 blocks.

    Published: 16,715,137 parameters, a projection of 131,328 left out
    Source: Achenbach et al., 2024, problem 4; AdaBins: https://arxiv.org/abs/2011.14141
    """
    return alone(_with_bins(_bins(), 2), "depth")


def adaptive_depth_position() -> Experiment:
    """As adaptive_depth, with a learned position embedding added to the queries.

    Published: no gain (curve only)
    Source: Achenbach et al., 2024, problem 4, figure 9
    """
    return replace(adaptive_depth(), network=_bins(position="query"))


def adaptive_depth_position_input() -> Experiment:
    """As adaptive_depth, with a learned position embedding added to the input.

    Published: worse than added to the queries (curve only)
    Source: Achenbach et al., 2024, problem 4, figure 9
    """
    return replace(adaptive_depth(), network=_bins(position="input"))


def adaptive_depth_512() -> Experiment:
    """As adaptive_depth, with 512 channels and 8 heads.

    Published: worse than 256 channels at first (curve only)
    Source: Achenbach et al., 2024, problem 4, figure 8
    """
    return replace(adaptive_depth(), network=_bins(width=512, heads=8))


def decoder_tokens() -> Experiment:
    """As adaptive_depth, with tokens from the decoder's features.

    Published: 16,715,137 parameters; worse than tokens from the encoder (curve only)
    Source: Achenbach et al., 2024, problem 4, figure 9
    """
    return replace(adaptive_depth(), network=_bins(tokens="decoder"))


def aspp_tokens() -> Experiment:
    """As adaptive_depth, with tokens from an ASPP, 6 blocks and 8 heads, batch size 16.

    Published: best of the settings with an ASPP (curve only)
    Source: Achenbach et al., 2024, problem 4, figure 9
    """
    return replace(adaptive_depth(), network=_bins(tokens="aspp", blocks=6, heads=8), batch_size=16)


def transformer() -> Experiment:
    """Transformer blocks for both tasks, depth with adaptive bins.

    Published: total 51.36, IoU 74.03, SI 22.67
    Source: Achenbach et al., 2024, problem 5; it gives two epochs and batch size 48 for another run (70.96, 25.23)
    """
    network = TransformerConfig(encoder=ENCODER, pretrained=True, tokens="aspp", heads=8, blocks=6, **DECODER)
    return _with_bins(network, 2)


def cross_attention() -> Experiment:
    """Learned class tokens that attend to the decoder's features, depth with adaptive bins.

    Published: IoU 43 after 3 epochs
    Source: Achenbach et al., 2024, problem 5
    """
    network = CrossAttentionConfig(encoder=ENCODER, pretrained=True, heads=4, blocks=3, **DECODER)
    return _with_bins(network, 3)
