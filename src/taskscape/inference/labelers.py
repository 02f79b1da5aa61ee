"""Models that predict labels for a store: the network of a run, a named model, or an ONNX file."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.evaluation import TestTimeAugmentation, find_tta
from taskscape.files.digest import sha256
from taskscape.inference.checks import is_onnx, require_labeler
from taskscape.modalities import Modality
from taskscape.modalities.words import modality_of
from taskscape.released import resolve
from taskscape.run_folder import Calibration, Result, RunFolder
from taskscape.runs.other_data import AdaptedNetwork, scaled_to
from taskscape.runs.trained_model import TrainedModel, load
from taskscape.serialization import counted, structure
from taskscape.serialization.arguments import checked
from taskscape.serialization.ranges import Count
from taskscape.tasks import Task, tasks_for

_INPUT_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
"""NumPy types of the supported ONNX input types."""
_SUM_TOLERANCE = 0.02
"""Tolerance for the sum of rounded probabilities, which should be 1."""


class Label(NamedTuple):
    """A predicted label for a batch."""

    value: Tensor
    """As ``Target.value``."""
    confidence: Tensor | None
    """(B, H, W) in 0..1; None if the model predicts no confidence."""


class Labeler(ABC):
    """Predicts labels for batches of images."""

    tasks: Mapping[str, Task]
    """The predicted tasks by name."""

    @abstractmethod
    def predict(self, image: Tensor) -> dict[str, Label]:
        """Return the label of each task for (B, 3, H, W) images in 0..1, at their size."""

    @abstractmethod
    def says_confidence(self, task: str) -> bool:
        """Return whether a confidence is predicted for a task."""

    @abstractmethod
    def check_size(self, size: tuple[int, int]) -> None:
        """Raise ``ValueError`` if images of this (H, W) should not be predicted."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """Return the origin of the labels for the manifest, as JSON values."""


class NetworkLabeler(Labeler):
    """The network of a run, or a named model.

    Images are scaled to ``height`` for the network, and its output back. Confidence is corrected by the run's
    calibration, if it has one.
    """

    @checked
    def __init__(
        self,
        model: str | Path,
        *,
        height: Count | None = None,
        tta: TestTimeAugmentation | str | bool = False,
        device: str | torch.device = "auto",
    ) -> None:
        """Load the network. Raises as ``taskscape.runs.load``."""
        self.name, self.folder = str(model), RunFolder(resolve(model))
        self.height, self.tta = height, find_tta(tta)
        loaded = load(model, device)
        network = AdaptedNetwork(loaded.network, height, {}).to(loaded.device).eval()
        self.model = TrainedModel(loaded.experiment, network, loaded.device)
        self.tasks = loaded.tasks
        calibration = self.folder.calibration
        self.spreads = Calibration.load(calibration).spreads if calibration.exists() else {}

    @override
    def predict(self, image: Tensor) -> dict[str, Label]:
        final = self.model.forward_tta(image, self.tta or False).final
        return {
            name: Label(task.decode(final[name]), task.confidence_of(final[name], self.spreads.get(name, 1.0)))
            for name, task in self.tasks.items()
        }

    @override
    def says_confidence(self, task: str) -> bool:
        return self.tasks[task].distribution is not None

    @override
    def check_size(self, size: tuple[int, int]) -> None:
        result = self.folder.result()
        if self.height is not None or not result.is_file():
            return
        evaluated = Result.load(result).size
        if evaluated[0] != size[0]:
            raise _height_error(self.name, f"{evaluated[0]}x{evaluated[1]}", evaluated[0], size)

    @override
    def about(self) -> dict[str, Any]:
        return {
            "model": self.name,
            "sha256": sha256(self.folder.weights),
            "height": self.height,
            "test-time augmentation": None if self.tta is None else self.tta.word,
            "calibration": dict(self.spreads),
        }


class OnnxLabeler(Labeler):
    """An ONNX file, run by onnxruntime.

    Its input is a batch of RGB images (B, 3, H, W), floating-point in 0..255 or uint8. Its outputs are named in order:
    scores or probabilities (B, classes, H, W) or class ids (B, H, W), depth (B, 1, H, W) in metres, normals
    (B, 3, H, W), ….
    The metadata of a file from ``taskscape export`` already state what the outputs are, which of them are the
    confidence of which task, and at which image height the network is most accurate.
    """

    def __init__(self, path: Path, outputs: Sequence[str], height: int | None = None) -> None:
        """Open the file; ``outputs`` are modalities such as ``semseg:cityscapes-19``, or ``NAME=semseg:cityscapes-19``.

        Images are scaled to ``height`` for the network, and its outputs back.

        Raises ``ValueError`` if onnxruntime is not installed, if the file is not an ONNX file or takes a different
        input, or if ``outputs`` do not match those of the file.
        """
        try:
            import onnxruntime
        except ImportError:
            raise ValueError(
                f"{path} needs onnxruntime, which is not installed: pip install onnxruntime, or label with a run"
            ) from None
        try:
            self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # the exceptions of onnxruntime have no common base class
            raise ValueError(f"{path} cannot be run by onnxruntime: {error}") from error
        self.path, self.height = path, height
        self._check_input()
        self.outputs = self.session.get_outputs()
        metadata = self.session.get_modelmeta().custom_metadata_map.get("taskscape")
        self.confidence_indices: dict[str, int] = {}
        """Index of the output with a task's confidence, by task."""
        modalities = self._modalities_named(outputs) if outputs else self._modalities_in_metadata(metadata)
        self.label_indices = {name: number for number, name in enumerate(modalities)}
        """Index of the output with a task's labels, by task; confidence outputs come after these."""
        self.tasks = tasks_for(modalities)
        self.evaluated_height = json.loads(metadata).get("most_accurate_height") if metadata and not outputs else None

    def _check_input(self) -> None:
        """Raise ``ValueError`` unless (B, 3, H, W) images are the only input of the file."""
        inputs = self.session.get_inputs()
        images = [
            node
            for node in inputs
            if node.type in _INPUT_TYPES
            and len(node.shape) == 4
            and (node.shape[1] == 3 or not isinstance(node.shape[1], int))
        ]
        if len(inputs) != 1 or not images:
            description = ", ".join(f"{node.name}: {node.type} {tuple(node.shape)}" for node in inputs) or "nothing"
            raise ValueError(
                f"{self.path} takes {description}: export the network so that its only input is a batch of RGB images "
                "(B, 3, H, W), floating-point in 0..255 or uint8"
            )

    def _modalities_in_metadata(self, metadata: str | None) -> dict[str, Modality]:
        """Return the modalities that a file from ``taskscape export`` states. Raises ``ValueError`` for other files."""
        if metadata is None:
            raise ValueError(
                f"{self.path} does not say what its outputs {', '.join(entry.name for entry in self.outputs)} are: "
                "name them with --outputs in this order, such as semseg:cityscapes-19 depth normals"
            )
        try:
            outputs = json.loads(metadata)["outputs"]
            modalities = {name: entry["modality"] for name, entry in outputs.items() if "of" not in entry}
            self.confidence_indices = {
                entry["of"]: number for number, entry in enumerate(outputs.values()) if "of" in entry
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.path}: its metadata are damaged ({error!r}): name its --outputs") from error
        return {
            name: structure(entry, f"{self.path}: {name}", Modality, kept_code=False)  # type: ignore[type-abstract]
            for name, entry in modalities.items()
        }

    def _modalities_named(self, words: Sequence[str]) -> dict[str, Modality]:
        """Return the modalities named by ``--outputs``. Raises ``ValueError`` for a wrong number or unknown names."""
        if len(words) != len(self.outputs):
            names = ", ".join(output.name for output in self.outputs)
            num_outputs = counted(len(self.outputs), "output", "outputs")
            raise ValueError(
                f"{self.path} has {num_outputs} ({names}), and --outputs names {len(words)}: say what "
                "each is, in this order, such as semseg:cityscapes-19 depth normals"
            )
        modalities: dict[str, Modality] = {}
        for word in words:
            name, equals, kind = word.partition("=")
            modalities[name if equals else word.partition(":")[0]] = modality_of(kind if equals else word)
        if len(modalities) < len(words):
            raise ValueError("--outputs has the same name twice: give different names, such as near=depth far=depth")
        return modalities

    @override
    def predict(self, image: Tensor) -> dict[str, Label]:
        input_node = self.session.get_inputs()[0]
        size = image.shape[-2:]
        network_size = scaled_to(size, self.height)
        if network_size != size:
            image = F.interpolate(image, network_size, mode="bilinear", antialias=True)
        rgb = (image * 255).clamp(0, 255).contiguous().cpu().numpy()
        rgb = (np.rint(rgb) if input_node.type == "tensor(uint8)" else rgb).astype(_INPUT_TYPES[input_node.type])
        batch_size = input_node.shape[0] if isinstance(input_node.shape[0], int) else len(rgb)
        # Batches of a fixed size are filled up.
        padded = np.concatenate([rgb, rgb[-1:].repeat(-len(rgb) % batch_size, 0)])
        runs = [
            self.session.run(None, {input_node.name: padded[i : i + batch_size]})
            for i in range(0, len(padded), batch_size)
        ]

        def output(number: int) -> Tensor:
            return torch.from_numpy(np.concatenate([outputs[number] for outputs in runs])[: len(rgb)])

        labels = {}
        for name, task in self.tasks.items():
            raw = output(self.label_indices[name])
            confidence = (
                _resized(output(self.confidence_indices[name]), size, "bilinear")[:, 0]
                if name in self.confidence_indices
                else None
            )
            has_ids = task.predicts_classes and raw.ndim == 3
            expected = (len(image), *([] if has_ids else [task.channels]), *image.shape[2:])
            if tuple(raw.shape) != expected:
                raise ValueError(
                    f"{self.path}: the output for {name} is {tuple(raw.shape)} instead of {expected} (images, "
                    "channels, height, width): correct --outputs, or export the network so that it keeps the size"
                )
            if has_ids:
                labels[name] = Label(_resized(raw[:, None].float(), size, "nearest-exact")[:, 0].long(), confidence)
                continue
            raw = _resized(raw.float(), size, "bilinear")
            if task.predicts_classes:
                raw = _as_scores(raw)
                labels[name] = Label(task.decode(raw), task.confidence_of(raw))
            else:
                no_motion = torch.eye(3).expand(len(raw), 3, 3), torch.ones(len(raw), 1, 1, 1)
                # Without motion, warping keeps values and brings averaged directions back to unit length.
                labels[name] = Label(raw if network_size == size else task.modality.warp(raw, *no_motion), confidence)
        return labels

    @override
    def says_confidence(self, task: str) -> bool:
        if task in self.confidence_indices:
            return True
        shape = self.outputs[self.label_indices[task]].shape
        return self.tasks[task].predicts_classes and len(shape) == 4

    @override
    def check_size(self, size: tuple[int, int]) -> None:
        shape = self.session.get_inputs()[0].shape
        required = tuple(shape[2:])
        network_size = scaled_to(size, self.height)
        if any(
            isinstance(fixed, int) and fixed != actual for fixed, actual in zip(required, network_size, strict=True)
        ):
            raise ValueError(
                f"{self.path} takes images of {required[0]}x{required[1]}, but those of the store are "
                f"{size[0]}x{size[1]}: prepare the data again with --size {required[0]} {required[1]}, or export the "
                "network for any size"
            )
        best_height = self.evaluated_height
        if isinstance(best_height, int) and self.height is None and best_height != size[0]:
            raise _height_error(str(self.path), f"{best_height} pixels in height", best_height, size)

    @override
    def about(self) -> dict[str, Any]:
        return {"model": str(self.path), "sha256": sha256(self.path)} | ({"height": self.height} if self.height else {})


