"""Every reader of files that may come from others, with valid contents and known attacks.

`test_corpus.py` reads the attacks; `benchmarks/fuzz.py` damages both at random. An attack is a file in
``corpus/TARGET/``, or content in a test module of this folder.
"""

import io
import json
import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

CORPUS = Path(__file__).parent / "corpus"

Target = tuple[str, list[bytes], Callable[[Path], Any]]
"""Suffix of the file or its name below a folder, valid contents, and the reader."""


def placed(folder: Path, suffix: str) -> Path:
    """Return the path of a target's file in a folder."""
    path = folder / (suffix if "/" in suffix else f"file{suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def is_named(path: Path, message: str) -> bool:
    """Return whether a message names a file; for a data set it may name its folder."""
    raw = [folder for folder in path.parents if folder.name == "raw"]
    return path.name in message or any(str(folder) in message for folder in raw)


def attacks(target: str) -> list[bytes]:
    """Return the attacks on a target, without those that are too large for random damage."""
    modules = {"npy": "arrays.ARRAYS", "taskscape.yaml": "texts.YAML", "experiment.yaml": "texts.YAML"}
    modules |= dict.fromkeys(("manifest.json", "result.json", "coco.json"), "texts.JSON")
    modules |= {"best.safetensors": "runs.WEIGHTS"}
    found = []
    if target in modules:
        module, _, name = modules[target].partition(".")
        contents = getattr(import_module(f"test_hostile_{module}"), name).values()
        found += [one.encode("utf-8", "replace") if isinstance(one, str) else one for one in contents]
    ending = {"png16": ".png", "jpeg": ".jpg", "tiff": ".tif"}.get(target, f".{target}")
    if ending in (".png", ".jpg", ".tif", ".webp", ".gif"):
        from test_hostile_images import BOMBS, FILES

        found += [content for name, content in (FILES | BOMBS).items() if name.endswith(ending)]
    found += [path.read_bytes() for path in kept(target)]
    return [content for content in found if len(content) < 1 << 14]


def kept(target: str) -> list[Path]:
    """Return the files of the corpus for a target."""
    return sorted((CORPUS / target).glob("*"))


def targets() -> dict[str, Callable[[], Target]]:
    """Return functions that build the targets, by name, and import what they need when called."""
    return {
        "png": lambda: images("PNG"),
        "png16": gray16,
        "jpeg": lambda: images("JPEG"),
        "tiff": lambda: images("TIFF"),
        "webp": lambda: images("WEBP"),
        "gif": lambda: images("GIF"),
        "npy": arrays,
        "coco.json": coco,
        "annotations.xml": cvat_xml,
        "labelmap.txt": cvat_masks,
        "mat-splits": matlab_splits,
        "mat-hdf5": matlab_hdf5,
        "taskscape.yaml": description,
        "experiment.yaml": experiment,
        "manifest.json": manifest,
        "result.json": result,
        "metrics.csv": metrics,
        "samples.npz": samples,
        "last.ckpt": checkpoint,
        "best.safetensors": weights,
        "weights.pt": pickled,
    }


def images(kind: str) -> Target:
    from PIL import Image

    from taskscape.data.readers.images import read_image

    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    seeds = []
    for image in (Image.fromarray(pixels), Image.fromarray(pixels).quantize(16), Image.fromarray(pixels).convert("L")):
        buffer = io.BytesIO()
        image.convert("RGB" if kind in ("JPEG", "WEBP") else image.mode).save(buffer, kind)
        seeds.append(buffer.getvalue())
    return f".{kind.lower()}", seeds, read_image


def gray16() -> Target:
    from PIL import Image

    from taskscape.data.readers.gray_labels import read_gray

    buffer = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint16).reshape(12, 16) * 300).save(buffer, "PNG")
    return ".png", [buffer.getvalue()], lambda path: read_gray(path, 16, "disparity", (6, 8))


def arrays() -> Target:
    from taskscape.data.readers.opening import open_array

    seeds = []
    for kind in (np.float32, np.uint8, np.int64):
        buffer = io.BytesIO()
        np.save(buffer, np.asfortranarray(np.arange(24, dtype=kind).reshape(4, 6)))
        seeds.append(buffer.getvalue())
    return ".npy", seeds, open_array


