"""One training step, shared by the training loop, the tests of every weighting, and the benchmarks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import record_function
from torch.utils._pytree import tree_leaves

from taskscape.batch import Batch
from taskscape.distributed import OneProcess, all_reduce_coalesced_, rank
from taskscape.models import Network, Outputs
from taskscape.models.base import check_outputs
from taskscape.objectives.base import Objective, tasks_with_labels
from taskscape.tasks import Task
from taskscape.training.captured import CapturedSteps
from taskscape.training.compilation import reusable_buffers
from taskscape.training.cuda_graphs import CudaGraphs
from taskscape.training.finite import check_finite
from taskscape.training.precision import Precision, autocast
from taskscape.training.step_result import StepResult
from taskscape.weighting.base import BalancingContext, Losses, Weighting, global_losses, require_gradients

if TYPE_CHECKING:
    from taskscape.distributed import Processes


PARTS = FORWARD, LOSSES, BACKWARD, OPTIMIZER = ("forward pass", "losses", "backward passes", "optimizer")
"""Names of the parts of a step in profiles of torch."""


class TrainingStep:
    """Forward pass, losses, balanced gradients, optimizer: ``step(batch, index)`` trains the network on one batch.

    With several processes each calls it with its own part of the global batch, and all end with the same weights.
    """

    def __init__(
        self,
        network: Network,
        tasks: Mapping[str, Task],
        objective: Objective,
        weighting: Weighting,
        optimizer: torch.optim.Optimizer,
        *,
        learning_rate: Callable[[int], float] | None = None,
        precision: Precision = "fp32",
        gradient_clip: float | None = None,
        compile: bool = False,
        cuda_graphs: bool = False,
        seed: int | None = None,
        fabric: "Processes | None" = None,
    ) -> None:
        """Take the parts of a step, all on one device.

        ``optimizer`` has the parameters of the network and those of the weighting that require a gradient
        (``optimization.parameter_groups``); ``learning_rate`` returns the factor on its learning rates for a step;
        ``gradient_clip`` is the maximum norm of the network's gradient; ``compile`` compiles the network with
        ``torch.compile``; ``cuda_graphs`` captures steps if there is one GPU and the weighting is ``capturable``
        (``CapturedSteps``). With ``seed``, everything random in a step is a function of (seed, step, process); without
        it, torch's generators are left alone. With ``fabric`` and several processes, gradients are summed during the
        backward pass if the weighting allows it, otherwise after it.
        """
        self.network, self.tasks, self.objective = network, dict(tasks), objective
        self.weighting, self.optimizer = weighting, optimizer
        self.learning_rate, self.base_rates = learning_rate, [group["lr"] for group in optimizer.param_groups]
        self.precision, self.gradient_clip, self.seed = precision, gradient_clip, seed
        self.shared_parameters = network.shared_parameters()
        self.last_shared_parameters = network.last_shared_parameters()
        self.task_parameters = network.task_parameters()
        self.walks_compiled_graph_again = compile and weighting.retains_graph
        if compile:
            network.compile()
        self.fabric = None if isinstance(fabric, OneProcess) else fabric
        self.module: Any = network if self.fabric is None else self.fabric.setup_module(network)
        device = next(network.parameters()).device
        self.captured: CapturedSteps | None = None
        if cuda_graphs and device.type == "cuda" and self.fabric is None and weighting.capturable:
            self.captured = CapturedSteps(lambda *args: [self.take(*args)], [self], CudaGraphs(device))

    def __call__(self, batch: Batch, step: int) -> StepResult:
        """Train on this process's part of the batch of ``step``, which counts from 0.

        A batch without labels changes nothing, nor does a batch whose gradient is not finite.
        """
        self.prepare(step)
        names = tasks_with_labels({name: batch.targets[name] for name in self.tasks})
        if not names:
            return StepResult({}, {}, torch.zeros(()))
        if self.captured is not None:
            (result,) = self.captured(batch, names, [step])
            return result
        return self.take(batch, names)

    def take(self, batch: Batch, names: Sequence[str]) -> StepResult:
        """Train on a batch for the losses of these tasks; each must have a label in the global batch."""
        # DDP waits for a gradient of every parameter, which is missing for a task without labels.
        sums_in_backward = self.fabric is not None and self.weighting.one_backward and len(names) == len(self.tasks)
        with self._graph_for_all_backward_passes(), self._sum_in_backward(sums_in_backward):
            losses, outputs = self.forward(batch, names)
            require_gradients(losses)
            context = self.context(losses, outputs)
            with record_function(BACKWARD):
                weights = self.weighting.backward(losses, context)
        if not sums_in_backward:
            all_reduce_coalesced_([p.grad for p in self.network.parameters() if p.grad is not None])
        norm, is_taken = self.update()
        if is_taken:
            self.adjust(lambda: global_losses(self.forward(batch, names)[0]))
        return StepResult(context.global_losses, weights or {}, norm)

    def prepare(self, step: int) -> None:
        """Set the seed and learning rate of a step, and drop the gradients of the previous step."""
        self._seed(step)
        self._set_learning_rate(step)
        self.optimizer.zero_grad(set_to_none=True)
        self.weighting.zero_grad(set_to_none=True)  # it may have its own optimizer

    def update(self) -> tuple[Tensor, bool]:
        """Clip the gradients and step the optimizer unless they are not finite.

        Returns their norm before clipping, and False if the step was certainly not taken.
        """
        norm = self._clip()
        return norm, self._update(norm)

    @torch.no_grad()
    def adjust(self, losses_again: Callable[[], Mapping[str, Tensor]]) -> None:
        """Let the weighting adjust after a step; ``losses_again`` recomputes the global losses of the same batch."""
        self.weighting.after_step(losses_again)

    def check_finite(self) -> None:
        """Raise ``TrainingError`` that names the first tensor that is not finite; called before anything is saved.

        Checks the network's weights and statistics, the optimizer's state and the parameters of the weighting.
        """
        states = self.optimizer.state_dict()["state"]
        check_finite(
            {
                "the network's": self.network.state_dict(),
                "the weighting's": dict(self.weighting.named_parameters()),
                **{f"the optimizer's state of parameter {index},": state for index, state in states.items()},
            }
        )

    def state(self) -> Iterator[Tensor]:
        """Return all tensors that a step changes; a checkpoint saves them."""
        states = (self.network.state_dict(), self.weighting.state_dict(), self.optimizer.state_dict())
        return (x for x in tree_leaves(states) if isinstance(x, Tensor))

    def _clip(self) -> Tensor:
        """Clip the network's gradient, and return the norm of all gradients before clipping."""
        learned = _gradients(self.weighting)
        if self.gradient_clip is None:
            return nn.utils.get_total_norm([*_gradients(self.network), *learned])
        network_norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_clip)
        return torch.hypot(network_norm, nn.utils.get_total_norm(learned)) if learned else network_norm

    def _update(self, norm: Tensor) -> bool:
        """Step the optimizer unless the gradient is not finite; return False if it certainly did not step."""
        if norm.device.type != "cpu":
            return self._update_unread(norm)
        if not norm.isfinite():
            return False
        with record_function(OPTIMIZER):
            self.optimizer.step()
        return True

    def _update_unread(self, norm: Tensor) -> bool:
        """Step the optimizer without reading the norm, which would make the host wait for the GPU.

        Fused optimizers skip a step on the GPU if the norm is not finite, as they do for torch's GradScaler.
        """
        vars(self.optimizer)["found_inf"] = 1 - norm.isfinite().float()
        with record_function(OPTIMIZER):
            self.optimizer.step()
        return True

    def _seed(self, step: int) -> None:
        if self.seed is not None:
            state = np.random.SeedSequence((self.seed, step, rank())).generate_state(1, np.uint64)
            torch.manual_seed(int(state[0] >> np.uint64(1)))

    def _set_learning_rate(self, step: int) -> None:
        if self.learning_rate is not None:
            factor = self.learning_rate(step)
            for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
                group["lr"] = rate * factor

    def _graph_for_all_backward_passes(self) -> AbstractContextManager[None]:
        return reusable_buffers() if self.walks_compiled_graph_again else nullcontext()

    def _sum_in_backward(self, enabled: bool) -> AbstractContextManager[Any]:
        if self.fabric is None:
            return nullcontext()
        return self.fabric.no_backward_sync(self.module, enabled=not enabled)

    def forward(self, batch: Batch, names: Iterable[str]) -> tuple[dict[str, Tensor], Outputs]:
        """Return this process's part of the loss of each of these tasks, and the network's outputs."""
        with record_function(FORWARD), autocast(batch.image.device, self.precision):
            outputs: Outputs = self.module(batch.image)
        check_outputs(self.network, outputs, batch.image)
        return self.losses(outputs, batch, names), outputs

    def losses(self, outputs: Outputs, batch: Batch, names: Iterable[str]) -> dict[str, Tensor]:
        """Return this process's part of the loss of each of these tasks for given outputs of the network."""
        with record_function(LOSSES):
            tasks = {name: self.tasks[name] for name in names}
            return self.objective(tasks, outputs.final, outputs.auxiliary, batch.targets)

    def context(self, losses: Losses, outputs: Outputs) -> BalancingContext:
        """Return what a weighting may use besides these losses: global losses, parameters and shared features."""
        return BalancingContext(
            global_losses(losses),
            parameters=self.shared_parameters,
            features=tuple(x for x in outputs.shared if x.requires_grad),  # the others come from frozen layers only
            last=self.last_shared_parameters,
            task_parameters=self.task_parameters,
        )


def _gradients(module: nn.Module) -> list[Tensor]:
    return [p.grad for p in module.parameters() if p.grad is not None]