def _resized(values: Tensor, size: tuple[int, ...], mode: str) -> Tensor:
    return values if values.shape[-2:] == size else F.interpolate(values, size, mode=mode)


def _as_scores(raw: Tensor) -> Tensor:
    """Return probabilities, which add up to 1 at every pixel, as their logarithms; return scores unchanged."""
    are_probabilities = raw.amin() >= 0 and (raw.sum(1) - 1).abs().amax() < _SUM_TOLERANCE
    return raw.clamp_min(torch.finfo(raw.dtype).tiny).log() if are_probabilities else raw


def _height_error(model: str, evaluated: str, height: int, size: tuple[int, int]) -> ValueError:
    return ValueError(
        f"{model} was evaluated on images of {evaluated}, but those of the store are {size[0]}x{size[1]}: --height "
        f"{height} scales them for the network and its output back, --height {size[0]} leaves them as they are"
    )


@checked
def find_labeler(
    model: str | Path,
    *,
    outputs: Sequence[str] = (),
    height: Count | None = None,
    tta: TestTimeAugmentation | str | bool = False,
    device: str | torch.device = "auto",
) -> Labeler:
    """Return the labeler for a run folder, the name of a model, or a path that ends in ``.onnx``.

    Raises ``ValueError`` for settings that do not apply to it, and as the labelers do.
    """
    require_labeler(model, outputs, tta=bool(tta))
    if not is_onnx(model):
        return NetworkLabeler(model, height=height, tta=tta, device=device)
    return OnnxLabeler(Path(model), outputs, height)
