"""A folder whose new images and videos are predicted, until it is stopped."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from taskscape.data.readers.images import SUFFIXES as IMAGES
from taskscape.errors import Interrupted
from taskscape.files import atomic_write, writing
from taskscape.inference.outputs import Output, Writer
from taskscape.inference.predictor import Predictor
from taskscape.inference.sources import VIDEOS
from taskscape.inference.video.film import check_smoothing
from taskscape.inference.video.predict import predict_video
from taskscape.inference.video.settings import VideoSettings
from taskscape.training.interrupts import Interrupts

Signature = list[int]
"""Bytes of a file, and when it was changed, in nanoseconds."""
DONE = "watched.json"
"""Lists the files that are done, so that a later call leaves them out."""
SECONDS = 1.0
"""Between two scans of the folder."""


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
    """Predict the images and videos that a folder has and gets, until Ctrl-C or SIGTERM, and return their number.

    A file counts once its size and date have not changed for ``seconds``, so that none is read while it is written; it
    is done again when it has changed since. What could not be read is said once. Predictions are named by the path
    below the folder. ``stop`` is asked too, after every scan.

    Raises ``ValueError`` where the folder is none, or an output needs a task that the network has not; ``OSError`` that
    names a file that cannot be written.
    """
    folder, out, settings = Path(folder), Path(out), settings or VideoSettings()
    check_smoothing(predictor, settings.smooth)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: name one to watch")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    writers = [output.writer(predictor, out) for output in outputs]
    done, before, count, interrupts = _read(out / DONE), dict[str, Signature](), 0, Interrupts()
    shown = predictor  # with the color scales of images; each video has its own

    def stopped() -> bool:
        return interrupts.signal is not None

    with interrupts.handled():
        while not stopped():
            found = dict(_files(folder, out))
            for name, signature in found.items():
                if stopped():
                    break
                if signature == done.get(name) or signature != before.get(name):
                    continue
                stem = Path(name).with_suffix("").as_posix()
                alone = not any(other != name and Path(other).with_suffix("").as_posix() == stem for other in found)
                try:
                    called = stem if alone else name
                    if Path(name).suffix.lower() in VIDEOS:
                        predict_video(predictor, folder / name, out, settings, name=called, note=note)
                    else:
                        shown = _predict(shown, folder / name, called, writers)
                    count += 1
                    note(f"{name}: done")
                except Interrupted as stop_now:  # in a video, which goes on there with a later call
                    note(str(stop_now))
                    interrupts.signal = stop_now.signum
                    break
                except (ValueError, FileNotFoundError, PermissionError) as error:
                    note(str(error))
                done[name] = signature
                atomic_write(out / DONE, json.dumps(done, indent=1))
            before = found
            if stop():
                break
            time.sleep(seconds)
    for writer in writers:
        writer.finish()
    return count


def _predict(predictor: Predictor, path: Path, name: str, writers: Sequence[Writer]) -> Predictor:
    """Predict an image, and return the predictor with the color scales of the first one."""
    prediction = replace(predictor.predict(path), name=name)
    for writer in writers:
        writer.write(prediction)
    return replace(predictor, views=prediction.views)


def _files(folder: Path, out: Path) -> Iterator[tuple[str, Signature]]:
    """Return the images and videos below a folder, without hidden ones and what lies in ``out``."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix.lower() not in (*IMAGES, *VIDEOS) or any(part.startswith(".") for part in name.parts):
            continue
        try:
            if path.is_file() and out.resolve() not in path.resolve().parents:
                status = path.stat()
                yield name.as_posix(), [status.st_size, status.st_mtime_ns]
        except OSError:  # it has just been removed
            continue


def _read(path: Path) -> dict[str, Signature]:
    try:
        content = json.loads(path.read_text("utf-8"))
        return {str(name): [int(n) for n in signature] for name, signature in content.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it, and all files are done again") from error
