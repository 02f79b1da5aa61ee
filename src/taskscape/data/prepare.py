"""Convert a raw data set to a packed store, in several processes."""

import inspect
import json
import shutil
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from taskscape import parallel
from taskscape.batch import Sample
from taskscape.data.inputs import (
    INPUTS,
    describe_changes,
    fingerprints,
    images_in_two_splits,
    save_inputs,
    unchanged_since,
)
from taskscape.data.manifest import MANIFEST, UNFINISHED, FileInfo, Manifest
from taskscape.data.readers.base import RawData, RawIndex, RawSample
from taskscape.data.readers.files import check_size
from taskscape.data.replacement import end_replacement, one_writer
from taskscape.data.writer import StoreWriter
from taskscape.files import writing
from taskscape.files.paths import require_writable
from taskscape.progress import ProgressCallback
from taskscape.serialization import agreeing, counted, named, show_size


def prepare(
    data: RawData,
    raw: str | Path,
    out: str | Path,
    shard: int | None = None,
    processes: int | None = None,
    report: ProgressCallback | None = None,
    tell: Callable[[str], None] | None = None,
) -> Manifest:
    """Write the raw data set in folder ``raw`` as a packed store ``out``, and return its manifest.

    An interrupted run resumes; samples whose inputs have changed since are made again. A complete store is left as it
    is if its inputs have not changed. Otherwise the whole store is made again, next to the old one, and replaces it at
    the end. ``tell`` is called with a sentence about what is done.

    Memory holds a few images per process. The store does not depend on ``processes``, the number of worker processes
    (by default one per core); ``shard`` is the number of images per file.

    Raises:
        FileNotFoundError: The raw folder lacks something; the message says what, and where it is available.
        ValueError: The raw data are invalid, another process is writing the store, or ``out`` holds something else,
            such as a store of other images or with different settings.
        OSError: For example, the disk is full.
    """
    raw, out = Path(raw), Path(out)
    tell = tell or (lambda _: None)
    _check_settings(data, out, shard)
    index = _contents(data, raw)
    work = _Work(index, raw, _source(data, index), shard, processes, report, tell)
    out = out.resolve()  # a link is kept, and its target is replaced
    with one_writer(out):
        return _prepare(work, out)


@dataclass(frozen=True)
class _Work:
    """The arguments of ``prepare``, except for the output folder."""

    index: RawIndex
    raw: Path
    source: dict[str, Any]
    shard: int | None
    processes: int | None
    report: ProgressCallback | None
    tell: Callable[[str], None]


def _prepare(work: _Work, out: Path) -> Manifest:
    """Write the store, make it again, or leave it unchanged."""
    new, replaced = out.with_name(f".{out.name}.new"), out.with_name(f".{out.name}.replaced")
    end_replacement(new, out, replaced)
    if not (out / MANIFEST).exists():
        return _write(work, out)
    difference = _describe_difference(work, out)
    if not difference:
        work.tell("nothing to do: the store was made from exactly these inputs")
        return Manifest.of(out)
    work.tell(f"{difference}; the store is made again")
    if (new / MANIFEST).exists() and _describe_difference(work, new):
        shutil.rmtree(new)
    if not (new / MANIFEST).exists():
        _write(work, new)
    out.rename(replaced)
    end_replacement(new, out, replaced)
    return Manifest.of(out)


def _check_settings(data: RawData, out: Path, shard: int | None) -> None:
    """Raise ``ValueError`` for invalid settings."""
    size = getattr(data, "size", None)
    if isinstance(size, tuple):
        check_size(size)
    if shard is not None and shard < 1:
        raise ValueError(f"shard is {shard}: it is the number of images per file, at least 1")
    require_writable(out, "the store")


def _contents(data: RawData, raw: Path) -> RawIndex:
    """Return the index of a reader. Raises ``ValueError`` if a user's reader gives something else, or a name twice."""
    index = data.contents(raw)
    if not isinstance(index, RawIndex):
        raise ValueError(f"{named(type(data).contents)} gives a {type(index).__name__}: return a RawIndex")
    for split, samples in index.splits.items():
        name, count = Counter(sample.name for sample in samples).most_common(1)[0] if samples else ("", 0)
        if count > 1:
            raise ValueError(
                f"{named(type(data).contents)} gives {count} images of {split} the name {name!r}: give each its own, "
                "such as its path in the raw folder"
            )
    return index


