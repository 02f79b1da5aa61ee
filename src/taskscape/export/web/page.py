"""Write and read the files of the page."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from taskscape.export.web.model import PageModel
from taskscape.files import atomic_write, writing
from taskscape.released import PHOTOGRAPH, PHOTOGRAPHER

BUILT = Path(__file__).parent / "page"
"""Output folder of ``npm run build`` in the folder ``web/`` of the repository."""

RUNTIMES = ("runtime-wasm", "runtime-webgpu")
"""ONNX Runtime Web for every browser, and for those with WebGPU: files ``NAME.xz`` in ``BUILT``."""

MOST_BYTES = 15_000_000
"""Maximum size of a page of one file."""

_CONTENTS = '<script type="application/json" id="contents">'
_END = "</script>"


def write_folder(models: Sequence[PageModel], folder: Path) -> Path:
    """Write a page with networks to a folder, and return its ``index.html``, which works from disk and from a server.

    The folder also gets a script for each network (``model-0.js``, …) and each runtime. Raises ``OSError``.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in _resources(models).items():
        atomic_write(folder / f"{name}.js", f'(self.taskscapeResources??={{}})["{name}"]="{content}";\n')
    index = folder / "index.html"
    atomic_write(index, _html(models))
    return index


def read_folder(folder: Path) -> list[PageModel]:
    """Return the networks of a folder written by ``write_folder``. Raises ``FileNotFoundError``."""
    html = (folder / "index.html").read_text("utf-8")
    contents = json.loads(html.partition(_CONTENTS)[2].partition(_END)[0])
    models = []
    for entry in contents["models"]:
        script = (folder / f"{entry['resource']}.js").read_text("ascii")
        content = script[script.index('="') + 2 : script.rindex('"')]
        models.append(PageModel(entry["about"], entry["probe"], content, entry["bits"], entry["difference"]))
    return models


def single_page(model: PageModel) -> str:
    """Return a page that includes everything, the network and runtimes too."""
    return _html([model], _resources([model]))


def _resources(models: Sequence[PageModel]) -> dict[str, str]:
    """Return the resources that the page loads on demand, in base64 by name."""
    return {
        **{f"model-{i}": model.content for i, model in enumerate(models)},
        **{name: _runtime(name) for name in RUNTIMES},
    }


@cache
def _runtime(name: str) -> str:
    return base64.b64encode((BUILT / f"{name}.xz").read_bytes()).decode()


def _html(models: Sequence[PageModel], resources: Mapping[str, str] | None = None) -> str:
    entries = [
        {
            "about": model.about,
            "probe": model.probe,
            "resource": f"model-{i}",
            "bits": model.bits,
            "difference": model.difference,
        }
        for i, model in enumerate(models)
    ]
    contents = {
        "models": entries,
        "example": f"data:image/jpeg;base64,{base64.b64encode(PHOTOGRAPH.read_bytes()).decode()}",
        "credit": PHOTOGRAPHER,
        "licenses": (BUILT / "LICENSES.txt").read_text("utf-8"),
    }
    parts = [f"{_CONTENTS}{_escaped(contents)}{_END}"]
    parts += [
        f'<script type="text/plain" id="resource-{name}">{text}{_END}' for name, text in (resources or {}).items()
    ]
    page = (BUILT / "page.html").read_text("utf-8")
    return page.replace("<!-- contents -->", "\n".join(parts), 1)


def _escaped(contents: Any) -> str:
    """Return JSON that cannot end the HTML element around it."""
    return re.sub("<", r"\\u003c", json.dumps(contents, ensure_ascii=False))
