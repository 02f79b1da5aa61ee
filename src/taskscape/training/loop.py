"""The training loop. It knows no network, no task and no way of balancing by name."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from rich.progress import Progress
from torch import Tensor, nn

from taskscape.training import checkpoint
from taskscape.batch import Batch
from taskscape.data.loader import Loader
from taskscape.evaluation.evaluate import Measured, measure
from taskscape.run_folder.run_log import Journal
from taskscape.models.base import Network, Outputs
from taskscape.objectives.supervised import Objective, present
from taskscape.distributed import sum_in_place, world
from taskscape.run_folder.result import higher_is_better
from taskscape.tasks import Task
from taskscape.weighting.base import Shared, Weighting

FIRST_CHOICE = ("semseg/miou", "depth/si_log_rmse", "normals/mean")
"""The metrics by which the best weights are chosen, when the plan names none."""


class TrainingError(RuntimeError):
    """Training cannot go on. What was saved before is intact."""


class Interrupted(KeyboardInterrupt):
    """The user stopped the run; its checkpoint is written."""


@dataclass(frozen=True)
class Plan:
    """How long and how carefully to train."""

    epochs: int
    seed: int
    precision: Literal["fp32", "bf16"]
    gradient_clip: float | None
    best: str | None
    checkpoint_minutes: float


def autocast(device: torch.device, precision: Literal["fp32", "bf16"]) -> torch.autocast:
    """Return the context in which a network computes at this precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


