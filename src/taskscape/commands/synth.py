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
        part: Write this part of the scenes only, such as 3/10: machines that share the folder write one each.
        on: Divide the scenes among workers: local processes, or the nodes of a Ray cluster, which share the folder.
        workers: Number of workers of --on; by default as many as the cluster has CPUs, or one.
        address: The cluster's address; by default that of the machine's own cluster, started where there is none.
    """
    portion = portion_of(part, on, workers, address)
    from taskscape.data.readers.miniscapes import write_miniscapes
    from taskscape.progress import progress_bar, reporter

    with if_interrupted(f"the streets in {out} are kept; the same command continues"):
        if on is not None:
            what = {"split": split, "count": count, "size": f"{size[0]}x{size[1]}", "samples": samples, "seed": seed}
            words = [word for flag, value in {**what, "style": style}.items() for word in (f"--{flag}", str(value))]
            share(["synth", str(out), *words], out / split, on, workers, address)
        with progress_bar() as progress:
            report = reporter(progress, f"streets of {split}")
            write_miniscapes(out, split, count, size, samples, seed, processes, report, style, portion)
    written = f"{count} streets are" if portion is None else f"part {portion} of {count} streets is"
    print(f"{written} in {out / split}")