def matlab_splits() -> Target:
    from scipy.io import savemat

    from taskscape.data.readers import nyuv2

    buffer = io.BytesIO()
    savemat(buffer, {"trainNdxs": np.array([[1, 3]]), "testNdxs": np.array([[2]])})
    return ".mat", [buffer.getvalue()], nyuv2._splits


def matlab_hdf5() -> Target:
    import h5py

    from taskscape.data.readers import nyuv2

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, shape in (("images", (2, 3, 640, 480)), ("depths", (2, 640, 480)), ("labels", (2, 640, 480))):
            kind = np.float32 if name == "depths" else np.uint8
            file.create_dataset(name, shape, kind, compression="gzip", chunks=(1, *shape[1:-1], 480), fillvalue=3)

    def read(path: Path) -> None:
        nyuv2._arrays.cache_clear()
        nyuv2._check_arrays(path, ("images", "depths", "labels"), 2)
        for name in ("images", "depths", "labels"):
            nyuv2._array(path, name, nyuv2._sample(1, {}))

    return ".mat", [buffer.getvalue()], read


COCO = {
    "images": [
        {"id": 1, "file_name": "a.png", "height": 12, "width": 16},
        {"id": 2, "file_name": "b.png", "height": 12, "width": 16},
    ],
    "categories": [{"id": 3, "name": "person", "color": [220, 20, 60]}, {"id": 7, "name": "dog"}],
    "annotations": [
        {"image_id": 1, "category_id": 3, "area": 50, "segmentation": [[1, 1, 9, 1, 9, 8, 1, 8]]},
        {"image_id": 2, "category_id": 7, "iscrowd": 1, "segmentation": {"size": [12, 16], "counts": [90, 12, 90]}},
        {"image_id": 2, "category_id": 3, "segmentation": {"size": [12, 16], "counts": "j2<j2"}},
    ],
}
CVAT = """<annotations><meta><labels><label><name>lawn</name><color>#09c809</color></label></labels></meta>
<image name="a.png" width="16" height="12"><polygon label="lawn" points="5.0,5.0;15.0,5.0;9.0,11.0" z_order="2"/>
<box label="lawn" xtl="3" ytl="0" xbr="4" ybr="9" rotation="30"/></image><image name="b.png" width="16" height="12">
<mask label="lawn" rle="1, 2, 3" left="6" top="7" width="3" height="2"/>
<ellipse label="lawn" cx="5" cy="2" rx="6" ry="4"/>
</image></annotations>"""


def exported(reader: str, images: str, others: Mapping[str, bytes] | None = None) -> Callable[[Path], Any]:
    """Return a reader for the folder of an annotation file, with two images."""
    from PIL import Image

    from taskscape.data import readers

    def read(path: Path) -> None:
        raw = next(folder for folder in path.parents if folder.name == "raw")
        for name in ("a", "b"):
            if not (file := raw / images / f"{name}.png").exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (16, 12), {"a": "red", "b": "blue"}[name]).save(file)
        for name, content in (others or {}).items():
            (raw / name).parent.mkdir(parents=True, exist_ok=True)
            (raw / name).write_bytes(content)
        index = getattr(readers, reader)().contents(raw)
        for sample in (sample for samples in index.splits.values() for sample in samples):
            index.read(sample)

    return read


def coco() -> Target:
    return "raw/annotations/instances_train.json", [json.dumps(COCO).encode()], exported("Coco", "train")


def cvat_xml() -> Target:
    return "raw/annotations.xml", [CVAT.encode()], exported("Cvat", "images")


def cvat_masks() -> Target:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), (9, 200, 9)).save(buffer, "PNG")
    others = {f"SegmentationClass/{name}.png": buffer.getvalue() for name in ("a", "b")}
    others["ImageSets/Segmentation/default.txt"] = b"a\nb\n"
    seed = b"# label:color_rgb:parts:actions\nbackground:0,0,0::\nlawn:9,200,9::\n"
    return "raw/labelmap.txt", [seed], exported("Cvat", "JPEGImages", others)


