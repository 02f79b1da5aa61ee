"""The log of a run: a table with one row per epoch, and TensorBoard events."""

import csv
import io
from collections.abc import Mapping

from taskscape.files import atomic_write
from taskscape.run_folder.events import EventWriter, cut_events, epochs
from taskscape.run_folder.names import RunFolder


class RunLogger:
    """Writes ``metrics.csv`` and TensorBoard events of one run."""

    def __init__(self, folder: RunFolder, step: int = 0) -> None:
        """Open the log at ``step``: rows and events that an interrupted run wrote after it are removed.

        Missing rows, or a damaged table, are rebuilt from the events; ``rebuilt`` then says why.
        """
        self.folder = folder
        self.rebuilt = ""
        for path in folder.events:
            cut_events(path, step)
        self.rows = [row for row in self._read() if int(row["step"]) <= step]
        self._write()
        self.events = EventWriter(folder.path)

    def log_step(self, step: int, values: Mapping[str, float]) -> None:
        """Log values of a step within an epoch."""
        self.events.write(step, values)

    def log_epoch(self, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """Log the row of an epoch. The table has the columns of all rows; missing values are empty."""
        self.rows.append({"epoch": str(epoch), "step": str(step), **{name: f"{v:.8g}" for name, v in values.items()}})
        self._write()
        self.events.write(step, {"epoch": epoch, **values})
        self.events.flush()

    def flush(self) -> None:
        """Hand everything to the operating system. Checkpoints are written after it, so no earlier value is lost."""
        self.events.flush()

    def close(self) -> None:
        """Flush and close."""
        self.events.close()

    def _read(self) -> list[dict[str, str]]:
        """Return the rows of the table, with missing rows from the events."""
        try:
            table = self.folder.table()
        except ValueError as error:
            self.rebuilt, table = str(error.__cause__), []
        rows = {row["step"]: row for row in epochs(self.folder.events)}
        if not self.rebuilt and rows.keys() - {row["step"] for row in table}:
            self.rebuilt = "rows are missing"
        rows |= {row["step"]: row for row in table}
        return sorted(rows.values(), key=lambda row: int(row["step"]))

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self.rows for name in row)) or ["epoch", "step"]
        text = io.StringIO()
        table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        atomic_write(self.folder.metrics, text.getvalue())
