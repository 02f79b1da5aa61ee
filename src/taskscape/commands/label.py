"""``taskscape label``."""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from taskscape.commands.shared import (
    Device,
    TtaAs,
    chosen_tta,
    if_interrupted,
    require_model,
    require_usable,
    show_command,
)
from taskscape.imports import quick_imports
from taskscape.inference.checks import is_onnx, require_labeler
from taskscape.serialization.ranges import Count, Fraction

Model = Annotated[str, tyro.conf.arg(metavar="MODEL", help="Run folder, name of a model, or ONNX file.")]
Store = Annotated[Path, tyro.conf.arg(metavar="STORE", help="Folder of the store.")]


def label(
    model: Model,
    store: Store,
    /,
    *,
    out: Annotated[Path | None, tyro.conf.arg(metavar="NEW")] = None,
    in_place: bool = False,
    tasks: tuple[str, ...] = (),
    threshold: Fraction | None = None,
    without: tuple[str, ...] = (),
    suffix: str | None = None,
    fill: bool = False,
    height: Count | None = None,
    tta: bool = False,
    tta_as: TtaAs = None,
    outputs: tuple[str, ...] = (),
    device: Device = "auto",
) -> None:
    """Add pseudo-labels, which a model predicts, to a store. An interrupted command resumes when it is repeated.

    The manifest of the new store records the model, the threshold and the share of labeled pixels.

    Args:
        out: Folder of the new store, which has everything in the store, and the new labels.
        in_place: Change the store itself, by writing a copy that replaces it at the end.
        tasks: Tasks of the model to predict; by default all.
        threshold: Minimum confidence of a label, from 0 to 1; pixels below it get no label. By default 0.5 for tasks
            with a confidence; for other tasks every pixel gets a label.
        without: Classes, such as sky, whose pixels get no labels of tasks without classes, since quantities such as
            depth are meaningless there. The model's own class predictions determine these pixels.
        suffix: Suffix that is appended to a task's name to name its labels, such as _predicted.
        fill: Keep existing labels of that name, and predict only unlabeled pixels.
        height: Scale images to this height for the network, and its output back.
        tta: Test-time augmentation: the mean over the image and its mirror image.
        outputs: Types of an ONNX file's outputs, in their order, unless the file describes them itself:
            semseg:cityscapes-19, depth, depth:relative, normals, boundaries, albedo, or with a name, near=depth. Its
            inputs must be RGB images in 0..255.
    """
    if (out is None) != in_place:
        raise ValueError("name the new store with --out NEW, or change the store itself with --in-place: use one flag")
    from taskscape.data.place import require_store

    require_store(store)
    if out is not None and out.resolve() == store.resolve():
        raise ValueError(f"--out {out} is the store itself: name another folder, or change it with --in-place")
    require_labeler(model, outputs, tta=tta or tta_as is not None)
    if not is_onnx(model):
        require_model(Path(model), tasks)
    require_usable(out or store.parent, "the store", device)
    augmentation = chosen_tta(tta, tta_as)
    with quick_imports():
        from taskscape.inference.label import label as write
    from taskscape.progress import progress_bar, reporter

    folder = out or store
    with (
        if_interrupted(f"what is finished in {folder} is kept; the same command continues"),
        progress_bar() as progress,
    ):
        manifest = write(
            model,
            store,
            out,
            tasks=tasks,
            threshold=threshold,
            without=without,
            suffix=suffix or "",
            fill=fill,
            height=height,
            tta=augmentation,
            outputs=outputs,
            device=device,
            report=reporter(progress, "images labeled"),
        )
    for field, source in manifest.source["predicted"].items():
        shares = ", ".join(f"{100 * share:.1f} % of {split}" for split, share in source["share with a label"].items())
        print(f"{field}: {shares} has a label, predicted by {source['model']}")
        if not any(source["share with a label"].values()) and source["threshold"] is not None:
            text = f"the model's confidence is below --threshold {source['threshold']:g} everywhere: choose a lower one"
            print(f"warning: {text}", file=sys.stderr)
    print(f"the labels are in {folder}; {show_command(folder)} writes a contact sheet")