class Training:
    """A run in progress: everything that moves while it trains, and the files that it leaves."""

    def __init__(
        self,
        *,
        fabric: Fabric,
        network: Network,
        tasks: Mapping[str, Task],
        objective: Objective,
        weighting: Weighting,
        optimizer: torch.optim.Optimizer,
        learning_rate: Callable[[float], float],
        train: Loader,
        val: Loader,
        plan: Plan,
        run: Path,
        compiled: bool = False,
    ) -> None:
        """Take the parts of a run.

        ``learning_rate`` gives the factor at an epoch with fractions; ``compiled`` says that the network is.
        """
        self.fabric, self.network, self.tasks, self.objective = fabric, network, dict(tasks), objective
        self.weighting, self.optimizer, self.learning_rate = weighting, optimizer, learning_rate
        self.train_data, self.val_data, self.plan, self.run_folder = train, val, plan, run
        self.module = fabric.setup_module(network)  # its forward pass sums gradients over the processes
        self.base_rates = [group["lr"] for group in optimizer.param_groups]
        self.shared_parameters = network.shared_parameters()
        self.last_shared = network.last_shared_parameters()
        common = {id(p) for p in self.shared_parameters}
        self.own_parameters = tuple(p for p in network.parameters() if p.requires_grad and id(p) not in common)
        self.compiled = compiled
        self.checked = False
        self.step = 0
        self.seconds = 0.0
        self.best_value: float | None = None
        self.epoch_losses = _Mean(self.tasks)
        self.epoch_weights = _Mean(self.tasks)
        # Losses that nobody has looked at yet: on a GPU a look is a synchronisation point, so it is a rare one.
        self.unseen: list[tuple[int, dict[str, Tensor], dict[str, Tensor]]] = []
        self.look_every = 1 if fabric.device.type == "cpu" else 20
        self.stop_requested = False  # by this process's user
        self.stopping = False  # agreed by all processes
        self.saved_at = time.monotonic()

    # -- the loop ------------------------------------------------------------------------------------------------------

    def run(self, progress: Progress | None = None) -> Measured:
        """Train to the end of the plan and return the last epoch's validation.

        Raises ``TrainingError`` when a loss is not finite and ``Interrupted`` when the user stops it.
        """
        per_epoch = len(self.train_data)
        journal = Journal(self.run_folder, self.step) if self.fabric.is_global_zero else None
        bar = (
            progress.add_task("training", total=self.plan.epochs * per_epoch, completed=self.step) if progress else None
        )
        measured: Measured | None = None
        with self._stop_on_interrupt():
            for epoch in range(self.step // per_epoch, self.plan.epochs):
                started = time.monotonic()
                for batch in self.train_data.epoch(epoch, skip=self.step - epoch * per_epoch):
                    self.take_step(batch)
                    if progress and bar is not None:
                        progress.update(bar, completed=self.step, description=self._describe(epoch))
                    if self.step % per_epoch == 0 or self.step % self.look_every:
                        continue  # an epoch's end looks and saves below
                    self._look(journal)
                    if self.stopping or self._checkpoint_is_due():
                        self.seconds, started = self.seconds + time.monotonic() - started, time.monotonic()
                        self._save()
                    if self.stopping:
                        raise Interrupted(f"stopped in epoch {epoch + 1} of {self.plan.epochs}")
                self._look(journal)
                self.weighting.epoch_end(self.epoch_losses.values())
                measured = self._validate()
                self.seconds += time.monotonic() - started
                self._finish_epoch(epoch, measured, journal)
                if progress:
                    progress.console.print(self._summary(epoch, measured), highlight=False)
                if self.stopping and epoch + 1 < self.plan.epochs:
                    raise Interrupted(f"stopped after epoch {epoch + 1} of {self.plan.epochs}")
        if journal:
            journal.close()
        return measured if measured is not None else self._validate()

    def take_step(self, batch: Batch) -> None:
        """Take one step. Everything random in it is a function of (seed, step, process)."""
        torch.manual_seed(_mix(self.plan.seed, self.step, self.fabric.global_rank))
        factor = self.learning_rate(self.step / len(self.train_data))
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor
        self.optimizer.zero_grad(set_to_none=True)

        names = present({name: batch.targets[name] for name in self.tasks})
        self.step += 1
        if not names:
            return  # not one label in the joined batch: nothing to learn from
        in_backward = self.weighting.one_backward and len(names) == len(self.tasks)
        with self.fabric.no_backward_sync(self.module, enabled=not in_backward) if world() > 1 else nullcontext():
            losses, outputs = self._losses(batch, names)
            shared = Shared(self.shared_parameters, outputs.shared, self.last_shared, self.own_parameters)
            if not self.checked:
                self.weighting.check(shared, self.compiled)
                self.checked = True
            weights = self.weighting.backward(losses, shared)
        learnt = list(self.weighting.parameters())
        unsummed = learnt if in_backward else [*self.network.parameters(), *learnt]
        sum_in_place([p.grad for p in unsummed if p.grad is not None])
        if self.plan.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.gradient_clip)
        self.optimizer.step()
        self.weighting.after_step(lambda: self._losses_again(batch, names))
        self.unseen.append((self.step, {name: loss.detach() for name, loss in losses.items()}, weights or {}))

    def _losses(self, batch: Batch, names: list[str]) -> tuple[dict[str, Tensor], Outputs]:
        with autocast(self.fabric.device, self.plan.precision):
            outputs: Outputs = self.module(batch.image)
        tasks = {name: self.tasks[name] for name in names}
        return self.objective(tasks, outputs.final, outputs.auxiliary, batch.targets), outputs

    @torch.no_grad()
    def _losses_again(self, batch: Batch, names: list[str]) -> dict[str, Tensor]:
        return self._losses(batch, names)[0]

    # -- looking at it -------------------------------------------------------------------------------------------------

    def _look(self, journal: Journal | None) -> None:
        """Bring the losses of the steps since the last look to the CPU: check them, note them, heed Ctrl-C."""
        mine = [loss.double() for _, losses, _ in self.unseen for loss in losses.values()]
        joint = torch.stack(
            [*mine, torch.tensor(float(self.stop_requested), dtype=torch.float64).to(self.fabric.device)]
        )
        sum_in_place([joint])
        *values, stop = joint.tolist()
        self.stopping = stop > 0  # any process that was asked to stop stops all, at the same step
        of_step = iter(values)
        for step, losses, weights in self.unseen:
            seen = {name: next(of_step) for name in losses}
            for name, value in seen.items():
                if not np.isfinite(value):
                    raise TrainingError(self._not_finite(name, value, step))
            used = {name: float(weight) for name, weight in weights.items()}
            self.epoch_losses.add(seen)
            self.epoch_weights.add(used)
            if journal:
                rate = self.optimizer.param_groups[0]["lr"]
                journal.at_step(
                    step, {**_prefixed("step/loss", seen), **_prefixed("step/weight", used), "step/lr": rate}
                )
        self.unseen.clear()

    def _not_finite(self, task: str, value: float, step: int) -> str:
        saved = self.run_folder / "last.ckpt"
        kept = f"the checkpoint {saved} from before is intact" if saved.exists() else "no checkpoint was written yet"
        return (
            f"the loss of {task} is {value} at step {step} (epoch {(step - 1) // len(self.train_data) + 1}); {kept}. "
            "Try a lower --optimizer.lr, --gradient-clip 1, --schedule.warmup 1 or --precision fp32"
        )

    def _describe(self, epoch: int) -> str:
        losses = "  ".join(f"{name} {value:.3f}" for name, value in self.epoch_losses.recent().items())
        return f"epoch {epoch + 1}/{self.plan.epochs}  {losses}"

    def _summary(self, epoch: int, measured: Measured) -> str:
        shown = [metric for metric in (*FIRST_CHOICE, self.plan.best) if metric in measured.metrics]
        values = "  ".join(f"{metric} {measured.metrics[metric]:.4g}" for metric in dict.fromkeys(shown) if metric)
        return f"epoch {epoch + 1}/{self.plan.epochs}  {values}  ({self.seconds:.0f} s)"

    def _validate(self) -> Measured:
        """Measure on the validation images; every process takes its share, all with the first one's statistics."""
        if world() > 1:
            for buffer in self.network.buffers():
                dist.broadcast(buffer, 0)
        return validate(self.network, self.tasks, self.val_data, self.fabric.device, self.plan.precision)

    # -- keeping it ----------------------------------------------------------------------------------------------------

    def _finish_epoch(self, epoch: int, measured: Measured, journal: Journal | None) -> None:
        metric, value = self._judge(measured.metrics)
        sign = 1 if higher_is_better(metric) else -1
        better = self.best_value is None or sign * value > sign * self.best_value
        self.best_value = value if better else self.best_value
        if journal:
            journal.at_epoch(
                epoch + 1,
                self.step,
                {
                    "seconds": self.seconds,
                    "lr": self.optimizer.param_groups[0]["lr"],
                    **_prefixed("train/loss", self.epoch_losses.values()),
                    **_prefixed("train/weight", self.epoch_weights.values()),
                    **_prefixed("val", measured.metrics),
                },
            )
            if better:
                checkpoint.save_weights(self.run_folder / "best.safetensors", self.network)
        self.epoch_losses, self.epoch_weights = _Mean(self.tasks), _Mean(self.tasks)
        self._save()

    def _judge(self, metrics: Mapping[str, float]) -> tuple[str, float]:
        if self.plan.best is not None:
            if self.plan.best not in metrics:
                raise ValueError(f"best is {self.plan.best!r}, but validation gives {', '.join(metrics)}")
            return self.plan.best, metrics[self.plan.best]
        for metric in FIRST_CHOICE:
            if metric in metrics:
                return metric, metrics[metric]
        raise ValueError("no task has a valid pixel in the validation images, so nothing can be measured there")

    def _checkpoint_is_due(self) -> bool:
        # On several processes the clocks differ; only steps are the same on all, so there it is the epochs' ends.
        return world() == 1 and time.monotonic() - self.saved_at > 60 * self.plan.checkpoint_minutes

    def _save(self) -> None:
        if self.fabric.is_global_zero:
            checkpoint.save(self.run_folder / "last.ckpt", self.state())
        self.fabric.barrier()
        self.saved_at = time.monotonic()

    def state(self) -> dict[str, Any]:
        """Return everything that a continued run needs."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "weighting": self.weighting.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "best_value": self.best_value,
            "epoch_losses": self.epoch_losses.state(),
            "epoch_weights": self.epoch_weights.state(),
            "threads": torch.get_num_threads(),
            "processes": world(),
        }

    def load_state(self, state: Mapping[str, Any], path: Path) -> list[str]:
        """Continue from a checkpoint that came from ``path``; return what keeps the run from repeating bit for bit."""
        checkpoint.load_into(self.network, state["network"], path)
        self.optimizer.load_state_dict(state["optimizer"])
        self.weighting.load_state_dict(state["weighting"])
        self.step, self.seconds, self.best_value = state["step"], state["seconds"], state["best_value"]
        self.epoch_losses = _Mean(self.tasks, state["epoch_losses"])
        self.epoch_weights = _Mean(self.tasks, state["epoch_weights"])
        return [
            f"the run was on {state[what]} {what} and continues on {now}: close, but not bit for bit"
            for what, now in (("threads", torch.get_num_threads()), ("processes", world()))
            if state[what] != now
        ]

    @contextmanager
    def _stop_on_interrupt(self) -> Iterator[None]:
        """Turn Ctrl-C into a request that is heeded between two steps, so that the checkpoint is whole."""

        def request(signum: int, frame: FrameType | None) -> None:
            if self.stop_requested:
                raise KeyboardInterrupt  # asked twice: at once
            self.stop_requested = True

        previous = signal.signal(signal.SIGINT, request)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)


def validate(
    network: Network,
    tasks: Mapping[str, Task],
    data: Loader,
    device: torch.device,
    precision: Literal["fp32", "bf16"],
) -> Measured:
    """Measure the network in evaluation mode, and put it back into the mode it was in."""
    was_training = network.training
    network.eval()
    try:
        with autocast(device, precision):
            return measure(network, tasks, data.epoch(0), device)
    finally:
        network.train(was_training)


class _Mean:
    """The mean of each name's values, over the times that it had one."""

    def __init__(self, names: Mapping[str, Any], state: Mapping[str, list[float]] | None = None) -> None:
        self.sums = {name: list(state[name]) if state else [0.0, 0.0] for name in names}
        self.last: dict[str, float] = {}

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.sums[name][0] += value
            self.sums[name][1] += 1
        self.last = dict(values)

    def values(self) -> dict[str, float]:
        return {name: total / count for name, (total, count) in self.sums.items() if count}

    def recent(self) -> dict[str, float]:
        return self.last

    def state(self) -> dict[str, list[float]]:
        return self.sums


def _prefixed(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}/{name}": value for name, value in values.items()}


def _mix(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
