"""The reduction ``int8`` of ``taskscape export``."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from taskscape.evaluation import seconds_of
from taskscape.export.formats import Format, Job, Reduced
from taskscape.export.int8.images import Images, images_for
from taskscape.export.int8.quantize import Quantizer, Run, count_kernels, run_of
from taskscape.export.int8.search import SECONDS, Comparison, Found, search
from taskscape.files import atomic_write
from taskscape.serialization import show_size


@dataclass(frozen=True)
class Int8:
    """Weights and activations of eight bits, by ONNX Runtime's static quantization."""

    calibrate: Path | None = None
    """A folder of images, or a store, to calibrate with; by default the data of the run."""
    seconds: float = SECONDS
    """The longest time in which blocks are sought that must stay in float32."""

    name: ClassVar[str] = "int8"
    formats: ClassVar[tuple[str, ...]] = ("onnx",)
    needs: ClassVar[tuple[str, ...]] = ("onnx", "onnxruntime")

    def reduce(self, job: Job, path: Path, form: Format) -> Reduced:
        """Replace the file by one in int8, say so in ``job.about``, and return what was done and how fast it is.

        Raises ``FileNotFoundError`` or ``ValueError`` that names ``--calibrate`` where there are no images.
        """
        images = images_for(job, self.calibrate)
        quantizer = Quantizer(path, images.ranges)
        plain = run_of(path)
        comparison = Comparison(list(job.tasks), plain, images.compared)
        found = search(
            list(quantizer.layers.blocks),
            lambda floating: comparison.differences(run_of(quantizer.model_with(floating))),
            comparison,
            self.seconds,
        )
        model = quantizer.model_with(found.floating)
        of_all = count_kernels(model)
        job.about["int8"] = {"layers": of_all[0], "of": of_all[1], "blocks in float32": list(found.floating)}
        for prop in model.metadata_props:
            if prop.key == "taskscape":
                prop.value = json.dumps(job.about)
        atomic_write(path, model.SerializeToString())
        reduced = run_of(path)
        seconds = _seconds(plain, reduced, images)
        details = {
            **job.about["int8"],
            "calibrated on": {"images": len(images.ranges), "of": images.source},
            "differences from float32": {
                "images": len(images.compared),
                **{task: _rounded(share) for task, share in found.differences.items()},
                "within bounds": found.holds,
                "with all blocks in int8": {task: _rounded(share) for task, share in found.before.items()},
            },
            "seconds for an image": {word: _rounded(value) for word, value in seconds.items()},
        }
        words = f"int8 in {of_all[0]} of {of_all[1]} convolutions and products of matrices"
        return Reduced(words, details, tuple(_sentences(words, found, images, comparison, seconds)))


def _seconds(plain: Run, reduced: Run, images: Images) -> dict[str, float]:
    """Return the seconds that an image takes, in turns."""
    image = images.compared[0]
    calls = {"float32": lambda: plain(image), "int8": lambda: reduced(image)}
    return seconds_of(calls, torch.device("cpu"), at_most=10)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _sentences(
    words: str, found: Found, images: Images, comparison: Comparison, seconds: dict[str, float]
) -> Iterator[str]:
    kept = f"; the blocks {', '.join(found.floating)} stay in float32, and" if found.floating else ";"
    yield (
        f"Weights and activations are {words}{kept} the last of each task and all that prepares the image or decodes a "
        f"task is float32. Ranges come from {len(images.ranges)} images of {images.source}."
    )
    told = [
        f"{100 * share:.1f} % of the pixels have another class ({task})"
        if comparison.is_whole[task]
        else f"{task} differs by {100 * share:.1f} % on average"
        for task, share in found.differences.items()
    ]
    beyond = "" if found.holds else "; that is more than int8 should cost, so compare the metrics before you use it"
    yield f"On {len(images.compared)} images {', '.join(told)} from float32{beyond}."
    height, width = images.compared[0].shape[2:]
    yield (
        f"An image of {show_size((height, width))} takes {1000 * seconds['int8']:.1f} ms, in float32 "
        f"{1000 * seconds['float32']:.1f} ms, on the machine that exported it."
    )
