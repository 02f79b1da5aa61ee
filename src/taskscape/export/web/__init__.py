"""Export to a page that runs a network in a browser with ONNX Runtime Web, as a folder or one HTML file.

The page is built from the folder ``web/`` of the repository; the built files are in ``page/`` beside this file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taskscape.export import onnx_file
from taskscape.export.formats import Job, Reduced
from taskscape.export.web.fitted import largest_fitting
from taskscape.export.web.model import PageModel, packed
from taskscape.export.web.page import BUILT, MOST_BYTES, read_folder, single_page, write_folder
from taskscape.files import atomic_write

__all__ = [
    "BUILT",
    "MOST_BYTES",
    "NEEDS",
    "OF",
    "OPTIONS",
    "RUNTIME",
    "USE",
    "PageModel",
    "packed",
    "read_folder",
    "single_page",
    "wrap",
    "write_folder",
]

OF = "onnx"
RUNTIME = "a browser"
USE = (
    "Open it in a browser, from disk or from a web server; if it is a folder, open its `index.html`. The page scales "
    "images itself and shows the outputs that `about.json` describes; no image leaves the device."
)
NEEDS: tuple[str, ...] = ()
OPTIONS: Mapping[str, Any] = {"single": False}
"""``single``: one HTML file instead of a folder."""


def wrap(job: Job, path: Path) -> tuple[Path, Reduced]:
    """Turn an ONNX file, which is deleted, into a page, and return its path: the folder ``page``, or ``page.html``.

    Weights have 16 bits in a folder; a single file has at most ``MOST_BYTES``, with as many bits per weight as fit. The
    second return value describes the effect on predictions. Raises ``ValueError`` if a network is too large.
    """
    if job.options["single"]:
        model = largest_fitting(job, path)
        page = path.with_name("page.html")
        atomic_write(page, single_page(model))
    else:
        model = packed(job, path)
        page = write_folder([model], path.with_name("page")).parent
    for file in onnx_file.files(path):
        file.unlink(missing_ok=True)
    return page, _rounding_effect(job, model)


def _rounding_effect(job: Job, model: PageModel) -> Reduced:
    effects = [
        f"{100 * difference:.2g} % of the pixels have a different class"
        if name in job.tasks and job.tasks[name].predicts_classes
        else f"values of {name} differ by at most {100 * difference:.2g} % of the largest"
        for name, difference in model.difference.items()
    ]
    sentence = f"Its weights are rounded to {model.bits} bits for the page. On a photograph, {'; '.join(effects)}."
    return Reduced(
        f"weights of {model.bits} bits",
        {"weight_bits": model.bits, "largest_difference": dict(model.difference)},
        (sentence,),
    )
