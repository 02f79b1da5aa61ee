"""Kinds of layers, listed here because torch's own base classes for them are not public."""

from torch import nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
KERNELS = (*_CONVOLUTIONS, nn.Linear)
"""Layers that account for nearly all of a network's time."""

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)

NORMALIZATIONS = (*BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)
"""Under autocast, their outputs have the precision of their inputs; outputs of other layers have that of autocast."""
