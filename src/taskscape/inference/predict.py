"""Predict image files and write the predictions to files."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from taskscape.data.readers.images import pages_of
from taskscape.inference.outputs import Maps, Output, opened
from taskscape.inference.pipeline import predict_all
from taskscape.inference.predictor import Predictor
from taskscape.inference.saving import endings
from taskscape.inference.sources import name_images, require_kept
from taskscape.progress import ProgressCallback
from taskscape.serialization import agreeing, show_size
from taskscape.serialization.arguments import checked

MAPS = (Maps(),)
LARGE = 2
"""An image counts as large from this multiple of the height that it has for the network."""


@checked
def predict(
    predictor: Predictor,
    images: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    outputs: Sequence[Output] = MAPS,
    progress: ProgressCallback | None = None,
    note: Callable[[str], None] = lambda sentence: None,
) -> list[Path]:
    """Predict images, including those in folders, and return the paths of the written files.

    ``outputs`` sets the output formats, by default the files of ``Prediction.save``. Up to ``predictor.batch``
    consecutive images of one size are predicted together. All views of a task share one color scale, that of the run's
    report. Warns about values that a file cannot store.

    ``progress`` is called with the number of finished images and the total; ``note`` with sentences about the outcome:
    how large images were computed, what was assumed about the camera, and how long it took.

    Raises ``ValueError`` before the first image, if the network does not predict what an output needs; and at the end,
    with a list of the images that could not be read, after all others are done.
    """
    out = Path(out)
    paths = [images] if isinstance(images, str | Path) else images
    sources = name_images([Path(image) for image in paths], out)
    folders = [output.folder for output in outputs if output.folder]
    require_kept(sources, out, endings(predictor.views, predictor.confidence_views), folders)
    finished = 0

    def done() -> None:
        nonlocal finished
        finished += 1
        if progress is not None:
            progress(finished, len(sources))

    with opened(outputs, predictor, out, tuple(sources.values())) as writers:
        outcome = predict_all(
            sources, predictor, lambda prediction: [path for w in writers for path in w.write(prediction)], done
        )
        written = [path for writer in writers for path in writer.finish()] + outcome.written
    predicted = {name: sources[name] for name in outcome.sizes}
    sentences = [
        *about_sizes(predictor, outcome.sizes),
        *_about_pages(predicted),
        *(n for writer in writers for n in writer.notes()),
    ]
    for sentence in dict.fromkeys(sentences):  # two outputs may make the same assumption about the camera
        note(sentence)
    if outcome.sizes:
        note(outcome.time)
    if outcome.unreadable:
        if len(sources) == 1:
            raise ValueError(outcome.unreadable[0])
        verb = "was" if len(outcome.unreadable) == 1 else "were"
        left_out = f"{len(outcome.unreadable)} of {len(sources)} images {verb} left out:"
        raise ValueError("\n".join([left_out, *outcome.unreadable]))
    return written


def about_sizes(predictor: Predictor, sizes: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return sentences about how large images were computed, given (H, W) by name."""
    if predictor.tiles is not None:
        divided = {name: size for name, size in sizes.items() if not predictor.in_one_tile(size)}
        treatment = f"computed in tiles of {show_size(predictor.tiles.size or (0, 0))}, blended where they overlap"
        return [_counted(divided, treatment)] if divided else []
    if predictor.height is None:
        return []
    large = {name: size for name, size in sizes.items() if size[0] >= LARGE * predictor.network_size(size)[0]}
    if not large:
        return []
    example = predictor.network_size(next(iter(large.values())))
    target = show_size(example) if len(large) == 1 else f"a height of {example[0]}"
    is_evaluated = example[0] == predictor.evaluated[0]
    reason = "which was evaluated at this height" if is_evaluated else "as requested"
    return [_counted(large, f"resized to {target} for the network, {reason}; --tiles computes at full resolution")]


def _about_pages(files: Mapping[str, Path]) -> list[str]:
    """Return a sentence about files with several images, such as the pages of a TIFF."""
    names = []
    for name, file in files.items():
        with suppress(ValueError, OSError):  # damaged after the first image, or moved meanwhile
            if pages_of(file) > 1:
                names.append(name)
    if not names:
        return []
    which = names[0] if len(names) == 1 else f"{len(names)} files, such as {names[0]},"
    return [f"{which} {agreeing(len(names), 'has', 'have')} several images: only the first one is predicted"]


def _counted(sizes: Mapping[str, tuple[int, int]], treatment: str) -> str:
    name = max(sizes, key=lambda image: sizes[image][0] * sizes[image][1])
    if len(sizes) == 1:
        return f"{name} ({show_size(sizes[name])}) is {treatment}"
    return f"{len(sizes)} large images, such as {name} ({show_size(sizes[name])}), are {treatment}"
