"""Base classes of the networks, their settings and their outputs."""

from abc import ABC, abstractmethod
from collections.abc import Collection, ItemsView, Iterable, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, SupportsIndex, overload

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.images import unit_range
from taskscape.models.tasks import checked_channels
from taskscape.serialization import named, nearest
from taskscape.serialization.ranges import RangedSettings

if TYPE_CHECKING:
    from taskscape.tasks import Task


class Outputs(NamedTuple):
    """The raw maps that a network returns for a batch of H×W images. A ``Task`` decodes them.

    ``outputs["semseg"]`` is the final map of a task, ``outputs.items()`` yields all final maps with their tasks, and
    ``"semseg" in outputs`` checks for a task. As a named tuple, it unpacks into its three fields.
    """

    final: dict[str, Tensor]
    """The map of each task, (B, channels, H, W), at the size of the image."""
    auxiliary: dict[str, dict[str, Tensor]]
    """Further predictions by role, made in training only: for example ``"initial"`` (supervised like the final ones) or
    ``"transferred"`` (compared with the final ones). The maps have the same shapes as in ``final``."""
    shared: tuple[Tensor, ...]
    """The shared features: the representation between the shared and the task-specific layers, through which every
    task's loss reaches the shared parameters. Empty if the network has none (``Network.has_shared_features``)."""

    @overload
    def __getitem__(self, key: str) -> Tensor: ...
    @overload
    def __getitem__(self, key: SupportsIndex | slice) -> Any: ...
    def __getitem__(self, key: Any) -> Any:
        """Return the final map of a task, or a field of the tuple by index. Raises ``KeyError`` for an unknown task."""
        if not isinstance(key, str):
            return tuple.__getitem__(self, key)
        if key not in self.final:
            raise KeyError(f"there is no task {key!r}{nearest(key, self.final)}")
        return self.final[key]

    def __contains__(self, key: object) -> bool:
        """Return whether the network predicts this task."""
        return key in self.final

    def keys(self) -> KeysView[str]:
        """Return the names of the tasks."""
        return self.final.keys()

    def values(self) -> ValuesView[Tensor]:
        """Return the final maps, in the order of ``keys``."""
        return self.final.values()

    def items(self) -> ItemsView[str, Tensor]:
        """Return the names of the tasks with their final maps."""
        return self.final.items()

    def __repr__(self) -> str:
        maps = {f"{role}/{task}": raw for role, role_maps in self.auxiliary.items() for task, raw in role_maps.items()}
        tensors = [*(self.final | maps).items(), *(("shared", features) for features in self.shared)]
        return f"Outputs({', '.join(f'{name}: {_shape(x)}' for name, x in tensors)})"


class NetworkConfig(RangedSettings, ABC):
    """The settings of a network: a frozen dataclass of plain values that can build it."""

    name: ClassVar[str]
    """The network's name on the command line and in saved experiments."""
    paper: ClassVar[str]
    """The publication that introduced the network."""
    link: ClassVar[str] = ""
    """URL of the paper."""
    network: ClassVar[type["Network"]]
    """The network class, set by ``class Mine(Network, config=MineConfig)``."""

    def build(self, out_channels: Mapping[str, int]) -> "Network":
        """Build the network with these output channels per task.

        Raises ``ValueError`` with a remedy if the settings are impossible or do not fit the tasks.
        """
        if not hasattr(self, "network"):
            class_name = type(self).__name__
            raise ValueError(f"{class_name} belongs to no network: write `class Mine(Network, config={class_name})`")
        return self.network(out_channels, self)

    def check(self, tasks: Mapping[str, "Task"]) -> None:
        """Raise ``ValueError`` with a remedy if the network cannot learn these tasks; called before any other work.

        The tasks may not have received their classes from the data yet.
        """

    def for_tasks(self, tasks: Mapping[str, "Task"]) -> Self:
        """Return these settings completed from the tasks; called before ``build``.

        A setting that lists tasks, for example those with class scores, is filled in if it is None.
        """
        return self

    def starts_at_values(self, tasks: Mapping[str, "Task"]) -> tuple[str, ...]:
        """Return the tasks whose raw output is in the range of their values before any training; none by default."""
        return ()

    def from_scratch(self) -> Self:
        """Return these settings without pretrained weights, for a network whose weights are loaded afterwards."""
        return self


