"""What does int8 cost and save? ``int8.py --keep FOLDER [--store STORE ...]``, then ``int8.py --keep FOLDER --speeds``.

Compares the released model, and networks that are trained for a minute each on generated streets, in float32 and in
int8 as exported by ``taskscape export --to onnx --int8``. Measures metrics on generated streets, on ``shifted`` streets
and on stores of photographs, to whose classes the model's classes are merged; layers left in float32; sizes; and the
time of an image in ONNX Runtime and OpenVINO, interleaved, in one thread. If nncf is installed, a model quantized by
NNCF is measured too.

Files are kept in FOLDER and not created again; ``--speeds`` measures only times, for about 30 seconds, during which the
machine should be idle. The result is benchmarks/results/int8.json.
"""

import argparse
import importlib.util
import json
import os
import platform
import re
import shutil
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import int8_tables
from table import RESULTS
from taskscape import recipes, runs
from taskscape.data import Store, Streets
from taskscape.evaluation import Evaluator
from taskscape.export import onnx_file, openvino_file
from taskscape.export.export import prepare
from taskscape.export.int8 import Int8
from taskscape.export.int8.images import images_for
from taskscape.export.onnx_file import run_of
from taskscape.modalities import Semseg
from taskscape.modalities.class_maps import class_table
from taskscape.models import DeeplabBranchedConfig, DeeplabJointConfig, NetworkConfig
from taskscape.report.glossary import leading
from taskscape.runs import TrainedModel

RELEASED = "taskscape/streets-small"
TRAINED: dict[str, NetworkConfig] = {
    "deeplab-branched, resnet18": DeeplabBranchedConfig(encoder="resnet18", pretrained=False),
    "deeplab-joint, mobilenetv3_small_100": DeeplabJointConfig(encoder="mobilenetv3_small_100", pretrained=False),
}
"""Further networks, trained for a minute."""
STREETS = Streets(train=400, val=60, size=(128, 256))
RESULT = RESULTS / "int8.json"
ROUNDS = 20
THREADS = 1

Run = Callable[[np.ndarray], list[np.ndarray]]


def trained(config: NetworkConfig, folder: Path, minutes: float) -> Path:
    """Return a run of this network, which is trained if it does not exist."""
    if not (folder / "result.json").exists():
        experiment = replace(
            recipes.three_tasks(), network=config, data=STREETS, minutes=minutes, epochs=1000, validate_every=1000
        )
        runs.train(experiment, folder, quiet=True)
    return folder


def make(run: str | Path, folder: Path) -> dict[str, Any]:
    """Write both files of a run, and return the findings of the int8 export."""
    details_file = folder / "found.json"
    if not details_file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        job = prepare(run, (), None)
        onnx_file.save(job, folder / "float32.onnx")
        shutil.copy(folder / "float32.onnx", folder / "int8.onnx")
        began = time.perf_counter()
        details = dict(Int8().reduce(job, folder / "int8.onnx", onnx_file).details)
        details["seconds to make"] = round(time.perf_counter() - began, 1)
        if importlib.util.find_spec("nncf"):
            _by_nncf(folder, images_for(job, None).ranges)
        details_file.write_text(json.dumps(details))
    saved: dict[str, Any] = json.loads(details_file.read_text())
    saved.pop("seconds for an image", None)
    return saved | {"megabytes": {word: path.stat().st_size / 1e6 for word, path in files(folder).items()}}


def _by_nncf(folder: Path, images: list[Any]) -> None:
    import nncf
    import onnx

    model = onnx.load(folder / "float32.onnx")
    dataset = nncf.Dataset([{"image": image} for image in images])
    onnx.save(nncf.quantize(model, dataset, subset_size=len(images)), folder / "nncf.onnx")


def files(folder: Path) -> dict[str, Path]:
    return {word: folder / f"{word}.onnx" for word in ("float32", "int8", "nncf") if (folder / f"{word}.onnx").exists()}


# -- metrics -----------------------------------------------------------------------------------------------------------


