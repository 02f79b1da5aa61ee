"""The common interface of all weighting methods."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.devices import is_quick_to_read
from taskscape.distributed import all_reduce_sum
from taskscape.serialization.ranges import RangedSettings

Losses = Mapping[str, Tensor]
"""One scalar for each task with a valid pixel in this step. With several processes, each has its part of the loss of
the global batch: summing over the processes gives the global value and gradient."""

_TASKS = "tasks"
"""Key of the tasks in the metadata of a state dict."""


class BalancingContext(NamedTuple):
    """The inputs of a method in a step besides the losses."""

    global_losses: dict[str, Tensor]
    """The losses of the global batch, without gradients; the same on every process."""
    parameters: tuple[nn.Parameter, ...]
    """The shared parameters."""
    features: tuple[Tensor, ...]
    """The shared features: the tensors between the shared and the task-specific layers that were computed by trained
    layers. May be empty."""
    last: tuple[nn.Parameter, ...]
    """The parameters of the last shared layer."""
    task_parameters: tuple[nn.Parameter, ...]
    """All other trained parameters. Methods that combine the gradients of the shared layers leave the plain sum of the
    tasks' gradients in these."""

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
        """Return the context of a step of your own network.

        ``shared`` and ``tasks`` are its shared and its task parameters; a parameter in both lists counts as shared.
        ``features`` are the shared layers' outputs, for methods with ``mode="features"``; of outputs that are computed
        from each other, such as those of an encoder's stages, give views that the heads read, ``x.view_as(x)``.
        ``last`` are the parameters of the last shared layer, for GradNorm, by default the last of ``shared`` with two
        or more dimensions. With several processes, each must call this.

        Raises ``ValueError`` naming the task unless every loss is a scalar with a gradient.
        """
        _check(losses)
        parameters = dict.fromkeys(p for p in shared if p.requires_grad)  # each once, in their order
        return cls(
            global_losses=global_losses(losses),
            parameters=tuple(parameters),
            features=tuple(dict.fromkeys(x for x in features if x.requires_grad)),
            last=tuple([p for p in parameters if p.ndim > 1][-1:] if last is None else last),
            task_parameters=tuple(dict.fromkeys(p for p in tasks if p.requires_grad and p not in parameters)),
        )

    def in_order_of(self, losses: Losses) -> dict[str, Tensor]:
        """Return the global losses in the order of ``losses``. Raises ``ValueError`` unless the tasks are the same."""
        if self.global_losses.keys() != losses.keys():
            raise ValueError(
                f"the context has losses of {', '.join(self.global_losses)}, and backward gets those of "
                f"{', '.join(losses)}: make it of the same losses in each step, BalancingContext.of(losses, …)"
            )
        return {task: self.global_losses[task] for task in losses}


class WeightingConfig(RangedSettings, ABC):
    """The settings of a method: a frozen dataclass of plain values that can build it. Mappings are keyed by task.

    Raises ``ValueError`` for a number that is not finite or outside the range that its field declares.
    """

    name: ClassVar[str]
    """The method's name on the command line and in saved experiments."""
    link: ClassVar[str] = ""
    """URL of the paper."""
    weighting: ClassVar[type["Weighting"]]
    """The method's class, set by ``class Mine(Weighting, config=MineConfig)``."""

    def check(self, tasks: Sequence[str]) -> None:
        """Raise ``ValueError`` if the settings do not fit these tasks, such as a weight for an unknown task."""
        for field, value in vars(self).items():
            for name in value if isinstance(value, Mapping) else ():
                if name not in tasks:
                    raise ValueError(
                        f"weighting.{field} names {name!r}, but the tasks are {', '.join(tasks)}: give numbers for "
                        f"these, as in --weighting.{field} {tasks[0]} 1, or choose another weighting"
                    )

    def build(self, tasks: Sequence[str], seed: int = 0) -> "Weighting":
        """Build the method for these tasks. Raises ``ValueError`` like ``check``, and if a solver is missing.

        Random numbers depend only on ``seed`` and the step, so they are the same on every process.
        """
        if not hasattr(self, "weighting"):
            class_name = type(self).__name__
            raise ValueError(
                f"{class_name} belongs to no weighting: write `class Mine(Weighting, config={class_name})`"
            )
        return self.weighting(tasks, self, seed=seed)


