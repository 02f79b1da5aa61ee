"""Names of the files of a run, which no other module defines."""

import csv
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from taskscape.run_folder.events import epochs
from taskscape.serialization import nearest
from taskscape.serialization.plain import read_json

RUNS = Path("runs")
"""Default parent folder of runs."""

_EVALUATED = re.compile(r"(result|samples)(-(?P<split>.+?))??(?P<tta>-tta(-(?P<word>.+))?)?")
"""The name of a result or of samples, without the ending that says the format."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run. TensorBoard's events are in it too, under their own names."""

    path: Path
    """The folder; a string is accepted too."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    def require(self) -> None:
        """Raise ``FileNotFoundError`` with the remedy if the folder holds no run."""
        if self.experiment.is_file():
            return
        if self.path.is_file() and RunFolder(self.path.parent).experiment.is_file():
            raise FileNotFoundError(f"{self.path} is a file of a run: name its folder, {self.path.parent}")
        if runs := self.runs():
            raise FileNotFoundError(f"{self.path} is not a run, but contains runs: name one, such as {runs[0]}")
        folders = (self.path.parent, RUNS / self.path.parent)  # perhaps the default parent was left out
        siblings = {run.name: str(run) for folder in reversed(folders) for run in RunFolder(folder).runs()}
        remedy = nearest(self.path.name, siblings, siblings) if siblings else ""
        raise FileNotFoundError(
            f"{self.path} is not a run: it has no {self.experiment.name}{remedy or '; make one with taskscape train'}"
        )

    @property
    def has_progress(self) -> bool:
        """Whether a run has saved anything here that it learned: a checkpoint, weights or a result."""
        return any(path.exists() for path in (self.checkpoint, self.weights, self.result()))

    def runs(self) -> list[Path]:
        """Return the direct subfolders that hold a run, sorted by name; empty if this folder does not exist."""
        return sorted(path.parent for path in self.path.glob(f"*/{self.experiment.name}"))

    @property
    def experiment(self) -> Path:
        """All settings, to repeat the run: YAML."""
        return self.path / "experiment.yaml"

    @property
    def metrics(self) -> Path:
        """The log, with one row per epoch: CSV. ``metric_rows`` reads it."""
        return self.path / "metrics.csv"

    @property
    def checkpoint(self) -> Path:
        """Everything that is needed to resume training."""
        return self.path / "last.ckpt"

    @property
    def data(self) -> Path:
        """The data that the run was trained with, as store and fingerprint of each split: JSON."""
        return self.path / "data.json"

    @property
    def log(self) -> Path:
        """Messages of the run during training, with times: text. ``taskscape.logs`` writes it."""
        return self.path / "train.log"

    @property
    def trackers(self) -> Path:
        """Identifiers of the run in experiment trackers, if it has any: JSON. ``taskscape.trackers`` writes it."""
        return self.path / "trackers.json"

    @property
    def lock(self) -> Path:
        """The process that is writing the run, if there is one: JSON. ``locked`` creates it."""
        return self.path / "run.lock"

    @property
    def weights(self) -> Path:
        """Weights of the best epoch: safetensors; ``published`` if the folder holds a published run."""
        best = self.path / "best.safetensors"
        return self.published if self.published.is_file() and not best.exists() else best

    @property
    def published(self) -> Path:
        """Weights of a published run, under the name that the hub expects: safetensors."""
        return self.path / "model.safetensors"

    @property
    def card(self) -> Path:
        """The model card of a published run: Markdown with a metadata header. ``taskscape.publishing`` writes it."""
        return self.path / "README.md"

    @property
    def page(self) -> Path:
        """A page that runs the network of a published run in a browser: HTML."""
        return self.path / "page.html"

    @property
    def photograph(self) -> Path:
        """taskscape's sample photograph with the network's predictions, if the demo made them: PNG."""
        return self.path / "photograph" / "street.side-by-side.png"

    @property
    def code(self) -> Path:
        """Copies of the user's files that the experiment names, if any. ``keep_code`` makes them."""
        return self.path / "code"

    @property
    def precision(self) -> Path:
        """Findings and changes of the self-check of reduced precision, if any: JSON."""
        return self.path / "precision.json"

    @property
    def calibration(self) -> Path:
        """The correction of confidences, if tasks say how sure they are: JSON, a ``Calibration``."""
        return self.path / "calibration.json"

    def result(self, split: str = "val", tta: bool | str = False) -> Path:
        """Return the path of a split's ``Result``, with or without test-time augmentation (``Result.tta``): JSON."""
        return self.path / f"result{_suffix(split, tta)}.json"

    def results(self) -> list[Path]:
        """Return the paths of all results: first that of val, which may be missing, then all others that exist."""
        others = sorted(self.path.glob("result-*.json"), key=lambda path: (path.name.count("-"), path.name))
        return [self.result(), *others]

    def samples(self, split: str = "val", tta: bool | str = False) -> Path:
        """Return the path of the images, labels and predictions for the report: NPZ."""
        return self.path / f"samples{_suffix(split, tta)}.npz"

    def report(self, split: str = "val", tta: bool | str = False) -> Path:
        """Return the path of the report: HTML."""
        return self.path / "report" / f"index{_suffix(split, tta)}.html"

    @property
    def splits(self) -> list[str]:
        """The splits of the data that the run was trained with; empty if they are unknown."""
        try:
            return [str(split) for split in read_json(self.data)]
        except (OSError, ValueError, TypeError):
            return []

    def evaluate_command(self, split: str = "val", tta: bool | str = False) -> str:
        """Return the command that writes ``result`` and ``samples``, for messages.

        A split that is not the run's own is the name of a result on other data, or with other classes or sizes; the
        command then lists the options that lead to such a result. For a run without weights, which was stopped in its
        first epoch, it is the command that continues training.
        """
        if self.experiment.is_file() and not self.weights.is_file():
            return self.resume_command
        if split == "val":
            options = ""
        elif split in (self.splits or [split]):
            options = f" --split {split}"
        else:
            options = " [--data STORE] [--split SPLIT] [--classes MAP] [--height N]"
        options += f" --tta-as {tta}" if isinstance(tta, str) else " --tta" * tta
        return f"taskscape evaluate {shlex.quote(str(self.path))}{options}"

    def command_for(self, path: Path) -> str:
        """Return the command that writes a file with the name of a ``result`` or of ``samples``, for messages."""
        name = _EVALUATED.fullmatch(path.stem)
        if name is None:
            return self.evaluate_command()
        return self.evaluate_command(name["split"] or "val", name["word"] or bool(name["tta"]))

    @property
    def resume_command(self) -> str:
        """The command that continues the run, for messages."""
        return shlex.join(["taskscape", "train", "--resume", str(self.path)])

    @property
    def train_on_command(self) -> str:
        """The command that starts another run from these settings and weights, for messages; ``--out`` is missing."""
        return shlex.join(["taskscape", "train", str(self.experiment), "--from", str(self.path)])

    @property
    def events(self) -> list[Path]:
        """The files of TensorBoard events, oldest first. ``RunLogger`` writes them."""
        return sorted(path for path in self.path.glob("events.out.tfevents.*") if path.suffix != ".part")

    def metric_rows(self) -> list[dict[str, str]]:
        """Return the rows of ``metrics``, as text by column without empty cells.

        If the table is missing or damaged, the rows come from ``events``, with seven digits. Raises ``ValueError`` that
        names the file if it is damaged and there are no events.
        """
        try:
            return self.table() or epochs(self.events)
        except ValueError:
            if rows := epochs(self.events):
                return rows
            raise

    def table(self) -> list[dict[str, str]]:
        """Return the rows of ``metrics``; empty if there is no file. Raises ``ValueError`` if it is damaged."""
        if not self.metrics.exists():
            return []
        try:
            text = self.metrics.read_bytes().decode()
            reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
            # A short row has None for missing cells; cells beyond the last column are under the name None.
            rows = [{name: cell for name, cell in row.items() if name and cell} for row in reader]
            columns = set(reader.fieldnames or ())
            if text and not text.endswith(("\n", "\r")):
                raise ValueError("its last line is incomplete")
            if not {"epoch", "step"} <= columns:
                raise ValueError("its first line does not name the columns epoch and step")
            for row in rows:
                if not (row.get("epoch", "").isdecimal() and row.get("step", "").isdecimal()):
                    raise ValueError("a row does not have the numbers of its epoch and step")
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{self.metrics} is damaged ({error}): delete it") from error
        return rows


def _suffix(split: str, tta: bool | str) -> str:
    """Return the ending of file names; "" for the usual evaluation, on val without test-time augmentation."""
    return ("" if split == "val" else f"-{split}") + (f"-tta-{tta}" if isinstance(tta, str) else "-tta" * tta)
