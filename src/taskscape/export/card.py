"""The model card of an exported file: the content of the run's card, and the differences from the network."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from taskscape.export.exported import Exported
from taskscape.export.formats import Job
from taskscape.publishing import sections
from taskscape.publishing.command import command_of
from taskscape.released.listing import front_matter
from taskscape.report.glossary import shown
from taskscape.run_folder import Calibration, Result
from taskscape.serialization import counted, show_size
from taskscape.serialization.plain import read_yaml

USE = (
    "Outputs are decoded: `about.json`, which is also embedded in the file, describes every output with its unit, "
    "classes and colors. Examples beside the file show how to use it."
)
"""How to use a file; pages have a different text."""


def card(job: Job, runtime: str, exported: Exported, use: str = USE) -> str:
    """Return the card of the file; ``runtime`` names its runtime and ``use`` describes its use.

    Raises ``ValueError`` or ``FileNotFoundError`` naming a file of the run that cannot be read.
    """
    folder = job.folder
    settings = read_yaml(folder.experiment)
    head = front_matter(folder.card)
    about = head.get("taskscape") or {}
    results = [_restricted(result, list(job.tasks)) for result in sections.read_results(folder)]
    parts = [
        f"# {folder.name}, {exported.path.name}",
        *sections.summary(results[0], settings, str(about.get("expects", ""))),
        *_use(job, runtime, exported, use),
        *_agreement(job, exported),
        *sections.metrics(results),
        *_confidence(job),
        *sections.failures(results),
        *sections.licenses(settings, str(head.get("license") or "")),
        "## How it was made",
        f"```bash\n{about.get('made', {}).get('command') or command_of(folder)}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _use(job: Job, runtime: str, exported: Exported, use: str) -> Iterator[str]:
    yield "## Use"
    precision = "in float32" if exported.reduced is None else f"with {exported.reduced.words}"
    input_text = (
        f"RGB images in 0..255, (1, 3, {job.size[0]}, {job.size[1]}) uint8"
        if job.size
        else "RGB images in 0..255, (1, 3, H, W) uint8, of any size; it was trained and evaluated on images with a "
        f"height of {job.evaluated[0]}, so scale yours to about that height"
    )
    yield (
        f"`{exported.path.name}` ({exported.bytes / 1e6:.1f} MB, {precision}) runs with {runtime}. It takes "
        f"{input_text}. {use}"
    )


def _agreement(job: Job, exported: Exported) -> Iterator[str]:
    """Yield the section that compares the file with the network."""
    yield "## Compared with the network"
    rows = [[f"`{name}`", str(parity)] for name, parity in exported.parity.items()]
    yield sections.table(["output", "difference from the network"], rows)
    of_network, of_file = exported.seconds
    threads = counted(torch.get_num_threads(), "thread", "threads")
    yield (
        f"These are the largest differences on {counted(exported.pictures, 'image', 'images')}. An image takes "
        f"{1000 * of_file:.1f} ms, and {1000 * of_network:.1f} ms with PyTorch (images of "
        f"{show_size(job.usual_size)}, CPU, {threads} in PyTorch)."
    )
    if exported.reduced is not None:
        yield from exported.reduced.sentences
    if exported.measured is not None:
        specs, network, file = exported.measured.specs, exported.measured.network, exported.measured.file
        yield sections.metric_table(shown(network, specs), specs, [("network", network), ("this file", file)])
        yield f"Metrics are on {counted(exported.measured.images, 'image', 'images')} of the validation data."


def _confidence(job: Job) -> Iterator[str]:
    """Yield the section about the confidence outputs, if there are any."""
    rows = [
        [f"`{name}`", f"{output['title']}, {'calibrated' if output['calibrated'] else 'not calibrated'}"]
        for name, output in job.about["outputs"].items()
        if "of" in output
    ]
    if not rows:
        return
    yield "## Confidence"
    yield sections.table(["output", "meaning, from 0 to 1"], rows)
    if (calibration := Calibration.of(job.folder)) is not None:
        exported = {task: spread for task, spread in calibration.spreads.items() if task in job.tasks}
        if exported:
            yield sections.calibrated(calibration, exported)


def _restricted(result: Result, tasks: Sequence[str]) -> Result:
    """Return a result reduced to the exported tasks; metrics across tasks are kept only if all tasks are exported."""
    if set(tasks) == set(result.tasks):
        return result
    names = [name for name in result.specs if name.partition("/")[0] in tasks]
    baselines = {
        baseline: {metric: score for metric, score in values.items() if metric in names}
        for baseline, values in result.baselines.items()
    }
    return replace(
        result,
        tasks={name: modality for name, modality in result.tasks.items() if name in tasks},
        metrics={name: value for name, value in result.metrics.items() if name in names},
        specs={name: result.specs[name] for name in names},
        baselines=baselines,
    )
