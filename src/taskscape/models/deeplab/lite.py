"""The settings of the lite DeepLabs."""

from dataclasses import dataclass

from taskscape.models.layers.encoder import AtrousConfig
from taskscape.serialization.ranges import Count


@dataclass(frozen=True)
class LiteConfig(AtrousConfig):
    """The settings of a DeepLabV3+ on a small encoder, some of its convolutions with biases instead of norms."""

    encoder: str = "resnet18"
    """Any timm backbone: convolutional, hierarchical or a plain vision transformer."""
    skip_width: Count = 48
    """Channels to which the skip at stride 4 is reduced; 16, 32, 48 and 64 were compared."""
    convolutions: Count = 2
    """Number of 3×3 convolutions of a decoder; one to three were compared."""
