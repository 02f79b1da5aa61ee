"""``taskscape synth``."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from taskscape.commands.parts import SharingFlags
from taskscape.commands.shared import if_interrupted, require_usable
from taskscape.serialization import agreeing, counted
from taskscape.serialization.ranges import Count, Seed


def synth(
    out: Annotated[Path, tyro.conf.arg(metavar="OUT")],
    /,
    *,
    split: str = "train",
    count: Count = 20000,
    size: tuple[int, int] = (128, 256),
    samples: Count = 4,
    seed: Seed = 0,
    style: Literal["classic", "photographs"] = "classic",
    sharing: SharingFlags,
) -> None:
    """Write generated streets with their labels, in the Miniscapes layout. An interrupted run resumes.

    Args:
        out: Folder to write to.
        split: Split of the scenes: train, val, test, or shifted, which has out-of-distribution scenes with a different
            appearance.
        count: Number of scenes.
        size: Height and width in pixels.
        samples: Samples per pixel; more samples are smoother and slower.
        seed: Random seed of the scenes.
        style: Appearance of the scenes. With photographs, they are towns seen by a car's camera, for networks that will
            be used on photographs.
    """
    portion = sharing.portion()
    require_usable(out, "the streets")
    from taskscape.data.readers.miniscapes import write_miniscapes
    from taskscape.progress import progress_bar, reporter

    options = {"split": split, "count": count, "size": f"{size[0]}x{size[1]}", "samples": samples, "seed": seed}
    words = [word for flag, value in {**options, "style": style}.items() for word in (f"--{flag}", str(value))]
    with if_interrupted(f"the streets in {out} are kept; the same command continues"):
        sharing.share(["synth", str(out), *words], out / split)
        with progress_bar() as progress:
            report = reporter(progress, f"streets of {split}")
            write_miniscapes(out, split, count, size, samples, seed, sharing.processes, report, style, portion)
    streets = counted(count, "street", "streets")
    written = f"{streets} {agreeing(count, 'is', 'are')}" if portion is None else f"part {portion} of {streets} is"
    print(f"{written} in {out / split}")
