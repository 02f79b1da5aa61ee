"""The DeepLabV3+ ladder: each rung adds one thing to the one before it.

Ao and Shen, 2021, a report on segmentation and depth with one network on Miniscapes. Adam 1e-4, weight decay 1e-4,
polynomial decay with power 0.9 per epoch, batches of 4 random crops of 256x256, 16 epochs, task weights of 0.4 for
depth and 0.6 for segmentation. SI is the scale-invariant logarithmic error × 100 from 4 to 300 m; Grader =
max(IoU - 50, 0) + max(50 - SI, 0). Up-projections fill the doubled grid by a pixel shuffle of concatenated channels, as
in the original.

From rung 1 on, initial weights are torchvision's ImageNet weights, from the hub; ``--network.pretrained False`` or
``--scale small`` trains without them.
"""

from dataclasses import replace

from taskscape.models import (
    DeeplabBranchedConfig,
    DeeplabDistillConfig,
    DeeplabDistillSEConfig,
    DeeplabDistillUpConfig,
    DeeplabJointConfig,
    DeeplabPlainConfig,
)
from taskscape.recipes.miniscapes import miniscapes, normalized
from taskscape.runs import Experiment
from taskscape.training.optimization import AdamConfig

ENCODER = "resnet34.tv_in1k"
OPTIMIZER = AdamConfig(lr=1e-4, weight_decay=1e-4)


def _up(*, skip_2x: bool) -> DeeplabDistillUpConfig:
    return DeeplabDistillUpConfig(encoder=ENCODER, pretrained=True, rates=(3, 6, 9), skip_2x=skip_2x, phases="shuffled")


def rung0() -> Experiment:
    """Joint network, random initial weights, no dilation, plain head.

    Published: SI 26.645, IoU 70.188, Grader 43.542; 21,421,396 parameters
    Source: Ao and Shen, 2021, section 1.1.3, table 2; DeepLabV3+: https://arxiv.org/abs/1802.02611
    """
    return miniscapes(DeeplabPlainConfig(encoder="resnet34", output_stride=32), normalized("meters"))


def rung1() -> Experiment:
    """As rung 0, with ImageNet weights.

    Published: SI 25.564, IoU 73.020, Grader 47.455; 21,421,396 parameters
    Source: Ao and Shen, 2021, section 1.2.1; DeepLabV3+: https://arxiv.org/abs/1802.02611
    """
    return replace(rung0(), network=DeeplabPlainConfig(encoder=ENCODER, pretrained=True, output_stride=32))


def rung2() -> Experiment:
    """As rung 1, with dilation in the last stage (output stride 16).

    Published: SI 21.833, IoU 80.152, Grader 58.319; 21,421,396 parameters
    Source: Ao and Shen, 2021, section 1.2.2, table 3; DeepLabV3+: https://arxiv.org/abs/1802.02611
    """
    return replace(rung1(), network=DeeplabPlainConfig(encoder=ENCODER, pretrained=True, output_stride=16))


def rung3() -> Experiment:
    """As rung 2, with ASPP and a decoder with a skip connection.

    Published: SI 19.787, IoU 85.313, Grader 65.527; 26,749,396 parameters
    Source: Ao and Shen, 2021, section 1.3; DeepLabV3+: https://arxiv.org/abs/1802.02611

    The printed count includes squeeze-and-excitation on the last feature map, which the report does not mention.
    """
    return replace(
        rung2(), network=DeeplabJointConfig(encoder=ENCODER, pretrained=True, rates=(3, 6, 9), bottleneck_se=True)
    )


def rung4() -> Experiment:
    """As rung 3, with an ASPP and a decoder per task.

    Published: SI 18.099, IoU 85.623, Grader 67.524; 32,142,356 parameters
    Source: Ao and Shen, 2021, section 2; DeepLabV3+: https://arxiv.org/abs/1802.02611
    """
    return replace(rung3(), network=DeeplabBranchedConfig(encoder=ENCODER, pretrained=True, rates=(3, 6, 9)))


def rung5() -> Experiment:
    """As rung 4, with task distillation.

    Published: SI 16.654, IoU 86.246, Grader 69.592; 37,095,656 parameters
    Source: Ao and Shen, 2021, section 3; DeepLabV3+: https://arxiv.org/abs/1802.02611
    """
    return replace(rung4(), network=DeeplabDistillConfig(encoder=ENCODER, pretrained=True, rates=(3, 6, 9)))


def rung6() -> Experiment:
    """As rung 5, with depth in log meters.

    Published: SI 15.614, IoU 86.118, Grader 70.504
    Source: Ao and Shen, 2021, section 4.1; DeepLabV3+: https://arxiv.org/abs/1802.02611

    The report gives the standard deviation as a variance.
    """
    return replace(rung5(), tasks={**rung5().tasks, "depth": normalized("log")})


def rung7() -> Experiment:
    """As rung 6, with up-projections in place of bilinear upsampling.

    Published: SI 15.163, IoU 86.428, Grader 71.265
    Source: Ao and Shen, 2021, section 4.2; DeepLabV3+: https://arxiv.org/abs/1802.02611
    """
    return replace(rung6(), network=_up(skip_2x=False))


def rung8() -> Experiment:
    """As rung 7, with a second skip connection at stride 2.

    Published: SI 14.939, IoU 86.810, Grader 71.871; 41,701,288 parameters
    Source: Ao and Shen, 2021, section 4.3; DeepLabV3+: https://arxiv.org/abs/1802.02611

    The Grader is printed as 71.971.
    """
    return replace(rung7(), network=_up(skip_2x=True))


def rung9() -> Experiment:
    """As rung 8, with attention over both tasks and squeeze-and-excitation.

    Published: SI 15.013, IoU 87.227, Grader 72.215; 41,965,304 parameters
    Source: Ao and Shen, 2021, section 4.4; DeepLabV3+: https://arxiv.org/abs/1802.02611
    """
    return replace(
        rung8(),
        network=DeeplabDistillSEConfig(encoder=ENCODER, pretrained=True, rates=(3, 6, 9), phases="shuffled"),
    )


def rung10() -> Experiment:
    """As rung 9, with half the learning rate and 24 epochs.

    Published: SI 13.943, IoU 88.321, Grader 74.378
    Source: Ao and Shen, 2021, section 4.5; DeepLabV3+: https://arxiv.org/abs/1802.02611
    """
    return replace(rung9(), optimizer=replace(OPTIMIZER, lr=5e-5), epochs=24)