def prepare_portion(
    data: RawData,
    raw: str | Path,
    out: str | Path,
    portion: parallel.Portion,
    shard: int,
    processes: int | None = None,
    report: ProgressCallback | None = None,
) -> None:
    """Write a part of the files of a store; ``shard`` is the number of images per file.

    Several machines that share the folders may write a part each. ``prepare`` with the same settings then writes what
    is missing, and checks and finishes the store, which is identical to one that a single machine makes. An interrupted
    part resumes. Raises the errors of ``prepare``, and ``ValueError`` if the store is complete.
    """
    raw, out = Path(raw), Path(out)
    _check_settings(data, out, shard)
    index = _contents(data, raw)
    out = out.resolve()
    if (out / MANIFEST).exists():
        raise ValueError(f"{out} is complete: leave --part out to make it again if its inputs have changed")
    counts = {split: len(samples) for split, samples in index.splits.items()}
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(_begin_lock(out)):  # of several machines that start at once, one creates the files
        writer = StoreWriter(out, index.size, counts, index.fields, _source(data, index), shard, str(portion.number))
    shards = [(split, shard) for split in counts for shard in writer.manifest.shards(split)]
    own_shards = [shards[number] for number in portion.among(len(shards))]
    samples = [(split, number) for split, shard in own_shards for number in shard]
    missing = {split: set(writer.missing(split)) for split in counts}
    todo = [(split, number) for split, number in samples if number in missing[split]]
    for num_done in _write_samples(writer, index, raw, todo, processes):
        if report is not None:
            report(len(samples) - len(todo) + num_done, len(samples))


def _begin_lock(out: Path) -> Path:
    return out.with_name(f".{out.name}.begin.lock")


def _write(work: _Work, out: Path) -> Manifest:
    """Write the store, or the missing part of it."""
    index = work.index
    counts = {split: len(samples) for split, samples in index.splits.items()}
    try:
        writer = StoreWriter(out, index.size, counts, index.fields, work.source, work.shard)
    except ValueError:
        if not _is_older(out, work.source):
            raise
        work.tell(
            f"images were added or removed, or what is stored has changed, since {out} was started: starting over"
        )
        shutil.rmtree(out)
        writer = StoreWriter(out, index.size, counts, index.fields, work.source, work.shard)
    _mark_changed(writer, work)
    missing = [(split, number) for split in counts for number in writer.missing(split)]
    total = sum(counts.values())
    for num_done in _write_samples(writer, index, work.raw, missing, work.processes):
        if work.report is not None:
            work.report(total - len(missing) + num_done, total)
    save_inputs(
        out, {path: info for split in counts for files in writer.inputs(split).values() for path, info in files.items()}
    )
    if pairs := images_in_two_splits(out, index, work.raw):
        warnings.warn(
            f"{counted(len(pairs), 'image is', 'images are')} in two splits as copies of one file, such as "
            f"{' = '.join(pairs[0])}: results on such images say nothing, keep each in one split only",
            stacklevel=2,
        )
    writer.finish()
    _begin_lock(out).unlink(missing_ok=True)
    return Manifest.of(out)


def _write_samples(
    writer: StoreWriter,
    index: RawIndex,
    raw: Path,
    missing: Sequence[tuple[str, int]],
    processes: int | None,
) -> Iterator[int]:
    """Write samples, given by split and number, and yield the number of completed samples after each."""
    jobs = ((writer, index.read, raw, split, number, index.splits[split][number]) for split, number in missing)
    results = parallel.parallel_map(_prepare_one, jobs, len(missing), parallel.workers(processes))
    for num_done, _ in enumerate(results, 1):
        yield num_done


