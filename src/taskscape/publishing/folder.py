"""Publish a run as a folder with only its weights, settings, results and card."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from torch import Tensor

from taskscape.batch import Target
from taskscape.data.readers.images import read_image
from taskscape.evaluation.evaluator import Evaluator
from taskscape.files import atomic_write, writing
from taskscape.files.digest import sha256
from taskscape.hub import code_in
from taskscape.publishing.card import About, Made, card
from taskscape.publishing.command import command_of, is_absolute, without_folders
from taskscape.released import PHOTOGRAPH
from taskscape.released.listing import front_matter
from taskscape.report.glossary import leading
from taskscape.run_folder import Calibration, Result, RunFolder
from taskscape.run_folder.samples import read_samples
from taskscape.runs import TrainedModel, load
from taskscape.serialization import structure
from taskscape.serialization.plain import read_yaml
from taskscape.state_dicts import read_safetensors, require_finite, save_safetensors

_ROUNDS = 5
"""Number of timed predictions, of which the fastest counts."""


@dataclass(frozen=True)
class Published:
    """A published folder."""

    folder: RunFolder
    made: Made
    same: bool
    """Whether its predictions are bitwise equal to those of the run at the same precision."""

    @property
    def files(self) -> list[Path]:
        """All files of the folder."""
        return sorted(path for path in self.folder.path.rglob("*") if path.is_file())


def publish(
    run: str | Path,
    folder: str | Path,
    about: About,
    *,
    half: bool = False,
    precision: Literal["fp32", "bf16"] | None = None,
    code: bool = False,
    command: str = "",
    page: Callable[[Path, Path], object] | None = None,
) -> Published:
    """Write the model of a run to a folder, and compare its predictions with the run's.

    The folder has the results of all evaluated splits, but no checkpoints, logs, samples or reports; paths in the
    settings are reduced to their last part. With ``half``, weights of convolutions and linear layers are stored in
    float16. ``precision`` is the precision of its computations, by default the run's. ``code`` permits publishing the
    user's code files that the experiment names, which are executed when the model is loaded. ``command`` is the
    training command for the card, by default the one in the run's log. ``page(folder, file)`` writes a page to ``file``
    that runs the network in ``folder``.

    Raises ``FileNotFoundError`` or ``ValueError`` for an unfinished run, for weights that are damaged or not finite,
    for code that is not permitted, and for predictions that differ although the weights are unchanged.
    """
    source, target = RunFolder(Path(run)), RunFolder(Path(folder))
    settings = _settings(source, code=code)
    size, original = Result.load(source.result()).size, load(run, "cpu")
    tensors = read_safetensors(source.weights, own=True)
    require_finite(tensors, str(source.weights))
    if precision is not None:
        settings["precision"] = precision
    with writing(target.path):
        target.path.mkdir(parents=True, exist_ok=True)
    atomic_write(target.experiment, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    save_safetensors(target.published, _in_half(tensors, str(source.weights)) if half else tensors)
    for result_file in source.results():
        atomic_write(target.path / result_file.name, result_file.read_bytes())
    _keep_calibration(source, target)
    for file in sorted(source.code.rglob("*.py")) if code else ():
        copy = target.code / file.relative_to(source.code)
        with writing(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(copy, file.read_bytes())
    images, network = _images(source), load(folder, "cpu")
    original = original._replace(experiment=replace(original.experiment, precision=network.experiment.precision))
    same, agreement = compare(original, network, images)
    if not (same or half):
        raise ValueError(
            f"{target.path} predicts different values from {run}, although its weights are the same: nothing was "
            "published"
        )
    seconds = seconds_of_a_core(network, size)
    made = Made(command or command_of(source), half, agreement, len(images), seconds)
    made = _made_in_card(source, made) if same else made
    target.page.unlink(missing_ok=True)
    if page is not None:
        page(target.path, target.page)
    atomic_write(target.card, card(target, about, made))
    return Published(target, made, same)


def _settings(run: RunFolder, *, code: bool) -> dict[str, Any]:
    """Return the settings of a run as plain values, without local paths, device and trackers."""
    run.require()
    settings = read_yaml(run.experiment)
    if not isinstance(settings, dict):
        raise ValueError(f"{run.experiment} is damaged: it must be a mapping of settings")
    settings = {**settings, "trackers": [], "device": "auto"}
    if code_names := code_in(settings):
        if not code:
            raise ValueError(
                f"{run.path} needs code of yours, {', '.join(code_names)}, which would also be published, as it is in "
                f"{run.code}: allow this with --with-code"
            )
        if absolute := [name for name in code_names if is_absolute(name)]:
            raise ValueError(
                f"{run.path} names code by an absolute path, {absolute[0]}: train in the folder of that file, so that "
                "the path is relative"
            )
    return {key: without_folders(value) for key, value in settings.items()}


def _in_half(tensors: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Return tensors with at least two dimensions in float16; vectors, such as normalization statistics, are kept."""
    small = {name: x.half() if x.is_floating_point() and x.ndim > 1 else x for name, x in tensors.items()}
    require_finite(small, f"{where} in float16")
    return small


