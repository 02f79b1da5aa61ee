"""The training loop, independent of the network, tasks, metrics and weighting."""

import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import Progress

from taskscape.data import Loader
from taskscape.distributed import world_size
from taskscape.evaluation import Evaluation
from taskscape.parallel import keep_threads
from taskscape.progress import progress_bar, reporter
from taskscape.run_folder import RunFolder
from taskscape.state_dicts import save_safetensors
from taskscape.trackers import Tracking
from taskscape.training.checkpoint import Checkpointer, copy_views, load_into, load_optimizer, load_weighting
from taskscape.training.features import FeatureCache
from taskscape.training.interrupts import Interrupts
from taskscape.training.log import Log, prefixed
from taskscape.training.pace import Pace
from taskscape.training.selection import BestEpoch
from taskscape.training.step import TrainingStep
from taskscape.training.step_log import RunningMeans, StepLog
from taskscape.training.step_result import StepResult
from taskscape.training.usage import Usage
from taskscape.training.validation import Validation

if TYPE_CHECKING:
    from taskscape.distributed import Processes

_LOGGER = logging.getLogger(__name__)


class NextStep(NamedTuple):
    """The next step of a run, to be taken by the caller of ``Trainer.course``."""

    indices: npt.NDArray[np.int64]
    """Indices of the samples in its batch."""
    epoch: int
    step: int


