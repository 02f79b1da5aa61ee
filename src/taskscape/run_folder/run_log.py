"""The log of a run: a table with a row per epoch, and TensorBoard events."""

import csv
import io
from collections.abc import Mapping

from taskscape.files import atomic_write
from taskscape.run_folder.names import RunFolder


class RunLogger:
    """Writes ``metrics.csv`` and TensorBoard events of one run."""

    def __init__(self, folder: RunFolder, step: int = 0) -> None:
        """Open the log at ``step``: rows and events that an interrupted run wrote after it are removed."""
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        self.rows = [row for row in folder.metric_rows() if int(row["step"]) <= step]
        self._write()
        self.events = SummaryWriter(str(folder.path), purge_step=step + 1 if step else None)

    def log_step(self, step: int, values: Mapping[str, float]) -> None:
        """Log values within an epoch."""
        for name, value in values.items():
            self.events.add_scalar(name, value, step)

    def log_epoch(self, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """Log an epoch's row. Columns are those of all rows; a value that an epoch lacks is empty."""
        self.rows.append({"epoch": str(epoch), "step": str(step), **{name: f"{v:.8g}" for name, v in values.items()}})
        self._write()
        self.log_step(step, values)
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
        atomic_write(self.folder.metrics, text.getvalue())
