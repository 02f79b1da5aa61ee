"""The basic unit of the convolutional networks."""

from torch import nn


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3, dilation: int = 1, bias: bool = False) -> nn.Sequential:
    """Return conv + batch norm + ReLU, which preserve the size of the map.

    Batch normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift (Ioffe and Szegedy,
    ICML 2015, https://arxiv.org/abs/1502.03167).
    """
    padding = dilation * (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=bias),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
