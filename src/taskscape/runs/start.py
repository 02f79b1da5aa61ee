"""Start a run from the weights of another run, which may have other tasks, classes or heads."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from taskscape.errors import SettingError
from taskscape.files.digest import sha256
from taskscape.hub import code_in
from taskscape.modalities import Modality
from taskscape.released import resolve
from taskscape.run_folder import Result, RunFolder
from taskscape.runs.experiment import Experiment
from taskscape.serialization import listed, structure, unstructure
from taskscape.serialization.plain import read_yaml
from taskscape.state_dicts import by_module, located, match, read, require_finite
from taskscape.tasks import Task

SETTING = "start_from"
"""The field of an experiment that names the weights."""

_NAMED = 12
"""Maximum number of modules that a message names."""


@dataclass(frozen=True)
class Start:
    """Weights to start from."""

    path: Path
    """The path as the user named it."""
    resolved: Path
    """The file or folder to which it resolves."""
    tensors: dict[str, Tensor]
    checksum: str
    """SHA-256 of the file."""

    @classmethod
    def of(cls, experiment: Experiment) -> "Start | None":
        """Read the weights from which an experiment starts; None if it starts from scratch.

        Raises ``SettingError`` if they cannot be read, are not in the same file as in the saved
        experiment, or do not fit the network at all.
        """
        path = experiment.start_from
        if path is None:
            return None
        try:
            resolved = resolve(path)
            file = located(resolved)
            start = cls(path, resolved, read(resolved), sha256(file))
        except (ValueError, OSError) as error:
            raise SettingError(SETTING, str(error)) from error
        if experiment.start_checksum not in (None, start.checksum):
            raise SettingError(
                SETTING,
                f"{file} is not the file that this experiment started from, its checksum differs; restore the old one, "
                f"or start from this one with --from {path}",
            )
        fitting = match(experiment.build_without_numbers().state_dict(), start.tensors).tensors
        _require_match(fitting, path)
        try:
            require_finite(fitting, str(file))
        except ValueError as error:
            raise SettingError(SETTING, str(error)) from error
        return start

    def fill(self, network: nn.Module, experiment: Experiment) -> Iterator[str]:
        """Load the tensors that fit the network by name and shape, and yield sentences on what fits and what does not.

        Raises ``ValueError`` if nothing fits.
        """
        state = network.state_dict()
        matching = match(state, self.tensors)
        _require_match(matching.tensors, self.path)
        changed_tasks = list(self._changed_tasks(experiment, matching.tensors))
        network.load_state_dict(matching.tensors, strict=False)
        yield f"started from {self.path}: {len(matching.tensors)} of {len(state)} tensors of the network fit"
        if matching.missing:
            yield f"missing from it, so these start from scratch: {listed(by_module(matching.missing, state), _NAMED)}"
        if matching.shapes:
            shapes = [f"{name} is {shape} and was {old_shape}" for name, (shape, old_shape) in matching.shapes.items()]
            yield f"of a different shape, so these start from scratch: {listed(shapes, _NAMED)}"
        if matching.unused:
            yield f"not used: {listed(by_module(matching.unused, self.tensors), _NAMED)}"
        yield from changed_tasks

    def _changed_tasks(self, experiment: Experiment, fitting: dict[str, Tensor]) -> Iterator[str]:
        """Yield sentences on tasks of the same name that meant something else, although their shapes may fit.

        If classes are in a different order, the channels of the last layer are reordered, where there is one such
        layer.
        """
        folder = RunFolder(self.resolved if self.resolved.is_dir() else self.resolved.parent)
        if not folder.experiment.exists():
            return
        old_settings = read_yaml(folder.experiment)
        old_tasks = Result.load(folder.result()).tasks if folder.result().exists() else _modalities(old_settings)
        for name, task in experiment.tasks.items():
            if name not in old_tasks:
                continue
            old_classes, new_classes = old_tasks[name].bins, task.modality.bins
            if task.predicts_classes and sorted(old_classes) == sorted(new_classes):
                if old_classes != new_classes:
                    layer = reorder(fitting, name, [old_classes.index(label) for label in new_classes])
                    consequence = f"{layer} is reordered by name" if layer else "its last layer must be retrained"
                    yield f"the task {name} had the same classes in a different order there, so {consequence}"
            elif old_tasks[name] != task.modality:
                yield f"the task {name} had other classes or another unit there, so its last layer must be retrained"
            elif changes := _other_settings(old_settings, name, unstructure(task)):
                yield f"the task {name} had other settings there, {changes}: its last layer may have to be retrained"


def reorder(tensors: dict[str, Tensor], task: str, rows: list[int]) -> str:
    """Reorder the channels of a task's last layer, and return its name; "" if it is not clear which layer that is."""
    names = [name for name, tensor in tensors.items() if task in name.split(".") and tensor.shape[:1] == (len(rows),)]
    layers = {name.rpartition(".")[0] for name in names}
    if len(layers) != 1:
        return ""
    tensors.update({name: tensors[name][rows] for name in names})
    return layers.pop()


def _modalities(saved: Any) -> dict[str, Modality]:
    """Return what the tasks of a saved experiment predict, without running its code: none of a user's own tasks."""
    modalities = {}
    tasks = saved.get("tasks") if isinstance(saved, Mapping) else None
    for name, settings in tasks.items() if isinstance(tasks, Mapping) else ():
        if not code_in(settings):
            with suppress(ValueError):  # written by another version
                modalities[name] = structure(settings, f"tasks.{name}", Task).modality  # type: ignore[type-abstract]
    return modalities


def _other_settings(saved: Any, name: str, settings: dict[str, Any]) -> str:
    """Return which settings of a task differ from those of a saved experiment, without running its code."""
    try:
        old_settings = saved["tasks"][name]
        different = [key for key in settings if key not in ("loss", "source") and old_settings[key] != settings[key]]
        return ", ".join(f"{key} {old_settings[key]}" for key in different)
    except (KeyError, TypeError):  # written by another version
        return "which cannot be read"


def _require_match(fitting: dict[str, Tensor], path: Path) -> None:
    if not fitting:
        raise SettingError(
            SETTING,
            f"no tensor of {path} fits this network by name and shape; start from a run of the same network or "
            "encoder, give weights of an encoder alone to --network.pretrained, or leave out --from",
        )
