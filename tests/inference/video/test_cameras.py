import json
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from taskscape.inference import Predictor

av = pytest.importorskip("av")
camera = pytest.importorskip("taskscape.inference.video.camera")
settings = pytest.importorskip("taskscape.inference.video.settings")
reading = pytest.importorskip("taskscape.inference.video.reading")
clips = pytest.importorskip("clips")

DEPTH = settings.VideoSettings(videos=("depth",))


def test_cameras_have_the_names_of_their_system() -> None:
    assert camera.device("0", "linux")[:2] == ("/dev/video0", "v4l2")
    assert camera.device("1", "darwin")[:2] == ("1:none", "avfoundation")
    assert camera.device("video=USB Camera", "win32")[:2] == ("video=USB Camera", "dshow")
    assert camera.device("rtsp://camera/stream", "linux")[:2] == ("rtsp://camera/stream", None)
    with pytest.raises(ValueError, match="give the name"):
        camera.device("0", "win32")


def test_a_camera_that_is_not_there_is_named(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"/dev/video97 cannot be opened.*check that it is connected"):
        camera.record(predictor, "97", tmp_path, opened=lambda: pytest.fail("it is not open"))


def test_a_source_that_ends_becomes_videos(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = camera.Device("testsrc=size=48x36:rate=25:duration=2", "lavfi")
    monkeypatch.setattr(camera, "device", lambda name: source)
    monkeypatch.setattr(reading.Video, "frames", slowly(reading.Video.frames))
    counts: list[tuple[int, int]] = []
    files = camera.record(predictor, "0", tmp_path, DEPTH, name="test", progress=lambda *done: counts.append(done))
    assert [file.name for file in files] == ["test.depth.mp4", "test.video.json"]
    about = json.loads(files[1].read_text("utf-8"))
    assert about["files"] == ["test.depth.mp4"] and about["frames"] == counts[-1][0]
    assert about["maps"]["depth"]["meters_per_step"] > 0 and about["made_with"]["camera"] == "0"
    times = clips.times(files[0])
    assert len(times) == counts[-1][0] > 1 and counts[-1][1] == 0
    assert all(before < after for before, after in pairwise(times))
    with av.open(str(files[0])) as container:
        assert container.streams.video[0].start_time == 0  # though the first frames were left out
    assert not (tmp_path / "test.parts").exists()
    (tmp_path / "test.parts").mkdir()  # left by a killed recording, whose frames are not those of a new one
    with pytest.raises(ValueError, match=r"test\.parts has an unfinished recording: choose another name"):
        camera.record(predictor, "0", tmp_path, DEPTH, name="test")


def test_ctrl_c_finishes_the_videos(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = camera.Device("testsrc=size=48x36:rate=25", "lavfi")  # endless
    monkeypatch.setattr(camera, "device", lambda name: source)
    monkeypatch.setattr(reading.Video, "frames", slowly(reading.Video.frames))

    def interrupt(done: int, _: int) -> None:
        if done == 3:
            signal.raise_signal(signal.SIGINT)

    files = camera.record(predictor, "0", tmp_path, DEPTH, progress=interrupt)
    assert len(clips.times(files[0])) == 3


def test_only_the_newest_frame_is_taken() -> None:
    black = np.zeros((2, 2, 3), np.uint8)

    def quick() -> Iterator[object]:
        for number in range(50):
            time.sleep(0.001)
            yield reading.Frame(black, number)

    taken = []
    for frame in camera.newest(quick(), lambda: False):
        taken.append(frame.time)
        time.sleep(0.01)
    assert taken == sorted(set(taken)) and len(taken) < 25 and taken[-1] == 49


def test_an_error_of_the_source_is_raised() -> None:
    def broken() -> Iterator[object]:
        yield reading.Frame(np.zeros((2, 2, 3), np.uint8), 0)
        raise ValueError("unplugged")

    with pytest.raises(ValueError, match="unplugged"):
        for _ in camera.newest(broken(), lambda: False):
            pass


def slowly(frames: object) -> object:
    """Deliver frames at the rate of a camera, not as fast as a file is read."""

    def wrapped(*args: object) -> Iterator[object]:
        for frame in frames(*args):  # type: ignore[operator]
            time.sleep(0.005)
            yield frame

    return wrapped
