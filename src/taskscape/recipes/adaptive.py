"""Dense prediction with adaptive depth, on Miniscapes.

Neuffer, Höllwarth and Nüesch, 2024, a report. ResNet-18, Adam 1e-4, batch size 16. Depth is exp(output), clamped to 0.1
to 300 m; its loss is SILog per image, γ = 0.15. Settings that the report omits are as in ``ladder``: weight decay,
schedule, crops and task weights of 0.4 for depth and 0.6 for segmentation. The published parameter counts are rounded
and disagree with the printed code, so networks here are built from the blocks of ``ladder``. "Total" is the Grader,
IoU - 50 plus 50 - SI; in the table of test-time augmentation it is the mean of these two parts, half a Grader.

Initial weights are torchvision's ImageNet weights, from the hub, unless the docstring says otherwise.
``--network.pretrained False`` or ``--scale small`` trains without them.
"""

from dataclasses import replace

from taskscape.losses import L1, SILog
from taskscape.models import (
    AdaptiveDepthConfig,
    DeeplabBranchedConfig,
    DeeplabFullyBranchedConfig,
    DeeplabJointConfig,
    DeeplabPlainConfig,
    DeeplabSkipFusionConfig,
    NetworkConfig,
)
from taskscape.recipes.miniscapes import alone, exponential, meters, miniscapes
from taskscape.runs import Experiment
from taskscape.training.optimization import AdamConfig

ENCODER = "resnet18.tv_in1k"
LOSS = SILog(gamma=0.15, eps=1e-5, per_image=True)


def _both_tasks(network: NetworkConfig, epochs: int) -> Experiment:
    return replace(miniscapes(network, exponential(LOSS)), batch_size=16, epochs=epochs)


def random_weights() -> Experiment:
    """Segmentation with a plain head, no dilation, random initial weights.

    Published: worse than pretrained (curves only)
    Source: Neuffer et al., 2024, section 1.2.1, figure 5, and figure 2 of the report of ``attention``, one epoch there
    """
    return replace(pretrained(), network=pretrained().network.from_scratch())


def pretrained() -> Experiment:
    """Segmentation with a plain head, no dilation, ImageNet weights.

    Published: IoU 62.86
    Source: Neuffer et al., 2024, table 4, task 1.2a; the number of epochs is not given, one is assumed
    """
    network = DeeplabPlainConfig(encoder=ENCODER, pretrained=True, output_stride=32)
    return alone(_both_tasks(network, 1), "semseg")


def dilated() -> Experiment:
    """As pretrained, with dilation in the last stage.

    Published: IoU 68.23
    Source: Neuffer et al., 2024, table 4, task 1.2b; section 1.3 gives 68.5 after the first epoch and 76.1 after five
    """
    return replace(pretrained(), network=DeeplabPlainConfig(encoder=ENCODER, pretrained=True, output_stride=16))


def aspp_skip() -> Experiment:
    """As dilated, with ASPP and a decoder with a skip connection.

    Published: IoU 80.66
    Source: Neuffer et al., 2024, table 4, task 1.3; section 1.3 gives 73.5 after the first epoch and 80.5 after five
    """
    return replace(dilated(), network=DeeplabJointConfig(encoder=ENCODER, pretrained=True, rates=(3, 6, 9)), epochs=5)


def silog_joint() -> Experiment:
    """Joint network, depth trained with SILog.

    Published: total 41.53, IoU 68.39, SI 26.86
    Source: Neuffer et al., 2024, table 4, task 2; SILog: https://arxiv.org/abs/1907.10326
    """
    return _both_tasks(DeeplabJointConfig(encoder=ENCODER, pretrained=True, rates=(3, 6, 9)), 3)


def l1_joint() -> Experiment:
    """As silog_joint, depth trained with L1 of the logarithm: the baseline for SILog.

    Published: -
    Source: Neuffer et al., 2024, section 2, which gives no numbers
    """
    return replace(silog_joint(), tasks={**silog_joint().tasks, "depth": exponential(L1())})