def _keep_calibration(source: RunFolder, target: RunFolder) -> None:
    """Copy the calibration of a run, if it belongs to its weights, for the published weights."""
    target.calibration.unlink(missing_ok=True)
    if (calibration := Calibration.of(source)) is not None:
        replace(calibration, weights=sha256(target.published)).save(target.calibration)


def _made_in_card(source: RunFolder, made: Made) -> Made:
    """Return how a model was made from its existing card, if it is published again, with the new time.

    Raises ``ValueError`` naming a card that cannot be read.
    """
    about = front_matter(source.card).get("taskscape")
    if not (isinstance(about, dict) and "made" in about):
        return made
    earlier = structure(about["made"], str(source.card), Made, kept_code=False)
    return replace(earlier, seconds=made.seconds)


# -- the same predictions ----------------------------------------------------------------------------------------------


def compare(run: TrainedModel, other: TrainedModel, images: Tensor) -> tuple[bool, dict[str, str]]:
    """Return whether two networks predict the same for (N, 3, H, W) images, and how well they agree.

    Agreement is measured by the leading metrics of the second network's predictions, with those of the first as ground
    truth: values with units, by title.
    """
    evaluator = Evaluator(run.tasks, run.device)
    same = True
    for image in images.split(1):
        run_outputs, other_outputs = run.forward(image).final, other.forward(image).final
        truth = {name: task.decode(run_outputs[name].float()) for name, task in run.tasks.items()}
        predictions = {name: task.decode(other_outputs[name].float()) for name, task in other.tasks.items()}
        same &= all(torch.equal(truth[name], predictions[name]) for name in truth)
        valid = torch.ones(len(image), *image.shape[-2:], dtype=torch.bool)
        evaluator.update(predictions, {name: Target(value, valid) for name, value in truth.items()})
    evaluation = evaluator.compute()
    specs = evaluation.specs
    agreement = {
        specs[name].title: f"{specs[name].show(evaluation.metrics[name])} {specs[name].unit}".rstrip()
        for name in leading(evaluation.metrics, specs)
    }
    return same, agreement


def seconds_of_a_core(network: TrainedModel, size: tuple[int, int]) -> float:
    """Return the CPU time of a network for one image on one core, which does not depend on other load."""
    image, threads = torch.zeros(1, 3, *size), torch.get_num_threads()
    torch.set_num_threads(1)
    times = []
    try:
        for _ in range(_ROUNDS):
            started = time.process_time()
            network.forward(image)
            times.append(time.process_time() - started)
    finally:
        torch.set_num_threads(threads)
    return min(times)


def _images(run: RunFolder) -> Tensor:
    """Return the sample images of a run, (N, 3, H, W) in 0..1; a photograph if it has none."""
    images = read_samples(run.samples()).get("image", read_image(PHOTOGRAPH)[None])
    return torch.from_numpy(images).permute(0, 3, 1, 2) / 255
