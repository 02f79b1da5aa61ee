"""Sentences about images and labels that are not used or are missing."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from taskscape.data.missing import by_missing_fields
from taskscape.data.readers.base import RawSample
from taskscape.data.readers.folder.matching import Matches
from taskscape.serialization import agreeing, listed


def note_unused(found: Sequence[Matches], folders: Collection[Path]) -> list[str]:
    """Return sentences about unused files, and about those of ``folders`` that exist and are not used."""
    notes = [note for matches in found for note in matches.unused_sentences()]
    used = {path.absolute() for matches in found for path in matches.folders}
    return notes + [
        f"{folder} is not used: no section of the description names it"
        for folder in folders
        if folder.is_dir()
        and not any(used_folder.is_relative_to(folder) or folder.is_relative_to(used_folder) for used_folder in used)
    ]


def note_unassigned(samples: Mapping[str, RawSample], splits: Mapping[str, list[RawSample]], path: Path) -> list[str]:
    """Return a sentence about images that are in no split, if there are any."""
    assigned = {sample.name for split_samples in splits.values() for sample in split_samples}
    unassigned = [name for name in samples if name not in assigned]
    if not unassigned:
        return []
    are, they = agreeing(len(unassigned), "is", "are"), agreeing(len(unassigned), "it is", "they are")
    return [
        f"{path}: {len(unassigned)} of {len(samples)} images {are} in no split, such as {unassigned[0]}: {they} "
        "not used"
    ]


def check_labels(
    splits: Mapping[str, list[RawSample]], fields: Sequence[str], path: Path, unused: Sequence[str]
) -> list[str]:
    """Return sentences about missing labels. Raises ``ValueError`` if train or val has no label at all."""
    notes = []
    images = {sample.name for samples in splits.values() for sample in samples}
    for split, samples in splits.items():
        lacking = {name: [sample.name for sample in samples if name not in sample.files] for name in fields}
        absent = [name for name, names in lacking.items() if len(names) == len(samples)]
        if split in ("train", "val") and len(absent) == len(fields):
            raise ValueError(
                f"{path}: no image of {split} has a label ({listed(fields)}): nothing can be "
                f"{'learned from' if split == 'train' else 'measured on'} it; label some, or choose other splits"
                + _if_labels([sample.name for sample in samples], images)
                + "".join(f"; {sentence}" for sentence in unused)
            )
        partly = {name: names for name, names in lacking.items() if name not in absent}
        notes += [
            f"{split}: {len(names)} of {len(samples)} images {agreeing(len(names), 'has', 'have')} no "
            f"{' or '.join(missing)} label, such as {names[0]}{_if_labels(names, images)}"
            for missing, names in by_missing_fields(partly).items()
        ]
        notes += [
            f"{split}: no image has a {name} label, so it cannot be learned or measured there: choose other splits"
            for name in absent
        ]
    return notes


def _if_labels(names: Sequence[str], images: Collection[str]) -> str:
    """Return a remedy if all these images are named like another image and a suffix, as labels are; else nothing."""
    suffixes = {names[0].removeprefix(image) for image in images if names[0].startswith(image) and names[0] != image}
    shortest = min(suffixes, key=len, default="")
    if not shortest or not all(name.endswith(shortest) and name.removesuffix(shortest) in images for name in names):
        return ""
    return f": if the files with {shortest} are labels, move them out of the folder of the images"
