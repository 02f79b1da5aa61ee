"""Base class of networks in which each task predicts twice, with an exchange of features in between.

PAD-Net: Multi-Tasks Guided Prediction-and-Distillation Network (Xu et al., CVPR 2018, https://arxiv.org/abs/1805.04409).
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import Network, Outputs, main_path
from taskscape.models.layers.aspp import ASPP
from taskscape.models.layers.encoder import AtrousConfig
from taskscape.models.layers.heads import heads
from taskscape.models.layers.resize import resize_like
from taskscape.models.layers.shared_features import shared_features

MakeDecoder = Callable[[Sequence[int]], nn.Module]
"""Creates a decoder, which maps features and skips to features, for the given channels of the skips."""


class Distillation(Network):
    """Encoder → for each task: ASPP → decoder → first prediction; exchange of features → decoder → final prediction.

    First predictions are made in training only and are supervised too. A single task has no other task to exchange
    features with, so its first prediction is the final one.
    """

    def __init__(
        self,
        out_channels: Mapping[str, int],
        config: AtrousConfig,
        strides: Sequence[int],
        width: int,
        first_decoder: MakeDecoder,
    ) -> None:
        """Create all layers up to the first predictions.

        Decoders read skips at these ``strides``; ``first_decoder`` maps an ASPP's 256 channels to ``width``. If there
        is more than one task, the subclass then creates the layers of its ``exchange`` and calls ``add_decoders``.
        """
        super().__init__(out_channels)
        self.encoder = config.build_encoder(config.output_stride)
        self.skip_levels = [self.encoder.level(stride) for stride in strides]
        self.skips = [self.encoder.channels[level] for level in self.skip_levels]
        deep = self.encoder.channels[-1]
        self.aspps = nn.ModuleDict({task: ASPP(deep, rates=config.rates) for task in out_channels})
        self.first_decoders = nn.ModuleDict({task: first_decoder(self.skips) for task in out_channels})
        self.first_heads = heads(width, out_channels)

    def add_decoders(self, widths: Mapping[str, int], decoder: Callable[[Sequence[int], int], nn.Module]) -> None:
        """Create each task's second decoder, from the skips' channels and the task's width, and its last layer."""
        self.decoders = nn.ModuleDict({task: decoder(self.skips, widths[task]) for task in self.out_channels})
        self.heads = nn.ModuleDict({task: nn.Conv2d(widths[task], n, 1) for task, n in self.out_channels.items()})

    @property
    @abstractmethod
    def exchanges(self) -> nn.ModuleDict:
        """The layers through which each task reads the others."""

    @abstractmethod
    def exchange(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Compute the input of each second decoder from the features of all tasks after their first decoders."""

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Return the modules that every final prediction reads: the encoder and all tasks' ASPPs and first decoders."""
        return self.encoder, self.aspps, self.first_decoders

    @override
    def last_shared_layers(self) -> tuple[nn.Module, ...]:
        """Return the encoder's last layer: each later layer belongs to one task, even if other tasks read it too."""
        return tuple(main_path(self.encoder)[-1:])

    @override
    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        return () if len(self.out_channels) == 1 else (self.exchanges, self.decoders, self.heads)

    @override
    def forward(self, image: Tensor) -> Outputs:
        tasks = list(self.out_channels)
        pyramid = self.encoder(image)
        skips = [pyramid[level] for level in self.skip_levels]
        first_features = [self.first_decoders[task](self.aspps[task](pyramid[-1]), *skips) for task in tasks]
        shared = shared_features(*skips, *first_features)
        skips, first_features = list(shared[: len(skips)]), list(shared[len(skips) :])
        features = dict(zip(tasks, first_features, strict=True))
        initial: dict[str, Tensor] = {}
        if self.training or len(tasks) == 1:
            initial = {task: resize_like(self.first_heads[task](features[task]), image) for task in tasks}
        if len(tasks) == 1:
            return Outputs(initial, {}, tuple(first_features))

        exchanged = self.exchange(features)
        decoded = {task: self.heads[task](decoder(exchanged[task], *skips)) for task, decoder in self.decoders.items()}
        final = {task: resize_like(raw, image) for task, raw in decoded.items()}
        return Outputs(final, {"initial": initial} if initial else {}, shared)
