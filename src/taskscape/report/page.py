"""The report of one run."""

from pathlib import Path

from taskscape.files.paths import check_inside
from taskscape.report.curves import Curves, curve_charts, when_validated
from taskscape.report.gallery import colorize, gallery, hero, subsample
from taskscape.report.html import facts, page, write
from taskscape.report.run import Run
from taskscape.report.sections import photograph as photographs
from taskscape.report.sections.classes import about_classes, class_bars, confusions
from taskscape.report.sections.confidence import HINT, confidence_charts
from taskscape.report.sections.cost import cost_section
from taskscape.report.sections.distributions import distributions
from taskscape.report.sections.metrics import metric_tables
from taskscape.report.sections.overview import headlines, progress_warning, settings
from taskscape.report.words import heading, task_words
from taskscape.report.yardsticks import yardsticks
from taskscape.serialization import counted


def write_report(run: str | Path, split: str = "val", tta: bool | str = False) -> Path:
    """Write ``RUN/report/index.html`` and return its path; for splits other than val, ``index-SPLIT.html``.

    With ``tta`` the report shows the result with test-time augmentation, and its file name ends in ``-tta``. The report
    is a self-contained HTML file. Raises ``FileNotFoundError`` if the folder is not a run, and ``ValueError`` for a
    missing result, with the command that makes it.
    """
    run = Path(run)
    loaded = Run.load(run, split, tta)
    path = loaded.folder.report(split, tta)
    check_inside(run, path.parent)
    return write(path, _page(loaded))


def _page(run: Run) -> str:
    result = run.result
    samples = subsample(run.samples())
    tasks = colorize(result.tasks, samples)
    references = yardsticks(run)
    first_image = hero(samples, tasks) if samples else ""
    overview = progress_warning(run) + first_image + headlines(result, references) + settings(run)
    evaluated = f"evaluated on {counted(result.images, 'image', 'images')} ({result.split})"
    lead = f"{task_words(result.tasks)} from one image, {evaluated}{result.tta_words}."
    return page(
        run.name + (f" (unfinished: {run.unfinished})" if run.unfinished and not run.outdated else ""),
        "taskscape · report of a run",
        heading(lead),
        [
            ("Overview", "", overview),
            ("Metrics", " ".join(yardstick.text for yardstick in references), metric_tables(result, references)),
            ("Curves", when_validated(run.curves), curve_charts(Curves.of(run))),
            ("Classes", about_classes(result), class_bars(result)),
            (
                "Confusion",
                "How the pixels of each true class (row) were classified (column), in percent of the row.",
                confusions(result),
            ),
            (
                "Distributions",
                "Distributions of true and predicted values, and errors by true value.",
                distributions(result, samples),
            ),
            ("Confidence", HINT, confidence_charts(result)),
            (
                "Images",
                f"Labels, predictions and their differences on images of the split {result.split}.",
                gallery(samples, tasks) if samples else "",
            ),
            (photographs.TITLE, photographs.TEXT, photographs.photograph(run.folder)),
            ("Cost", "", cost_section(result)),
            ("Environment", "", facts(list(result.environment.items()))),
        ],
    )
