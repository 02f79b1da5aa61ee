"""From a raw data set to a packed store, in several processes."""

import json
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from taskscape import parallel
from taskscape.batch import Sample
from taskscape.data.manifest import MANIFEST, FileInfo, Manifest
from taskscape.data.readers.base import Item, RawData
from taskscape.data.sources.base import Report
from taskscape.data.writer import StoreWriter
from taskscape.files import atomic_write

INPUTS = "inputs.json"
"""The file of a prepared store that lists what it was made from: size and checksum of every input file."""
_INPUTS_SO_FAR = "inputs.jsonl"


def prepare(
    data: RawData,
    raw: Path,
    out: Path,
    shard: int | None = None,
    processes: int | None = None,
    report: Report | None = None,
) -> Manifest:
    """Write the raw data set in folder ``raw`` as a packed store ``out``, and return its manifest.

    What was interrupted goes on where it stopped; a store that is complete is left as it is. Memory is needed for a
    few images per process. The store does not depend on ``processes``, the number of them (by default one per core);
    ``shard`` is the number of images per file.

    Raises:
        FileNotFoundError: The raw folder lacks something; the message says what, and where it is to be had.
        ValueError: The raw data are not as they should be, or ``out`` holds something else.
        OSError: The disk is full, for one.
    """
    contents = data.contents(raw)
    names = {split: [item.name for item in items] for split, items in contents.splits.items()}
    source = {
        "kind": data.name,
        "settings": {name: value for name, value in vars(data).items() if not isinstance(value, Path)},
        **contents.source,
        "archives": {path.name: asdict(FileInfo.of(path)) for path in contents.archives},
        "inputs": INPUTS,
        "names_crc32": zlib.crc32(json.dumps(names).encode()),
    }
    counts = {split: len(items) for split, items in contents.splits.items()}
    if (out / MANIFEST).exists():
        manifest = Manifest.of(out)
        if (manifest.source, manifest.size) == (json.loads(json.dumps(source)), contents.size):
            return manifest
    writer = StoreWriter(out, contents.size, counts, contents.tasks, contents.class_set, source, shard)
    missing = [(split, index) for split in counts for index in writer.missing(split)]
    jobs = ((writer, contents.read, raw, split, index, contents.splits[split][index]) for split, index in missing)
    total = sum(counts.values())
    for done, _ in enumerate(parallel.parallel_map(_prepare_one, jobs, len(missing), parallel.workers(processes)), 1):
        if report is not None:
            report(total - len(missing) + done, total)
    _gather_inputs(out)
    writer.finish()
    return Manifest.of(out)


def _prepare_one(
    writer: StoreWriter, read: Callable[[Item], Sample], raw: Path, split: str, index: int, item: Item
) -> None:
    sample = read(item)
    inputs = {path.relative_to(raw).as_posix(): asdict(FileInfo.of(path)) for path in item.files.values()}
    # Before the sample counts as complete; one write in append mode, so that processes do not mix.
    with (writer.path / _INPUTS_SO_FAR).open("a") as lines:
        lines.write("\n" + json.dumps(inputs))
    writer.put(split, index, sample)


def _gather_inputs(store: Path) -> None:
    """Turn the lines of all processes into one file in the order of the names."""
    lines, inputs = store / _INPUTS_SO_FAR, {}
    if not lines.exists():  # it was stopped after this step
        return
    for line in lines.read_text().splitlines():
        try:
            inputs.update(json.loads(line))
        except ValueError:
            continue  # an empty line, or one torn by a kill, whose sample was written again
    atomic_write(store / INPUTS, json.dumps(dict(sorted(inputs.items())), indent=1) + "\n")
    lines.unlink()
