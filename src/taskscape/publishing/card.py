"""The model card of a published run: Markdown with the metadata of the Hugging Face hub at its head.

Everything in it comes from the files of the run, but for what only a person knows (``About``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taskscape.publishing import sections
from taskscape.report.glossary import cost_conditions, cost_text, cost_title, leading
from taskscape.run_folder import Calibration, Result, RunFolder
from taskscape.serialization import agreeing, show_size, unstructure
from taskscape.serialization.plain import read_yaml


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
    results = sections.read_results(folder)
    parts = [
        f"# {about.name}",
        *sections.summary(results[0], settings, about.expects),
        *_use(folder, about),
        *sections.metrics(results),
        *_confidence(folder, about),
        *sections.failures(results, about.limits),
        *_costs(results[0], folder, settings, made),
        *sections.licenses(settings, about.license, about.data_license),
        *_origin(settings, made),
    ]
    return f"---\n{_head(results, settings, about, made)}---\n" + "\n\n".join(parts) + "\n"


def _head(results: Sequence[Result], settings: Any, about: About, made: Made) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    tasks = results[0].tasks
    evaluations = [
        EvalResult(
            task_type=tasks[name.partition("/")[0]].hub_task,
            dataset_type=result.split,
            dataset_name=sections.title(result),
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
        taskscape={"trained_on": sections.trained_on(settings), "expects": about.expects, "made": unstructure(made)},
    )
    return f"{data.to_yaml()}\n"


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


def _confidence(folder: RunFolder, about: About) -> Iterator[str]:
    """Say what the network's confidence was calibrated on, where it was."""
    if not folder.calibration.exists():
        return
    known = Calibration.load(folder.calibration)
    yield "## Confidence"
    yield (
        f"`taskscape predict {about.name} photo.jpg --confidence` also writes how sure it is. "
        f"{sections.calibrated(known, known.spreads, f' (`{folder.calibration.name}`)')}"
    )


def _costs(result: Result, folder: RunFolder, settings: Any, made: Made) -> Iterator[str]:
    yield "## Cost"
    rows = [
        [cost_title(name), cost_text(name, value), cost_conditions(name, result.environment)]
        for name, value in result.cost.items()
    ]
    own = f"one core of a CPU, {settings['precision']}"
    rows.append([f"{cost_title('latency')}, as published", cost_text("latency", made.seconds), own])
    rows.append(["Weights", f"{folder.weights.stat().st_size / 1e6:.1f} MB", "safetensors, with a checksum"])
    yield sections.table(["", "", "measured on"], rows)
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
            f"with those of the weights before as the truth, have {agreement} on "
            f"{made.images} {agreeing(made.images, 'image', 'images')}."
        )


def _origin(settings: Any, made: Made) -> Iterator[str]:
    yield "## How it was made"
    yield f"```bash\n{made.command}\n```"
    yield (
        f"`experiment.yaml` has every setting, seed {settings.get('seed', 0)}; `taskscape train experiment.yaml` "
        "trains it again. `result*.json` have all metrics, those of single classes too."
    )
