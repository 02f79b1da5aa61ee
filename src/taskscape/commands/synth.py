"""``taskscape synth``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from taskscape.commands.shared import if_interrupted


def _size(arguments: list[str]) -> tuple[int, int]:
    height, _, width = arguments[0].partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise ValueError(f"{arguments[0]} is not HEIGHTxWIDTH, such as 128x256")
    return int(height), int(width)


Size = Annotated[
    tuple[int, int],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="HxW",
        instance_from_str=_size,
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda value: [f"{value[0]}x{value[1]}"],
    ),
]


def main(arguments: Sequence[str]) -> None:
    tyro.cli(synth, args=arguments, prog="taskscape synth")


def synth(
    out: Annotated[Path, tyro.conf.arg(metavar="OUT")],
    /,
    *,
    split: str = "train",
    count: int = 20000,
    size: Size = (128, 256),
    samples: int = 4,
    seed: int = 0,
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
        processes: Number of worker processes; by default one per CPU core.
    """
    from taskscape.data.readers.miniscapes import write_miniscapes
    from taskscape.progress import progress_bar, reporter

    with (
        if_interrupted(f"the streets in {out} are kept; the same command continues"),
        progress_bar() as progress,
    ):
        write_miniscapes(out, split, count, size, samples, seed, processes, reporter(progress, f"streets of {split}"))
    print(f"{count} streets are in {out / split}")