class Network(nn.Module, ABC):
    """A network for several dense tasks, from (B, 3, H, W) RGB images of any size to ``Outputs``.

    Images are floating-point in 0..1, or uint8 in 0..255, which is divided by 255; anything else is rejected. They are
    converted to the type of the network's parameters. Normalization is part of the network.

    A subclass names its settings, ``class Mine(Network, config=MineConfig)``. It is built from the channels per task
    and a settings object or its fields: ``Mine({"semseg": 19, "depth": 1}, width=64)``.
    """

    config_class: ClassVar[type[NetworkConfig]]
    """The class of the settings."""
    out_channels: dict[str, int]
    """Number of output channels per task."""
    has_shared_features: ClassVar[bool] = True
    """Whether ``Outputs.shared`` has features when there is more than one task."""
    has_shared_parameters: ClassVar[bool] = True
    """Whether any layer serves all tasks when there is more than one."""

    def __init_subclass__(cls, config: type[NetworkConfig] | None = None) -> None:
        """Register the network class with its settings."""
        super().__init_subclass__()
        if config is not None:
            config.network = cls
            cls.config_class = config

    def __init__(self, out_channels: Mapping[str, int], config: Any = None, **options: Any) -> None:
        super().__init__()
        self.out_channels = checked_channels(out_channels)

    @override
    def __call__(self, image: Tensor) -> Outputs:
        """Predict every task for a (B, 3, H, W) batch.

        Raises ``ValueError`` if the batch has another shape, type or range (``unit_range``), and for a single image in
        training mode if the network's batch normalization needs two.
        """
        image = unit_range(image)
        weight = next(self.parameters(), image)
        if weight.is_floating_point() and weight.dtype != image.dtype:  # as after network.half()
            image = image.to(weight.dtype)
        try:
            outputs: Outputs = super().__call__(image)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise ValueError(
                f"{type(self).__name__} is in training mode, where its batch normalization needs 2 images or more: "
                "call network.eval() to predict, or give a larger batch to train"
            ) from error
        return outputs

    def __repr__(self) -> str:
        """Return a one-line summary; ``print`` shows the layers, as for every torch module."""
        tasks = ", ".join(f"{task}: {channels}" for task, channels in self.out_channels.items())
        count = sum(parameter.numel() for parameter in self.parameters())
        return f"{type(self).__name__}({tasks}; {count / 1e6:.3g} M parameters)"

    def __str__(self) -> str:
        return super().__repr__()

    @abstractmethod
    def forward(self, image: Tensor) -> Outputs:
        """Predict every task for a (B, 3, H, W) batch in 0..1."""

    def transfer(self, final: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Transfer each task's prediction to another task and return the results by target task; none by default.

        ``final`` are the network's own raw maps, (B, channels, H, W) each; ``ring`` pairs source and target tasks.
        """
        return {}

    def attention_maps(self, image: Tensor) -> dict[str, Tensor]:
        """Return each task's attention maps for (B, 3, H, W) images, for visualization; none by default.

        A map tells how much each class attends to each cell: (B, channels, h, w), computed in evaluation mode,
        nonnegative, with a sum of 1 over the cells.
        """
        return {}

    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        """Return the layers that serve a single task at prediction time, by task; none unless overridden.

        ``forward`` iterates over the tasks in these dictionaries, so ``drop_decoders`` can remove some.
        """
        return ()

    def drop_decoders(self, tasks: Collection[str]) -> None:
        """Remove the layers that serve only these tasks, and with them the tasks' outputs; for prediction only.

        A network whose tasks read each other keeps the layers that the remaining tasks read. One without
        ``layers_by_task`` keeps all layers.
        """
        for layers in self.layers_by_task():
            for task in tasks:
                del layers[task]

    @abstractmethod
    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Return the modules that serve all tasks, in the order of computation. Empty if nothing is shared."""

    def last_shared_layers(self) -> tuple[nn.Module, ...]:
        """Return the last layer that every task's gradient passes: a convolution or linear layer on the main path.

        Gates and shortcuts are not on the main path. Several layers are returned if the last ones are parallel, none
        if nothing is shared. The default is the last layer of ``shared_modules`` on the main path; a network in which
        that layer is off the main path, or belongs to one task's branch, overrides this method.
        """
        return tuple(main_path(*self.shared_modules())[-1:])

    def shared_parameters(self) -> tuple[nn.Parameter, ...]:
        """Return the trainable parameters that serve all tasks, in the order of computation."""
        modules: Any = self.shared_modules()
        if not isinstance(modules, Iterable):
            class_name = type(modules).__name__
            raise ValueError(f"{named(type(self).shared_modules)} gives a {class_name}: return a tuple of modules")
        return _trainable(modules)

    def task_parameters(self) -> tuple[nn.Parameter, ...]:
        """Return all other trainable parameters: those of the task-specific layers."""
        shared = set(self.shared_parameters())
        return tuple(p for p in self.parameters() if p.requires_grad and p not in shared)

    def last_shared_parameters(self) -> tuple[nn.Parameter, ...]:
        """Return the parameters of ``last_shared_layers``, for which GradNorm measures the gradients."""
        return _trainable(self.last_shared_layers())


def check_outputs(network: Network, outputs: Any, image: Tensor) -> None:
    """Raise ``ValueError`` naming the network's ``forward`` unless every task has a raw map as ``Outputs`` requires."""
    if not isinstance(outputs, Outputs):
        raise ValueError(
            f"{named(type(network).forward)} gives a {type(outputs).__name__}: return "
            "taskscape.models.Outputs(final, auxiliary, shared)"
        )
    for task, channels in network.out_channels.items():
        expected = (len(image), channels, *image.shape[-2:])
        actual = tuple(outputs.final[task].shape) if task in outputs.final else "nothing"
        if actual != expected:
            raise ValueError(
                f"{named(type(network).forward)} gives {actual} for the task {task} instead of {expected}, "
                "(B, channels, H, W) at the size of the image"
            )


def _shape(x: Tensor) -> str:
    return f"{str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"


_BESIDE_THE_MAIN_PATH = frozenset({"downsample", "se", "shortcut"})
"""Module names, in timm and here, of the shortcuts of residual blocks and of squeeze-and-excitation gates."""


def main_path(*modules: nn.Module) -> list[nn.Module]:
    """Return the trainable convolutions and linear layers of these modules, without those in shortcuts and gates."""
    return [
        layer
        for module in modules
        for name, layer in module.named_modules()
        if _BESIDE_THE_MAIN_PATH.isdisjoint(name.split("."))
        and any(p.ndim > 1 and p.requires_grad for p in layer.parameters(recurse=False))
    ]


def _trainable(modules: Iterable[nn.Module]) -> tuple[nn.Parameter, ...]:
    return tuple(dict.fromkeys(p for module in modules for p in module.parameters() if p.requires_grad))
