"""Pseudo-labels: write a store with a model's predictions for its images."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from taskscape.batch import Sample
from taskscape.data import Manifest, Store, StoreWriter
from taskscape.data.manifest import MANIFEST
from taskscape.data.replacement import end_replacement, one_writer
from taskscape.evaluation import TestTimeAugmentation
from taskscape.files.paths import require_writable
from taskscape.inference.checks import is_onnx, require_labeler
from taskscape.inference.labelers import Label, Labeler, NetworkLabeler, OnnxLabeler
from taskscape.modalities import Modality
from taskscape.modalities.base import Array, Mask
from taskscape.progress import ProgressCallback
from taskscape.serialization import nearest
from taskscape.serialization.arguments import checked
from taskscape.serialization.ranges import Count, Fraction
from taskscape.tasks import Task

BATCH_SIZE = 8
"""Images per batch."""
THRESHOLD = 0.5
"""Default minimum confidence of a label, for models that predict a confidence."""
_SHARES = "share with a label"
KIND = "labeled"
"""``kind`` of a store with predicted labels in its manifest."""


@checked
def label(
    model: str | Path,
    store: str | Path,
    out: str | Path | None = None,
    *,
    tasks: Sequence[str] = (),
    threshold: Fraction | None = None,
    without: Sequence[str] = (),
    suffix: str = "",
    fill: bool = False,
    height: Count | None = None,
    tta: TestTimeAugmentation | str | bool = False,
    outputs: Sequence[str] = (),
    device: str | torch.device = "auto",
    report: ProgressCallback | None = None,
) -> Manifest:
    """Write a copy of ``store`` with a model's predictions as additional labels, and return its manifest.

    For each predicted field, the manifest's ``source["predicted"]`` records the model, the checksum of its weights, the
    fingerprint of the store, the threshold, and the share of pixels that was kept. An interrupted run resumes as long
    as these are unchanged.

    Args:
        model: The folder of a run, the name of a released model or of a model on the hub, or an ONNX file
            (``OnnxLabeler``).
        store: The store with the images.
        out: The new store; None updates ``store`` in place, through a copy that replaces it at the end.
        tasks: The tasks of the model to predict; by default all.
        threshold: Minimum confidence, 0..1 (``Task.confidence_of``); pixels below it get no label. The default is 0.5
            for tasks with a confidence; for other tasks every pixel gets a label.
        without: Classes to leave out of tasks without classes, such as depth, which is meaningless for the sky: pixels
            that the same model assigns to these classes get no label.
        suffix: Appended to the task's name to form the name of the field.
        fill: If the store already has labels under such a name, keep them and predict only the unlabeled pixels.
        height: Scale images to this height for the network, and its output back.
        tta: Test-time augmentation, as in ``taskscape.runs.evaluate``.
        outputs: What each output of an ONNX file is, in order, such as ``semseg:cityscapes-19``.
        device: Device to compute on.
        report: Called with the number of finished images and the total.

    Raises:
        FileNotFoundError: The model or the store does not exist.
        ValueError: Names, sizes or classes do not fit, or ``out`` contains something else.
    """
    tasks, without, outputs = ([names] if isinstance(names, str) else names for names in (tasks, without, outputs))
    store = Path(store).resolve()
    target = Path(out).resolve() if out is not None else store.with_name(f".{store.name}.labeled")
    replaced = store.with_name(f".{store.name}.replaced")
    if out is None:
        end_replacement(target, store, replaced)
    manifest = Manifest.of(store)
    if target == store:
        raise ValueError(f"{store} would be replaced: choose another folder, or give --in-place")
    require_writable(target, "the store")
    require_labeler(model, outputs, tta=bool(tta))
    labeler: Labeler
    if is_onnx(model):
        labeler = OnnxLabeler(Path(model), outputs, height)
    else:
        labeler = NetworkLabeler(model, height=height, tta=tta, device=device)
    labeler.check_size(manifest.size)
    predicted = _predicted(labeler, tasks, suffix, threshold)
    _require_free(predicted, manifest, str(store), fill)
    excluded = _classes(labeler, without)
    about = {**labeler.about(), "data": manifest.fingerprint}
    source = {
        **manifest.source,
        "kind": KIND,
        "labeled": manifest.source.get("labeled", manifest.source.get("kind")),
        "predicted": {
            **manifest.source.get("predicted", {}),
            **{
                one.field: {**about, "task": one.name, "threshold": one.threshold, "fill": fill}
                | ({} if one.task.predicts_classes else {"without": list(without)})
                for one in predicted
            },
        },
    }
    with one_writer(target):
        if not _is_written(target, source):
            labels = manifest.labels | {one.field: one.task.modality for one in predicted}
            writer = StoreWriter(target, manifest.size, manifest.counts, labels, source, manifest.shard)
            _write(writer, labeler, store, predicted, excluded, report)
            writer.finish()
        finished = _with_shares(target, manifest, [one.field for one in predicted])
        if out is None:
            store.rename(replaced)
            end_replacement(target, store, replaced)
    return finished


class _Predicted(NamedTuple):
    """A predicted field."""

    name: str
    """The name of the task."""
    task: Task
    field: str
    threshold: float | None
    """Minimum confidence of a label; None keeps all."""


def _predicted(labeler: Labeler, names: Sequence[str], suffix: str, threshold: float | None) -> list[_Predicted]:
    """Return the fields to predict. Raises ``ValueError`` for an unknown task, and as ``_threshold`` does."""
    for name in names:
        if name not in labeler.tasks:
            raise ValueError(f"--tasks: the model does not predict {name!r}{nearest(name, labeler.tasks)}")
    return [
        _Predicted(name, labeler.tasks[name], f"{name}{suffix}", _threshold(labeler, name, threshold))
        for name in names or labeler.tasks
    ]


def _require_free(predicted: Sequence[_Predicted], manifest: Manifest, where: str, fill: bool) -> None:
    """Raise ``ValueError`` if the store has one of these fields, unless ``fill`` adds labels of the same modality."""
    for one in predicted:
        if one.field not in manifest.fields:
            continue
        if not fill:
            raise ValueError(
                f"{where} already has labels {one.field!r}: use --fill to predict only pixels without a label, "
                "--suffix _predicted to store the predictions under another name, or --tasks to leave them out"
            )
        stored = manifest.fields[one.field]
        if stored != one.task.modality:
            raise ValueError(
                f"{where}: its labels {one.field!r} are {stored}, but the model predicts {one.task.modality}: store "
                "the predictions under another name with --suffix _predicted"
            )


def _classes(labeler: Labeler, names: Sequence[str]) -> dict[str, list[int]]:
    """Return the ids of these classes in each task with classes. Raises ``ValueError`` for a class that no task has."""
    classes = {name: task.modality.bins for name, task in labeler.tasks.items() if task.predicts_classes}
    all_names = {class_name for class_names in classes.values() for class_name in class_names}
    for name in names:
        if name not in all_names:
            raise ValueError(
                f"--without: the model predicts no class {name!r}, so leave it out"
                f"{nearest(name, all_names) if all_names else ''}"
            )
    return {
        task: [class_names.index(name) for name in names if name in class_names]
        for task, class_names in classes.items()
    }


def _threshold(labeler: Labeler, name: str, threshold: float | None) -> float | None:
    """Return the minimum confidence of a task's labels; None if all are kept. Raises ``ValueError``."""
    if threshold is None:
        return THRESHOLD if labeler.says_confidence(name) else None
    if not labeler.says_confidence(name):
        raise ValueError(
            f"the model predicts no confidence for {name}: leave out --threshold, choose other tasks with --tasks, "
            "export the ONNX file with --confidence, or train with a loss that predicts a width, such as laplace"
        )
    return threshold


