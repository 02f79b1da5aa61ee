"""``taskscape compare``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from taskscape.commands.shared import if_interrupted

Page = Annotated[Path, tyro.conf.arg(metavar="PAGE")]


def main(arguments: Sequence[str]) -> None:
    tyro.cli(compare, args=arguments, prog="taskscape compare")


def compare(
    runs: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN...", help="Folders of runs.")], /, *, out: Page
) -> None:
    """Compare several runs side by side in a self-contained HTML file.

    Args:
        out: The file to write, such as comparison.html.
    """
    from taskscape.report import write_comparison

    with if_interrupted("nothing was written; start the same command again"):
        print(write_comparison(list(runs), out))
