import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from predicting import rgb
from taskscape.inference import Prediction, Predictor
from taskscape.inference.outputs import CocoPanoptic, Maps, Output, Writer

pytest.importorskip("av")
watching = pytest.importorskip("taskscape.inference.video.watching")
settings = pytest.importorskip("taskscape.inference.video.settings")
film = pytest.importorskip("taskscape.inference.video.film")
clips = pytest.importorskip("clips")

DEPTH = settings.VideoSettings(videos=("depth",))


def looks(predictor: Predictor, folder: Path, out: Path, *between: Callable[[], object]) -> tuple[int, list[str]]:
    """Scan a folder twice after each action; return the count and the messages."""
    notes: list[str] = []
    todo = [step for action in between for step in (action, lambda: None)]

    def stop() -> bool:
        if not todo:
            return True
        todo.pop(0)()
        return False

    count = watching.watch(predictor, folder, out, [Maps(False)], DEPTH, seconds=0.01, note=notes.append, stop=stop)
    return count, notes


def test_new_files_are_done_once(predictor: Predictor, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "in" / "out"
    folder.mkdir()
    rgb().save(folder / "a.png")
    count, notes = looks(
        predictor,
        folder,
        out,
        lambda: clips.write(folder / "clip.mp4"),
        lambda: (folder / "text.txt").write_text("nothing"),
    )
    assert count == 2 and {"a.png: done", "clip.mp4: done"} <= set(notes)
    assert (out / "a.depth.png").is_file() and len(clips.times(out / "clip.depth.mp4")) == 10
    assert looks(predictor, folder, out, lambda: None)[0] == 0
    assert looks(predictor, folder, out, lambda: rgb(20, 30).save(folder / "a.png"))[0] == 1


def test_files_that_differ_in_suffix_and_case_keep_both(predictor: Predictor, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a.png", "A.jpg", "b.png"):
        rgb().save(folder / name)
    assert looks(predictor, folder, out, lambda: None)[0] == 3
    assert {path.name for path in out.glob("*.depth.png")} == {"a.png.depth.png", "A.jpg.depth.png", "b.depth.png"}


@pytest.mark.parametrize("out", ["in", "."])
def test_predictions_do_not_go_where_no_file_is_read(out: str, predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(ValueError, match=r"in is inside .*choose another folder with --out"):
        looks(predictor, tmp_path / "in", tmp_path / out)


@dataclass(frozen=True)
class Numbers(Output):
    """Notes the numbers of images."""

    numbers: list[int]

    def writer(self, predictor: Predictor, folder: Path, files: Sequence[Path] = ()) -> Writer:
        numbers = self.numbers

        class NumberWriter(Writer):
            def write(self, prediction: Prediction) -> list[Path]:
                numbers.append(prediction.number)
                return []

            def discard(self) -> None:
                numbers.append(-1)

            def notes(self) -> list[str]:
                return [f"{len(numbers)} images"]

        return NumberWriter()


def test_images_are_numbered_and_outputs_say_what_they_assume(predictor: Predictor, tmp_path: Path) -> None:
    folder, out, numbers, notes = tmp_path / "in", tmp_path / "out", list[int](), list[str]()
    folder.mkdir()
    for name in "abc":
        rgb().save(folder / f"{name}.png")
    scans = iter([False, False, True])
    count = watching.watch(
        predictor, folder, out, [Numbers(numbers)], seconds=0.01, note=notes.append, stop=lambda: next(scans)
    )
    assert count == 3 and numbers == [0, 1, 2] and notes[-1] == "3 images"

    def fail() -> bool:
        raise OSError(28, "no space left")

    with pytest.raises(OSError, match="no space left"):
        watching.watch(predictor, folder, out, [Numbers(numbers)], stop=fail)
    assert numbers[-1] == -1  # incomplete files are removed


def test_files_about_all_images_are_said_to_lack_those_of_earlier_commands(
    predictor: Predictor, tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()

    def listed(*new: str) -> tuple[set[str], list[str]]:
        notes: list[str] = []
        for name in new:
            rgb().save(folder / f"{name}.png")
        scans = iter([False, False, True])
        outputs = [Maps(False), CocoPanoptic()]
        watching.watch(predictor, folder, out, outputs, seconds=0.01, note=notes.append, stop=lambda: next(scans))
        content = json.loads((out / "panoptic.json").read_text())
        return {image["file_name"] for image in content["images"]}, notes

    assert listed("a") == ({"a.png"}, ["a.png: done"])
    images, notes = listed()
    assert images == {"a.png"}  # a command that predicted no image leaves the file as it is
    images, notes = listed("b")
    assert images == {"b.png"}
    assert notes[1] == f"{out / 'panoptic.json'} will have only the images that this command predicts"


def test_a_file_that_grows_is_left_until_it_is_whole(predictor: Predictor, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    rgb().save(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    states: list[bool] = []
    sizes = iter([100, 200, 300, 400, 500, len(content)])

    def stop() -> bool:
        states.append((out / "a.depth.png").exists())
        if (size := next(sizes, None)) is not None:
            (folder / "a.png").write_bytes(content[:size])
        return len(states) == 10

    assert watching.watch(predictor, folder, out, [Maps(False)], seconds=0.01, stop=stop) == 1
    assert states == [False] * 7 + [True] * 3


def test_what_cannot_be_read_is_said_once(predictor: Predictor, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.png").write_text("no image")
    (folder / "b.mp4").write_text("no video")
    rgb().save(folder / "deep" / "a.jpg")
    count, notes = looks(predictor, folder, out, lambda: None, lambda: None)
    assert count == 1 and len([note for note in notes if "a.png" in note]) == 1
    assert len([note for note in notes if "b.mp4" in note]) == 1
    assert (out / "deep" / "a.jpg.depth.png").is_file()


def test_ctrl_c_ends_it(predictor: Predictor, tmp_path: Path) -> None:
    rgb().save(tmp_path / "a.png")
    count, _ = looks(
        predictor,
        tmp_path,
        tmp_path / "out",
        lambda: None,
        lambda: signal.raise_signal(signal.SIGINT),
        *[lambda: os.abort()],
    )
    assert count == 1


def test_a_video_that_was_stopped_goes_on_later(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "SEGMENT", 4)
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    rgb().save(folder / "a.png")  # its color scale differs from the video's
    clips.write(folder / "clip.mp4")
    original = watching.predict_video

    def interrupt(frames: int, _: int) -> None:
        if frames == 6:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(watching, "predict_video", lambda *a, **k: original(*a, **k, progress=interrupt))
        count, notes = looks(predictor, folder, out, lambda: None, lambda: os.abort())
    assert count == 1 and "stopped after 4 of 10 frames" in notes[-1]
    count, notes = looks(predictor, folder, out, lambda: None)
    assert "1 file of an earlier command is left out" in notes[0]  # an earlier call may have had another network
    assert count == 1 and notes[1] == "clip.mp4: resuming after 4 frames"
    assert len(clips.times(out / "clip.depth.mp4")) == 10


def test_a_damaged_list_is_named(predictor: Predictor, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "watched.json").write_text(json.dumps([1, 2]))
    with pytest.raises(ValueError, match=r"watched\.json is damaged"):
        looks(predictor, tmp_path, out)
    with pytest.raises(ValueError, match="is not a folder"):
        looks(predictor, tmp_path / "nowhere", out)