def description() -> Target:
    from taskscape.data.readers.folder.description import Description

    seeds = [
        b"images: images\nsplits: {train: 0.9, val: 0.1}\nsemseg:\n  classes: {1: bed, 2: books}\n  void: [0, 255]\n",
        b"depth: {unit: millimeter, inverse: false, invalid: [0]}\nnormals: {axes: [x, -y, z]}\nalbedo: {}\n",
        b"a: &a {type: semseg, classes: [rest, lamp]}\nb:\n  <<: *a\n  folder: other\n",
    ]
    return ".yaml", seeds, Description.load


def experiment() -> Target:
    from taskscape.runs import Experiment
    from taskscape.runs.trained_model import read_experiment
    from taskscape.serialization import dump

    return "run/experiment.yaml", [dump(Experiment()).encode()], lambda path: read_experiment(path.parent)


def manifest() -> Target:
    from taskscape.data import Store
    from taskscape.data.manifest import FileInfo, Manifest
    from taskscape.modalities import Depth, Normals, Rgb, Semseg
    from taskscape.modalities.class_sets import CITYSCAPES_2
    from taskscape.serialization import unstructure

    fields = {"image": Rgb(), "semseg": Semseg(CITYSCAPES_2), "depth": Depth(), "normals": Normals()}
    names = {"train": ["a", "b"], "val": ["c"]}
    files = {"train/image-000.npy": FileInfo(99, 1)}
    whole = Manifest((8, 16), {"train": 2, "val": 1}, fields, {"kind": "fuzz"}, 2, names, files)
    seed = json.dumps(unstructure(whole)).encode()

    def read(path: Path) -> None:
        try:
            Store.open(path.parent, "train")
        except FileNotFoundError as error:
            if "missing: copy the store again" not in str(error):  # the arrays are missing here
                raise

    return "store/manifest.json", [seed], read


def fake_run() -> dict[str, bytes]:
    """Return the files of a sound run."""
    from report.fake_runs import make_run

    with tempfile.TemporaryDirectory() as folder:
        return {file.name: file.read_bytes() for file in make_run(Path(folder)).iterdir() if file.is_file()}


def result() -> Target:
    from taskscape.report.run import Run

    seed = fake_run()["result.json"]
    return "run/result.json", [seed], in_a_run(lambda path: Run.load(path.parent))


def metrics() -> Target:
    from taskscape.report.run import Run

    seed = fake_run()["metrics.csv"]
    return "run/metrics.csv", [seed], in_a_run(lambda path: Run.load(path.parent))


def samples() -> Target:
    from taskscape.report.run import Run

    seed = fake_run()["samples.npz"]
    return "run/samples.npz", [seed], in_a_run(lambda path: Run.load(path.parent).samples())


def in_a_run(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Return a reader that puts the other files of a run beside the damaged one."""
    sound = fake_run()

    def prepared(path: Path) -> None:
        for name, content in sound.items():
            if not (path.parent / name).exists():
                (path.parent / name).write_bytes(content)
        read(path)

    return prepared


def checkpoint() -> Target:
    import torch

    from taskscape.training.checkpoint import load, save

    with tempfile.TemporaryDirectory() as folder:
        state = {"network": {"a": torch.zeros(3)}, "optimizer": {"state": {}, "param_groups": []}, "best": None}
        state |= dict.fromkeys(("epochs_since_best", "step", "seconds", "threads", "processes"), 1)
        save(path := Path(folder) / "last.ckpt", {**state, "weighting": {}, "losses": {}, "weights": {}})
        return ".ckpt", [path.read_bytes()], load


def weights() -> Target:
    import torch
    from safetensors.torch import save

    from taskscape.state_dicts import read_safetensors

    return ".safetensors", [save({"a": torch.zeros(3), "b": torch.ones(2, 2)})], read_safetensors


def pickled() -> Target:
    import torch

    from taskscape.state_dicts import read

    seeds = []
    for zipped in (True, False):
        buffer = io.BytesIO()
        content = {"model": {"a": torch.zeros(3), "b": torch.ones(2, 2).half()}, "epoch": 3, "name": "x"}
        torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
        seeds.append(buffer.getvalue())
    return ".pt", seeds, read
