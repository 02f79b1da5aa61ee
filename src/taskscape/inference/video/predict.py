"""Predict a video file and write the predictions to videos."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from taskscape.files import locked, writing
from taskscape.files.paths import check_inside
from taskscape.inference.predictor import Predictor
from taskscape.inference.video.color_scales import fitted, settings_of, with_settings
from taskscape.inference.video.description import description_file, made_with, read_description, write_description
from taskscape.inference.video.film import Film, check_smoothing
from taskscape.inference.video.parts import Parts
from taskscape.inference.video.pictures import videos_of
from taskscape.inference.video.reading import Video
from taskscape.inference.video.settings import VideoSettings
from taskscape.inference.video.writing import Sound
from taskscape.progress import ProgressCallback
from taskscape.serialization import counted, show_size
from taskscape.training.interrupts import Interrupts

SAMPLES = 8
"""Number of frames, spread over the film, that set the color scales."""
MISSING = 0.95
"""Frames count as missing below this share of the number that the file states; most formats state it only roughly."""


def predict_video(
    predictor: Predictor,
    path: str | Path,
    out: str | Path,
    settings: VideoSettings | None = None,
    *,
    name: str | None = None,
    progress: ProgressCallback | None = None,
    note: Callable[[str], None] = lambda sentence: None,
) -> list[Path]:
    """Predict every frame of a video, and return the paths of the written files.

    These are ``NAME.VIDEO.mp4`` in the folder ``out``, in H.264, for every name in ``settings.videos``; and
    ``NAME.video.json``, which describes how they were made and how to read the maps of frames. The videos keep the
    times of the frames, including variable frame rates, and the audio; frames are upright and have square pixels. Each
    task has one color scale for the whole film: that of the run, or else one fitted to frames spread over the film.

    Until the video is finished, its segments are in ``NAME.parts``. After an interruption, another call resumes after
    the last complete segment and gives the same frames; if the video is finished, it returns the existing files.

    ``name`` is the file's by default. ``progress`` is called with the number of finished frames and the total, or 0 if
    that is unknown; ``note`` with sentences about the outcome.

    Raises ``ValueError`` naming the file if it cannot be decoded, and also if PyAV is not installed or parts were made
    with different settings; ``OSError``; ``Interrupted`` after Ctrl-C.
    """
    path, out, settings = Path(path), Path(out), settings or VideoSettings()
    name = name or path.stem
    names = videos_of(predictor, settings.videos)
    check_smoothing(predictor, settings.smooth)
    video = Video(path, settings.height)
    made = _version_of(path) | made_with(predictor, settings, names)
    description = description_file(out, name)
    maps = out / f"{name}.frames" if settings.maps else None
    earlier, made_before = read_description(description)
    is_whole = all(file.is_file() for file in earlier) and (maps is None or maps.is_dir())
    if earlier and made_before == made and is_whole:
        note(f"{path.name}: already done, its videos exist")
        return [*earlier, description]
    folder = out / f"{name}.parts"
    check_inside(out, folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    started, interrupts = time.perf_counter(), Interrupts()
    with locked(folder, folder / "lock"), interrupts.handled():
        parts = Parts.of(folder, made, last=video.usual)
        predictor = _with_color_scales(predictor, parts, video)
        film = Film(predictor, parts, names, video.size, video.time_base, settings.smooth, maps)
        num_resumed = parts.frames
        if num_resumed:
            note(f"{path.name}: resuming after {counted(num_resumed, 'frame', 'frames')}")
        _complete(film, video, path, interrupts, progress)
        sound = Sound(path, video.start) if video.sounds else None
        files, has_sound = film.join(out, name, sound)
        write_description(description, files, film, float(video.rate), made)
        parts.remove()
    seconds = time.perf_counter() - started
    for sentence in _notes(video, parts.frames - num_resumed, seconds, has_sound, film):
        note(f"{path.name}: {sentence}")
    if maps is not None and sum(1 for _ in maps.glob("[0-9]*")) > film.parts.frames * _maps_per_frame(predictor):
        note(
            f"{path.name}: {maps.name} still has maps of an earlier command, which {description.name} no longer "
            "describes"
        )
    if outdated := [file.name for file in earlier if file not in files and file.is_file()]:
        note(
            f"{path.name}: {', '.join(outdated)} of an earlier command remains; {description.name} no longer "
            "describes it"
        )
    return [*files, description]


def _maps_per_frame(predictor: Predictor) -> int:
    """Return the number of files that ``Prediction.save_images`` writes for a frame, without pictures."""
    return len(predictor.views) + len(predictor.confidence_views)


def _version_of(path: Path) -> dict[str, Any]:
    """Return what identifies a file and its content, without reading it, as JSON values."""
    status = path.stat()
    return {"file": str(path.resolve()), "bytes": status.st_size, "changed": status.st_mtime_ns}


def _with_color_scales(predictor: Predictor, parts: Parts, video: Video) -> Predictor:
    """Return the predictor with color scales for the whole film: those of its parts, or else fitted ones."""
    if parts.views:
        return with_settings(predictor, parts.views)
    predictor = fitted(predictor, video.spread(SAMPLES))
    parts.views = settings_of(predictor.views)
    return predictor


def _complete(film: Film, video: Video, path: Path, interrupts: Interrupts, progress: ProgressCallback | None) -> None:
    """Predict the frames that the film's parts lack. Raises ``Interrupted`` after Ctrl-C."""
    parts = film.parts

    def done(frames: int) -> None:
        if progress is not None:
            progress(frames, max(video.count, frames) if video.count else 0)

    if parts.frames:
        done(parts.frames)
    if parts.complete:
        return
    if not film.add(video.frames(parts.frames), done, lambda: interrupts.signal is not None):
        raise interrupts.stopped(f"after {parts.frames} of {video.count or 'its'} frames of {path}")
    parts.complete = True
    parts.write()


def _notes(video: Video, frames: int, seconds: float, has_sound: bool, film: Film) -> list[str]:
    sentences = [f"{frames} frames in {seconds:.1f} s, {frames / max(seconds, 1e-9):.2g} per second"]
    if video.size != video.native:
        sentences.append(
            f"frames of {show_size(video.native)} were resized to {show_size(video.size)}; --video-height sets another "
            "height"
        )
    if video.stretched:
        sentences.append(
            f"{video.stretched} frames have a different aspect ratio from the first, and are stretched to its size: "
            "cut the film where they begin"
        )
    if film.smoother.cuts:
        sentences.append(f"{film.smoother.cuts} cuts, at which smoothing restarted")
    if video.sounds and not has_sound:
        sentences.append(f"its audio ({', '.join(video.sounds)}) is left out: an MP4 file cannot hold it")
    is_short = film.parts.frames < MISSING * video.count
    if video.lost or (is_short and video.states_count):
        sentences.append(f"{film.parts.frames} of about {video.count} frames could be decoded: the file is damaged")
    elif is_short:  # the number is a guess, too large if the frame rate varies or the audio is longer
        sentences.append(
            f"{film.parts.frames} of about {video.count} frames, by its length, were found: if its end is missing, the "
            "file is damaged"
        )
    return sentences
