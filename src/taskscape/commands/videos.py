"""``taskscape predict`` for videos, cameras and watched folders."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from taskscape.commands.shared import if_interrupted, printed_warnings
from taskscape.imports import quick_imports
from taskscape.serialization import counted

if TYPE_CHECKING:
    from taskscape.inference import Predictor
    from taskscape.inference.outputs import Output
    from taskscape.inference.video.settings import VideoSettings


def predict_videos(predictor: "Predictor", videos: Sequence[Path], out: Path, settings: "VideoSettings") -> None:
    """Predict video files. Files that cannot be read are skipped, and reported at the end by a ``ValueError``."""
    with quick_imports():
        from taskscape.inference.sources import name_images, require_kept
        from taskscape.inference.video.pictures import videos_of
        from taskscape.inference.video.predict import predict_video
    from taskscape.progress import progress_bar, reporter

    unreadable: list[str] = []
    sources = name_images(videos, out)
    require_kept(sources, out, [f"{video}.mp4" for video in videos_of(predictor, settings.videos)])
    for name, path in sources.items():
        notes: list[str] = []
        with (
            if_interrupted("the same command continues there"),
            printed_warnings(),
            progress_bar() as progress,
        ):
            report = reporter(progress, path.name)
            try:
                files = predict_video(predictor, path, out, settings, name=name, progress=report, note=notes.append)
            except ValueError as error:
                unreadable.append(str(error))
                continue
        print(*notes, f"{path.name}: {', '.join(file.name for file in files)} are in {out}", sep="\n")
    if unreadable:
        raise ValueError("\n".join(unreadable))


def record_camera(predictor: "Predictor", camera: str, out: Path, settings: "VideoSettings") -> None:
    """Predict the frames of a camera until Ctrl-C."""
    with quick_imports():
        from taskscape.inference.video.camera import record
    from taskscape.progress import progress_bar, reporter

    notes: list[str] = []
    with printed_warnings(), progress_bar() as progress:
        report = reporter(progress, "frames")
        files = record(
            predictor,
            camera,
            out,
            settings,
            opened=lambda: print("Ctrl-C ends the recording", file=sys.stderr),
            progress=report,
            note=notes.append,
        )
    print(*notes, f"{', '.join(file.name for file in files)} are in {out}", sep="\n")


def watch_folder(
    predictor: "Predictor", folder: Path, out: Path, settings: "VideoSettings", outputs: "Sequence[Output]"
) -> None:
    """Predict the images and videos in a folder, and those added to it, until Ctrl-C."""
    with quick_imports():
        from taskscape.inference.video.watching import watch

    print(f"watching {folder}; Ctrl-C stops it", file=sys.stderr)
    with printed_warnings():
        count = watch(predictor, folder, out, outputs, settings, note=print)
    print(f"{counted(count, 'file was', 'files were')} predicted; the predictions are in {out}")
