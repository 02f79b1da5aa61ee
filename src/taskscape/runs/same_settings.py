"""Compare an experiment with the settings of the run that is already in its folder."""

from collections.abc import Mapping
from dataclasses import replace

from taskscape.data import DataSource, Mixed, MixedPart, Packed
from taskscape.run_folder import RunFolder
from taskscape.run_folder.settings import WITHOUT_EFFECT
from taskscape.runs.experiment import Experiment
from taskscape.runs.fastest import way_of, with_way
from taskscape.runs.known_data import require_unchanged
from taskscape.runs.trained_model import read_experiment
from taskscape.serialization import unstructure
from taskscape.serialization.flat import flatten, setting_text

_FILLED_IN = ("tasks.", "network.")
"""Sections in which a run fills in settings that depend on its data, such as class weights."""
_NOT_COMPARED = ("note", "start_checksum", "continued")
"""Settings that a run or a command writes itself."""
_NOT_IN_RESULTS = ("checkpoint_minutes", "keep_checkpoint", "device", "trackers")
"""Settings that do not change the results of a run that is finished."""
_OUTSIDE_TRAINING = (*WITHOUT_EFFECT, *_NOT_COMPARED, "start_from", "device")
"""Settings that do not change what is trained after a checkpoint."""


def different_settings(saved: Experiment, requested: Experiment) -> list[str]:
    """Return the settings in which an experiment differs from that saved by a run, by dotted name.

    Settings that the run filled in from its data, and those chosen by ``precision: fast`` or auto, are no differences.
    """
    requested = with_choices_of(saved, requested)
    old, new = flatten(unstructure(saved)), flatten(unstructure(requested))
    return [
        name
        for name in dict.fromkeys([*new, *old])
        if name not in _NOT_COMPARED and old.get(name) != new.get(name) and not _is_filled_in(name, old, new)
    ]


def with_choices_of(saved: Experiment, requested: Experiment) -> Experiment:
    """Return an experiment whose ``precision: fast`` or auto is replaced by what the saved run chose."""
    if requested.precision == "fast":
        return replace(requested, precision=saved.precision)
    if requested.precision == "auto":
        return with_way(requested, way_of(saved))
    return requested


def require_same_settings(folder: RunFolder, requested: Experiment) -> None:
    """Raise ``ValueError`` if a finished run was trained with other settings or data than those of an experiment."""
    saved = read_experiment(folder.path)
    names = [name for name in different_settings(saved, requested) if name not in _NOT_IN_RESULTS]
    if isinstance(requested.data, Packed | Mixed):  # compared by their content, wherever they are
        names = [name for name in names if not name.startswith("data.")]
        names += [name for name, text in mixing(requested.data).items() if mixing(saved.data).get(name) != text]
        require_unchanged(folder, requested.data)
    if names:
        raise ValueError(
            f"{folder.path} is finished, and was trained with other settings ({', '.join(names)}): name another "
            "folder, or delete it to train again"
        )


def trained_settings(experiment: Experiment) -> dict[str, str]:
    """Return the settings that determine the training of a complete experiment, as text by dotted name.

    Of the data, only the ``mixing`` is among them: a run is resumed only with the images and labels that it was started
    with, wherever they are.
    """
    settings = flatten(unstructure(experiment))
    return mixing(experiment.data) | {
        name: text for name, text in settings.items() if name not in _OUTSIDE_TRAINING and not name.startswith("data.")
    }


def mixing(data: DataSource) -> dict[str, str]:
    """Return the settings of mixed data that their fingerprint does not cover; none for other data."""
    if not isinstance(data, Mixed):
        return {}
    shares = [MixedPart.parse(part).share for part in data.parts]
    return {"data.images": setting_text(data.images), "data.shares": setting_text(shares)}


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Return the differences of two ``trained_settings`` in words: ``epochs 4 (2 before), seed 1 (0 before)``."""
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {new.get(name, 'none')} ({old.get(name, 'none')} before)" for name in names)


def _is_filled_in(name: str, saved: Mapping[str, str], requested: Mapping[str, str]) -> bool:
    """Return whether a run has put a value in place of none, or numbers in place of the rule that computes them."""
    parts = name.split(".")
    is_none = "none" in (requested.get(".".join(parts[:end])) for end in range(1, len(parts) + 1))
    is_computed = saved.get(name, "").startswith("[") and not requested.get(name, "[").startswith("[")
    return name.startswith(_FILLED_IN) and (is_none or is_computed)
