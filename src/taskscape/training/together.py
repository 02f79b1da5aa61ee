"""Several runs trained at once, in one process."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import torch
from rich.progress import Progress

from taskscape import logs
from taskscape.batch import Batch
from taskscape.data import Loader
from taskscape.data.augment import Draws, draw
from taskscape.errors import Interrupted, TrainingError
from taskscape.evaluation import Evaluation
from taskscape.training.interrupts import Interrupts
from taskscape.training.loop import NextStep, Trainer
from taskscape.training.stack import Stack
from taskscape.training.step_result import StepResult

_LOGGER = logging.getLogger(__name__)

Ended = Evaluation | TrainingError | ValueError | OSError
"""The last validation of a run, or the error that ended it."""


def train_together(trainers: Sequence[Trainer], progress: Progress) -> list[Ended]:
    """Train runs to their ends, taking their steps together (``Stack``), and return how each ended.

    A run that ends before the others, or fails, leaves them. If steps cannot be taken together on this machine, each
    run takes its own. Raises ``Interrupted`` if Ctrl-C or SIGTERM stopped the runs; the checkpoint of each has been
    written then.
    """
    return _Together(trainers, progress).run()


class _Together:
    def __init__(self, trainers: Sequence[Trainer], progress: Progress) -> None:
        self.trainers = trainers
        self.interrupts = Interrupts()
        for trainer in trainers:
            trainer.interrupts, trainer.runs_at_once = self.interrupts, len(trainers)
        self.courses = [trainer.course(progress) for trainer in trainers]
        self.requests: dict[int, NextStep] = {}
        """The next step of each run that has not ended."""
        self.ended: dict[int, Ended] = {}
        self.stopped: Interrupted | None = None
        self.stack: tuple[tuple[int, ...], Stack] | None = None
        """The runs of the last common step, and their stack."""
        self.is_tried = self.is_refused = False
        """Whether a common step was taken, and whether one failed."""

    def run(self) -> list[Ended]:
        with ExitStack() as stack:
            stack.enter_context(self.interrupts.handled())
            for course in self.courses:
                stack.callback(course.close)
            for run in range(len(self.trainers)):
                self._continue(run, None)
            while self.requests:
                for run, result in self._step().items():
                    self._continue(run, result)
        if self.stopped is not None:
            raise self.stopped
        return [self.ended[run] for run in range(len(self.trainers))]

    def _continue(self, run: int, result: StepResult | None) -> None:
        """Send a run the result of its step, so that it continues to its next step or ends."""
        self.requests.pop(run, None)
        course = self.courses[run]
        with logs.only_to(self.trainers[run].folder.log):
            try:
                self.requests[run] = next(course) if result is None else course.send(result)
            except StopIteration as end:
                self.ended[run] = end.value
            except Interrupted as error:
                self.stopped = error
            except (TrainingError, ValueError, OSError) as error:
                self.ended[run] = error

    def _step(self) -> dict[int, StepResult]:
        """Take the next step of every run."""
        runs = tuple(self.requests)
        sizes = {len(request.indices) for request in self.requests.values()}
        if self.is_refused or len(sizes) > 1 or len(runs) == 1:
            return {run: self._step_alone(run) for run in runs}
        if self.stack is None or self.stack[0] != runs:
            self.stack = runs, Stack([self.trainers[run].training_step for run in runs])
        requests = [self.requests[run] for run in runs]
        batch = batch_of([self.trainers[run].train_data for run in runs], requests)
        numbers = [request.step for request in requests]
        if self.is_tried:
            return dict(zip(runs, self.stack[1](batch, numbers), strict=True))
        state = [x for run in runs for x in self.trainers[run].training_step.state()]
        saved = [x.clone() for x in state]
        try:
            results = self.stack[1](batch, numbers)
        except RuntimeError as error:  # GPU kernels do not support everything that CPU kernels do
            torch._foreach_copy_(state, saved)
            self.is_refused = True
            reason = str(error).partition("\n")[0]
            _LOGGER.warning("these runs take their steps one by one, since a stack of them fails here: %s", reason)
            return {run: self._step_alone(run) for run in runs}
        self.is_tried = True
        return dict(zip(runs, results, strict=True))

    def _step_alone(self, run: int) -> StepResult:
        trainer, request = self.trainers[run], self.requests[run]
        return trainer.training_step(trainer.train_data.batch(request.indices, request.epoch), request.step)


def batch_of(loaders: Sequence[Loader], requests: Sequence[NextStep]) -> Batch:
    """Return the batches that the runs request as one batch, computed at once, with the images of each run together.

    The loaders differ only in their seeds.
    """
    draws = [
        draw(loader.seed, request.epoch, request.indices) for loader, request in zip(loaders, requests, strict=True)
    ]
    joined = Draws(*(np.concatenate(numbers) for numbers in zip(*draws, strict=True)))
    return loaders[0].augmented(np.concatenate([request.indices for request in requests]), joined)
