"""Where the files of a run are. No other module knows their names."""

import csv
import io
import shlex
from dataclasses import dataclass
from pathlib import Path

from taskscape.run_folder.events import epochs
from taskscape.serialization import nearest


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run. TensorBoard's events stand in it too, under names of their own."""

    path: Path
    """The folder; text is taken too."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    def require(self) -> None:
        """Raise ``FileNotFoundError`` with the remedy where the folder holds no run."""
        if self.experiment.is_file():
            return
        if inside := self.runs():
            raise FileNotFoundError(f"{self.path} is not a run, it holds some: name one, such as {inside[0]}")
        beside = {run.name: str(run) for run in RunFolder(self.path.parent).runs()}
        remedy = nearest(self.path.name, beside, beside) if beside else ""
        raise FileNotFoundError(
            f"{self.path} is not a run: it has no {self.experiment.name}{remedy or '; make one with taskscape train'}"
        )

    def runs(self) -> list[Path]:
        """Return the folders right in this one that hold a run, by name; none where there is no such folder."""
        return sorted(path.parent for path in self.path.glob(f"*/{self.experiment.name}"))

    @property
    def experiment(self) -> Path:
        """All settings, to train the same again: YAML."""
        return self.path / "experiment.yaml"

    @property
    def metrics(self) -> Path:
        """A row per epoch: CSV. ``metric_rows`` reads it."""
        return self.path / "metrics.csv"

    @property
    def checkpoint(self) -> Path:
        """Everything that is needed to resume training."""
        return self.path / "last.ckpt"

    @property
    def data(self) -> Path:
        """Which data the run was trained with: JSON, with store and fingerprint per split."""
        return self.path / "data.json"

    @property
    def log(self) -> Path:
        """What the run told while it was trained, with times: text. ``taskscape.logs`` writes it."""
        return self.path / "train.log"

    @property
    def trackers(self) -> Path:
        """What experiment trackers call the run, where it has any: JSON. ``taskscape.trackers`` writes it."""
        return self.path / "trackers.json"

    @property
    def lock(self) -> Path:
        """Which process writes the run, while one does: JSON. ``locked`` takes it."""
        return self.path / "run.lock"

    @property
    def weights(self) -> Path:
        """The network after its best epoch: safetensors; ``published`` where the folder holds a published run."""
        best = self.path / "best.safetensors"
        return self.published if self.published.is_file() and not best.exists() else best

    @property
    def published(self) -> Path:
        """The network of a published run, under the name that the hub expects: safetensors."""
        return self.path / "model.safetensors"

    @property
    def card(self) -> Path:
        """The model card of a published run: Markdown with metadata at its head. ``taskscape.publishing`` writes it."""
        return self.path / "README.md"

    @property
    def page(self) -> Path:
        """The page of a published run, which runs its network in a browser: HTML."""
        return self.path / "page.html"

    @property
    def photograph(self) -> Path:
        """The photograph that comes with taskscape and what the network predicts for it, where the demo did: PNG."""
        return self.path / "photograph" / "street.side-by-side.png"

    @property
    def code(self) -> Path:
        """Copies of the user's files that the experiment names, where it does. ``keep_code`` makes them."""
        return self.path / "code"

    @property
    def precision(self) -> Path:
        """What the self-check of reduced precision found and changed, where it did: JSON."""
        return self.path / "precision.json"

    @property
    def calibration(self) -> Path:
        """What confidence is corrected by, where tasks say how sure they are: JSON, a ``Calibration``."""
        return self.path / "calibration.json"

    def result(self, split: str = "val", tta: bool | str = False) -> Path:
        """Return where the ``Result`` of a split is, with test-time augmentation (``Result.tta``) or without: JSON."""
        return self.path / f"result{_suffix(split, tta)}.json"

    def results(self) -> list[Path]:
        """Return where the results of all splits are: that of val, which may be missing, and the others there are."""
        others = sorted(self.path.glob("result-*.json"), key=lambda path: (path.name.count("-"), path.name))
        return [self.result(), *others]

    def samples(self, split: str = "val", tta: bool | str = False) -> Path:
        """Return where images, labels and predictions for the report are: NPZ."""
        return self.path / f"samples{_suffix(split, tta)}.npz"

    def report(self, split: str = "val", tta: bool | str = False) -> Path:
        """Return where the report is: HTML."""
        return self.path / "report" / f"index{_suffix(split, tta)}.html"

    def evaluate_command(self, split: str = "val", tta: bool | str = False) -> str:
        """Return the command that writes ``result`` and ``samples``, for error messages.

        A run without weights, which was stopped in its first epoch, must be trained before.
        """
        if self.experiment.is_file() and not self.weights.is_file():
            return self.resume_command
        options = ("" if split == "val" else f" --split {split}") + (
            f" --tta-as {tta}" if isinstance(tta, str) else " --tta" * tta
        )
        return f"taskscape evaluate {shlex.quote(str(self.path))}{options}"

    @property
    def resume_command(self) -> str:
        """The command that continues the run, for messages."""
        return shlex.join(["taskscape", "train", "--resume", str(self.path)])

    @property
    def train_on_command(self) -> str:
        """The command that begins another run with these settings and weights, for messages; ``--out`` is missing."""
        return shlex.join(["taskscape", "train", str(self.experiment), "--from", str(self.path)])

    @property
    def events(self) -> list[Path]:
        """The files of TensorBoard events, oldest first. ``RunLogger`` writes them."""
        return sorted(path for path in self.path.glob("events.out.tfevents.*") if path.suffix != ".part")

    def metric_rows(self) -> list[dict[str, str]]:
        """Return the rows of ``metrics``, as text by column without empty cells.

        Those of a table that is missing or damaged come from ``events``, with seven digits. Raises ``ValueError`` that
        names the file when it is damaged and there are none.
        """
        try:
            return self.table() or epochs(self.events)
        except ValueError:
            if rows := epochs(self.events):
                return rows
            raise

    def table(self) -> list[dict[str, str]]:
        """Return what ``metrics`` holds; nothing when there is no file. Raises ``ValueError`` when it is damaged."""
        if not self.metrics.exists():
            return []
        try:
            text = self.metrics.read_bytes().decode()
            reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
            # A short row has None where it ends; cells beyond the last column stand under the name None.
            rows = [{name: cell for name, cell in row.items() if name and cell} for row in reader]
            columns = set(reader.fieldnames or ())
            if text and not text.endswith(("\n", "\r")):
                raise ValueError("its last line has no end")
            if not {"epoch", "step"} <= columns:
                raise ValueError("its first line does not name the columns epoch and step")
            for row in rows:
                if not (row.get("epoch", "").isdecimal() and row.get("step", "").isdecimal()):
                    raise ValueError("a row has no number of its epoch and step")
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{self.metrics} is damaged ({error}): delete it") from error
        return rows


def _suffix(split: str, tta: bool | str) -> str:
    """Return what file names end in: nothing for the usual evaluation, that of val."""
    return ("" if split == "val" else f"-{split}") + (f"-tta-{tta}" if isinstance(tta, str) else "-tta" * tta)