def metrics(model: TrainedModel, store: Store, run: Run, height: int, max_images: int) -> dict[str, float]:
    """Return the leading metrics on at most ``max_images`` evenly spread images of a split, for tasks with labels."""
    tasks, tables = {}, {}
    for name, task in model.tasks.items():
        if name not in store.fields:
            continue
        labels, modality = store.fields[name], task.modality
        tasks[name] = task
        if isinstance(labels, Semseg) and isinstance(modality, Semseg) and labels != modality:
            tasks[name], _ = task.measured_on(name, labels)
            tables[name] = torch.from_numpy(class_table(modality.classes, labels.classes)).long()
    evaluator = Evaluator(tasks, torch.device("cpu"))
    for index in np.unique(np.linspace(0, len(store) - 1, min(max_images, len(store))).round().astype(int)):
        batch = store.gather([int(index)], list(tasks), torch.device("cpu"))
        assert batch.image.shape[2] == height, "prepare the store at the height of the model"
        image = (batch.image * 255).round().to(torch.uint8).contiguous().numpy()
        values = dict(zip(model.tasks, map(torch.from_numpy, run(image)), strict=True))
        predictions = {name: tables[name][values[name].long()] if name in tables else values[name] for name in tasks}
        evaluator.update(predictions, batch.targets)
    computed = evaluator.compute()
    return {name: round(computed.metrics[name], 5) for name in leading(computed.metrics, computed.specs)}


def stores_for(model: TrainedModel, name: str, stores: list[Path]) -> dict[str, Store]:
    data: Any = model.experiment.data
    assert isinstance(data, Streets)
    if name != RELEASED:
        return {"val": data.open()["val"]}
    opened = replace(data, train=0, val=100, shifted=40).open()
    return {split: opened[split] for split in ("val", "shifted")} | {
        path.name: Store.open(path, "val") for path in stores
    }


# -- times -------------------------------------------------------------------------------------------------------------


def openvino_of(path: Path) -> Run:
    settings = {"INFERENCE_NUM_THREADS": THREADS, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino_file.core().compile_model(path, "CPU", settings)
    return lambda image: list(compiled([image]).values())


def onnxruntime_of(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda image: list(session.run(None, {"image": image}))


def milliseconds(folder: Path, size: list[int]) -> dict[str, dict[str, float]]:
    """Return the median time of an image for every file and runtime, all interleaved."""
    runtimes: Mapping[str, Callable[[Path], Run]] = {"ONNX Runtime": onnxruntime_of, "OpenVINO": openvino_of}
    if not importlib.util.find_spec("openvino"):
        runtimes = {"ONNX Runtime": onnxruntime_of}
    calls = {
        (name, word): open_file(path) for name, open_file in runtimes.items() for word, path in files(folder).items()
    }
    image = np.random.default_rng(0).integers(0, 256, (1, 3, *size), np.uint8)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for number in range(ROUNDS + 2):
        for key, call in calls.items():
            began = time.perf_counter()
            call(image)
            if number >= 2:
                times[key].append(1000 * (time.perf_counter() - began))
    return {
        name: {word: round(statistics.median(times[name, word]), 2) for runtime, word in times if runtime == name}
        for name in runtimes
    }


def conditions() -> dict[str, Any]:
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return {
        "processor": platform.machine(),
        "vnni": "vnni" in flags,
        "threads": THREADS,
        "rounds": ROUNDS,
        "load before": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, required=True, help="folder for the files")
    parser.add_argument("--store", type=Path, nargs="*", default=[], help="photographs at the released model's height")
    parser.add_argument("--images", type=int, default=100, help="maximum number of images of each split")
    parser.add_argument("--minutes", type=float, default=1.0, help="training time for each further network")
    parser.add_argument("--speeds", action="store_true", help="measure only the times of existing files")
    parser.add_argument("--only", nargs="*", default=[RELEASED, *TRAINED], help="only these networks")
    arguments = parser.parse_args()
    result = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {"rows": {}}
    for name in arguments.only:
        folder = arguments.keep / re.sub(r"[^\w-]+", "-", name)
        row = result["rows"].setdefault(name, {})
        if not arguments.speeds:
            run = RELEASED if name == RELEASED else trained(TRAINED[name], folder / "run", arguments.minutes)
            row |= make(run, folder)
            model = runs.load(run, "cpu")
            size = model.experiment.data.size  # type: ignore[attr-defined]
            row["size"] = list(size)
            row["metrics"] = {
                data_name: {
                    word: metrics(model, store, run_of(path), size[0], arguments.images)
                    for word, path in files(folder).items()
                }
                for data_name, store in stores_for(model, name, arguments.store).items()
            }
            row["images"] = arguments.images
    result["conditions"] = conditions()
    for name in arguments.only:
        folder = arguments.keep / re.sub(r"[^\w-]+", "-", name)
        result["rows"][name]["milliseconds"] = milliseconds(folder, result["rows"][name]["size"])
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(int8_tables.costs(result["rows"]), int8_tables.speeds(result["rows"]), sep="\n\n")


if __name__ == "__main__":
    main()
