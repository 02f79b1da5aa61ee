import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from predicting import main, rgb
from taskscape.errors import Interrupted

pytest.importorskip("av")
film = pytest.importorskip("taskscape.inference.video.film")
library = pytest.importorskip("taskscape.inference.video.library")
clips = pytest.importorskip("clips")


def test_videos_and_images_by_one_command(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    rgb().save(folder / "photo.png")
    clips.write(folder / "clip.mp4")
    arguments = [str(run), str(folder), "--out", str(tmp_path / "out"), "--videos", "depth", "--smooth", "0.5"]
    main([*arguments, "--native-resolution"])
    said = capsys.readouterr().out
    assert "clip.mp4: clip.depth.mp4, clip.video.json are in" in said and "10 frames in" in said
    assert {path.name for path in (tmp_path / "out").iterdir()} > {"photo.depth.png", "clip.depth.mp4"}
    main([str(run), str(folder / "clip.mp4"), *arguments[2:], "--native-resolution"])
    assert "clip.mp4: already done" in capsys.readouterr().out


def test_a_video_that_is_damaged_leaves_the_others(run: Path, tmp_path: Path) -> None:
    clips.write(tmp_path / "b.mp4")
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"a\.mp4 cannot be opened"):
        main([str(run), str(tmp_path), "--out", str(tmp_path / "out"), "--videos", "depth"])
    assert len(clips.times(tmp_path / "out" / "b.depth.mp4")) == 10


def test_an_interruption_says_how_to_go_on(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "SEGMENT", 4)
    path = clips.write(tmp_path / "clip.mp4")

    class Interrupting(film.Film):  # type: ignore[name-defined, misc]
        def predict(self, image: object) -> object:
            if self.parts.frames:
                signal.raise_signal(signal.SIGINT)
            return super().predict(image)

    monkeypatch.setattr("taskscape.inference.video.predict.Film", Interrupting)
    with pytest.raises(Interrupted, match=r"stopped after 4 of 10 frames of .*; the same command continues there"):
        main([str(run), str(path), "--out", str(tmp_path / "out"), "--videos", "depth"])


def test_a_camera(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake = clips.write(tmp_path / "clip.mp4", range(0, 8000, 40), frames=[clips.blocks(n % 40) for n in range(200)])
    main([str(run), "--camera", str(fake), "--out", str(tmp_path / "out"), "--videos", "depth"])
    said = capsys.readouterr()
    rate, files = said.out.splitlines()
    assert "frames in" in rate and "camera-" in files and "Ctrl-C ends the recording" in said.err
    assert len(clips.times(next((tmp_path / "out").glob("camera-*.depth.mp4")))) > 0


def test_a_watched_folder(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rgb().save(tmp_path / "photo.png")
    out = tmp_path / "out"
    with interrupting(lambda: (out / "watched.json").exists()):
        main([str(run), "--watch", str(tmp_path), "--out", str(out), "--no-pictures"])
    assert "photo.png: done\n1 file was predicted" in capsys.readouterr().out
    assert (out / "photo.depth.png").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "IMAGES is missing"),
        ("RUN photo.png --smooth 0.5", "for videos"),
        ("RUN --camera 0 --watch .", "exclude each other"),
        ("RUN photo.png --camera 0", "take no images"),
        ("RUN --watch nowhere", "there is no folder nowhere"),
        ("RUN clip.mp4 --smooth 1", "below 1"),
        ("RUN clip.mp4 --point-cloud", "for images"),
        ("RUN clip.mp4 --video-height 3", "at least 16"),
        ("RUN clip.mp4 --videos dpeth", "did you mean depth"),
        ("nowhere --camera 0", "nowhere is not a run"),
    ],
)
def test_what_does_not_fit_is_said(words: str, said: str, run: Path, tmp_path: Path) -> None:
    rgb().save(tmp_path / "photo.png")
    clips.write(tmp_path / "clip.mp4")
    places = {"RUN": run, "photo.png": tmp_path / "photo.png", "clip.mp4": tmp_path / "clip.mp4"}
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        main([str(places.get(word, word)) for word in words.split()])


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'taskscape\[video\]'"):
        library.require_library()


class interrupting:  # noqa: N801  # used as a context manager
    """Presses Ctrl-C once a condition holds."""

    def __init__(self, when: Callable[[], bool]) -> None:
        self.when = when

    def __enter__(self) -> None:
        threading.Thread(target=self.wait, daemon=True).start()

    def wait(self) -> None:
        while not self.when():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    def __exit__(self, *_: object) -> None:
        pass
