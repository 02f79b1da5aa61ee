"""Measure the speed of the networks of several runs together."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from taskscape.evaluation import TestTimeAugmentation, find_tta, seconds_of
from taskscape.report.times import Times
from taskscape.run_folder import Result, RunFolder
from taskscape.runs.cost import environment
from taskscape.runs.trained_model import load


def measure_times(
    runs: Sequence[str | Path],
    *,
    tta: TestTimeAugmentation | str | bool = False,
    batch_size: int = 8,
    device: str = "auto",
    rounds: int = 10,
) -> Times:
    """Measure the inference times of the networks of runs, interleaved in one process, with ``tta`` as in ``evaluate``.

    All predict images of the first run's size, each at the precision of its own experiment. Raises
    ``FileNotFoundError`` or ``ValueError`` that names the file, if a folder is not a trained and evaluated run.
    """
    augmentation = find_tta(tta)
    size = Result.load(RunFolder(Path(runs[0])).result()).size
    models = {str(Path(run).resolve()): load(run, device) for run in runs}
    torch_device = next(iter(models.values())).device

    def seconds_per_image(count: int) -> dict[str, float]:
        images = torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(0)).to(torch_device)
        calls: dict[str, Callable[[], object]] = {
            name: partial(model.forward_tta, images, augmentation or False) for name, model in models.items()
        }
        return {name: seconds / count for name, seconds in seconds_of(calls, torch_device, rounds=rounds).items()}

    precisions = sorted({model.experiment.precision for model in models.values()})
    conditions = (
        f"{environment(torch_device)['device']}, {' and '.join(precisions)}, images of {size[0]}x{size[1]}, "
        f"batches of {batch_size}{f', with test-time augmentation ({augmentation.word})' if augmentation else ''}"
    )
    return Times(seconds_per_image(1), seconds_per_image(batch_size), conditions)
