"""``taskscape synth``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from taskscape.commands.call import call
from taskscape.commands.parts import On, portion_of, share
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
    part: str | None = None,
    on: On | None = None,
    workers: int | None = None,
    address: str | None = None,
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
        processes: Number of worker processes; by default one per CPU core.
        part: Write only this part of the scenes, such as 3/10, so that machines that share the folder can write one
            part each.
        on: Divide the scenes among workers: local processes, or the nodes of a Ray cluster, which must share the
            folder.
        workers: Number of workers of --on; by default one, or with --on ray as many as the cluster has CPUs.
        address: Address of the Ray cluster; by default that of this machine's own cluster, which is started if
            necessary.
    """
    portion = portion_of(part, on, workers, address)
    from taskscape.data.readers.miniscapes import write_miniscapes
    from taskscape.progress import progress_bar, reporter

    with if_interrupted(f"the streets in {out} are kept; the same command continues"):
        if on is not None:
            options = {"split": split, "count": count, "size": f"{size[0]}x{size[1]}", "samples": samples, "seed": seed}
            words = [word for flag, value in {**options, "style": style}.items() for word in (f"--{flag}", str(value))]
            share(["synth", str(out), *words], out / split, on, workers, address)
        with progress_bar() as progress:
            report = reporter(progress, f"streets of {split}")
            write_miniscapes(out, split, count, size, samples, seed, processes, report, style, portion)
    written = f"{count} streets are" if portion is None else f"part {portion} of {count} streets is"
    print(f"{written} in {out / split}")
