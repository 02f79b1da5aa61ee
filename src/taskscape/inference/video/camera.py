"""Predict a camera stream into videos, until it is stopped."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from taskscape.inference.predictor import Predictor
from taskscape.inference.video.color_scales import fitted
from taskscape.inference.video.description import description_file, made_with, write_description
from taskscape.inference.video.film import Film, check_smoothing
from taskscape.inference.video.parts import Parts
from taskscape.inference.video.pictures import videos_of
from taskscape.inference.video.reading import Frame, Video
from taskscape.inference.video.settings import VideoSettings
from taskscape.progress import ProgressCallback
from taskscape.training.interrupts import Interrupts

WARM_UP = 5
"""Number of first frames that set the color scales and are not written, since the camera is adapting to the light."""


class Device(NamedTuple):
    """Arguments with which FFmpeg opens a source."""

    address: str
    format: str | None = None
    options: Mapping[str, str] = MappingProxyType({})


def device(camera: str, platform: str = sys.platform) -> Device:
    """Return the device of a camera, given its number in the system, its name, or the address of a stream."""
    if not camera.isdecimal():
        return Device(camera, "dshow" if camera.startswith("video=") else None)
    match platform:
        case "darwin":
            # The default frame rate is 29.97, which the cameras of these machines do not support.
            return Device(f"{camera}:none", "avfoundation", {"framerate": "30"})
        case "win32":
            raise ValueError(
                f"--camera {camera}: Windows has no camera numbers: give the name, as in "
                "--camera 'video=Integrated Camera'"
            )
        case _:
            return Device(f"/dev/video{camera}", "v4l2")


def record(
    predictor: Predictor,
    camera: str,
    out: str | Path,
    settings: VideoSettings | None = None,
    *,
    name: str | None = None,
    opened: Callable[[], None] = lambda: None,
    progress: ProgressCallback | None = None,
    note: Callable[[str], None] = lambda sentence: None,
) -> list[Path]:
    """Predict the frames of a camera until Ctrl-C, SIGTERM or the end of the stream, and return the written files.

    ``camera`` is a number, a name, or the address of a stream, such as ``rtsp://…``. Frames that arrive while the
    network computes are dropped; the others keep the times at which they were taken. The files are as those of
    ``predict_video``; ``name`` is ``camera`` with date and time by default. ``opened`` is called once the camera is
    open.

    Raises ``ValueError`` if the camera cannot be opened or ``NAME.parts`` exists, and ``OSError`` naming a file.
    """
    source, out, settings = device(camera), Path(out), settings or VideoSettings()
    check_smoothing(predictor, settings.smooth)
    names = videos_of(predictor, settings.videos)
    name = name or f"camera-{datetime.now():%Y%m%d-%H%M%S}"
    folder = out / f"{name}.parts"
    if folder.exists():
        raise ValueError(f"{folder} has an unfinished recording: choose another name, or delete the folder")
    interrupts = Interrupts()
    with interrupts.handled():
        video = Video(source.address, settings.height, source.format, dict(source.options))
        opened()
        frames = newest(video.frames(), lambda: interrupts.signal is not None)
        predictor = fitted(predictor, [frame.rgb for frame in islice(frames, WARM_UP)])
        parts = Parts.of(folder, {}, last=video.usual)
        maps = out / f"{name}.frames" if settings.maps else None
        film = Film(predictor, parts, names, video.size, video.time_base, settings.smooth, maps)
        started = time.perf_counter()
        film.add(frames, lambda num_frames: progress(num_frames, 0) if progress is not None else None, lambda: False)
        if not parts.frames:
            parts.remove()
            raise ValueError(f"{camera}: the recording ended before the first frame was written: let it run longer")
        seconds = max(time.perf_counter() - started, 1e-9)
        files, _ = film.join(out, name)
        description = description_file(out, name)
        made = {"camera": camera} | made_with(predictor, settings, names)
        write_description(description, files, film, parts.frames / seconds, made)
        parts.remove()
    note(f"{parts.frames} frames in {seconds:.1f} s, {parts.frames / seconds:.2g} per second")
    return [*files, description]


def newest(frames: Iterator[Frame], stop: Callable[[], bool]) -> Iterator[Frame]:
    """Yield the newest frame whenever one is requested, and drop the older ones.

    Ends when ``stop`` returns True; it is called at least ten times a second. Raises what reading raises.
    """
    arrived, ended = threading.Condition(), threading.Event()
    latest: list[Frame] = []
    errors: list[BaseException] = []

    def read() -> None:
        try:
            for frame in frames:
                with arrived:
                    latest[:] = [frame]
                    arrived.notify()
                if ended.is_set():
                    return
        except BaseException as error:
            errors.append(error)
        finally:
            with arrived:
                ended.set()
                arrived.notify()

    thread = threading.Thread(target=read, name="camera", daemon=True)
    thread.start()
    try:
        while not stop():
            with arrived:
                if not latest and not ended.is_set():
                    arrived.wait(0.1)
                frame = latest.pop() if latest else None
            if frame is not None:
                yield frame
            elif ended.is_set():
                if errors:
                    raise errors[0]
                return
    finally:
        ended.set()
