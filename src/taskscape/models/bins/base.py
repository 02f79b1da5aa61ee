"""Base classes of networks with adaptive bins: one encoder, bins for the depth, a branch per other task."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.bins.adaptive_bins import AdaptiveBins, TokenSource
from taskscape.models.branches import SharedEncoder
from taskscape.models.layers.attention import AttentionScale
from taskscape.models.layers.encoder import AtrousConfig
from taskscape.models.layers.grid_transformer import GridTransformer, Position
from taskscape.models.layers.shared_features import shared_features
from taskscape.models.tasks import known_tasks
from taskscape.serialization.ranges import BelowOne, Count, CountOrZero, Positive

if TYPE_CHECKING:
    from taskscape.tasks import Task

_DEFAULT_START = 10.0
"""The initial value of the bins, unless the settings or the task's range determine another."""


@dataclass(frozen=True)
class BinsConfig(AtrousConfig):
    """The settings of a network with adaptive bins and its transformers.

    Bins are values in the unit of the labels, such as meters. The raw output of a task with bins must therefore be the
    value itself: ``Depth(representation="meters", mean=0.0, std=1.0)``, best with a loss on values such as SILog.
    """

    encoder: str = "resnet18"
    """Any timm backbone: convolutional, hierarchical or a plain vision transformer."""
    bin_tasks: tuple[str, ...] | None = None
    """Tasks with one output channel that are predicted by bins. By default the tasks whose raw output is the value
    itself; if only the channels are known, those with one."""
    tokens: TokenSource = "encoder"
    """The input of the bins: the encoder's last feature map, the depth decoder's features, or those of an ASPP."""
    grid: Count = 16
    """Side of the grid × grid of cells that are the tokens; there are as many bins as cells."""
    width: Count = 256
    """Channels of a token; 512 was compared."""
    heads: Count = 4
    """Number of attention heads; 8 were best with tokens from an ASPP."""
    blocks: CountOrZero = 3
    """Number of transformer blocks, 0 for none; 6 were best with tokens from an ASPP."""
    expansion: Count = 4
    """Width of the transformer's hidden layers relative to ``width``; 8 was compared."""
    dropout: BelowOne = 0.0
    """Dropout probability of the attention weights."""
    temperature: Positive = 1.0
    """Divisor of the similarities, in addition to ``attention_scale``."""
    attention_scale: AttentionScale = "head"
    """Divide similarities by the square root of a head's channels, √(width / heads), or of all channels, √width."""
    position: Position = "none"
    """Where a learned position per cell is added: nowhere, to the queries of every block, or to the first block's
    input."""
    skip_width: Count | None = None
    """Channels of the decoders' skip at stride 4; by default 64 for bins, 48 for the other tasks."""
    decoder_convolutions: Count | None = None
    """Number of 3×3 convolutions in the decoders; by default three for bins, two for the other tasks."""
    start: Positive | None = None
    """Initial value of the bins, in the unit of the labels; by default 10, or the middle of the task's range if 10 is
    outside it."""

    @override
    def check(self, tasks: Mapping[str, "Task"]) -> None:
        """Raise ``ValueError`` if a task with bins has a raw output other than its values.

        Without a choice of ``bin_tasks``, also raise it if no task has bins but one could.
        """
        super().check(tasks)
        bins = known_tasks("bin_tasks", self.for_tasks(tasks).bin_tasks or (), tasks)
        if self.bin_tasks is None and not bins:
            quantities = {name: task for name, task in tasks.items() if not task.predicts_classes}
            bins = tuple(name for name, task in quantities.items() if task.channels - task.loss.scale_channels == 1)
        for name in bins:
            if tasks[name].loss.scale_channels:
                raise ValueError(
                    f"network: {self.name} predicts {name!r} by bins, without the width of the errors that the loss "
                    f"{tasks[name].loss.name} needs: choose another loss, or network.bin_tasks () for none"
                )
            if not tasks[name].raw_is_value:
                raise ValueError(
                    f"network: {self.name} predicts {name!r} by bins in the unit of its labels, but the task's raw "
                    f"output has another: set tasks.{name}.representation to meters, tasks.{name}.mean to 0 and "
                    f"tasks.{name}.std to 1, or list the tasks with bins in network.bin_tasks, () for none"
                )

    @override
    def for_tasks(self, tasks: Mapping[str, "Task"]) -> Self:
        bin_tasks = self.bin_tasks
        if bin_tasks is None:
            bin_tasks = tuple(name for name, task in tasks.items() if task.raw_is_value and task.channels == 1)
        start = self.start
        if start is None:
            start = next(
                (tasks[name].start_value(_DEFAULT_START) for name in bin_tasks if name in tasks), _DEFAULT_START
            )
        return replace(self, bin_tasks=bin_tasks, start=start)

    @override
    def starts_at_values(self, tasks: Mapping[str, "Task"]) -> tuple[str, ...]:
        """Return the tasks with bins, which start around ``start``."""
        return self.for_tasks(tasks).bin_tasks or ()

    def transformer(self, inputs: int) -> GridTransformer:
        """Build a transformer over the cells of a map of ``inputs`` channels."""
        return GridTransformer(
            inputs,
            grid=self.grid,
            width=self.width,
            heads=self.heads,
            blocks=self.blocks,
            expansion=self.expansion,
            dropout=self.dropout,
            temperature=self.temperature,
            position=self.position,
            scale=self.attention_scale,
        )

    def decoder(self, skip_width: int = 48, convolutions: int = 2) -> dict[str, int]:
        """Return a decoder's skip width and number of convolutions; the arguments are the defaults."""
        return {
            "skip_width": self.skip_width or skip_width,
            "convolutions": self.decoder_convolutions or convolutions,
        }