def branched() -> Experiment:
    """An ASPP and a decoder per task.

    Published: SI 19.88 after 5 epochs, the baseline of skip_fusion
    Source: Neuffer et al., 2024, sections 3 and 5.2
    """
    return _both_tasks(DeeplabBranchedConfig(encoder=ENCODER, pretrained=True, rates=(3, 6, 9)), 5)


def fully_branched() -> Experiment:
    """An encoder, an ASPP and a decoder per task; more dilation for segmentation.

    Published: total 67.42, IoU 83.39, SI 15.97
    Source: Neuffer et al., 2024, table 4, task 3, "reduced LR and larger batch size"

    Learning rate and batch size are not given: half the usual rate and twice the usual batch size are a guess. The
    published count, 32.3 million parameters, does not match the printed code.
    """
    network = DeeplabFullyBranchedConfig(
        encoder=ENCODER, pretrained=True, rates=(3, 6, 9), wide_output_stride=8, wide_rates=(6, 12, 18, 24)
    )
    return replace(_both_tasks(network, 20), optimizer=AdamConfig(lr=5e-5, weight_decay=1e-4), batch_size=32)


def adaptive_depth() -> Experiment:
    """Depth alone with adaptive bins: 512 channels, 4 heads, 3 blocks, similarities divided by √C.

    Published: SI 21.11 after 5 epochs (27.69 after one)
    Source: Neuffer et al., 2024, section 4, which also gives 21.38, and table 4; AdaBins: https://arxiv.org/abs/2011.14141

    The decoder is that of ``attention``: a skip connection of 64 channels and three convolutions. The printed code has
    48 channels and one convolution: --network.skip-width 48 --network.decoder-convolutions 1.
    """
    network = AdaptiveDepthConfig(
        encoder=ENCODER, pretrained=True, width=512, heads=4, blocks=3, expansion=4, attention_scale="width"
    )
    experiment = replace(_both_tasks(network, 5), tasks={"depth": meters(LOSS)})
    return alone(experiment, "depth")


def depth_without_bins() -> Experiment:
    """Depth alone with a decoder: the baseline for adaptive bins.

    Published: -
    Source: Neuffer et al., 2024, which gives no numbers
    """
    return alone(replace(branched(), epochs=5), "depth")


def skip_fusion() -> Experiment:
    """As branched, with skip connections from three scales, each weighted by an attention map.

    Published: SI 18.33 after 5 epochs, against 19.88
    Source: Neuffer et al., 2024, section 5.2
    """
    return replace(branched(), network=DeeplabSkipFusionConfig(encoder=ENCODER, pretrained=True, rates=(3, 6, 9)))


def one_epoch() -> Experiment:
    """As branched, for one epoch: the baseline for test-time augmentation.

    Published: total 23.85, IoU part 23.14, SI part 24.57
    Source: Neuffer et al., 2024, section 5.1

    The report does not say which network this is.
    """
    return replace(branched(), epochs=1)


def three_scales() -> Experiment:
    """As one_epoch, evaluated with the mean over three image sizes.

    Published: total 24.15, IoU part 22.20, SI part 26.08
    Source: Neuffer et al., 2024, section 5.1, tables 1 to 3

    The printed code takes the mean, or maximum, of raw class scores and of meters. Here, and in the next three recipes,
    it is that of probabilities and of log meters.
    """
    return replace(one_epoch(), tta="scales-3")


def three_scales_max() -> Experiment:
    """As one_epoch, evaluated with the maximum over three image sizes.

    Published: total 20.66, IoU part 21.37, SI part 19.95
    Source: Neuffer et al., 2024, section 5.1, tables 1 to 3
    """
    return replace(one_epoch(), tta="scales-3-max")


def five_scales() -> Experiment:
    """As one_epoch, evaluated with the mean over five image sizes.

    Published: total 23.19, IoU part 21.57, SI part 24.80
    Source: Neuffer et al., 2024, section 5.1, tables 1 to 3
    """
    return replace(one_epoch(), tta="scales-5")


def five_scales_max() -> Experiment:
    """As one_epoch, evaluated with the maximum over five image sizes.

    Published: total 22.99, IoU part 23.15, SI part 22.83
    Source: Neuffer et al., 2024, section 5.1, tables 1 to 3
    """
    return replace(one_epoch(), tta="scales-5-max")
