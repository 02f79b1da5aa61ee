"""What a format of export is: a module that writes a file out of a program, and opens it again.

A format such as ``onnx_file`` is a module with the names of ``Format``. A ``Wrapper`` makes something else out of the
file of a format, such as a page for a browser, after that file was compared with the network. A ``Reduction``, such as
int8, changes the file in between. ``FORMATS`` and ``WRAPPERS`` of ``taskscape.export.export`` list them by their words;
``commands/export.py`` turns flags into ``options`` (of a format or wrapper) and ``reduction``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from taskscape.data import Store
from taskscape.run_folder import RunFolder
from taskscape.runs import TrainedModel
from taskscape.tasks import Task

Compute = Callable[[Tensor], list[Tensor]]
"""(1, 3, H, W) uint8 to the values of every output of a ``Job``, in their order: see ``deployed.decoded``."""


@dataclass(frozen=True)
class Job:
    """One export: what formats, wrappers and reductions are given."""

    folder: RunFolder
    """The run, or the model."""
    model: TrainedModel
    """Its network on the CPU, in evaluation mode, as it was loaded."""
    tasks: Mapping[str, Task]
    """The tasks that are exported, in the order of the outputs."""
    evaluated: tuple[int, int]
    """Height and width of the images that the run was evaluated on."""
    size: tuple[int, int] | None
    """Height and width of the images that the file takes; None for any."""
    program: torch.export.ExportedProgram
    """One image, (1, 3, H, W) uint8, to the values of the outputs."""
    about: dict[str, Any]
    """What goes in and comes out, plain values: ``about.json``, and the metadata of the file."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The settings of the format or wrapper, its ``OPTIONS`` with what the user chose."""
    stores: Mapping[str, Store] = field(default_factory=dict)
    """The run's data by split (``train``, ``val``), or those that the user named: empty where they are not at hand."""
    spreads: Mapping[str, float] = field(default_factory=dict)
    """The tasks whose confidence is exported too, with their calibration; 1 takes the network at its word."""

    @property
    def usual_size(self) -> tuple[int, int]:
        """``size``, or where the file takes any, that of the images that the run was evaluated on."""
        return self.size or self.evaluated

    @property
    def outputs(self) -> list[str]:
        """The names of what comes out: tasks, then their confidence."""
        return [*self.tasks, *map(confidence_name, self.spreads)]


def confidence_name(task: str) -> str:
    """Return the name of the output that says how sure the network is of a task."""
    return f"{task}.confidence"


class Format(Protocol):
    """A module that writes and reads the files of one format."""

    NAME: str
    """The file's name, such as ``model.onnx``."""

    RUNTIME: str
    """What runs it, in words."""

    NEEDS: tuple[str, ...]
    """Packages, all of the extra ``export``, that must be installed."""

    OPTIONS: Mapping[str, Any]
    """Settings of its own by name, with their defaults: what ``export(..., options=...)`` may change."""

    def write(self, job: Job, path: Path) -> None:
        """Write the file, with ``job.about`` inside, and what stands beside it. The folder is there."""

    def opened(self, path: Path) -> Compute:
        """Return what the file computes, on the CPU by the format's own runtime."""


class Wrapper(Protocol):
    """A module that makes something else out of the file of a format, such as a page for a browser out of ONNX."""

    OF: str
    """The word of the format, a key of ``FORMATS``. What it needs is needed too."""

    RUNTIME: str
    """As of a ``Format``."""

    USE: str
    """How it is used, in sentences for the model card."""

    NEEDS: tuple[str, ...]
    """Further packages that must be installed."""

    OPTIONS: Mapping[str, Any]
    """As of a ``Format``; such as ``{"single": False}``."""

    def wrap(self, job: Job, path: Path) -> tuple[Path, "Reduced | None"]:
        """Make it in the folder of the format's file, which was compared and perhaps reduced.

        Return its path, and what was done to the network, where anything was.

        The file may be moved or deleted; ``about.json``, ``parity.json`` and ``model-card.md`` are written beside the
        path that is returned.
        """


@dataclass(frozen=True)
class Reduced:
    """What a reduction did."""

    words: str
    """In a few words, such as ``int8 weights and activations, 3 layers in float32``."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Plain values for ``parity.json``, such as the layers that stay in float32."""
    sentences: tuple[str, ...] = ()
    """For the model card."""


@runtime_checkable
class Reduction(Protocol):
    """Makes a written file smaller or faster at the price of other values, such as int8.

    The float32 file has been compared with the network before; afterwards differences and metrics are only reported.
    """

    @property
    def name(self) -> str:
        """Its word: the flag without dashes, such as ``int8``."""

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that it can change, keys of ``FORMATS``."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Packages, all of the extra ``export``, that must be installed."""

    def check(self, job: Job) -> None:
        """Raise ``ValueError`` or ``FileNotFoundError`` with the remedy where something is missing, such as data."""

    def reduce(self, job: Job, path: Path, form: Format) -> Reduced:
        """Replace the file, and return what was done. Raises as ``check``."""
