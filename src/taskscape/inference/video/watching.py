"""Watch a folder and predict its new images and videos, until stopped."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from taskscape.data.readers.images import SUFFIXES as IMAGES
from taskscape.errors import Interrupted
from taskscape.files import atomic_write, writing
from taskscape.inference.outputs import Output, opened
from taskscape.inference.predictor import Predictor
from taskscape.inference.sources import VIDEOS, require_outside
from taskscape.inference.video.film import check_smoothing
from taskscape.inference.video.predict import predict_video
from taskscape.inference.video.settings import VideoSettings
from taskscape.serialization import counted
from taskscape.training.interrupts import Interrupts

Signature = list[int]
"""Size of a file in bytes, and its modification time in nanoseconds."""
DONE = "watched.json"
"""File that lists the finished files, so that later calls skip them."""
SECONDS = 1.0
"""Default interval between two scans of the folder."""


def watch(
    predictor: Predictor,
    folder: str | Path,
    out: str | Path,
    outputs: Sequence[Output],
    settings: VideoSettings | None = None,
    *,
    seconds: float = SECONDS,
    note: Callable[[str], None] = lambda sentence: None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Predict the existing and new images and videos of a folder until Ctrl-C or SIGTERM, and return their number.

    A file is read once its size and date have not changed for ``seconds``, so that it is not read while it is being
    written; if it changes later, it is predicted again. Each unreadable file is reported once. Predictions are named by
    the path relative to the folder. ``stop`` is called after every scan and also ends the watch.

    Raises ``ValueError`` if ``folder`` is not a folder or inside ``out``, or if an output needs a task that the network
    does not have; ``OSError`` naming a file that cannot be written.
    """
    folder, out, settings = Path(folder), Path(out), settings or VideoSettings()
    check_smoothing(predictor, settings.smooth)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: name one to watch")
    require_outside(folder, out)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    finished, last_scan, count, interrupts = _read(out / DONE), dict[str, Signature](), 0, Interrupts()
    if finished:
        files = counted(len(finished), "file of an earlier command is", "files of earlier commands are")
        note(f"{files} left out: {out / DONE} lists them; delete it to predict them again")
        for output in outputs:
            if output.shared_file:
                note(f"{out / output.shared_file} will have only the images that this command predicts")
    image_predictor, num_images = predictor, 0

    def predict(path: Path, name: str) -> None:
        """Predict an image or a video. Images share color scales; each video has its own."""
        nonlocal image_predictor, num_images
        if path.suffix.lower() in VIDEOS:
            predict_video(predictor, path, out, settings, name=name, note=note)
            return
        prediction = replace(image_predictor.predict(path), name=name, number=num_images)
        for writer in writers:
            writer.write(prediction)
        image_predictor, num_images = replace(image_predictor, views=prediction.views), num_images + 1

    def stopped() -> bool:
        return interrupts.signal is not None

    with opened(outputs, predictor, out) as writers:
        with interrupts.handled():
            while not stopped():
                scan = dict(_files(folder, out))
                for name, signature in scan.items():
                    if stopped():
                        break
                    if signature == finished.get(name) or signature != last_scan.get(name):
                        continue
                    try:
                        predict(folder / name, _output_name(name, scan))
                        count += 1
                        note(f"{name}: done")
                    except Interrupted as interruption:  # within a video, which a later call resumes
                        note(str(interruption))
                        interrupts.signal = interruption.signum
                        break
                    except (ValueError, FileNotFoundError, PermissionError) as error:
                        note(str(error))
                    finished[name] = signature
                    atomic_write(out / DONE, json.dumps(finished, indent=1))
                last_scan = scan
                if stop():
                    break
                time.sleep(seconds)
        for writer in writers:
            writer.finish()
    for sentence in dict.fromkeys(sentence for writer in writers for sentence in writer.notes()):
        note(sentence)
    return count


def _output_name(name: str, others: Iterable[str]) -> str:
    """Return a file's name without its extension, unless another file differs only by that, or also in case."""
    stem = _stem(name)
    is_alone = all(other == name or _stem(other).casefold() != stem.casefold() for other in others)
    return stem if is_alone else name


def _stem(name: str) -> str:
    return Path(name).with_suffix("").as_posix()


def _files(folder: Path, out: Path) -> Iterator[tuple[str, Signature]]:
    """Yield the images and videos below a folder, except hidden ones and those in ``out``."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix.lower() not in (*IMAGES, *VIDEOS) or any(part.startswith(".") for part in name.parts):
            continue
        try:
            if path.is_file() and out.resolve() not in path.resolve().parents:
                status = path.stat()
                yield name.as_posix(), [status.st_size, status.st_mtime_ns]
        except OSError:  # the file was just removed
            continue


def _read(path: Path) -> dict[str, Signature]:
    try:
        content = json.loads(path.read_text("utf-8"))
        return {str(name): [int(n) for n in signature] for name, signature in content.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it to predict all files again") from error
