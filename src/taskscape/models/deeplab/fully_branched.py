"""DeepLabV3+ with nothing shared: an encoder, an ASPP and a decoder per task, with dilations chosen per task."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import Outputs
from taskscape.models.layers.aspp import ASPP
from taskscape.models.layers.encoder import AtrousConfig, EncoderConfig
from taskscape.models.layers.resize import resize_like
from taskscape.models.layers.skip_decoder import SkipDecoder
from taskscape.models.tasks import class_tasks, known_tasks, tasks_of_classes
from taskscape.models.unshared import Unshared
from taskscape.serialization.ranges import Count

if TYPE_CHECKING:
    from taskscape.tasks import Task


@dataclass(frozen=True)
class DeeplabFullyBranchedConfig(AtrousConfig):
    """A separate network per task; tasks that need context get more dilation than tasks that need detail.

    34,456,404 parameters for 19 classes and depth; the published 32.3 M are for different blocks.
    """

    name: ClassVar[str] = "deeplab-fully-branched"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+), an encoder per task"
    link: ClassVar[str] = "https://arxiv.org/abs/1802.02611"

    encoder: str = "resnet18"
    """Any timm backbone: convolutional, hierarchical or a plain vision transformer."""
    wide_tasks: tuple[str, ...] | None = None
    """Tasks that use a wide context: ``wide_output_stride`` and ``wide_rates`` instead of ``output_stride`` and
    ``rates``. By default the tasks that predict classes; if only the channels are known, those with more than three."""
    wide_output_stride: Literal[8, 16, 32] = 8
    """Like ``output_stride``, for ``wide_tasks``."""
    wide_rates: tuple[Count, ...] = (6, 12, 18, 24)
    """Like ``rates``, for ``wide_tasks``."""

    @override
    def check(self, tasks: Mapping[str, "Task"]) -> None:
        super().check(tasks)
        known_tasks("wide_tasks", self.wide_tasks or (), tasks)

    @override
    def for_tasks(self, tasks: Mapping[str, "Task"]) -> Self:
        return self if self.wide_tasks is not None else replace(self, wide_tasks=class_tasks(tasks))


class SingleTask(nn.Module):
    """Encoder → ASPP → decoder with a skip at stride 4 → 1×1 convolution."""

    def __init__(self, config: EncoderConfig, output_stride: int, rates: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.encoder = config.build_encoder(output_stride)
        self.skip_level = self.encoder.level(4)
        self.aspp = ASPP(self.encoder.channels[-1], rates=rates)
        self.decoder = SkipDecoder(256, self.encoder.channels[self.skip_level])
        self.head = nn.Conv2d(256, channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return the task's raw map at the size of the image."""
        pyramid = self.encoder(image)
        return resize_like(self.head(self.decoder(self.aspp(pyramid[-1]), pyramid[self.skip_level])), image)


class DeeplabFullyBranched(Unshared, config=DeeplabFullyBranchedConfig):
    """For each task: encoder → ASPP → decoder with a skip at stride 4 → bilinear to the image."""

    def __init__(
        self, out_channels: Mapping[str, int], config: DeeplabFullyBranchedConfig | None = None, **options: Any
    ) -> None:
        super().__init__(out_channels)
        config = DeeplabFullyBranchedConfig.of(config, options)
        wide_tasks = tasks_of_classes("wide_tasks", config.wide_tasks, out_channels)
        narrow = (config.output_stride, config.rates)
        wide = (config.wide_output_stride, config.wide_rates)
        self.tasks = nn.ModuleDict(
            {
                task: SingleTask(config, *(wide if task in wide_tasks else narrow), channels)
                for task, channels in out_channels.items()
            }
        )

    @override
    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        return (self.tasks,)

    @override
    def forward(self, image: Tensor) -> Outputs:
        return Outputs({task: network(image) for task, network in self.tasks.items()}, {}, ())
