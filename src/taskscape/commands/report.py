"""``taskscape report``."""

from taskscape.commands.shared import Run, TtaAs, chosen_tta, if_interrupted, require_run


def report(run: Run, /, *, split: str = "val", tta: bool = False, tta_as: TtaAs = None) -> None:
    """Write a report of a run to RUN/report/index.html, a self-contained HTML file.

    Args:
        split: Split whose evaluation is shown; for splits other than val the file is index-SPLIT.html.
        tta: Show the evaluation with test-time augmentation; the file name then ends in -tta.
    """
    require_run(run)
    from taskscape.report import write_report

    with if_interrupted(f"{run} is unchanged; start the same command again"):
        print(write_report(run, split, chosen_tta(tta, tta_as)))
