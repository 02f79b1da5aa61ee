"""``taskscape evaluate``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from taskscape.commands.call import call
from taskscape.commands.shared import Device, Run, TtaAs, chosen_tta, if_interrupted, require_run, require_store
from taskscape.imports import quick_imports


def main(arguments: Sequence[str]) -> None:
    call(evaluate, arguments, "evaluate")


def evaluate(
    run: Run,
    /,
    *,
    split: str = "val",
    data: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None,
    classes: Annotated[str | None, tyro.conf.arg(metavar="MAP")] = None,
    height: int | None = None,
    tta: bool = False,
    tta_as: TtaAs = None,
    confidence: bool = False,
    device: Device = "auto",
) -> None:
    """Evaluate a trained network on a split; writes RUN/result.json, or RUN/result-SPLIT.json for another than val.

    Args:
        split: The split of the run's data: val, test, or any other that it has.
        data: Evaluate on this store instead of the run's data, whatever labels and classes it has; the files are called
            result-STORE-SPLIT.json and so on.
        classes: Which of the network's classes becomes which of the store's: cityscapes-to-camvid, cityscapes-to-7,
            cityscapes-to-2, nyuv2-40-to-13, or pairs such as wall:building+terrain:tree, where all others keep their
            name. The probabilities of classes that become one are added up. By default the map that is known for the
            two, or classes of the same name.
        height: Scale images to this height for the network, and its output back to their size; by default they stay as
            they are in the store.
        tta: Test-time augmentation: the mean over the image and its mirror image; the file's name ends in -tta, and in
            the word of another one. What it gains and costs is printed too.
        confidence: Calibrate on the validation images and measure how sure every task is that can say it, as classes
            always can; by default only where the run's tasks are set to it.
    """
    require_run(run)
    require_store("data", data)
    with quick_imports():
        from taskscape import runs
    from taskscape.report import print_metrics, without_tta
    from taskscape.run_folder import RunFolder

    with if_interrupted(f"{run} is as it was; start the same command again"):
        result = runs.evaluate(
            run,
            split=split,
            data=data,
            classes=classes or "",
            height=height,
            tta=chosen_tta(tta, tta_as),
            confidence=confidence,
            device=device,
        )
    print_metrics(result, plain=without_tta(run, result))
    print(f"result: {RunFolder(run).result(result.split, result.tta)}")
