"""``taskscape synth``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from taskscape.commands.call import call
from taskscape.commands.shared import if_interrupted


def main(arguments: Sequence[str]) -> None:
    call(synth, arguments, "synth")


def synth(
    out: Annotated[Path, tyro.conf.arg(metavar="OUT")],
    /,
    *,
    split: str = "train",
    count: int = 20000,
    size: tuple[int, int] = (128, 256),
    samples: int = 4,
    seed: int = 0,
    style: Literal["classic", "photographs"] = "classic",
    processes: int | None = None,
) -> None:
    """Write generated streets with their labels, in the Miniscapes layout. Interrupted runs resume.

    Args:
        out: Folder to write to.
        split: Which scenes: train, val, test, or shifted, out-of-distribution scenes of another appearance.
        count: Number of scenes.
        size: Height and width in pixels.
        samples: Samples per pixel: more are smoother and slower.
        seed: Random seed of the scenes.
        style: Photographs: towns as a car's camera shows them, for networks that are to work on photographs.
        processes: Number of worker processes; by default one per CPU core.
    """
    from taskscape.data.readers.miniscapes import write_miniscapes
    from taskscape.progress import progress_bar, reporter

    with (
        if_interrupted(f"the streets in {out} are kept; the same command continues"),
        progress_bar() as progress,
    ):
        write_miniscapes(
            out, split, count, size, samples, seed, processes, reporter(progress, f"streets of {split}"), style
        )
    print(f"{count} streets are in {out / split}")
