"""``taskscape evaluate``."""

from pathlib import Path
from typing import Annotated

import tyro

from taskscape.commands.shared import (
    Device,
    Run,
    TtaAs,
    chosen_tta,
    if_interrupted,
    require_run,
    require_store,
    require_usable,
)
from taskscape.imports import quick_imports
from taskscape.serialization.ranges import Count


def evaluate(
    run: Run,
    /,
    *,
    split: str = "val",
    data: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None,
    classes: Annotated[str | None, tyro.conf.arg(metavar="MAP")] = None,
    height: Count | None = None,
    tta: bool = False,
    tta_as: TtaAs = None,
    confidence: bool = False,
    device: Device = "auto",
) -> None:
    """Evaluate a trained network on a split and write RUN/result.json, or RUN/result-SPLIT.json if it is not val.

    Args:
        split: Split of the data: val, test, or any other that exists.
        data: Store to evaluate on instead of the run's data, with any labels and classes. The files are then named
            result-STORE-SPLIT.json and so on, and also say what --classes and --height are.
        classes: How the network's classes map to those of the store: cityscapes-to-camvid, cityscapes-to-7,
            cityscapes-to-2, nyuv2-40-to-13, or pairs such as wall:building+terrain:tree, where all other classes keep
            their names. Probabilities of classes that are merged are added. By default the known map between the two
            class sets, or else classes of the same name.
        height: Scale images to this height for the network, and its output back to their size; by default images keep
            their size in the store.
        tta: Test-time augmentation: the mean over the image and its mirror image. The name of the result file ends in
            -tta, followed by the word of --tta-as if it is not mirror. Its gain and cost are printed too.
        confidence: Calibrate on the validation images, and measure the confidence of every task that supports it, which
            classes always do; by default only for tasks that are set to it in the run. A later evaluation without it
            replaces this result, as every evaluation replaces the one of the same name.
    """
    require_run(run)
    require_store("data", data)
    require_usable(run, "the result", device)
    augmentation = chosen_tta(tta, tta_as)
    with quick_imports():
        from taskscape import runs
    from taskscape.report import print_metrics, without_tta
    from taskscape.run_folder import RunFolder

    with if_interrupted(f"{run} is unchanged; start the same command again"):
        result = runs.evaluate(
            run,
            split=split,
            data=data,
            classes=classes or "",
            height=height,
            tta=augmentation,
            confidence=confidence,
            device=device,
        )
    print_metrics(result, plain=without_tta(run, result))
    print(f"result: {RunFolder(run).result(result.split, result.tta)}")
