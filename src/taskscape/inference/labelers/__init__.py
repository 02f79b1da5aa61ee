"""Models that predict labels for a store: the network of a run, a named model, or an ONNX file."""

from collections.abc import Sequence
from pathlib import Path

import torch

from taskscape.evaluation import TestTimeAugmentation
from taskscape.inference.checks import is_onnx, require_labeler
from taskscape.inference.labelers.base import Label, Labeler
from taskscape.inference.labelers.network import NetworkLabeler
from taskscape.inference.labelers.onnx import OnnxLabeler

__all__ = ["Label", "Labeler", "NetworkLabeler", "OnnxLabeler", "find_labeler"]


def find_labeler(
    model: str | Path,
    *,
    outputs: Sequence[str] = (),
    height: int | None = None,
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
