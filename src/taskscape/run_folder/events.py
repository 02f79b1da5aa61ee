"""TensorBoard events of a run: write them, read them back, and cut them at a step.

An event file is a sequence of records: the length of an ``Event`` message (8 bytes), the checksum of these bytes (4),
the message, and its checksum (4). See
https://github.com/tensorflow/tensorboard/blob/master/tensorboard/summary/writer/record_writer.py.
"""

import os
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from taskscape.files import writing

_HEADER, _CHECKSUM = 12, 4


class EventWriter:
    """Writes scalars to a new file in the folder of a run."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        number = sum(1 for _ in folder.glob("events.out.tfevents.*"))  # TensorBoard reads the files by name
        self.path = folder / f"events.out.tfevents.{time.time():.0f}.{number:03}"
        with writing(self.path):
            self.records = RecordWriter(self.path.open("xb"))
        self._write({"file_version": "brain.Event:2"})

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of a step as one event."""
        self._write({"step": step, "summary": _summary(values)})

    def flush(self) -> None:
        """Hand everything to the operating system: if this process is killed, nothing of it is lost."""
        with writing(self.path):
            self.records.flush()

    def close(self) -> None:
        """Flush and close."""
        with writing(self.path):
            self.records.close()

    def _write(self, content: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        with writing(self.path):
            self.records.write(Event(wall_time=time.time(), **content).SerializeToString())


def read_events(path: Path) -> Iterator[tuple[Any, int]]:
    """Yield the events of a file and the offset at which the record of each ends, up to the first damaged record."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    content = path.read_bytes()
    start = 0
    while start + _HEADER <= len(content):
        length, checksum = struct.unpack("<QI", content[start : start + _HEADER])
        end = start + _HEADER + length + _CHECKSUM
        if masked_crc32c(content[start : start + 8]) != checksum or end > len(content):
            return
        try:
            event = Event.FromString(content[start + _HEADER : end - _CHECKSUM])
        except Exception:  # protobuf has an error class of its own
            return
        yield event, end
        start = end


def cut_events(path: Path, step: int) -> None:
    """Cut a file before the first event after ``step`` or damaged record; remove it if no scalars are left."""
    end, has_scalars = 0, False
    with writing(path):
        for event, event_end in read_events(path):
            if event.step > step:
                break
            has_scalars |= event.HasField("summary")
            end = event_end
        if not has_scalars:
            path.unlink()
        elif end < path.stat().st_size:
            os.truncate(path, end)


def epochs(paths: list[Path]) -> list[dict[str, str]]:
    """Return the rows of ``metrics.csv`` that the events contain, with their precision of seven digits."""
    rows = []
    for path in paths:
        for event, _ in read_events(path):
            values = {value.tag: value.simple_value for value in event.summary.value}
            if "epoch" in values:
                epoch = f"{values.pop('epoch'):.0f}"
                rows.append({"epoch": epoch, "step": str(event.step), **{k: f"{v:.7g}" for k, v in values.items()}})
    return rows


def _summary(values: Mapping[str, float]) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
