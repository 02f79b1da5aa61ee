"""``taskscape label``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from taskscape.commands.call import call
from taskscape.commands.shared import Device, TtaAs, chosen_tta, if_interrupted, show_command
from taskscape.imports import quick_imports

Model = Annotated[str, tyro.conf.arg(metavar="MODEL", help="A run, the name of a model, or an ONNX file.")]
Store = Annotated[Path, tyro.conf.arg(metavar="STORE", help="Folder of the store.")]


def main(arguments: Sequence[str]) -> None:
    call(label, arguments, "label")


def label(
    model: Model,
    store: Store,
    /,
    *,
    out: Annotated[Path | None, tyro.conf.arg(metavar="NEW")] = None,
    in_place: bool = False,
    tasks: tuple[str, ...] = (),
    threshold: float | None = None,
    without: tuple[str, ...] = (),
    suffix: str | None = None,
    fill: bool = False,
    height: int | None = None,
    tta: bool = False,
    tta_as: TtaAs = None,
    outputs: tuple[str, ...] = (),
    device: Device = "auto",
) -> None:
    """Add labels that a model predicts to a store: pseudo-labels. An interrupted run resumes.

    The manifest of the new store says which model made them, with which threshold, and which share of the pixels has
    one.

    Args:
        out: Folder of the new store, which has all that the store has, and the labels.
        in_place: Change the store itself, by a copy that replaces it at the end.
        tasks: What is predicted, of the tasks of the model; by default all.
        threshold: Least confidence of a label, from 0 to 1; a pixel below it has no label. By default 0.5 for tasks of
            which the model says how sure it is; of others every pixel has a label.
        without: Classes whose pixels, as the same model predicts them, get no label of tasks without classes, such as
            sky, whose depth means nothing.
        suffix: What the names of the labels have behind those of the tasks, such as _predicted.
        fill: Keep the labels of that name that the store has, and predict only pixels without one.
        height: Scale images to this height for the network, and its output back.
        tta: Test-time augmentation: the mean over the image and its mirror image.
        outputs: What the outputs of an ONNX file are, unless it says so itself, in their order: semseg:cityscapes-19,
            depth, depth:relative, normals, boundaries, albedo, or with a name, near=depth. Its inputs are RGB images in
            0..255.
    """
    if (out is None) != in_place:
        raise ValueError("name the new store with --out NEW, or change the store itself with --in-place: one of them")
    from taskscape.data.place import require_store

    require_store(store)
    with quick_imports():
        from taskscape.inference.label import label as write
    from taskscape.progress import progress_bar, reporter

    where = out or store
    with if_interrupted(f"what is finished in {where} is kept; the same command continues"), progress_bar() as progress:
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
            tta=chosen_tta(tta, tta_as),
            outputs=outputs,
            device=device,
            report=reporter(progress, "images labeled"),
        )
    for field, about in manifest.source["predicted"].items():
        shares = ", ".join(f"{100 * share:.1f} % of {split}" for split, share in about["share with a label"].items())
        print(f"{field}: {shares} has a label, predicted by {about['model']}")
        if not any(about["share with a label"].values()) and about["threshold"] is not None:
            text = f"nowhere is the model as sure as --threshold {about['threshold']:g}: choose a lower one"
            print(f"warning: {text}", file=sys.stderr)
    print(f"{where} holds them; {show_command(where)} makes a contact sheet")
