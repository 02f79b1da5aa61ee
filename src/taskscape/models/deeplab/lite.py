"""Settings of the lite DeepLab networks."""

from dataclasses import dataclass

from taskscape.models.layers.encoder import AtrousConfig
from taskscape.serialization.ranges import Count


@dataclass(frozen=True)
class LiteConfig(AtrousConfig):
    """The settings of a DeepLabV3+ with a small encoder; some convolutions have biases instead of norms."""

    encoder: str = "resnet18"
    """Any timm backbone: convolutional, hierarchical or a plain vision transformer."""
    skip_width: Count = 48
    """Channels to which the skip at stride 4 is reduced; 16, 32, 48 and 64 were compared."""
    convolutions: Count = 2
    """Number of 3×3 convolutions in a decoder; one to three were compared."""
