"""Interfaces of export formats, wrappers and reductions.

A format such as ``onnx_file`` is a module with the interface of ``Format``, which writes a program to a file and opens
it again. A ``Reduction``, such as int8, changes the file after it was compared with the network. A ``Wrapper`` then
turns the file into something else, such as a page for a browser. Formats and wrappers are listed by name in ``FORMATS``
and ``WRAPPERS`` of ``taskscape.export.export``; ``commands/export.py`` turns flags into ``options`` (of a format or
wrapper) and ``reduction``.
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
"""Maps a (1, 3, H, W) uint8 image to the values of all outputs of a ``Job``, in order; see ``deployed.decoded``."""


@dataclass(frozen=True)
class Job:
    """One export, as the input of formats, wrappers and reductions."""

    folder: RunFolder
    """The folder of the run or the model."""
    model: TrainedModel
    """Its network on the CPU, in evaluation mode, as it was loaded."""
    tasks: Mapping[str, Task]
    """The exported tasks, in the order of the outputs."""
    evaluated: tuple[int, int]
    """Height and width of the images on which the run was evaluated."""
    size: tuple[int, int] | None
    """Height and width of the images that the file takes; None for any."""
    program: torch.export.ExportedProgram
    """Maps one (1, 3, H, W) uint8 image to the values of the outputs."""
    about: dict[str, Any]
    """Description of the input and outputs, as plain values for ``about.json`` and the metadata of the file."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the format or wrapper: its ``OPTIONS``, updated with the user's."""
    stores: Mapping[str, Store] = field(default_factory=dict)
    """Data of the run or named by the user, by split (``train``, ``val``); empty if not available."""
    spreads: Mapping[str, float] = field(default_factory=dict)
    """Calibration of each task whose confidence is exported; 1 leaves the network's confidence as it is."""

    @property
    def val(self) -> Store | None:
        """The validation data, if they are available and have the size of the file's images."""
        store = self.stores.get("val")
        return store if store is not None and self.size in (None, store.size) else None

    @property
    def usual_size(self) -> tuple[int, int]:
        """``size``, or if the file takes any, the size of the images on which the run was evaluated."""
        return self.size or self.evaluated

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs: the tasks, then their confidences."""
        return [*self.tasks, *map(confidence_name, self.spreads)]


def confidence_name(task: str) -> str:
    """Return the name of the confidence output of a task."""
    return f"{task}.confidence"


class Format(Protocol):
    """A module that writes and reads the files of one format."""

    NAME: str
    """Name of the file, such as ``model.onnx``."""

    RUNTIME: str
    """Name of the runtime, as text."""

    NEEDS: tuple[str, ...]
    """Required packages, all of the extra ``export``."""

    OPTIONS: Mapping[str, Any]
    """Settings of the format by name, with defaults that ``export(..., options=...)`` can change."""

    def write(self, job: Job, path: Path) -> None:
        """Write the file, with ``job.about`` inside, and the files beside it. The folder exists."""

    def opened(self, path: Path) -> Compute:
        """Return the function that the file computes, on the CPU with the format's own runtime."""


class Wrapper(Protocol):
    """A module that turns the file of a format into something else, such as an ONNX file into a page for a browser."""

    OF: str
    """Name of the format, a key of ``FORMATS``, whose packages are required too."""

    RUNTIME: str
    """As in ``Format``."""

    USE: str
    """How to use the result, in sentences for the model card."""

    NEEDS: tuple[str, ...]
    """Further required packages."""

    OPTIONS: Mapping[str, Any]
    """As in ``Format``; such as ``{"single": False}``."""

    def wrap(self, job: Job, path: Path) -> tuple[Path, "Reduced | None"]:
        """Write the result to the folder of the format's file, which was compared and perhaps reduced.

        Return its path, and the changes to the network, if any. The file may be moved or deleted; ``about.json``,
        ``parity.json`` and ``model-card.md`` are written beside the returned path.
        """


@dataclass(frozen=True)
class Reduced:
    """The effect of a reduction."""

    words: str
    """Short description, such as ``int8 weights and activations, 3 layers in float32``."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Plain values for ``parity.json``, such as the layers that stay in float32."""
    sentences: tuple[str, ...] = ()
    """Sentences for the model card."""


@runtime_checkable
class Reduction(Protocol):
    """Makes a written file smaller or faster at the cost of accuracy, such as int8.

    The float32 file was compared with the network before. After the reduction, differences and metrics are only
    reported.
    """

    @property
    def name(self) -> str:
        """Its name, which is the flag without dashes, such as ``int8``."""

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that it supports, keys of ``FORMATS``."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Required packages, all of the extra ``export``."""

    def check(self, job: Job) -> None:
        """Raise ``ValueError`` or ``FileNotFoundError`` if something is missing, such as data."""

    def reduce(self, job: Job, path: Path, form: Format) -> Reduced:
        """Replace the file, and return the effect. Raises as ``check`` does."""
