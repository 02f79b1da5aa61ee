"""An ONNX file as a labeler."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.files.digest import sha256
from taskscape.inference.labelers.base import Label, Labeler, height_error
from taskscape.modalities import Modality
from taskscape.modalities.words import modality_of
from taskscape.runs.other_data import scaled_to
from taskscape.serialization import counted, structure
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


class OnnxLabeler(Labeler):
    """An ONNX file, run by onnxruntime.

    Its input is a batch of RGB images (B, 3, H, W), floating-point in 0..255 or uint8. Its outputs are named in order:
    scores or probabilities (B, classes, H, W) or class ids (B, H, W), depth (B, 1, H, W) in meters, normals
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
        self.path, self.height, self.named_outputs = path, height, list(outputs)
        self.input = self._only_input()
        self.outputs = self.session.get_outputs()
        self.confidence_indices: dict[str, int] = {}
        """Index of the output with a task's confidence, by task."""
        self.evaluated_height: Any = None
        """The image height at which the network is most accurate, if the file states it."""
        modalities = self._named_modalities(outputs) if outputs else self._read_metadata()
        self.label_indices = {name: number for number, name in enumerate(modalities)}
        """Index of the output with a task's labels, by task; confidence outputs come after these."""
        self.tasks = tasks_for(modalities)

    def _only_input(self) -> Any:
        """Return the input of the file. Raises ``ValueError`` unless it is (B, 3, H, W) images and nothing else."""
        inputs = self.session.get_inputs()
        match inputs:
            case [node] if node.type in _INPUT_TYPES and len(node.shape) == 4:
                if node.shape[1] == 3 or not isinstance(node.shape[1], int):
                    return node
        description = ", ".join(f"{node.name}: {node.type} {tuple(node.shape)}" for node in inputs) or "nothing"
        raise ValueError(
            f"{self.path} takes {description}: export the network so that its only input is a batch of RGB images "
            "(B, 3, H, W), floating-point in 0..255 or uint8"
        )

    def _read_metadata(self) -> dict[str, Modality]:
        """Return the modalities that a file from ``taskscape export`` states, and keep the rest of what it states.

        Raises ``ValueError`` for other files.
        """
        metadata = self.session.get_modelmeta().custom_metadata_map.get("taskscape")
        if metadata is None:
            raise ValueError(
                f"{self.path} does not say what its outputs {', '.join(entry.name for entry in self.outputs)} are: "
                "name them with --outputs in this order, such as semseg:cityscapes-19 depth normals"
            )
        try:
            about = json.loads(metadata)
            outputs = about["outputs"]
            modalities = {name: entry["modality"] for name, entry in outputs.items() if "of" not in entry}
            self.confidence_indices = {
                entry["of"]: number for number, entry in enumerate(outputs.values()) if "of" in entry
            }
            self.evaluated_height = about.get("most_accurate_height")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.path}: its metadata are damaged ({error!r}): name its --outputs") from error
        return {
            name: structure(entry, f"{self.path}: {name}", Modality, kept_code=False)  # type: ignore[type-abstract]
            for name, entry in modalities.items()
        }

    def _named_modalities(self, words: Sequence[str]) -> dict[str, Modality]:
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
        size = image.shape[-2], image.shape[-1]
        network_size = scaled_to(size, self.height)
        if network_size != size:
            image = F.interpolate(image, network_size, mode="bilinear", antialias=True)
        outputs = self._run(image)
        labels = {}
        for name, task in self.tasks.items():
            raw = outputs[self.label_indices[name]]
            self._check_output(name, raw, image)
            label = _label(task, raw, size)
            if name in self.confidence_indices:
                confidence = _resized(outputs[self.confidence_indices[name]], size, "bilinear")[:, 0]
                label = label._replace(confidence=confidence)
            labels[name] = label
        return labels

    def _run(self, image: Tensor) -> list[Tensor]:
        """Return the outputs of the file for (B, 3, H, W) images in 0..1; batches of a fixed size are filled up."""
        rgb = (image * 255).clamp(0, 255).contiguous().cpu().numpy()
        rgb = (np.rint(rgb) if self.input.type == "tensor(uint8)" else rgb).astype(_INPUT_TYPES[self.input.type])
        batch_size = self.input.shape[0] if isinstance(self.input.shape[0], int) else len(rgb)
        padded = np.concatenate([rgb, rgb[-1:].repeat(-len(rgb) % batch_size, 0)])
        runs = [
            self.session.run(None, {self.input.name: padded[i : i + batch_size]})
            for i in range(0, len(padded), batch_size)
        ]
        return [torch.from_numpy(np.concatenate(arrays)[: len(rgb)]) for arrays in zip(*runs, strict=True)]

    def _check_output(self, name: str, raw: Tensor, image: Tensor) -> None:
        """Raise ``ValueError`` unless an output has a value for every pixel of the images, and scores are numbers."""
        task = self.tasks[name]
        has_ids = task.predicts_classes and raw.ndim == 3
        expected = (len(image), *([] if has_ids else [task.channels]), *image.shape[2:])
        if tuple(raw.shape) != expected:
            raise ValueError(
                f"{self.path}: the output for {name} is {tuple(raw.shape)} instead of {expected} (images, "
                "channels, height, width): correct --outputs, or export the network so that it keeps the size"
            )
        if task.predicts_classes and raw.isnan().any():
            raise ValueError(f"{self.path} outputs NaN for {name}: correct the network that it was exported from")

    @override
    def says_confidence(self, task: str) -> bool:
        if task in self.confidence_indices:
            return True
        shape = self.outputs[self.label_indices[task]].shape
        return self.tasks[task].predicts_classes and len(shape) == 4

    @override
    def check_size(self, size: tuple[int, int]) -> None:
        required = tuple(self.input.shape[2:])
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
            raise height_error(str(self.path), f"{best_height} pixels in height", best_height, size)

    @override
    def about(self) -> dict[str, Any]:
        settings = {"height": self.height, "outputs": self.named_outputs}
        return {"model": str(self.path), "sha256": sha256(self.path), **{k: v for k, v in settings.items() if v}}


def _label(task: Task, raw: Tensor, size: tuple[int, int]) -> Label:
    """Return the label at this (H, W) of an output: ids (B, h, w), or scores or values (B, channels, h, w)."""
    if raw.ndim == 3:
        return Label(_resized(raw[:, None].float(), size, "nearest-exact")[:, 0].long(), None)
    values = _resized(raw.float(), size, "bilinear")
    if task.predicts_classes:
        scores = _as_scores(values)
        return Label(task.decode(scores), task.confidence_of(scores))
    if values.shape != raw.shape:  # without motion, warping brings averaged directions back to unit length
        values = task.modality.warp(values, torch.eye(3).expand(len(raw), 3, 3), torch.ones(len(raw), 1, 1, 1))
    return Label(values, None)


def _resized(values: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    return values if values.shape[-2:] == size else F.interpolate(values, size, mode=mode)


def _as_scores(raw: Tensor) -> Tensor:
    """Return probabilities, which add up to 1 at every pixel, as their logarithms; return scores unchanged."""
    are_probabilities = raw.amin() >= 0 and (raw.sum(1) - 1).abs().amax() < _SUM_TOLERANCE
    return raw.clamp_min(torch.finfo(raw.dtype).tiny).log() if are_probabilities else raw
