import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from taskscape.errors import Interrupted
from taskscape.inference import Predictor
from taskscape.inference.tiles import Tiles
from taskscape.inference.video import film
from taskscape.inference.video.camera import record
from taskscape.inference.video.pictures import Sheet, videos_of
from taskscape.inference.video.predict import predict_video
from taskscape.inference.video.reading import Video
from taskscape.inference.video.settings import VideoSettings
from taskscape.inference.video.watching import watch
from taskscape.inference.video.writing import Segment

av = pytest.importorskip("av")
clips = pytest.importorskip("clips")

DEPTH = VideoSettings(videos=("depth",))
VARYING = (0, 40, 70, 75, 200, 240, 300, 301, 500, 560, 700)


# -- reading -----------------------------------------------------------------------------------------------------------


def test_frames_have_their_times_and_colors(tmp_path: Path) -> None:
    video = Video(clips.write(tmp_path / "clip.mp4", VARYING))
    frames = list(video.frames())
    assert [frame.time * video.time_base for frame in frames] == [Fraction(time, 1000) for time in VARYING]
    assert video.size == (36, 48) and video.count == len(VARYING)
    assert np.abs(frames[3].rgb.astype(int) - clips.blocks(3)).mean() < 12
    later = list(video.frames(skip=4))
    assert [frame.time for frame in later] == [frame.time for frame in frames[4:]]
    video.lost = 3  # such as packets after a position that ``spread`` sought
    assert len(list(video.frames())) == len(VARYING) and video.lost == 0
    np.testing.assert_array_equal(later[0].rgb, frames[4].rgb)


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_frames_are_upright(rotation: int, tmp_path: Path) -> None:
    video = Video(clips.write(tmp_path / "clip.mp4", rotation=rotation))
    upright = np.rot90(clips.blocks(0), rotation // 90)
    first = next(video.frames()).rgb
    assert first.shape == upright.shape and video.size == upright.shape[:2]
    assert np.abs(first.astype(int) - upright).mean() < 12


@pytest.mark.parametrize("turned", [0, 90, 180, -90])
@pytest.mark.parametrize("flipped", ["left to right", "upside down"])
def test_mirrored_frames_are_shown_as_players_show_them(turned: int, flipped: str, tmp_path: Path) -> None:
    """Such as those of a phone's front camera."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = 36, 48, "yuv420p"
        stream.set_display_rotation(turned, hflip=flipped == "left to right", vflip=flipped == "upside down")
        target.mux(stream.encode(av.VideoFrame.from_ndarray(clips.blocks(0), format="rgb24")))
        target.mux(stream.encode())
    expected = np.flip(np.rot90(clips.blocks(0), turned // 90), 1 if flipped == "left to right" else 0)
    shown = next(Video(path).frames()).rgb
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 12


def test_pixels_that_are_not_square_become_so(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 36, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for number in range(3):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(clips.blocks(number), format="rgb24")))
        target.mux(stream.encode())
    assert Video(path).size == (36, 64)


def test_large_frames_are_scaled_down_and_a_height_can_be_chosen(tmp_path: Path) -> None:
    path = clips.write(tmp_path / "large.mp4", (0, 40), size=(1200, 1600))
    assert Video(path).size == (1080, 1440) and Video(path).native == (1200, 1600)
    assert next(Video(path, 60).frames()).rgb.shape == (60, 80, 3)


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    empty, text, sound = tmp_path / "empty.mp4", tmp_path / "text.mp4", tmp_path / "sound.mp4"
    empty.touch()
    text.write_text("not a video\n" * 50)
    with av.open(str(sound), "w") as target:
        stream = target.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        target.mux([*stream.encode(frame), *stream.encode()])
    for path, said in ((empty, "cannot be opened"), (text, "cannot be opened"), (sound, "only audio")):
        with pytest.raises(ValueError, match=said) as error:
            Video(path)
        assert path.name in str(error.value)


def test_names_are_those_of_files_and_playlists_lead_nowhere(tmp_path: Path) -> None:
    assert len(list(Video(clips.write(tmp_path / "rtsp:cl%03dip é.mp4")).frames())) == 10
    playlist = tmp_path / "list.mp4"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(ValueError, match=r"list\.mp4"):
        Video(playlist)


def test_a_damaged_file_gives_the_frames_that_are_left(predictor: Predictor, tmp_path: Path) -> None:
    path = clips.write(tmp_path / "clip.mkv", range(0, 1200, 40))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    notes: list[str] = []
    files = predict_video(predictor, path, tmp_path / "out", DEPTH, note=notes.append)
    found = len(clips.times(files[0]))
    assert 0 < found < 30 and any(f"{found} of about" in note for note in notes)


def test_a_file_of_varying_rate_is_not_said_to_be_damaged(predictor: Predictor, tmp_path: Path) -> None:
    """Matroska files do not state the number of frames, which their length and rate suggest wrongly."""
    path = clips.write(tmp_path / "clip.mkv", [*range(0, 400, 16), *range(400, 3200, 200)])
    assert Video(path).count > 1.5 * len(clips.times(path))
    notes: list[str] = []
    predict_video(predictor, path, tmp_path / "out", DEPTH, note=notes.append)
    (about,) = (note for note in notes if "of about" in note)
    assert "if its end is missing" in about


# -- videos ------------------------------------------------------------------------------------------------------------


def test_videos_have_all_frames_at_their_times(predictor: Predictor, tmp_path: Path) -> None:
    path = clips.write(tmp_path / "clip.mp4", VARYING, size=(36, 50))
    seen: list[tuple[int, int]] = []
    files = predict_video(predictor, path, tmp_path / "out", progress=lambda *done: seen.append(done))
    names = ["semseg", "depth", "normals", "side-by-side"]
    assert [file.name for file in files] == [*(f"clip.{name}.mp4" for name in names), "clip.video.json"]
    for file in files[:-1]:
        assert clips.times(file) == [Fraction(time, 1000) for time in VARYING]
    assert seen[-1] == (len(VARYING), len(VARYING))
    assert not (tmp_path / "out" / "clip.parts").exists()
    about = json.loads(files[-1].read_text())
    assert about["frames"] == len(VARYING) and about["maps"]["depth"]["colors_of_views"]["near"] > 0


def test_frames_of_another_aspect_ratio_are_said(predictor: Predictor, tmp_path: Path) -> None:
    """For example from a phone that is rotated while recording: an H.264 stream may change its size."""
    parts = [clips.write(tmp_path / f"{size[0]}.264", size=size, format="h264") for size in ((36, 48), (48, 36))]
    (tmp_path / "turned.264").write_bytes(b"".join(part.read_bytes() for part in parts))
    notes: list[str] = []
    predict_video(predictor, tmp_path / "turned.264", tmp_path / "out", DEPTH, note=notes.append)
    assert any("10 frames have a different aspect ratio from the first, and are stretched" in note for note in notes)
    notes.clear()
    predict_video(predictor, parts[0], tmp_path / "out", DEPTH, note=notes.append)
    assert not any("stretched" in note for note in notes)


def test_odd_sizes_become_even(predictor: Predictor, tmp_path: Path) -> None:
    path = clips.write(tmp_path / "clip.mp4")
    files = predict_video(predictor, path, tmp_path / "out", VideoSettings(("depth",), height=27))
    assert clips.pixels(files[0])[0].shape == (28, 36, 3)


def test_one_color_scale_for_the_whole_film(predictor: Predictor, tmp_path: Path) -> None:
    path = clips.write(tmp_path / "clip.mp4")
    files = predict_video(predictor, path, tmp_path / "out", DEPTH)
    scale = json.loads(files[-1].read_text())["maps"]["depth"]["colors_of_views"]
    shown = predictor.views["depth"].with_settings({"near": scale["near"], "far": scale["far"]})
    for frame, picture in zip(Video(path).frames(), clips.pixels(files[0]), strict=True):
        expected = shown.colorize(predictor.predict(frame.rgb)["depth"])
        error = (picture.astype(float) - expected).reshape(6, 6, 8, 6, 3).mean((1, 3))  # chroma has half the pixels
        assert np.abs(error).mean() < 4


def test_the_frames_for_the_color_scale_are_spread_over_the_film(tmp_path: Path) -> None:
    """Though it has only one key frame."""
    frames = [np.full((36, 48, 3), 2 * number, np.uint8) for number in range(80)]
    spread = Video(clips.write(tmp_path / "clip.mp4", range(0, 3200, 40), frames=frames)).spread(8)
    assert [round(float(rgb.mean()) / 20) for rgb in spread] == list(range(8))


def test_maps_of_each_frame_are_those_of_images(predictor: Predictor, tmp_path: Path) -> None:
    path = clips.write(tmp_path / "clip.mp4")
    predict_video(predictor, path, tmp_path / "out", replace(DEPTH, maps=True))
    maps = sorted((tmp_path / "out" / "clip.frames").iterdir())
    assert len(maps) == 3 * 10 and maps[0].name == "000000.depth.png"
    frame = list(Video(path).frames())[4].rgb
    predictor.predict(frame).save(tmp_path / "image")
    name = "000004.semseg.png"
    assert (tmp_path / "out" / "clip.frames" / name).read_bytes() == (tmp_path / "image/image.semseg.png").read_bytes()
    shutil.rmtree(tmp_path / "out" / "clip.frames")
    predict_video(predictor, path, tmp_path / "out", replace(DEPTH, maps=True))
    assert sorted((tmp_path / "out" / "clip.frames").iterdir()) == maps


def test_maps_of_an_earlier_command_that_stay_are_named(predictor: Predictor, tmp_path: Path) -> None:
    notes: list[str] = []
    for times in (range(0, 400, 40), range(0, 400, 40), range(0, 200, 40)):
        clip = clips.write(tmp_path / "clip.mp4", times)
        predict_video(predictor, clip, tmp_path / "out", replace(DEPTH, maps=True), note=notes.append)
        earlier = [note for note in notes if "clip.frames still has maps of an earlier command" in note]
        assert len(earlier) == (len(times) == 5)


def test_a_segment_depends_on_its_frames_alone(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    written = set()
    for _ in range(50):
        left = [random.bytes(int(random.choice([100, 1000, 3000, 5000, 20000, 70000]))) for _ in range(200)]
        kept = left[::3]  # memory between these is freed, but not cleared
        del left
        segment = Segment(tmp_path / "segment.mp4", clips.MILLISECONDS)
        for number in range(20):
            segment.add(clips.blocks(number), 40 * number)
        segment.close()
        written.add((tmp_path / "segment.mp4").read_bytes())
        del kept
    assert len(written) == 1


def test_audio_is_copied(predictor: Predictor, tmp_path: Path) -> None:
    path = clips.write(tmp_path / "clip.mp4", sound="aac")
    notes: list[str] = []
    files = predict_video(predictor, path, tmp_path / "out", DEPTH, note=notes.append)
    with av.open(str(path)) as before, av.open(str(files[0])) as after:
        sounds = [[bytes(p) for p in container.demux(audio=0) if p.size] for container in (before, after)]
    assert sounds[0] == sounds[1] and sounds[0]
    assert not any("left out" in note for note in notes)
    assert len(clips.times(files[0])) == 10


def test_audio_that_does_not_fit_is_said_to_be_left_out(predictor: Predictor, tmp_path: Path) -> None:
    path = clips.write(tmp_path / "clip.mkv", sound="wavpack")
    notes: list[str] = []
    files = predict_video(predictor, path, tmp_path / "out", DEPTH, note=notes.append)
    assert any("audio (wavpack) is left out" in note for note in notes)
    assert len(clips.times(files[0])) == 10


def test_names_of_videos_are_checked(predictor: Predictor) -> None:
    assert videos_of(predictor, ("side-by-side", "depth")) == ("depth", "side-by-side")
    with pytest.raises(ValueError, match=r"there is no video 'dept'.*did you mean depth"):
        videos_of(predictor, ("dept",))


def test_a_sheet_has_each_picture_at_its_place() -> None:
    rng = np.random.default_rng(0)
    pictures = {name: rng.integers(0, 256, (30, 40, 3), np.uint8) for name in ("image", "a", "b", "c", "d")}
    filled = Sheet({name: (name, ()) for name in pictures}, (30, 40)).filled(pictures)
    found = []
    for picture in pictures.values():
        large = picture.repeat(9, 0).repeat(9, 1)  # 360 pixels wide
        windows = np.argwhere((filled[:, :, 0] == large[0, 0, 0]) & (filled[:, :, 1] == large[0, 0, 1]))
        places = [p for p in map(tuple, windows) if np.array_equal(filled[p[0] : p[0] + 270, p[1] : p[1] + 360], large)]
        assert len(places) == 1
        found.append(places[0])
    (top, left), (same, right), (below, also), _, (bottom, last) = found
    assert top == same < below < bottom and left == also == last < right


def test_tiles_are_not_smoothed(predictor: Predictor, tmp_path: Path) -> None:
    path = clips.write(tmp_path / "clip.mp4")
    tiled = replace(predictor, tiles=Tiles((32, 32)))
    with pytest.raises(ValueError, match="leave out --smooth"):
        predict_video(tiled, path, tmp_path / "out", VideoSettings(smooth=0.5))
    with pytest.raises(ValueError, match="leave out --smooth"):
        record(tiled, "0", tmp_path / "out", VideoSettings(smooth=0.5))
    with pytest.raises(ValueError, match="leave out --smooth"):
        watch(tiled, tmp_path, tmp_path / "out", [], VideoSettings(smooth=0.5))
    assert predict_video(tiled, path, tmp_path / "out", DEPTH)


# -- interruptions -----------------------------------------------------------------------------------------------------


def stopping(predictor: Predictor, after: int, error: BaseException) -> Predictor:
    """Return a predictor that raises an error after ``after`` frames."""
    frames = 0

    class Stopping(Predictor):
        def decode(self, *args: object) -> object:  # type: ignore[override]
            nonlocal frames
            frames += 1
            if frames > after:
                raise error
            return super().decode(*args)  # type: ignore[arg-type]

    return Stopping(**{name: getattr(predictor, name) for name in predictor.__dataclass_fields__})


@pytest.mark.parametrize("after", [2, 13, 20, 26])
@pytest.mark.parametrize("smooth", [0.0, 0.6])
def test_a_video_after_an_interruption_is_the_same(
    after: int, smooth: float, predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "SEGMENT", 8)
    settings = VideoSettings(("depth", "semseg"), smooth=smooth)
    path = clips.write(tmp_path / "clip.mp4", [40 * n + n % 3 for n in range(20)])
    whole = predict_video(predictor, path, tmp_path / "whole", settings)
    with pytest.raises(KeyboardInterrupt):
        predict_video(stopping(predictor, after, KeyboardInterrupt()), path, tmp_path / "out", settings)
    again = predict_video(predictor, path, tmp_path / "out", settings)
    for one, other in zip(whole[:-1], again[:-1], strict=True):
        assert clips.times(one) == clips.times(other) and len(clips.times(one)) == 20
        np.testing.assert_array_equal(clips.pixels(one), clips.pixels(other))


def test_finished_segments_are_not_made_again(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "SEGMENT", 8)
    path = clips.write(tmp_path / "clip.mp4", range(0, 800, 40))
    with pytest.raises(OSError, match="full"):
        predict_video(stopping(predictor, 8 + 19, OSError("the disk is full")), path, tmp_path / "out", DEPTH)
    done: list[int] = []
    notes: list[str] = []
    predict_video(predictor, path, tmp_path / "out", DEPTH, progress=lambda now, _: done.append(now), note=notes.append)
    assert done == [16, 17, 18, 19, 20] and any("resuming after 16 frames" in note for note in notes)
    predict_video(predictor, path, tmp_path / "out", DEPTH, progress=lambda *_: pytest.fail(), note=notes.append)
    assert "already done" in notes[-1]


def test_videos_of_an_earlier_command_that_stay_are_named(predictor: Predictor, tmp_path: Path) -> None:
    path = clips.write(tmp_path / "clip.mp4")
    notes: list[str] = []
    predict_video(predictor, path, tmp_path / "out", VideoSettings(("depth", "semseg")), note=notes.append)
    assert not any("earlier command" in note for note in notes)
    predict_video(predictor, path, tmp_path / "out", replace(DEPTH, smooth=0.5), note=notes.append)
    assert "clip.semseg.mp4 of an earlier command remains; clip.video.json no longer describes it" in notes[-1]
    assert (tmp_path / "out" / "clip.semseg.mp4").is_file()


def test_ctrl_c_stops_between_two_frames(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    monkeypatch.setattr(film, "SEGMENT", 4)
    path = clips.write(tmp_path / "clip.mp4")

    def interrupt(frames: int, _: int) -> None:
        if frames == 6:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="after 4 of 10 frames"):
        predict_video(predictor, path, tmp_path / "out", DEPTH, progress=interrupt)
    assert len(clips.times(predict_video(predictor, path, tmp_path / "out", DEPTH)[0])) == 10


def test_other_settings_do_not_go_on(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "SEGMENT", 4)
    path = clips.write(tmp_path / "clip.mp4")
    with pytest.raises(KeyboardInterrupt):
        predict_video(stopping(predictor, 15, KeyboardInterrupt()), path, tmp_path / "out", DEPTH)
    with pytest.raises(ValueError, match=r"4 frames that were made with smooth 0\.0, but now it is 0\.5"):
        predict_video(predictor, path, tmp_path / "out", replace(DEPTH, smooth=0.5))
    with torch.no_grad():
        weight = next(iter(predictor.model.network.parameters()))
        weight += 1
        try:
            with pytest.raises(ValueError, match="made with network"):
                predict_video(predictor, path, tmp_path / "out", DEPTH)
        finally:
            weight -= 1
