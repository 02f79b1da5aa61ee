"""What a run writes down as it goes: a table with a row per epoch, and TensorBoard events."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from taskscape.files import atomic_write


class Journal:
    """``metrics.csv`` and TensorBoard events of one run folder."""

    def __init__(self, run: Path, step: int = 0) -> None:
        """Open the journal at ``step``: what an interrupted run wrote beyond it is cut off."""
        self.path = run / "metrics.csv"
        self.rows = [row for row in read_rows(self.path) if int(row["step"]) <= step]
        self._write()
        self.events = SummaryWriter(str(run), purge_step=step + 1 if step else None)

    def at_step(self, step: int, values: Mapping[str, float]) -> None:
        """Note values within an epoch."""
        for name, value in values.items():
            self.events.add_scalar(name, value, step)

    def at_epoch(self, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """Note an epoch's row. Columns are those of all rows; a value that an epoch lacks is empty."""
        self.rows.append({"epoch": str(epoch), "step": str(step), **{name: f"{v:.8g}" for name, v in values.items()}})
        self._write()
        for name, value in values.items():
            self.events.add_scalar(name, value, step)
        self.events.flush()

    def close(self) -> None:
        """Flush and close."""
        self.events.close()

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        atomic_write(self.path, text.getvalue())


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a ``metrics.csv``, none when there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: value for name, value in row.items() if value != ""} for row in csv.DictReader(file)]