class Weighting(nn.Module, ABC):
    """A method of balancing tasks.

    A subclass names its settings, ``class Mine(Weighting, config=MineConfig)``. It is built from the tasks' names and a
    settings object or its fields: ``PCGrad(["semseg", "depth"], mode="features")``. Learned values are parameters; the
    training loop passes those that require a gradient to the optimizer, without weight decay. Other state is in buffers
    or extra state. All of it is in the state dict and therefore in every checkpoint.
    """

    one_backward: ClassVar[bool]
    """True if ``backward`` runs a single backward pass, from a sum of the losses, so that gradients can be reduced over
    the processes while they are computed. Otherwise, the training loop sums the network's ``.grad`` after ``backward``.
    The gradients of the method's own parameters are global in either case and must not be summed again."""
    retains_graph: ClassVar[bool] = False
    """True if ``backward`` traverses the graph more than once. A compiled network must then keep its buffers
    (``torch._functorch.config.donated_buffer = False``)."""
    uses_last_layer: ClassVar[bool] = False
    """True if the method needs the parameters of the last shared layer, ``BalancingContext.last``."""
    capturable: ClassVar[bool] = False
    """True if a CUDA graph of a step may include ``backward`` and ``after_step``, after one step without a graph.
    They must then consist of device operators only, without waiting for values, copying from the host or drawing random
    numbers. Everything that changes between steps or epochs must be in tensors with a fixed address, since a graph
    replays what was captured: a Python number, or a tensor that replaces another, would keep its captured value.
    Subclasses do not inherit this flag; each must set it itself."""
    config_class: ClassVar[type[WeightingConfig]]
    """The class of the settings."""

    config: Any
    """The settings."""
    learning_rate: float | None = None
    """Learning rate of the method's own parameters; None to use that of the network."""

    def __init_subclass__(cls, config: type[WeightingConfig] | None = None) -> None:
        """Register the method's class with its settings."""
        super().__init_subclass__()
        cls.capturable = vars(cls).get("capturable", False)
        if config is not None:
            config.weighting = cls
            cls.config_class = config

    def __init__(self, tasks: Sequence[str], config: Any = None, *, seed: int = 0, **options: Any) -> None:
        """Create the method from the tasks' names, and settings or their fields.

        Raises ``ValueError`` like ``WeightingConfig.check`` and for anything but distinct names, and ``TypeError`` like
        ``WeightingConfig.of``.
        """
        super().__init__()
        self.tasks = _checked_names(tasks)
        self.config = self.config_class.of(config, options)
        self.config.check(self.tasks)
        self.register_state_dict_post_hook(_note_tasks)  # type: ignore[no-untyped-call]

    def check(self, *, shared_parameters: bool, shared_features: bool, compiled: bool) -> None:
        """Raise ``ValueError`` if the method cannot balance such a network; called before any long work."""

    @abstractmethod
    def backward(self, losses: Losses, context: BalancingContext) -> dict[str, Tensor] | None:
        """Add the gradients of this step to ``.grad``, as ``loss.backward()`` does, and return the weight of each task.

        The weights are those of the global losses, the same on every process; None for a method without weights.
        ``losses`` has at least one task.
        """

    def after_step(self, losses_again: Callable[[], Mapping[str, Tensor]]) -> None:
        """Update the method after the optimizer's step; ``losses_again`` recomputes the same batch's global losses."""

    def epoch_end(self, mean_losses: Mapping[str, float]) -> None:
        """Update the method with the epoch's mean global loss per task, for tasks with any valid pixel."""

    def select(self, losses: Losses, per_task: Tensor) -> Tensor:
        """Select the values of the tasks in ``losses``, in their order, from one value per task, (tasks,)."""
        self.check_names(losses)
        return torch.stack([per_task[self.tasks.index(task)] for task in losses])

    def check_names(self, losses: Iterable[str]) -> None:
        """Raise ``ValueError`` for a loss whose name is not that of a task."""
        for task in losses:
            if task not in self.tasks:
                raise ValueError(f"there is a loss of {task!r}, but the tasks are {', '.join(self.tasks)}")

    def check_nonnegative(self, losses: Losses) -> None:
        """Raise ``ValueError`` for a negative loss; not on a GPU, since reading it would force a synchronization."""
        for task, loss in losses.items():
            if is_quick_to_read(loss) and loss < 0:
                raise ValueError(
                    f"the loss of {task} is {loss:g}, but this weighting scales losses by their size: add a constant "
                    "that keeps the loss above 0, or choose a weighting such as fixed or pcgrad"
                )

    @override
    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, local_metadata: Mapping[str, Any], *rest: Any
    ) -> None:
        """Raise ``ValueError`` for the state of other tasks, or in another order: it holds one value per task."""
        saved = local_metadata.get(_TASKS, self.tasks)
        if tuple(saved) != self.tasks:
            raise ValueError(
                f"the state is that of the tasks {', '.join(saved)}, and this weighting balances "
                f"{', '.join(self.tasks)}: build it with the same tasks in the same order"
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    @override
    def extra_repr(self) -> str:
        return f"{', '.join(self.tasks)}; {self.config}"


def _note_tasks(weighting: nn.Module, state: Mapping[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    """Add the tasks to the metadata of a state dict, with which ``torch.save`` writes them."""
    assert isinstance(weighting, Weighting)
    metadata[_TASKS] = list(weighting.tasks)


def _checked_names(tasks: Any) -> tuple[str, ...]:
    """Return the names of the tasks. Raises ``ValueError`` unless they are distinct strings, and at least one."""
    if isinstance(tasks, set | frozenset):
        raise ValueError(
            f"tasks is the set {tasks!r}, whose order differs between processes, so that a resumed run would exchange "
            f"tasks: give a list, such as {sorted(map(str, tasks))}"
        )
    names = () if isinstance(tasks, str) or not isinstance(tasks, Iterable) else tuple(tasks)
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(f"tasks is {tasks!r}: give the names of the tasks, such as ['semseg', 'depth']")
    return names


def _check(losses: Losses) -> None:
    """Raise ``ValueError`` naming the task unless there is a loss and every loss is a scalar with a gradient."""
    if not isinstance(losses, Mapping) or not losses:
        raise ValueError(
            f"losses is {losses!r}: give the loss of each task by its name, such as {{'depth': loss}}, and skip steps "
            "without any"
        )
    for task, loss in losses.items():
        if not isinstance(loss, Tensor) or loss.ndim > 0:
            actual = f"of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise ValueError(f"the loss of {task} is {actual}: give a scalar tensor, such as loss.mean()")
    require_gradients(losses)


def require_gradients(losses: Losses) -> None:
    """Raise ``ValueError`` for a loss that depends on no parameter: its task would silently learn nothing."""
    if constant := [name for name, loss in losses.items() if not loss.requires_grad]:
        raise ValueError(
            f"the loss of {constant[0]} has no gradient, so the task would learn nothing: do not detach it in the "
            "network or in the loss, or leave the task out"
        )


def stack(losses: Losses) -> Tensor:
    """Return the losses as one tensor, (tasks,), with their gradients."""
    return torch.stack(list(losses.values()))


def global_losses(losses: Losses) -> dict[str, Tensor]:
    """Return the losses of the global batch, without gradients. Every process must call this."""
    return dict(zip(losses, all_reduce_sum(stack(losses)).unbind(), strict=True))