def _write(
    writer: StoreWriter,
    labeler: Labeler,
    store: Path,
    predicted: Sequence[_Predicted],
    excluded: Mapping[str, Sequence[int]],
    report: ProgressCallback | None,
) -> None:
    missing = {split: writer.missing(split) for split in writer.manifest.counts}
    total = sum(writer.manifest.counts.values())
    num_done = total - sum(map(len, missing.values()))
    for split, indices in missing.items():
        split_store = Store.open(store, split)
        for start in range(0, len(indices), BATCH_SIZE):
            batch_indices = indices[start : start + BATCH_SIZE]
            image = split_store.gather(batch_indices, [], torch.device("cpu")).image
            labels = labeler.predict(image)
            included = _included(labels, excluded, image)
            arrays = {one.field: _arrays(one, labels[one.name], included) for one in predicted}
            for position, index in enumerate(batch_indices):
                stored = split_store.stored(index)
                values, valid = {}, {}
                for one in predicted:
                    value, mask = (part[position] for part in arrays[one.field])
                    if one.field in stored:
                        stored[one.field] = _filled(value, mask, stored[one.field], one.task.modality)
                    else:
                        values[one.field], valid[one.field] = value, mask
                writer.put(split, index, Sample(values, valid, split_store.names[index]), stored)
            num_done += len(batch_indices)
            if report is not None:
                report(num_done, total)


