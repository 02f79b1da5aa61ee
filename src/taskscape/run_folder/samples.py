"""The sample images of a run with their labels and predictions, as arrays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from taskscape.files.archives import check_archive
from taskscape.run_folder.names import RunFolder

Samples = dict[str, npt.NDArray[Any]]
MOST_BYTES = 1 << 31


def read_samples(path: Path, check: Callable[[Samples], None] = lambda samples: None) -> Samples:
    """Read a file of ``RunFolder.samples``; empty if there is none.

    Raises ``ValueError`` that names the file, and the command that makes it again, if it is damaged, unpacks to more
    than ``MOST_BYTES``, or if ``check`` raises an error.
    """
    if not path.is_file():
        return {}
    try:
        check_archive(path, MOST_BYTES)
        with np.load(path, allow_pickle=False) as arrays:
            samples = dict(arrays)
        check(samples)
        return samples
    except Exception as error:  # zip, zlib and numpy raise any error here
        command = RunFolder(path.parent).command_for(path)
        raise ValueError(f"{path} is damaged ({error}); make it again with `{command}`") from error