class Trainer:
    """Trains for a number of epochs or minutes, validates, and writes the log, checkpoints and the best weights.

    With the same number of threads and processes, a run repeats bit for bit, even if it is stopped and resumed.
    """

    def __init__(
        self,
        training_step: TrainingStep,
        train_data: Loader,
        validation: Validation,
        fabric: "Processes",
        folder: RunFolder,
        *,
        pace: Pace,
        best: BestEpoch,
        validate_every: int,
        checkpoint_minutes: float,
        track: Callable[[], Tracking] | None,
        features: FeatureCache | None,
        settings: Mapping[str, str],
    ) -> None:
        """Take the parts of a run.

        ``pace`` ends the run with its last epoch or its time; ``best`` chooses the weights that are kept, and may stop
        the run early; ``validate_every`` is the number of epochs between two validations (the last epoch always ends
        with one); ``checkpoint_minutes`` is the time between two checkpoints within an epoch; ``track`` opens the
        trackers; ``features`` are those of a frozen encoder, computed first; ``settings`` are kept in the checkpoint,
        as text by name.
        """
        self.training_step, self.network = training_step, training_step.network
        self.train_data, self.val_data = train_data, validation.data
        self.validation, self.average = validation, validation.average
        self.fabric, self.folder = fabric, folder
        self.pace, self.best, self.validate_every = pace, best, validate_every
        self.features, self.settings = features, settings
        self.checkpointer = Checkpointer(folder.checkpoint, fabric, checkpoint_minutes)
        self.interrupts = Interrupts()
        self.runs_at_once = 1
        """Number of runs that are trained together and share the time (``train_together``)."""
        self.usage = Usage(fabric.device)
        self.log = Log(folder, fabric, track)
        self.step_log = StepLog(self.log, len(train_data), folder.checkpoint, fabric.device)
        # On a GPU, reading a loss waits for all queued work, so several steps are read at once.
        self.read_every = 1 if fabric.device.type == "cpu" else 20
        self.step = 0
        """Number of steps taken."""

    def run(self, progress: Progress | None = None) -> Evaluation:
        """Train until the last epoch or the time ends, and return the last validation.

        Raises ``TrainingError`` if a loss, gradient or weight is not finite, and ``Interrupted`` if Ctrl-C or SIGTERM
        stopped the run; its checkpoint has been written then.
        """
        progress = progress_bar(shown=False) if progress is None else progress
        if self.features is not None:
            self.features.prepare(self.fabric.rank_zero_first(), reporter(progress, "computing features"))
        with self.interrupts.handled(), closing(self.course(progress)) as course:
            try:
                request = next(course)
                while True:
                    batch = self.train_data.batch(request.indices, request.epoch)
                    request = course.send(self.training_step(batch, request.step))
            except StopIteration as end:
                evaluation: Evaluation = end.value
                return evaluation

    def course(self, progress: Progress) -> Generator[NextStep, StepResult, Evaluation]:
        """Yield the steps of the run one by one; the caller takes each and sends its result back.

        Everything else is done in between. Returns and raises as ``run`` does. ``run`` takes each step at once, several
        runs take their steps together (``training.together``).
        """
        bar = progress.add_task("training", total=self.pace.steps(self.step), completed=self.step)
        evaluation: Evaluation | None = None

        def show(text: str) -> None:
            progress.update(bar, completed=self.step, total=self.pace.steps(self.step), description=text)

        self.pace.start()
        with self.log.opened(self.step):
            for epoch in range(self.step // len(self.train_data), self.pace.epochs):
                if self.best.is_out_of_patience or self.pace.is_over():
                    break
                yield from self._train(epoch, show)
                is_last = epoch + 1 == self.pace.epochs or self.pace.is_over()
                is_validated = is_last or (epoch + 1) % self.validate_every == 0
                evaluation = self._finish(epoch, is_validated=is_validated)
                if not is_last and self._stop_is_requested():
                    raise self.interrupts.stopped(f"after {self._position(epoch, ' of ')}")
            if self.best.is_out_of_patience and self.step < self.pace.epochs * len(self.train_data):
                _LOGGER.info("%s", self._early_stop_message())
        return self.validation()[0] if evaluation is None else evaluation

    def _train(self, epoch: int, show: Callable[[str], None]) -> Generator[NextStep, StepResult, None]:
        """Yield the remaining steps of an epoch."""
        per_epoch = len(self.train_data)
        for indices in self.train_data.indices(epoch, skip=self.step - epoch * per_epoch):
            result = yield NextStep(indices, epoch, self.step)
            self.step += 1
            if self.average is not None:
                self.average.update(self.step)
            self.step_log.add(self.step, self._learning_rate(), result)
            show(f"{self._position(epoch)}  {_in_words(self.step_log.losses.last, '.3f')}")
            if self.pace.is_over():
                break
            if self.step % self.read_every or self.step % per_epoch == 0:
                continue  # the last step of an epoch is read and saved with the epoch
            self.step_log.read()
            must_stop = self._stop_is_requested()
            if must_stop or self.checkpointer.is_due():
                self._save()
            if must_stop:
                raise self.interrupts.stopped(f"in {self._position(epoch, ' of ')}")
        self.step_log.read()
        self.training_step.check_finite()  # a step may overflow although its gradient is finite
        self.training_step.weighting.epoch_end(self.step_log.losses.compute())

    def _finish(self, epoch: int, *, is_validated: bool) -> Evaluation | None:
        """Validate if it is due, log the epoch, save its weights if they are the best, and write a checkpoint."""
        evaluation, columns = self.validation() if is_validated else (None, {})
        is_best = evaluation is not None and self.best.update(evaluation)
        self.pace.read_clock()
        row = {"seconds": self.pace.seconds, "lr": self._learning_rate()} | self.usage.read()
        row |= prefixed("train/loss", self.step_log.losses.compute())
        row |= prefixed("train/weight", self.step_log.weights.compute())
        row |= columns | {"epochs_since_best": self.best.epochs_since}
        if self.runs_at_once > 1:
            row["runs_at_once"] = self.runs_at_once
        if evaluation is not None:
            row |= prefixed("val", evaluation.metrics)
        self.log.write_epoch(epoch + 1, self.step, row)
        if is_best and self.fabric.is_global_zero:
            with self.validation.averaged():
                save_safetensors(self.folder.weights, self.network.state_dict())
        self.step_log.start_epoch()
        self._save()
        if evaluation is not None:
            _LOGGER.info("%s", self._summary(epoch, evaluation))
        return evaluation

    def _save(self) -> None:
        self.pace.read_clock()
        self.log.flush()
        self.checkpointer.save(self.state())
        _LOGGER.debug("saved step %d", self.step)

    def state(self) -> dict[str, Any]:
        """Return everything that a resumed run needs. Raises ``TrainingError`` if some of it is not finite."""
        self.training_step.check_finite()
        return {
            "network": copy_views(self.network.state_dict()),
            **({} if self.average is None else {"average": self.average.tensors}),
            "optimizer": self.training_step.optimizer.state_dict(),
            "weighting": self.training_step.weighting.state_dict(),
            "best": self.best.value,
            "best_metric": self.best.name,
            "epochs_since_best": self.best.epochs_since,
            "step": self.step,
            "seconds": self.pace.seconds,
            "losses": self.step_log.losses.state(),
            "weights": self.step_log.weights.state(),
            "threads": torch.get_num_threads(),
            "processes": world_size(),
            "settings": dict(self.settings),
        }

    def load_state(self, state: Mapping[str, Any]) -> list[str]:
        """Continue from the state in the run's checkpoint; return what keeps the run from repeating bit for bit.

        On a CPU the run continues with as many threads as before, unless another number is requested
        (``keep_threads``). Raises ``ValueError`` if the state belongs to another network, optimizer or weighting.
        """
        if self.fabric.device.type == "cpu":
            keep_threads(state["threads"])
        load_into(self.network, state["network"], self.folder.checkpoint)
        if ("average" in state) != (self.average is not None):
            has = "has an" if "average" in state else "has no"
            raise ValueError(
                f"{self.folder.checkpoint} {has} average of weights: resume the run with the ema that it was started "
                "with"
            )
        if self.average is not None:
            self.average.load_state(state["average"], self.folder.checkpoint)
        load_optimizer(self.training_step.optimizer, state["optimizer"], self.folder.checkpoint)
        load_weighting(self.training_step.weighting, state["weighting"], self.folder.checkpoint)
        self.best.value, self.best.epochs_since = state["best"], state["epochs_since_best"]
        self.best.name = state.get("best_metric", self.best.name)
        self.step, self.pace.seconds = state["step"], state["seconds"]
        self.step_log.losses, self.step_log.weights = RunningMeans(state["losses"]), RunningMeans(state["weights"])
        return [
            f"the run used {state[resource]} {resource} and continues with {count}: results are close, but not "
            "bit-identical"
            for resource, count in (("threads", torch.get_num_threads()), ("processes", world_size()))
            if state[resource] != count
        ]

    def _early_stop_message(self) -> str:
        epoch, since = self.step // len(self.train_data), self.best.epochs_since * self.validate_every
        return (
            f"stopped early after epoch {epoch} of {self.pace.epochs}: {self.best.name} was best in epoch "
            f"{epoch - since} (patience {self.best.patience})"
        )

    def _stop_is_requested(self) -> bool:
        return self.interrupts.requested_anywhere(self.fabric.device)

    def _learning_rate(self) -> float:
        return float(self.training_step.optimizer.param_groups[0]["lr"])

    def _position(self, epoch: int, separator: str = "/") -> str:
        """Return the number of the epoch, and of how many unless a time limit decides that."""
        return f"epoch {epoch + 1}" + (f"{separator}{self.pace.epochs}" if self.pace.allowed is None else "")

    def _summary(self, epoch: int, evaluation: Evaluation) -> str:
        headline = _in_words(self.best.headline(evaluation), ".4g")
        return f"{self._position(epoch)}  {headline}  ({self.pace.seconds:.0f} s)"


def _in_words(values: Mapping[str, float], format_spec: str) -> str:
    return "  ".join(f"{name} {value:{format_spec}}" for name, value in values.items())
