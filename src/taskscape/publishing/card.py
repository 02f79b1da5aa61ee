"""The model card of a published run: Markdown with the metadata of the Hugging Face hub at its head.

Everything in it comes from the files of the run, but for what only a person knows (``About``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from taskscape.metrics.spec import MetricSpec
from taskscape.publishing.command import command_of
from taskscape.publishing.ingredients import ingredients, sources
from taskscape.released.listing import front_matter
from taskscape.report.glossary import arrow, cost_conditions, cost_text, cost_title, leading, shown
from taskscape.run_folder import Calibration, Result, RunFolder
from taskscape.serialization import show_size, unstructure
from taskscape.serialization.plain import read_yaml

_WORST = 6
"""How many classes are named that a network finds hardest."""


@dataclass(frozen=True)
class About:
    """What a card says that no file of the run does."""

    name: str
    """The model's name, ``user/name``."""
    license: str = ""
    """An identifier of the hub, such as ``mit``; nothing leaves it open."""
    data_license: str = ""
    """The license of the data that the run was trained with, where taskscape did not make them."""
    expects: str = ""
    """What images it is for, in a few words."""
    limits: tuple[str, ...] = ()
    """What it should not be used for, or where it fails: sentences."""


@dataclass(frozen=True)
class Made:
    """What was found while a model was published: the card keeps it, also where the model is published once more."""

    command: str
    """The one that trained it."""
    half: bool
    """Whether convolutions are stored in float16."""
    agreement: Mapping[str, str]
    """Leading metrics of the stored network's predictions with those of the run's as the truth, by title."""
    images: int
    """On so many images."""
    seconds: float
    """Processor time for one image, on one core of the machine that published it."""


def card(folder: RunFolder, about: About, made: Made) -> str:
    """Return the card of the model in a folder.

    Raises ``ValueError`` or ``FileNotFoundError`` that names a file which cannot be read.
    """
    settings = read_yaml(folder.experiment)
    results = read_results(folder)
    parts = [
        f"# {about.name}",
        *_summary(results[0], settings, about),
        *_use(folder, about),
        *_metrics(results),
        *_confidence(folder, about),
        *_failures(results, about),
        *_costs(results[0], folder, settings, made),
        *_ingredients(settings, about),
        *_origin(settings, made),
    ]
    return f"---\n{_head(results, settings, about, made)}---\n" + "\n\n".join(parts) + "\n"


@dataclass(frozen=True)
class Shipped:
    """A file that was exported from a run: what its card says beside what the run's own files do."""

    name: str
    """The model's name."""
    file: str
    """Name of the file or folder."""
    runtime: str
    """What runs it, in words."""
    tasks: tuple[str, ...]
    """What it predicts."""
    confidence: Mapping[str, str]
    """What the outputs mean that say how sure it is, in words by name."""
    takes: str
    """What images it takes, in words."""
    megabytes: float
    parity: Mapping[str, str]
    """How far it is from the network, in words by output."""
    pictures: int
    """On so many pictures."""
    seconds: tuple[float, float]
    """For one image: the network in PyTorch, and the file."""
    conditions: str
    """Size of that image, and what it was measured on."""
    metrics: tuple[Mapping[str, float], Mapping[str, float]] | None = None
    """By ``task/metric``: of the network and of the file, on ``measured`` images."""
    specs: Mapping[str, MetricSpec] = field(default_factory=dict)
    measured: int = 0
    changed: str = ""
    """What was changed beside the format, such as int8 weights, in a few words."""
    sentences: tuple[str, ...] = ()
    """What else there is to say of that."""


