"""Several runs trained at once, in one process."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from typing import TypeVar

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

E = TypeVar("E", bound=Exception)

Ended = Evaluation | TrainingError | ValueError | OSError
"""The last validation of a run, or the error that ended it."""


def train_together(trainers: dict[int, Trainer], progress: Progress) -> Mapping[int, Ended]:
    """Train runs to their ends, taking their steps together (``Stack``), and return how each ended, by its number.

    A run that ends before the others, or fails, leaves them, and its trainer is removed from ``trainers``, which frees
    its memory. If steps cannot be taken together on this machine, each run takes its own. Raises ``Interrupted`` if
    Ctrl-C or SIGTERM stopped the runs; the checkpoint of each has been written then.
    """
    return _Together(trainers, progress).run()


class _Together:
    def __init__(self, trainers: dict[int, Trainer], progress: Progress) -> None:
        self.trainers = trainers
        self.interrupts = Interrupts()
        for trainer in trainers.values():
            trainer.interrupts, trainer.runs_at_once = self.interrupts, len(trainers)
        self.courses = {run: trainer.course(progress) for run, trainer in trainers.items()}
        self.requests: dict[int, NextStep] = {}
        """The next step of each run that has not ended."""
        self.ended: dict[int, Ended] = {}
        self.stopped: Interrupted | None = None
        self.stack: Stack | None = None
        """The runs that have not ended; built for their next common step."""
        self.is_tried = self.is_refused = False
        """Whether a common step was taken, and whether one failed."""

    def run(self) -> Mapping[int, Ended]:
        with ExitStack() as stack:
            stack.enter_context(self.interrupts.handled())
            for course in self.courses.values():
                stack.callback(course.close)
            for run in list(self.trainers):
                self._continue(run, None)
            while self.requests:
                for run, result in self._step().items():
                    self._continue(run, result)
        if self.stopped is not None:
            raise self.stopped
        return self.ended

    def _continue(self, run: int, result: StepResult | None) -> None:
        """Send a run the result of its step, so that it continues to its next step or ends."""
        course = self.courses[run]
        with logs.only_to(self.trainers[run].folder.log):
            try:
                self.requests[run] = next(course) if result is None else course.send(result)
                return
            except StopIteration as end:
                self.ended[run] = end.value
            except Interrupted as error:
                self.stopped = error
            except (TrainingError, ValueError, OSError) as error:
                self.ended[run] = logged(error)
        self.requests.pop(run, None)
        self.stack = None
        del self.courses[run], self.trainers[run]

    def _step(self) -> dict[int, StepResult]:
        """Take the next step of every run."""
        requests = list(self.requests.values())
        sizes = {len(request.indices) for request in requests}
        results = None
        if not self.is_refused and len(sizes) == 1 and len(requests) > 1:
            batch = batch_of([self.trainers[run].train_data for run in self.requests], requests)
            results = self._step_together(batch, [request.step for request in requests])
        if results is None:
            results = [self._step_alone(run) for run in self.requests]
        return dict(zip(self.requests, results, strict=True))

    def _step_together(self, batch: Batch, numbers: Sequence[int]) -> list[StepResult] | None:
        """Take the steps of all runs at once; if the first one fails, restore the runs and return None."""
        steps = [self.trainers[run].training_step for run in self.requests]
        if self.stack is None:
            self.stack = Stack(steps)
        if self.is_tried:
            return self.stack(batch, numbers)
        state = [x for step in steps for x in step.state()]
        saved = [x.clone() for x in state]
        weightings = [deepcopy(step.weighting.state_dict()) for step in steps]  # with numbers, such as counted draws
        try:
            results = self.stack(batch, numbers)
        except RuntimeError as error:  # GPU kernels do not support everything that CPU kernels do
            torch._foreach_copy_(state, saved)
            for step, weighting in zip(steps, weightings, strict=True):
                step.weighting.load_state_dict(weighting)
            self.is_refused, self.stack = True, None
            reason = str(error).partition("\n")[0]
            _LOGGER.warning("these runs take their steps one by one, since a stack of them fails here: %s", reason)
            return None
        self.is_tried = True
        return results

    def _step_alone(self, run: int) -> StepResult:
        trainer, request = self.trainers[run], self.requests[run]
        return trainer.training_step(trainer.train_data.batch(request.indices, request.epoch), request.step)


def logged(error: E) -> E:
    """Log an error that ends one run of several, and return it without the frames, which keep the run's network."""
    _LOGGER.error("%s", error)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def batch_of(loaders: Sequence[Loader], requests: Sequence[NextStep]) -> Batch:
    """Return the batches that the runs request as one batch, computed at once, with the images of each run together.

    The loaders differ only in their seeds.
    """
    draws = [
        draw(loader.seed, request.epoch, request.indices) for loader, request in zip(loaders, requests, strict=True)
    ]
    joined = Draws(*(np.concatenate(numbers) for numbers in zip(*draws, strict=True)))
    return loaders[0].augmented(np.concatenate([request.indices for request in requests]), joined)
