"""The trained network of a run, ready to predict."""

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor

from taskscape.devices import find_device
from taskscape.evaluation import TestTimeAugmentation, find_tta
from taskscape.evaluation.evaluator import require_evaluation_mode
from taskscape.models import Network, Outputs
from taskscape.released import resolve
from taskscape.run_folder import RunFolder
from taskscape.runs.experiment import Experiment
from taskscape.runs.precision import apply_recorded
from taskscape.serialization import nearest, parse
from taskscape.serialization.arguments import checked
from taskscape.serialization.plain import read_text
from taskscape.tasks import Task
from taskscape.training import checkpoint
from taskscape.training.bf16_speed import slow_bf16
from taskscape.training.precision import autocast

_LOGGER = logging.getLogger(__name__)


class TrainedModel(NamedTuple):
    """A trained network with its experiment, ready to predict."""

    experiment: Experiment
    network: Network
    """In evaluation mode, on the device."""
    device: torch.device
    only: tuple[str, ...] = ()
    """The tasks to predict; by default all."""

    @property
    def tasks(self) -> Mapping[str, Task]:
        """The tasks that it predicts, by name."""
        return {name: task for name, task in self.experiment.tasks.items() if name in self.only or not self.only}

    @checked
    def restricted(self, tasks: Sequence[str]) -> Self:
        """Return a model for some of the tasks only, without the decoders that these do not need, if possible.

        It shares the weights of this model, which keeps all its tasks. Raises ``ValueError`` for a task that the
        network does not have, and without any task.
        """
        tasks = [tasks] if isinstance(tasks, str) else tasks
        if not tasks:
            raise ValueError(f"no task is given: choose among {', '.join(self.tasks)}")
        for name in tasks:
            if name not in self.tasks:
                raise ValueError(f"the network has no task {name!r}{nearest(name, self.tasks)}")
        selected = tuple(name for name in self.tasks if name in tasks)
        network = copy.deepcopy(self.network, {id(t): t for t in self.network.state_dict(keep_vars=True).values()})
        network.drop_decoders(set(self.tasks).difference(selected))
        return self._replace(network=network, only=selected)

    @checked
    def forward(self, image: Tensor) -> Outputs:
        """Return the outputs for (B, 3, H, W) images in 0..1, at the precision of the experiment.

        Raises ``ValueError`` for a network in training mode.
        """
        require_evaluation_mode(self.network)
        with torch.no_grad(), autocast(self.device, self.experiment.number_format):
            outputs: Outputs = self.network(image.to(self.device))
            return outputs

    @checked
    def forward_tta(self, image: Tensor, tta: TestTimeAugmentation | str | bool = True) -> Outputs:
        """Return outputs with test-time augmentation: by default the mean over images and their mirror images."""
        augmentation = find_tta(tta)
        if augmentation is None:
            return self.forward(image)
        return Outputs(augmentation(self.forward, self.tasks, image.to(self.device)), {}, ())


@checked
def read_experiment(run: str | Path) -> Experiment:
    """Read a run's experiment. Raises ``FileNotFoundError`` or ``ValueError`` that names the file."""
    folder = RunFolder(Path(run))
    folder.require()
    return parse(read_text(folder.experiment), str(folder.experiment), Experiment)


@checked
def load(run: str | Path, device: str | torch.device = "auto") -> TrainedModel:
    """Load the network of a run with the weights of its best epoch, or a model by its name.

    Names are those of ``taskscape.released.resolve``. A network that was trained in bf16 computes in fp32 on a machine
    that is slower in bf16; predictions differ by rounding.

    Raises ``FileNotFoundError`` or ``ValueError`` that names the file, if the folder is not a trained run.
    """
    run = resolve(run)
    experiment, torch_device = read_experiment(run), find_device(device)
    if experiment.precision == "bf16" and (slow := slow_bf16(torch_device)):
        _LOGGER.info("%s, so the network computes in fp32", slow)
        experiment = replace(experiment, precision="fp32")
    network = experiment.network.from_scratch().build(experiment.channels)
    checkpoint.load_weights(RunFolder(Path(run)).weights, network)
    if experiment.channels_last:
        network = network.to(memory_format=torch.channels_last)
    apply_recorded(network, RunFolder(Path(run)))
    return TrainedModel(experiment, network.to(torch_device).eval(), torch_device)
