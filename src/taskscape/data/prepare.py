"""From a raw data set to a packed store, in several processes."""

import json
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from taskscape import parallel
from taskscape.batch import Sample
from taskscape.data.manifest import MANIFEST, FileInfo, Manifest
from taskscape.data.readers.base import RawData, RawIndex, RawSample
from taskscape.data.writer import StoreWriter
from taskscape.files import atomic_write
from taskscape.progress import ProgressCallback

INPUTS = "inputs.json"
"""The file of a prepared store that lists what it was made from: size and checksum of every input file."""
_INPUTS_SO_FAR = "inputs.jsonl"


def prepare(
    data: RawData,
    raw: Path,
    out: Path,
    shard: int | None = None,
    processes: int | None = None,
    report: ProgressCallback | None = None,
) -> Manifest:
    """Write the raw data set in folder ``raw`` as a packed store ``out``, and return its manifest.

    An interrupted run resumes; a store that is complete is left as it is. Memory is needed for a few images per
    process. The store does not depend on ``processes``, the number of them (by default one per core); ``shard`` is the
    number of images per file.

    Raises:
        FileNotFoundError: The raw folder lacks something; the message says what, and where it is available.
        ValueError: The raw data are not as they should be, or ``out`` holds something else.
        OSError: The disk is full, for one.
    """
    index = data.contents(raw)
    source = _source(data, index)
    counts = {split: len(samples) for split, samples in index.splits.items()}
    if (out / MANIFEST).exists():
        manifest = Manifest.of(out)
        if (manifest.source, manifest.size) == (source, index.size):
            return manifest
    writer = StoreWriter(out, index.size, counts, index.fields, source, shard)
    missing = [(split, number) for split in counts for number in writer.missing(split)]
    jobs = ((writer, index.read, raw, split, number, index.splits[split][number]) for split, number in missing)
    total = sum(counts.values())
    done = total - len(missing)
    for _ in parallel.parallel_map(_prepare_one, jobs, len(missing), parallel.workers(processes)):
        done += 1
        if report is not None:
            report(done, total)
    _gather_inputs(out)
    writer.finish()
    return Manifest.of(out)


def _source(data: RawData, index: RawIndex) -> dict[str, Any]:
    """Return what the manifest says of the source, as it will be read back."""
    names = {split: [sample.name for sample in samples] for split, samples in index.splits.items()}
    source = {
        "kind": data.name,
        "settings": {name: value for name, value in vars(data).items() if not isinstance(value, Path)},
        **index.source,
        "archives": {path.name: asdict(FileInfo.of(path)) for path in index.archives},
        "inputs": INPUTS,
        "names_crc32": zlib.crc32(json.dumps(names).encode()),
    }
    plain: dict[str, Any] = json.loads(json.dumps(source))
    return plain


def _prepare_one(
    writer: StoreWriter, read: Callable[[RawSample], Sample], raw: Path, split: str, number: int, sample: RawSample
) -> None:
    content = read(sample)
    inputs = {_relative(path, raw): asdict(FileInfo.of(path)) for path in sample.files.values()}
    # Before the sample counts as complete; one write in append mode, so that processes do not mix.
    with (writer.path / _INPUTS_SO_FAR).open("a") as lines:
        lines.write("\n" + json.dumps(inputs))
    writer.put(split, number, content)


def _relative(path: Path, raw: Path) -> str:
    return (path.relative_to(raw) if path.is_relative_to(raw) else path).as_posix()


def _gather_inputs(store: Path) -> None:
    """Turn the lines of all processes into one file in the order of the names."""
    lines, inputs = store / _INPUTS_SO_FAR, {}
    if not lines.exists():  # it was stopped after this step, or nothing was left to read
        return
    for line in lines.read_text().splitlines():
        try:
            inputs.update(json.loads(line))
        except ValueError:
            continue  # an empty line, or one torn by a kill, whose sample was written again
    atomic_write(store / INPUTS, json.dumps(dict(sorted(inputs.items())), indent=1) + "\n")
    lines.unlink()