def export_card(folder: RunFolder, shipped: Shipped) -> str:
    """Return the card of a file that was exported from the run, or the published model, in a folder.

    Raises ``ValueError`` or ``FileNotFoundError`` that names a file which cannot be read.
    """
    settings = read_yaml(folder.experiment)
    head = front_matter(folder.card) if folder.card.is_file() else {}
    own = head.get("taskscape") or {}
    about = About(shipped.name, str(head.get("license") or ""), expects=str(own.get("expects", "")))
    results = [_only(result, shipped.tasks) for result in read_results(folder)]
    parts = [
        f"# {about.name}, {shipped.file}",
        *_summary(results[0], settings, about),
        *_file(shipped),
        *_agreement(shipped),
        *_metrics(results),
        *_confidence_outputs(folder, shipped),
        *_failures(results, about),
        *_ingredients(settings, about),
        "## How it was made",
        f"```bash\n{own.get('made', {}).get('command') or command_of(folder)}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def read_results(folder: RunFolder) -> list[Result]:
    """Return the results of a run, that of its validation split first. Raises as ``Result.load``."""
    return [Result.load(path) for path in folder.results()]


def _only(result: Result, tasks: Sequence[str]) -> Result:
    """Return a result with the tasks that are exported, and nothing of others; joint metrics only with all tasks."""
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


# -- the head ----------------------------------------------------------------------------------------------------------


def _head(results: Sequence[Result], settings: Any, about: About, made: Made) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    tasks = results[0].tasks
    evaluations = [
        EvalResult(
            task_type=tasks[name.partition("/")[0]].hub_task,
            dataset_type=result.split,
            dataset_name=_title(result),
            dataset_split=result.split,
            metric_type=name,
            metric_name=result.specs[name].title,
            metric_value=round(result.metrics[name], 4),
        )
        for result in results
        for name in leading(result.metrics, result.specs)
        if name.partition("/")[0] in tasks
    ]
    kinds = [kind for kind in dict.fromkeys(modality.hub_task for modality in tasks.values()) if kind != "other"]
    data = ModelCardData(
        license=about.license or None,
        library_name="taskscape",
        pipeline_tag=next(iter(kinds), None),
        tags=["dense-prediction", "multi-task", settings["network"]["type"], *kinds],
        model_name=about.name.rpartition("/")[2],
        eval_results=evaluations,
        taskscape={"trained_on": _trained_on(settings), "expects": about.expects, "made": unstructure(made)},
    )
    return f"{data.to_yaml()}\n"


# -- the text ----------------------------------------------------------------------------------------------------------


def _summary(result: Result, settings: Any, about: About) -> Iterator[str]:
    network = settings["network"]
    encoder = f" with the encoder {network['encoder']}" if "encoder" in network else ""
    titles = ", ".join(modality.title or modality.name for modality in result.tasks.values())
    yield f"One network for {titles}: {network['type']}{encoder}, trained with taskscape on {_trained_on(settings)}."
    rows = [
        [f"`{name}`", modality.title or modality.name, modality.unit or "–", _classes(modality)]
        for name, modality in result.tasks.items()
    ]
    yield _table(["task", "predicts", "unit", "classes"], rows)
    if about.expects:
        yield f"It is for {about.expects}."


def _classes(modality: Any) -> str:
    classes = getattr(modality, "classes", None)
    return ", ".join(classes.classes) if classes is not None else ""


def _use(folder: RunFolder, about: About) -> Iterator[str]:
    yield "## Use"
    yield f"""```python
import taskscape

prediction = taskscape.load("{about.name}").predict("photo.jpg")
prediction.save("predictions")  # an array per task: prediction[task]
```"""
    yield f"```bash\ntaskscape predict {about.name} photo.jpg\n```"
    if folder.page.is_file():
        yield (
            f"`{folder.page.name}` predicts in a browser, on a computer or a phone, without taskscape: download it and "
            "open it. Pictures stay on the device."
        )


def _file(shipped: Shipped) -> Iterator[str]:
    yield "## Use"
    changed = f", with {shipped.changed}" if shipped.changed else ", in float32"
    yield (
        f"`{shipped.file}` ({shipped.megabytes:.1f} MB{changed}) runs with {shipped.runtime}. It takes "
        f"{shipped.takes}. What comes out is decoded: `about.json` names every output with its unit, classes and "
        "colors, and the same stands inside the file. Examples beside it show how to use it."
    )


def _agreement(shipped: Shipped) -> Iterator[str]:
    """Say what the file computes beside what the network computes."""
    yield "## Beside the network"
    yield _table(["output", "difference from the network"], [[f"`{n}`", text] for n, text in shipped.parity.items()])
    network, file = shipped.seconds
    yield (
        f"Largest differences on {shipped.pictures} pictures. An image takes {1000 * file:.1f} ms, and "
        f"{1000 * network:.1f} ms with PyTorch: {shipped.conditions}."
    )
    yield from shipped.sentences
    if shipped.metrics is not None:
        both = shipped.metrics
        rows = [
            [f"{spec.title} {spec.unit}".rstrip() + f" {arrow(spec)}", f"`{name}`", *(spec.show(x[name]) for x in both)]
            for name in shown(both[0], shipped.specs)
            for spec in (shipped.specs[name],)
        ]
        yield _table(["metric", "name", "network", "this file"], rows)
        yield f"On {shipped.measured} images of the validation data."


def _metrics(results: Sequence[Result]) -> Iterator[str]:
    yield "## Metrics"
    specs = {name: spec for result in reversed(results) for name, spec in result.specs.items()}
    names = shown({name for result in results for name in result.metrics}, specs)
    blind = results[0].baselines.get("by position", {})
    columns = [*map(_title, results), *["blind to the image"] * bool(blind)]
    values = [*(result.metrics for result in results), *[blind] * bool(blind)]
    rows = [
        [f"{specs[name].title} {specs[name].unit}".rstrip() + f" {arrow(specs[name])}", f"`{name}`"]
        + [specs[name].show(column[name]) if name in column else "–" for column in values]
        for name in names
    ]
    yield _table(["metric", "name", *columns], rows)
    yield "; ".join(f"{_title(result)}: {result.images} images of {show_size(result.size)}" for result in results) + (
        ". A number after `height` is the height that images were scaled to for the network."
        if any("-height" in result.split for result in results)
        else "."
    )


def _confidence(folder: RunFolder, about: About) -> Iterator[str]:
    """Say what the network's confidence was calibrated on, where it was."""
    if not folder.calibration.exists():
        return
    known = Calibration.load(folder.calibration)
    yield "## Confidence"
    yield (
        f"`taskscape predict {about.name} photo.jpg --confidence` also writes how sure it is. "
        f"{_calibrated(known, known.spreads, f' (`{folder.calibration.name}`)')}"
    )


def _confidence_outputs(folder: RunFolder, shipped: Shipped) -> Iterator[str]:
    """Say what the outputs mean that say how sure the network is, where there are any."""
    if not shipped.confidence:
        return
    yield "## Confidence"
    yield _table(["output", "is, from 0 to 1"], [[f"`{name}`", words] for name, words in shipped.confidence.items()])
    if folder.calibration.exists():
        known = Calibration.load(folder.calibration)
        if spreads := {task: spread for task, spread in known.spreads.items() if task in shipped.tasks}:
            yield _calibrated(known, spreads)


def _calibrated(known: Calibration, spreads: Mapping[str, float], where: str = "") -> str:
    """Say what confidence was calibrated on, ``where`` that is written, and by how much."""
    numbers = ", ".join(f"`{task}` {spread:.2f}" for task, spread in spreads.items())
    return (
        f"That is calibrated on {known.images:,} images of {known.split}{where}: scores of classes are divided, "
        f"predicted widths multiplied by a number, here {numbers}; above 1 the network itself was too sure, below 1 "
        "not sure enough. It is right for images like those; on images of another kind a network is often surer than "
        "it is right."
    )


def _failures(results: Sequence[Result], about: About) -> Iterator[str]:
    """Say where the network fails: classes, and data of another kind; and what a person knows of it."""
    sentences = [sentence for result in results for sentence in _hardest(result)]
    for result in results[1:]:
        changes = [
            f"{spec.title} is {spec.show(result.metrics[name])} {spec.unit}".rstrip()
            + f" instead of {spec.show(results[0].metrics[name])}"
            for name, spec in result.specs.items()
            if spec.leads and name in result.metrics and name in results[0].metrics and _same(name, result, results[0])
        ]
        if changes:
            sentences.append(f"On {_title(result)} {', '.join(changes)}.")
    sentences += about.limits or (
        "On images unlike those that it was trained on its predictions are wrong, and nothing in them says so.",
    )
    yield "## Limits"
    yield "\n".join(f"- {sentence}" for sentence in sentences)


def _same(metric: str, one: Result, other: Result) -> bool:
    """Return whether a metric is of the same classes, or the same unit, in two results."""
    task = metric.partition("/")[0]
    return one.tasks.get(task) == other.tasks.get(task)


def _hardest(result: Result) -> Iterator[str]:
    """Name the classes of the lowest metrics: those of one kind, ``task/METRIC/CLASS``, in a sentence."""
    kinds: dict[str, dict[str, float]] = {}
    for name, spec in result.specs.items():
        if spec.per_class and name in result.metrics:
            kind, _, label = name.rpartition("/")
            kinds.setdefault(kind, {})[label] = result.metrics[name]
    for kind, of_class in kinds.items():
        spec = result.specs[f"{kind}/{next(iter(of_class))}"]
        worst = sorted(of_class, key=lambda label: of_class[label], reverse=not spec.higher_is_better)[:_WORST]
        named = ", ".join(f"{label} {spec.show(of_class[label])} {spec.unit}".rstrip() for label in worst)
        yield f"Hardest classes on {_title(result)} by `{kind}`: {named}."


def _costs(result: Result, folder: RunFolder, settings: Any, made: Made) -> Iterator[str]:
    yield "## Cost"
    rows = [
        [cost_title(name), cost_text(name, value), cost_conditions(name, result.environment)]
        for name, value in result.cost.items()
    ]
    own = f"one core of a CPU, {settings['precision']}"
    rows.append([f"{cost_title('latency')}, as published", cost_text("latency", made.seconds), own])
    rows.append(["Weights", f"{folder.weights.stat().st_size / 1e6:.1f} MB", "safetensors, with a checksum"])
    yield _table(["", "", "measured on"], rows)
    yield f"FLOPs and times are those of images of {show_size(result.size)}."
    precision = result.environment.get("precision", "an unknown precision")
    yield (
        f"Metrics, and all costs but the last two, are those of the run, in {precision}; this model computes in "
        f"{settings['precision']}."
    )
    if made.half:
        agreement = ", ".join(f"{title} {value}" for title, value in made.agreement.items())
        yield (
            "Weights of convolutions are stored in float16, all others in float32. What that changes: its predictions, "
            f"with those of the weights before as the truth, have {agreement} on {made.images} images."
        )


def _ingredients(settings: Any, about: About) -> Iterator[str]:
    yield "## Licenses"
    yield _table(["made from", "license"], [list(one) for one in ingredients(settings, about.data_license)])
    yield f"The model itself: {about.license or 'no license is stated, so ask its author before you use it'}."


def _origin(settings: Any, made: Made) -> Iterator[str]:
    yield "## How it was made"
    yield f"```bash\n{made.command}\n```"
    yield (
        f"`experiment.yaml` has every setting, seed {settings.get('seed', 0)}; `taskscape train experiment.yaml` "
        "trains it again. `result*.json` have all metrics, those of single classes too."
    )


def _title(result: Result) -> str:
    return f"{result.split}{result.tta_words}"


def _trained_on(settings: Any) -> str:
    return " and ".join(words for _, words in sources(settings["data"])) or str(settings["data"].get("type", ""))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    used = [i for i, title in enumerate(head) if title or any(row[i] for row in rows)]
    used = [i for i in used if any(row[i] for row in rows)]
    lines = [[head[i] for i in used], ["---"] * len(used), *([row[i] for i in used] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
