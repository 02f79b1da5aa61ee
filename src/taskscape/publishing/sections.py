"""Markdown sections for the model cards of published models and exported files, from the files of a run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from taskscape.metrics.spec import MetricSpec
from taskscape.publishing.ingredients import ingredients, sources
from taskscape.report.glossary import arrow, shown
from taskscape.run_folder import Calibration, Result, RunFolder
from taskscape.serialization import counted, show_size

_WORST = 6
"""Number of hardest classes to name."""


def read_results(folder: RunFolder) -> list[Result]:
    """Return the results of a run, starting with the validation split. Raises as ``Result.load`` does."""
    return [Result.load(path) for path in folder.results()]


def summary(result: Result, settings: Any, expects: str) -> Iterator[str]:
    """Yield a description of the network, its outputs, and the images that it ``expects``."""
    network = settings["network"]
    encoder = f" with the encoder {network['encoder']}" if "encoder" in network else ""
    titles = ", ".join(modality.title or modality.name for modality in result.tasks.values())
    yield f"One network for {titles}: {network['type']}{encoder}, trained with taskscape on {trained_on(settings)}."
    rows = [
        [f"`{name}`", modality.title or modality.name, modality.unit or "–", _classes(modality)]
        for name, modality in result.tasks.items()
    ]
    yield table(["task", "predicts", "unit", "classes"], rows)
    if expects:
        yield f"It is for {expects}."


def _classes(modality: Any) -> str:
    classes = getattr(modality, "classes", None)
    return ", ".join(classes.classes) if classes is not None else ""


def metrics(results: Sequence[Result]) -> Iterator[str]:
    """Yield the section with the metrics of a run's results, and those of an image-blind baseline."""
    yield "## Metrics"
    specs = {name: spec for result in reversed(results) for name, spec in result.specs.items()}
    names = shown({name for result in results for name in result.metrics}, specs)
    blind = results[0].blind
    columns = [(title(result), result.metrics) for result in results]
    yield metric_table(names, specs, [*columns, *[("blind to the image", blind)] * bool(blind)])
    yield "; ".join(f"{title(result)}: {_images(result.images)} of {show_size(result.size)}" for result in results) + (
        ". A number after `height` is the height to which images were scaled for the network."
        if any("-height" in result.split for result in results)
        else "."
    )


def metric_table(
    names: Sequence[str], specs: Mapping[str, MetricSpec], columns: Sequence[tuple[str, Mapping[str, float]]]
) -> str:
    """Return a table with one row per metric; ``columns`` are titles with values."""
    rows = [
        [f"{spec.title} {spec.unit}".rstrip() + f" {arrow(spec)}", f"`{name}`"]
        + [spec.show(values[name]) if name in values else "–" for _, values in columns]
        for name in names
        for spec in (specs[name],)
    ]
    return table(["metric", "name", *(title for title, _ in columns)], rows)


def calibrated(known: Calibration, spreads: Mapping[str, float], where: str = "") -> str:
    """Return a text about the calibration of the confidence; ``where`` names its file."""
    numbers = ", ".join(f"`{task}` {spread:.2f}" for task, spread in spreads.items())
    return (
        f"Confidence is calibrated on {_images(known.images)} of {known.split}{where}: class scores are divided and "
        f"predicted widths multiplied by a factor, here {numbers}. Above 1, the network itself was overconfident; "
        "below 1, underconfident. The calibration holds for similar images; on other images, networks are often "
        "overconfident."
    )


def failures(results: Sequence[Result], limits: Sequence[str] = ()) -> Iterator[str]:
    """Yield the section about failures: the hardest classes, results on other data, and the author's ``limits``."""
    sentences = [sentence for result in results for sentence in _hardest(result)]
    for result in results[1:]:
        changes = [
            f"{spec.title} is {spec.show(result.metrics[name])} {spec.unit}".rstrip()
            + f" instead of {spec.show(results[0].metrics[name])}"
            for name, spec in result.specs.items()
            if spec.leads
            and name in result.metrics
            and name in results[0].metrics
            and _is_comparable(name, result, results[0])
        ]
        if changes:
            sentences.append(f"On {title(result)} {', '.join(changes)}.")
    sentences += limits or (
        "On images unlike its training data, its predictions are wrong, and nothing in them shows it.",
    )
    yield "## Limits"
    yield "\n".join(f"- {sentence}" for sentence in sentences)


def _is_comparable(metric: str, result: Result, other: Result) -> bool:
    """Return whether two results have a metric for the same classes, or in the same unit."""
    task = metric.partition("/")[0]
    return result.tasks.get(task) == other.tasks.get(task)


def _hardest(result: Result) -> Iterator[str]:
    """Yield one sentence for each per-class metric, ``task/METRIC/CLASS``, which names the worst classes."""
    by_metric: dict[str, dict[str, float]] = {}
    for name, spec in result.specs.items():
        if spec.per_class and name in result.metrics:
            metric, _, label = name.rpartition("/")
            by_metric.setdefault(metric, {})[label] = result.metrics[name]
    for metric, by_class in by_metric.items():
        spec = result.specs[f"{metric}/{next(iter(by_class))}"]
        worst = sorted(by_class, key=lambda label: by_class[label], reverse=not spec.higher_is_better)[:_WORST]
        worst_classes = ", ".join(f"{label} {spec.show(by_class[label])} {spec.unit}".rstrip() for label in worst)
        yield f"Hardest classes on {title(result)} by `{metric}`: {worst_classes}."


def licenses(settings: Any, license: str, data_license: str = "") -> Iterator[str]:
    """Yield the section about the licenses of the network and of its ingredients."""
    yield "## Licenses"
    yield table(["made from", "license"], [list(ingredient) for ingredient in ingredients(settings, data_license)])
    yield f"The model itself: {license or 'no license is stated, so ask its author before you use it'}."


def title(result: Result) -> str:
    """Return the name of a result's split, with its test-time augmentation, if any."""
    return f"{result.split}{result.tta_words}"


def trained_on(settings: Any) -> str:
    """Return a short description of the data of an experiment."""
    return " and ".join(words for _, words in sources(settings["data"])) or str(settings["data"].get("type", ""))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table without empty columns."""
    used = [i for i in range(len(head)) if any(row[i] for row in rows)]
    lines = [[head[i] for i in used], ["---"] * len(used), *([row[i] for i in used] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _images(count: int) -> str:
    return counted(count, "image", "images")
