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
from taskscape.serialization import show_size
from taskscape.serialization.plain import read_yaml

USE = (
    "Outputs are decoded: `about.json`, which is also embedded in the file, describes every output with its unit, "
    "classes and colors. Examples beside the file show how to use it."
)
"""How to use a file; pages have a different text."""


def card(job: Job, runtime: str, done: Exported, use: str = USE) -> str:
    """Return the card of the file; ``runtime`` names its runtime and ``use`` describes its use.

    Raises ``ValueError`` or ``FileNotFoundError`` naming a file of the run that cannot be read.
    """
    folder = job.folder
    settings = read_yaml(folder.experiment)
    head = front_matter(folder.card) if folder.card.is_file() else {}
    own = head.get("taskscape") or {}
    results = [_only(result, list(job.tasks)) for result in sections.read_results(folder)]
    parts = [
        f"# {folder.name}, {done.path.name}",
        *sections.summary(results[0], settings, str(own.get("expects", ""))),
        *_use(job, runtime, done, use),
        *_agreement(job, done),
        *sections.metrics(results),
        *_confidence(job),
        *sections.failures(results),
        *sections.licenses(settings, str(head.get("license") or "")),
        "## How it was made",
        f"```bash\n{own.get('made', {}).get('command') or command_of(folder)}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _use(job: Job, runtime: str, done: Exported, use: str) -> Iterator[str]:
    yield "## Use"
    changed = "in float32" if done.reduced is None else f"with {done.reduced.words}"
    takes = (
        f"RGB images in 0..255, (1, 3, {job.size[0]}, {job.size[1]}) uint8"
        if job.size
        else "RGB images in 0..255, (1, 3, H, W) uint8, of any size; it was trained and evaluated on images with a "
        f"height of {job.evaluated[0]}, so scale yours to about that height"
    )
    yield f"`{done.path.name}` ({done.bytes / 1e6:.1f} MB, {changed}) runs with {runtime}. It takes {takes}. {use}"


def _agreement(job: Job, done: Exported) -> Iterator[str]:
    """Yield the section that compares the file with the network."""
    yield "## Compared with the network"
    rows = [[f"`{name}`", str(one)] for name, one in done.parity.items()]
    yield sections.table(["output", "difference from the network"], rows)
    of_network, of_file = done.seconds
    threads = torch.get_num_threads()
    yield (
        f"These are the largest differences on {done.pictures} images. An image takes {1000 * of_file:.1f} ms, and "
        f"{1000 * of_network:.1f} ms with PyTorch (images of {show_size(job.usual_size)}, CPU, {threads} "
        f"thread{'s' * (threads > 1)} in PyTorch)."
    )
    if done.reduced is not None:
        yield from done.reduced.sentences
    if done.measured is not None:
        specs, network, file = done.measured.specs, done.measured.network, done.measured.file
        yield sections.metric_table(shown(network, specs), specs, [("network", network), ("this file", file)])
        yield f"Metrics are on {done.measured.images} images of the validation data."


def _confidence(job: Job) -> Iterator[str]:
    """Yield the section about the confidence outputs, if there are any."""
    rows = [
        [f"`{name}`", f"{of['title']}, {'calibrated' if of['calibrated'] else 'not calibrated'}"]
        for name, of in job.about["outputs"].items()
        if "of" in of
    ]
    if not rows:
        return
    yield "## Confidence"
    yield sections.table(["output", "meaning, from 0 to 1"], rows)
    if job.folder.calibration.exists():
        known = Calibration.load(job.folder.calibration)
        if spreads := {task: spread for task, spread in known.spreads.items() if task in job.tasks}:
            yield sections.calibrated(known, spreads)


def _only(result: Result, tasks: Sequence[str]) -> Result:
    """Return a result reduced to the exported tasks; metrics across tasks are kept only if all tasks are exported."""
    if set(tasks) == set(result.tasks):
        return result
    kept = [name for name in result.specs if name.partition("/")[0] in tasks]
    baselines = {of: {n: x for n, x in values.items() if n in kept} for of, values in result.baselines.items()}
    return replace(
        result,
        tasks={name: modality for name, modality in result.tasks.items() if name in tasks},
        metrics={name: value for name, value in result.metrics.items() if name in kept},
        specs={name: result.specs[name] for name in kept},
        baselines=baselines,
    )
