"""Which networks can be exported to which formats, and how exactly? ``exports.py [NETWORK ...]``.

All networks with random weights, narrow layers and small encoders (``--full`` uses their own), for one task (depth) and
for three, are exported for images of any size and compared on a photograph at five sizes, including odd ones. Networks
that are already in the result are skipped (``--again`` measures them again), so an interrupted run can be resumed. The
result is benchmarks/results/exports.json.
"""

import argparse
import copy
import json
import platform
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from table import RESULTS
from taskscape import recipes
from taskscape.export import FORMATS, onnx_file, openvino_file
from taskscape.export.deployed import Deployed, size_of, trace
from taskscape.export.describe import description
from taskscape.export.export import computed
from taskscape.export.formats import Format, Job
from taskscape.export.parity import Masks, compare, speeds
from taskscape.export.pictures import SIZES, photograph
from taskscape.export.steadiness import masks_for
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.models import CONFIGS, Network, NetworkConfig
from taskscape.run_folder import RunFolder
from taskscape.runs import TrainedModel
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task

TASKS: dict[str, Task] = {
    "semseg": SemanticSegmentation(classes=CITYSCAPES_19),
    "depth": Depth(mean=2.0, std=1.0),
    "normals": SurfaceNormals(),
}
SUBSETS = {"1": ["depth"], "3": list(TASKS)}
SIZE = (64, 96)
SMALL: dict[str, dict[str, Any]] = {
    "segnet-split-wide": {"widths": (8, 8, 32)},
    "resnet-mtan": {"encoder": "resnet18"},
    "dpt": {"encoder": "test_vit", "width": 16},
}
RESULT = RESULTS / "exports.json"


def config_of(name: str, full: bool) -> NetworkConfig:
    if full:
        return CONFIGS[name]().for_tasks(TASKS).from_scratch()
    usual = {"widths": (8, 8, 16)} if name.startswith("segnet") else {"encoder": "resnet10t"}
    return CONFIGS[name](**SMALL.get(name, usual)).for_tasks(TASKS).from_scratch()


def job_of(config: NetworkConfig, network: Network, names: list[str]) -> Job:
    tasks = {name: TASKS[name] for name in names}
    experiment = replace(recipes.three_tasks(), network=config, tasks=TASKS)
    folder = RunFolder(Path("none"))
    return Job(
        folder=folder,
        model=TrainedModel(experiment, network, torch.device("cpu")),
        tasks=tasks,
        evaluated=SIZE,
        size=None,
        program=trace(Deployed(copy.deepcopy(network), tasks).eval(), None),
        about=description(tasks, SIZE, None, folder),
    )


def all_measured(job: Job) -> dict[str, Any]:
    """Return the measurements of every format."""
    images = [photograph((round(SIZE[0] * height), round(SIZE[1] * width))) for height, width in SIZES]
    masks = masks_for(job.program, job.model.network, lambda network: computed(job.tasks, network))
    with tempfile.TemporaryDirectory() as folder:
        return {word: measured(job, form, Path(folder), images, masks) for word, form in FORMATS.items()}


def measured(job: Job, form: Format, folder: Path, images: list[Tensor], masks: Masks | None) -> dict[str, Any]:
    """Return the difference of an exported file from the network, its size and speed; or why there is no file."""
    reference = computed(job.tasks, job.model.network)
    path, source = folder / form.NAME, folder / onnx_file.NAME
    try:
        if form is openvino_file and source.is_file():  # the source of the conversion, which is not written twice
            openvino_file.convert(source, job.about, path)
        else:
            form.write(job, path)
        file = form.opened(path)
        differences = compare(map(reference, images), file, images, list(job.tasks), masks)
    except Exception as error:  # reported in the row
        return {"refused": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"}
    network, seconds = speeds(reference, file, images[0])
    numbers = [difference.largest for difference in differences.values() if not difference.whole]
    shares = [difference.largest for difference in differences.values() if difference.whole]
    return {
        "holds": all(difference.holds for difference in differences.values()),
        "largest": max(numbers),
        "other_class": max(shares, default=0.0),
        "compared": min(difference.compared for difference in differences.values()),
        "megabytes": sum(f.stat().st_size for f in (path, path.with_suffix(".bin")) if f.is_file()) / 1e6,
        "seconds": seconds,
        "network_seconds": network,
    }


def row(name: str, full: bool) -> dict[str, Any]:
    torch.manual_seed(0)
    config = config_of(name, full)
    network = config.build({task: TASKS[task].channels for task in TASKS}).eval()
    result: dict[str, Any] = {"parameters": sum(p.numel() for p in network.parameters()), "tasks": {}}
    for count, names in SUBSETS.items():
        try:
            job = job_of(config, network, names)
        except ValueError as error:
            result["tasks"][count] = {"refused": str(error)}
            continue
        result["tasks"][count] = {"weights": size_of(job.program), "formats": all_measured(job)}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=[*CONFIGS], help="networks; by default all")
    parser.add_argument("--full", action="store_true", help="full-size layers and encoders, with random weights")
    parser.add_argument("--again", action="store_true", help="also measure networks that already have a row")
    parser.add_argument("--note", default="", help="note for the result, such as other work of the machine")
    arguments = parser.parse_args()
    result: dict[str, Any] = json.loads(RESULT.read_text("utf-8")) if RESULT.is_file() else {"rows": {}}
    result["about"] = {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "full": arguments.full,
        "note": arguments.note,
        "sizes": [[round(SIZE[0] * height), round(SIZE[1] * width)] for height, width in SIZES],
    }
    for name in arguments.networks:
        if name in result["rows"] and not arguments.again:
            continue
        result["rows"][name] = row(name, arguments.full)
        RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
        print(name, json.dumps(result["rows"][name]["tasks"]), flush=True)


if __name__ == "__main__":
    main()
