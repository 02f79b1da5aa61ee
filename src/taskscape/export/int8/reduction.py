"""The reduction ``--int8`` of ``taskscape export``."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from taskscape.evaluation import seconds_of
from taskscape.export import onnx_file, openvino_file
from taskscape.export.formats import Compute, Format, Job, Reduced
from taskscape.export.int8.images import Image, Images, images_for, require_images_for
from taskscape.export.int8.quantize import Quantizer, count_kernels
from taskscape.export.int8.search import SECONDS, Comparison, SearchResult, search
from taskscape.files import atomic_write
from taskscape.serialization import agreeing, counted, show_size


@dataclass(frozen=True)
class Int8:
    """8-bit weights and activations by ONNX Runtime's static quantization."""

    calibrate: Path | None = None
    """A folder of images, or a store, for calibration; by default the data of the run."""
    seconds: float = SECONDS
    """Time limit of the search for blocks that must stay in float32."""

    name: ClassVar[str] = "int8"
    formats: ClassVar[tuple[str, ...]] = ("onnx", "openvino")
    needs: ClassVar[tuple[str, ...]] = ("onnx", "onnxruntime")

    def check(self, job: Job) -> None:
        """Raise ``FileNotFoundError`` or ``ValueError``, which names ``--calibrate``, if there are no images."""
        require_images_for(job, self.calibrate)

    def reduce(self, job: Job, path: Path, form: Format) -> Reduced:
        """Replace the file by one in int8, add this to ``job.about``, and return the changes, differences and speed."""
        images = images_for(job, self.calibrate)
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "float32.onnx"
            if path.suffix == source.suffix:
                shutil.copy(path, source)
            else:
                onnx_file.save(job, source)
            quantizer = Quantizer(source, images.ranges)
            comparison = Comparison(job.outputs, onnx_file.run_of(source), images.compared)
            result = search(
                list(quantizer.layers.blocks),
                lambda floating: comparison.differences(
                    onnx_file.run_of(quantizer.model_with(floating).SerializeToString())
                ),
                comparison,
                self.seconds,
            )
            model = quantizer.model_with(result.floating)
            kernel_counts = count_kernels(model)
            job.about["int8"] = {
                "layers": kernel_counts[0],
                "of": kernel_counts[1],
                "blocks in float32": list(result.floating),
            }
            int8_path = _written(model, Path(folder) / path.name, job.about)
            seconds = _seconds(form.opened(path), form.opened(int8_path), images.compared[0])
            for part in int8_path.parent.glob(f"{int8_path.stem}.*"):
                if path.with_suffix(part.suffix).is_file():
                    atomic_write(path.with_suffix(part.suffix), part.read_bytes())
        details = {
            **job.about["int8"],
            "calibrated on": {"images": len(images.ranges), "of": images.source},
            "differences from float32": {
                "images": len(images.compared),
                **{task: _rounded(share) for task, share in result.differences.items()},
                "within bounds": result.holds,
                "with all blocks in int8": {task: _rounded(share) for task, share in result.before.items()},
            },
            "seconds for an image": {word: _rounded(value) for word, value in seconds.items()},
        }
        words = f"int8 in {kernel_counts[0]} of {kernel_counts[1]} convolutions and matrix products"
        return Reduced(words, details, tuple(_sentences(words, result, images, comparison, seconds)))


def _written(model: Any, path: Path, about: Mapping[str, Any]) -> Path:
    """Write a model (``onnx.ModelProto``) as ONNX, or for OpenVINO if the path ends in ``.xml``."""
    for prop in model.metadata_props:
        if prop.key == "taskscape":
            prop.value = json.dumps(about)
    source = path.with_suffix(".onnx")
    source.write_bytes(model.SerializeToString())
    if path != source:
        openvino_file.convert(source, about, path)
    return path


def _seconds(plain: Compute, small: Compute, image: Image) -> dict[str, float]:
    """Return the seconds per image in float32 and int8, measured alternately."""
    pixels = torch.from_numpy(image)
    calls = {"float32": lambda: plain(pixels), "int8": lambda: small(pixels)}
    return seconds_of(calls, torch.device("cpu"), at_most=10)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _sentences(
    words: str, result: SearchResult, images: Images, comparison: Comparison, seconds: dict[str, float]
) -> Iterator[str]:
    which = agreeing(len(result.floating), "as does the block", "as do the blocks")
    blocks = f", {which} {', '.join(result.floating)}" if result.floating else ""
    yield (
        f"Weights and activations are {words}. Pre- and post-processing and the last layer of each task stay in "
        f"float32{blocks}. Ranges come from {counted(len(images.ranges), 'image', 'images')} of {images.source}."
    )
    differences = [
        f"{100 * share:.1f} % of the pixels have a different class ({task})"
        if comparison.is_whole[task]
        else f"values of {task} differ by {100 * share:.1f} % on average"
        for task, share in result.differences.items()
    ]
    warning = "" if result.holds else "; this is more than int8 should cost, so compare the metrics before you use it"
    num_compared = counted(len(images.compared), "image", "images")
    yield f"Compared with float32 on {num_compared}, {', '.join(differences)}{warning}."
    height, width = images.compared[0].shape[2:]
    yield (
        f"An image of {show_size((height, width))} takes {1000 * seconds['int8']:.1f} ms, and "
        f"{1000 * seconds['float32']:.1f} ms in float32, on the machine that exported it."
    )