def _arrays(predicted: _Predicted, label: Label, included: Mask) -> tuple[list[Array], Mask]:
    """Return the labels of a batch as in samples, and the (B, H, W) mask of pixels that are included and confident."""
    modality = predicted.task.modality
    valid = np.ones_like(included) if predicted.task.predicts_classes else included.copy()
    if label.confidence is not None and predicted.threshold is not None:
        valid &= (label.confidence >= predicted.threshold).cpu().numpy()
    values = modality.to_array(label.value)
    return [modality.as_label(*label_of_image) for label_of_image in zip(values, valid, strict=True)], valid


def _included(labels: Mapping[str, Label], excluded: Mapping[str, Sequence[int]], image: Tensor) -> Mask:
    """Return the (B, H, W) mask of pixels that are predicted as none of the excluded classes."""
    included = np.ones((len(image), *image.shape[2:]), np.bool_)
    for name, ids in excluded.items():
        included &= ~np.isin(labels[name].value.cpu().numpy(), ids)
    return included


def _filled(value: Array, mask: Mask, stored: Array, modality: Modality) -> Array:
    """Return a stored label with its unknown pixels filled with predicted values."""
    label = modality.unpack(torch.from_numpy(stored[None].copy()))
    is_labeled = label.valid[0].numpy()
    value = modality.align_to_label(value, modality.to_array(label.value)[0], is_labeled)
    keep_stored = is_labeled.reshape(is_labeled.shape + (1,) * (stored.ndim - 2))
    return np.where(keep_stored, stored, modality.pack(value, mask & ~is_labeled))


def _is_written(path: Path, source: Mapping[str, Any]) -> bool:
    """Return whether a finished store with this source exists already, with or without the shares."""
    if not (path / MANIFEST).exists():
        return False
    return bool(_without_shares(Manifest.of(path).source) == _without_shares(source))


def _without_shares(source: Mapping[str, Any]) -> Any:
    """Return a manifest's source without the shares of labeled pixels, as JSON values."""
    predicted = source.get("predicted", {}).items()
    records = {field: {key: record[key] for key in record if key != _SHARES} for field, record in predicted}
    return json.loads(json.dumps({**source, "predicted": records}))


def _with_shares(path: Path, original: Manifest, fields: Sequence[str]) -> Manifest:
    """Add the share of labeled pixels per field and split, and the old ``vanished``, to a finished store's manifest."""
    manifest = Manifest.of(path)
    source: dict[str, Any] = {**manifest.source, "predicted": {**manifest.source["predicted"]}}
    for field in fields:
        shares = {split: _share(Store.open(path, split), field) for split in manifest.counts}
        source["predicted"][field] = {**source["predicted"][field], _SHARES: shares}
    finished = replace(manifest, source=source, vanished=original.vanished)
    finished.save(path / MANIFEST)
    return finished


def _share(store: Store, field: str) -> float:
    chunks = np.array_split(np.arange(len(store)), -(-len(store) // 16))
    masks = [store.gather(chunk, [field], torch.device("cpu")).targets[field].valid for chunk in chunks]
    return round(float(sum(mask.sum() for mask in masks) / sum(mask.numel() for mask in masks)), 6)