def _is_older(out: Path, source: dict[str, Any]) -> bool:
    """Return whether a folder holds only an unfinished store with these settings."""
    if not (out / UNFINISHED).exists():
        return False
    plan = Manifest.load(out / UNFINISHED)
    own_names = {UNFINISHED, INPUTS, *plan.counts}
    is_same_source = all(plan.source.get(key) == source.get(key) for key in ("kind", "settings"))
    return is_same_source and all(entry.name in own_names or entry.suffix == ".part" for entry in out.iterdir())


def _mark_changed(writer: StoreWriter, work: _Work) -> None:
    """Mark samples of an unfinished store as missing if their inputs have changed since they were written."""
    num_changed = 0
    for split, samples in work.index.splits.items():
        inputs = writer.inputs(split)
        changed = [number for number, files in inputs.items() if not unchanged_since(samples[number], work.raw, files)]
        if changed:
            writer.put_again(split, changed)
        num_changed += len(changed)
    if num_changed:
        clause = counted(num_changed, "sample have changed since it was", "samples have changed since they were")
        work.tell(f"the inputs of {clause} written, which {agreeing(num_changed, 'is', 'are')} made again")


def _describe_difference(work: _Work, store: Path) -> str:
    """Return a description of how a complete store differs from one that would be made now; empty if it does not.

    Raises ``ValueError`` if the store must not be replaced: its kind, settings or images differ, or it holds other
    files.
    """
    manifest, index, source = Manifest.of(store), work.index, work.source
    refusal = f"{store} is not empty: delete it or choose another folder; it holds"
    if (kind := manifest.source.get("kind")) != source["kind"]:
        raise ValueError(f"{refusal} a store of {kind}")
    old_settings, new_settings = manifest.source.get("settings", {}), source["settings"]
    for name in sorted({*old_settings, *new_settings}):
        old, new = old_settings.get(name), new_settings.get(name)
        if old != new:
            show = show_size if name == "size" else str
            raise ValueError(f"{refusal} a store with other settings, {name} was {show(old)} and is {show(new)}")
    own_names = {MANIFEST, INPUTS, *manifest.counts}
    if (difference := describe_changes(index, work.raw, store)) == "":
        changed_keys = [
            name for name in sorted({*manifest.source, *source}) if manifest.source.get(name) != source.get(name)
        ]
        if manifest.labels != dict(index.fields) or manifest.size != tuple(index.size):
            changed_keys.append("what is stored")
        difference = f"the inputs are the same, but not {', '.join(changed_keys)}" if changed_keys else ""
    if difference and (other_files := sorted(entry.name for entry in store.iterdir() if entry.name not in own_names)):
        raise ValueError(
            f"{difference}, but {store} holds other things, {', '.join(other_files)}: move them elsewhere first"
        )
    return difference


def _source(data: RawData, index: RawIndex) -> dict[str, Any]:
    """Return the description of the source for the manifest, as JSON reads it back."""
    names = {split: [sample.name for sample in samples] for split, samples in index.splits.items()}
    source = {
        "kind": data.name,
        "settings": {name: value for name, value in vars(data).items() if not isinstance(value, Path)},
        **index.source,
        "archives": {path.name: asdict(FileInfo.of(path)) for path in index.archives},
        "inputs": INPUTS,
        "names_crc32": zlib.crc32(json.dumps(names).encode()),
    }
    if not type(data).__module__.startswith("taskscape."):  # a user's reader, whose file may change
        with suppress(TypeError, OSError):  # a class defined in a notebook has no file
            source["reader"] = asdict(FileInfo.of(Path(inspect.getfile(type(data)))))
    plain: dict[str, Any] = json.loads(json.dumps(source))
    return plain


def _prepare_one(
    writer: StoreWriter,
    read: Callable[[RawSample], Sample],
    raw: Path,
    split: str,
    number: int,
    sample: RawSample,
) -> None:
    inputs = fingerprints(sample, raw)
    content = read(sample)
    if not isinstance(content, Sample):
        raise ValueError(f"{named(read)} gives a {type(content).__name__}: return a taskscape.batch.Sample")
    if not unchanged_since(sample, raw, inputs):
        raise ValueError(f"the files of {sample.name!r} were changed while they were read: run the same command again")
    writer.put(split, number, content, inputs=inputs)
