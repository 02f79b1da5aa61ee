"""The one interface of every way of balancing tasks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.distributed import all_reduce_sum
from taskscape.serialization.ranges import RangedSettings

Losses = Mapping[str, Tensor]
"""One scalar per task with a valid pixel in this step. With several processes each holds its part of the loss of the
global batch: the values add up over the processes, and so do the gradients. A loss is never negative."""


class BalancingContext(NamedTuple):
    """What a method may know of a step besides the losses."""

    global_losses: dict[str, Tensor]
    """The losses of the global batch, without gradients: the same on every process."""
    parameters: tuple[nn.Parameter, ...]
    """All parameters that serve every task."""
    features: tuple[Tensor, ...]
    """The shared features: what lies between the shared and the task-specific layers, as far as trained layers gave it;
    empty where there are none."""
    last: tuple[nn.Parameter, ...]
    """The parameters of the last shared layer."""
    task_parameters: tuple[nn.Parameter, ...]
    """All other parameters that are trained. Methods that combine the gradients of the shared layers leave the plain
    sum of the tasks' gradients in these."""

    @classmethod
    def of(
        cls,
        losses: Losses,
        *,
        shared: Iterable[nn.Parameter],
        tasks: Iterable[nn.Parameter],
        features: Iterable[Tensor] = (),
        last: Iterable[nn.Parameter] | None = None,
    ) -> Self:
        """Return the context of a step of your own network: ``shared`` and ``tasks`` are its parameters.

        ``features`` are the shared layers' outputs, for the methods with ``mode="features"``; ``last`` are the
        parameters of the last shared layer, for GradNorm: by default the last of ``shared`` with two or more
        dimensions. With several processes, each must call this.
        """
        parameters = tuple(p for p in shared if p.requires_grad)
        return cls(
            global_losses=global_losses(losses),
            parameters=parameters,
            features=tuple(x for x in features if x.requires_grad),
            last=tuple([p for p in parameters if p.ndim > 1][-1:] if last is None else last),
            task_parameters=tuple(p for p in tasks if p.requires_grad),
        )


class WeightingConfig(RangedSettings, ABC):
    """The settings of one method: a frozen dataclass of plain values that builds it. A mapping among them is by task.

    Raises ``ValueError`` for a number that is not finite or not within the range that its field declares.
    """

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""
    link: ClassVar[str] = ""
    """URL of the paper."""
    weighting: ClassVar[type["Weighting"]]
    """The module; ``class Mine(Weighting, config=MineConfig)`` sets it."""

    def check(self, tasks: Sequence[str]) -> None:
        """Raise ``ValueError`` where the settings do not fit these tasks, such as a weight of another one."""
        for field, value in vars(self).items():
            for name in value if isinstance(value, Mapping) else ():
                if name not in tasks:
                    raise ValueError(
                        f"weighting.{field} names {name!r}, but the tasks are {', '.join(tasks)}: give numbers for "
                        f"these, as in --weighting.{field} {tasks[0]} 1, or choose another weighting"
                    )

    def build(self, tasks: Sequence[str], seed: int = 0) -> "Weighting":
        """Build the method for these tasks. Raises ``ValueError`` as ``check``, and where a solver is missing.

        Methods that draw random numbers do so as a function of ``seed`` and the step: the same on every process.
        """
        if not hasattr(self, "weighting"):
            kind = type(self).__name__
            raise ValueError(f"{kind} belongs to no weighting: write `class Mine(Weighting, config={kind})`")
        return self.weighting(tasks, self, seed=seed)


class Weighting(nn.Module, ABC):
    """A way of balancing tasks.

    A subclass names its settings, ``class Mine(Weighting, config=MineConfig)``, and is built from the tasks' names and
    settings or their fields: ``PCGrad(["semseg", "depth"], mode="features")``. What a method learns (as parameters;
    the loop hands those that require a gradient to the optimizer, without weight decay) or remembers (as buffers or
    extra state) is in its state dict and so in every checkpoint.
    """

    one_backward: ClassVar[bool]
    """True when ``backward`` runs the backward pass once, from a sum of the losses, so that gradients may be summed
    over the processes while they are computed. Otherwise the loop sums what ``backward`` leaves in the network's
    ``.grad``. The gradients of the method's own parameters are global in either case: nothing sums them again."""
    retains_graph: ClassVar[bool] = False
    """True when ``backward`` walks the graph more than once: a compiled network must then keep its buffers
    (``torch._functorch.config.donated_buffer = False``)."""
    uses_last_layer: ClassVar[bool] = False
    """True when it needs the parameters of the last shared layer, ``BalancingContext.last``."""
    capturable: ClassVar[bool] = False
    """True when a CUDA graph of a step may hold ``backward`` and ``after_step``, once a step was taken without one.
    They are then nothing but operators on the device: they wait for no value, copy nothing from the host and draw no
    random numbers. All that changes between steps or epochs is in tensors that keep their place in memory: a graph
    repeats what was captured, so that a Python number, or a tensor put in place of another, would stay as it was.
    A subclass does not inherit this: it promises it for itself."""
    config_class: ClassVar[type[WeightingConfig]]
    """The class of the settings."""

    config: Any
    """The settings."""
    learning_rate: float | None = None
    """Learning rate of the method's own parameters; None for that of the network."""

    def __init_subclass__(cls, config: type[WeightingConfig] | None = None) -> None:
        """Join a method and its settings."""
        super().__init_subclass__()
        cls.capturable = vars(cls).get("capturable", False)
        if config is not None:
            config.weighting = cls
            cls.config_class = config

    def __init__(self, tasks: Sequence[str], config: Any = None, *, seed: int = 0, **options: Any) -> None:
        """Take the tasks' names, and settings or their fields.

        Raises ``ValueError`` as ``WeightingConfig.check`` and ``TypeError`` as ``WeightingConfig.of``.
        """
        super().__init__()
        self.tasks = tuple(tasks)
        self.config = self.config_class.of(config, options)
        self.config.check(self.tasks)

    def check(self, *, shared_parameters: bool, shared_features: bool, compiled: bool) -> None:
        """Raise ``ValueError`` where the method cannot balance such a network; called before any long work."""

    @abstractmethod
    def backward(self, losses: Losses, context: BalancingContext) -> dict[str, Tensor] | None:
        """Leave the gradients of this step in ``.grad``, which is empty before, and return the weight of each task.

        The weights are those of the global losses, the same on every process, or None where a method has none.
        ``losses`` has at least one task.
        """

    def after_step(self, losses_again: Callable[[], Mapping[str, Tensor]]) -> None:
        """Adjust after the optimizer's step; ``losses_again`` recomputes the global losses of the same batch."""

    def epoch_end(self, mean_losses: Mapping[str, float]) -> None:
        """Take the epoch's mean global loss per task (of the tasks that had any valid pixel)."""

    def select(self, losses: Losses, per_task: Tensor) -> Tensor:
        """Return those of one value per task, (tasks,), that belong to the tasks in ``losses``, in their order."""
        return torch.stack([per_task[self.tasks.index(task)] for task in losses])

    @override
    def extra_repr(self) -> str:
        return f"{', '.join(self.tasks)}; {self.config}"


def stack(losses: Losses) -> Tensor:
    """Return the losses as one tensor, (tasks,), with their gradients."""
    return torch.stack(list(losses.values()))


def global_losses(losses: Losses) -> dict[str, Tensor]:
    """Return the losses of the global batch, without gradients. Every process must call it."""
    return dict(zip(losses, all_reduce_sum(stack(losses)).unbind(), strict=True))