class BinsNetwork(SharedEncoder):
    """Encoder → depth: tokens → bins, decoder → expectation; others: a branch each → bilinear to the image.

    If no task has bins, as in a single-task baseline for another task, every task has such a branch.
    """

    config_class: ClassVar[type[BinsConfig]]

    def __init__(self, out_channels: Mapping[str, int], config: BinsConfig | None = None, **options: Any) -> None:
        super().__init__(out_channels)
        config = self.config_class.of(config, options)
        self.encoder = config.build_encoder(config.output_stride)
        self.skip_level = self.encoder.level(4)
        deep, skip = self.encoder.channels[-1], self.encoder.channels[self.skip_level]
        self.branches = nn.ModuleDict()
        bin_tasks = _bin_tasks(config, out_channels)
        for task, channels in out_channels.items():
            if task in bin_tasks:
                transformer = config.transformer(deep if config.tokens == "encoder" else 256)
                start = _DEFAULT_START if config.start is None else config.start
                self.branches[task] = AdaptiveBins(
                    deep, skip, transformer, config.tokens, config.rates, start, **config.decoder(64, 3)
                )
            else:
                self.branches[task] = self.branch(config, deep, skip, channels)

    @abstractmethod
    def branch(self, config: BinsConfig, deep: int, skip: int, channels: int) -> nn.Module:
        """Create the branch of a task without bins, from skip and bottleneck to its raw map.

        ``deep``, ``skip`` and ``channels`` are the channels of the bottleneck, the skip and the raw map.
        """

    @override
    def read(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return pyramid[self.skip_level], pyramid[-1]

    def bins(self, image: Tensor) -> dict[str, Tensor]:
        """Return the bins of each image, (B, grid²) in the unit of the labels, for each task with bins."""
        skip, bottleneck = shared_features(*self.read(self.encoder(image)))
        return {
            task: branch.bins(skip, bottleneck)
            for task, branch in self.branches.items()
            if isinstance(branch, AdaptiveBins)
        }


def _bin_tasks(config: BinsConfig, out_channels: Mapping[str, int]) -> tuple[str, ...]:
    if config.bin_tasks is None:
        return tuple(task for task, channels in out_channels.items() if channels == 1)
    for task in known_tasks("bin_tasks", config.bin_tasks, out_channels):
        if out_channels[task] != 1:
            raise ValueError(
                f"network.bin_tasks: {task!r} has {out_channels[task]} channels: list tasks with one channel"
            )
    return config.bin_tasks
