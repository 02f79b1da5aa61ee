"""The network of a run, or a named model, as a labeler."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.evaluation import TestTimeAugmentation, find_tta
from taskscape.evaluation.finite import require_finite
from taskscape.files.digest import sha256
from taskscape.inference.labelers.base import Label, Labeler, height_error
from taskscape.released import resolve
from taskscape.run_folder import Calibration, Result, RunFolder
from taskscape.runs.other_data import AdaptedNetwork
from taskscape.runs.trained_model import load


class NetworkLabeler(Labeler):
    """The network of a run, or a named model.

    Images are scaled to ``height`` for the network, and its output back. Confidence is corrected by the run's
    calibration, if it has one.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        height: int | None = None,
        tta: TestTimeAugmentation | str | bool = False,
        device: str | torch.device = "auto",
    ) -> None:
        """Load the network. Raises as ``taskscape.runs.load``."""
        self.name, self.folder = str(model), RunFolder(resolve(model))
        self.height, self.tta = height, find_tta(tta)
        loaded = load(model, device)
        network = AdaptedNetwork(loaded.network, height, {}).to(loaded.device).eval()
        self.model = loaded._replace(network=network)
        self.tasks = loaded.tasks
        self.spreads = Calibration.spreads_of(self.folder)

    @override
    def predict(self, image: Tensor) -> dict[str, Label]:
        final = self.model.forward_tta(image, self.tta or False).final
        require_finite({name: final[name] for name in self.tasks})
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
            raise height_error(self.name, f"{evaluated[0]}x{evaluated[1]}", evaluated[0], size)

    @override
    def about(self) -> dict[str, Any]:
        return {
            "model": self.name,
            "sha256": sha256(self.folder.weights),
            "height": self.height,
            "test-time augmentation": None if self.tta is None else self.tta.word,
            "calibration": dict(self.spreads),
        }
