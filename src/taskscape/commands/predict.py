"""``taskscape predict``."""

import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from taskscape.commands.call import call
from taskscape.commands.shared import Device, TtaAs, chosen_tta, if_interrupted, printed_warnings, require_run
from taskscape.commands.videos import predict_videos, record_camera, watch_folder
from taskscape.imports import quick_imports

if TYPE_CHECKING:
    from taskscape.inference.cameras import Lens
    from taskscape.inference.outputs import Output
    from taskscape.inference.tiles import Tiles

Named = Annotated[
    tuple[Path, ...],
    tyro.conf.arg(
        metavar="[RUN] IMAGES...",
        help="Folder of a run, or the name of a model, by default a released one; then images and videos, or folders.",
    ),
]
Submission = Literal["cityscapes", "coco-panoptic"]
Settings = Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="TASK.SETTING=VALUE")]


def main(arguments: Sequence[str]) -> None:
    for before, word in pairwise(("", *arguments)):
        if not (word or before.startswith("--")):  # it would be taken for the current folder
            raise ValueError("an image or run has an empty name: perhaps a variable of the shell is not set")
    call(predict, arguments, "predict")


def predict(
    named: Named = (),
    /,
    *,
    out: Path = Path("predictions"),
    height: int | None = None,
    native_resolution: bool = False,
    tta: bool = False,
    tta_as: TtaAs = None,
    view: Settings = (),
    image_range: tuple[float, float] | None = None,
    confidence: bool = False,
    tasks: tuple[str, ...] = (),
    pictures: bool = True,
    tiles: bool = False,
    tile_size: tuple[int, int] | None = None,
    tile_overlap: float | None = None,
    point_cloud: bool = False,
    point_color: str = "image",
    rerun: bool = False,
    focal: float | None = None,
    fov: float | None = None,
    submission: tuple[Submission, ...] = (),
    batch: int = 1,
    camera: str | None = None,
    watch: Path | None = None,
    videos: tuple[str, ...] = (),
    smooth: float = 0.0,
    frames: bool = False,
    video_height: int | None = None,
    device: Device = "auto",
) -> None:
    """Run inference on images and videos with the network of a run, or with a model that is known by its name.

    Where only images are named, a released model predicts (taskscape models --released lists them); user/name is one of
    the Hugging Face hub.

    What is written for photo.jpg, at its size: for each task, such as depth, photo.depth.png for programs and
    photo.depth-view.png for people; and photo.side-by-side.png. metadata.json says how to read them.

    What is written for film.mp4: film.depth.mp4 for each task, and film.side-by-side.mp4, with the audio of the film.
    An interrupted command resumes when it is repeated. Videos need PyAV, the extra video.

    Args:
        out: Folder to write to.
        height: Scale images to this height for the network, whose output is scaled back to their size; by default
            the height at which it was evaluated, where it is most accurate.
        native_resolution: Do not scale images: finer outlines, less reliable distances.
        tta: Test-time augmentation: the mean of the predictions for the image and for its mirror image.
        view: Change how a task is written or shown; may be repeated. TASK.unit=mm writes distances in steps of
            millimetres, which end at 65.5 m, cm up to 655 m; by default the finest that reaches as far as the network
            predicts. TASK.near=2 and TASK.far=50 set the color scale, by default that of the run's report.
        image_range: The numbers that are black and white in images of more than 8 bits, as image_range in
            taskscape.yaml; by default what that said of the run's data, or else the full range of 16 bits, where an
            image shows that it is used.
        confidence: Also write how sure the network is: photo.depth.confidence.png, 16-bit gray with 65535 for 1, and
            photo.depth.confidence-view.png. Classes always say it, depth and normals where they were trained to.
        tasks: What is predicted and written, of the tasks of the network; by default all. Decoders that none of these
            needs are not computed.
        pictures: Also write the pictures for people, which take most of the time.
        tiles: Compute images at full resolution in tiles that overlap, in little memory, instead of scaling them:
            finer outlines, in more time. The depth of each tile is brought to that of the scaled image.
        tile_size: Compute in tiles of this height and width, such as 480x960; by default the size at which the network
            was evaluated. Together with --height images are scaled to it first.
        tile_overlap: Share of a tile that it has in common with the next one; by default 0.25.
        point_cloud: Write photo.ply too: the points of the image in metres, x right, y down, z forward, with colors,
            and normals if they are predicted. The sky is left out.
        point_color: What gives points their color: image, or the name of a task, such as that with the classes.
        rerun: Write recording.rrd too, for the viewer of rerun.io: images, maps, camera and points, one image after the
            other. Needs rerun-sdk, the extra rerun.
        focal: Focal length of the images in pixels, for points; by default that in the image's EXIF, or else that of
            the data that the network was trained with.
        fov: The same as the field of view from the left to the right edge, in degrees.
        submission: Write files for a benchmark too. cityscapes: label ids for its server, in the folder cityscapes;
            coco-panoptic: the folder panoptic and panoptic.json, with one segment for every class in an image.
        batch: Images of one size, or tiles, that are computed together: faster on a GPU.
        camera: Predict what a camera shows, until Ctrl-C: its number, its name, or the address of a stream (rtsp://...).
        watch: Predict the images and videos that this folder has and gets, until Ctrl-C.
        videos: Which videos to write: names of tasks, TASK.confidence, side-by-side; by default all.
        smooth: Share of the past in each frame of a video, from 0 to below 1, such as 0.6: classes flicker less. The
            past follows the motion, and is forgotten where the scene is cut.
        frames: Also write the maps of each frame of a video for programs, into the folder film.frames.
        video_height: Height of the videos and of their maps; by default that of the film, at most 1080.
    """
    if camera is not None and watch is not None:
        raise ValueError("--camera and --watch exclude each other: leave one out")
    live = camera is not None or watch is not None
    run, images = _chosen(named, live)
    with quick_imports():
        from taskscape.inference.cameras import Lens
        from taskscape.inference.sources import videos_among

    lens = Lens(focal, fov)
    if (lens.focal or lens.fov or point_color != "image") and not (point_cloud or rerun):
        raise ValueError("--focal, --fov and --point-color are for points: give --point-cloud or --rerun too")
    outputs = _outputs(submission, lens, pictures=pictures, points=point_cloud, rerun=rerun, color=point_color)
    loading = {
        "height": height,
        "native_resolution": native_resolution,
        "tta": chosen_tta(tta, tta_as),
        "view_settings": _view_settings(view),
        "image_range": image_range,
        "confidence": confidence,
        "tasks": tasks,
        "tiles": _tiles(tiles, tile_size, tile_overlap),
        "batch": batch,
        "device": device,
    }
    films, images = videos_among(images, out)
    if len(outputs) > 1 and (films or camera is not None):
        raise ValueError("--point-cloud, --rerun and --submission are for images: leave them out, or name no video")
    making = {"videos": videos, "smooth": smooth, "maps": frames, "height": video_height}
    if any(making.values()) and not (films or live):
        raise ValueError("--videos, --smooth, --frames and --video-height are for videos: name one, or leave them out")
    if camera is not None:
        record_camera(run, camera, out, loading, making)
    elif watch is not None:
        watch_folder(run, watch, out, loading, making, outputs)
    elif films:
        predict_videos(run, films, out, loading, making)
    if images or not (films or live):  # where there are none, it says so
        _predict_images(run, images, out, loading, outputs)


def _outputs(
    submission: Sequence[Submission], lens: "Lens", *, pictures: bool, points: bool, rerun: bool, color: str
) -> "list[Output]":
    """Return what is to be written of images."""
    with quick_imports():
        from taskscape.inference.outputs import CityscapesLabels, CocoPanoptic, Maps, Output, PointClouds, Recording

    outputs: list[Output] = [Maps(pictures)]
    outputs += [PointClouds(color, lens)] * points + [Recording(color, lens)] * rerun
    outputs += [CityscapesLabels() if one == "cityscapes" else CocoPanoptic() for one in dict.fromkeys(submission)]
    return outputs


def _tiles(tiles: bool, size: tuple[int, int] | None, overlap: float | None) -> "Tiles | None":
    """Return the tiles that three flags ask for, None where they ask for none."""
    from taskscape.inference.tiles import Tiles

    if not tiles and size is None and overlap is None:
        return None
    return Tiles(size) if overlap is None else Tiles(size, overlap)


def _predict_images(
    run: Path, images: Sequence[Path], out: Path, loading: Mapping[str, Any], outputs: "Sequence[Output]"
) -> None:
    """Predict images; ``loading`` are settings of ``load``."""
    with quick_imports():
        from taskscape.inference.predict import predict as predict_files
    from taskscape.progress import progress_bar, reporter

    notes: list[str] = []
    with (
        if_interrupted(f"finished images in {out} are kept; the same command makes all of them again"),
        printed_warnings(),
        progress_bar() as progress,
    ):
        report = reporter(progress, "images")
        files = predict_files(run, images, out, **loading, outputs=outputs, progress=report, note=notes.append)
    print(*notes, f"{len(files)} files are in {out}", sep="\n")


def _chosen(named: Sequence[Path], live: bool) -> tuple[Path, Sequence[Path]]:
    """Return the model that was named, a released one where none was, and the images; none for what is ``live``.

    Raises ``ValueError`` or ``FileNotFoundError`` for what is not there, before torch is imported.
    """
    from taskscape import released
    from taskscape.files.paths import require_images
    from taskscape.run_folder.names import RunFolder

    if not named and not live:
        raise ValueError("IMAGES is missing: name images, videos, or folders of them")
    first, *rest = named or (Path(released.default()),)
    if live and rest:
        raise ValueError(f"--camera and --watch take no images: leave out {rest[0]}")
    if rest:
        require_images(rest)
    if released.is_name(first) or RunFolder(first).experiment.is_file():
        if not rest and not live:
            raise ValueError(f"there is no image to predict: name some after {first}")
        return first, rest
    if RunFolder(first).runs():
        require_run(first)  # names one of them
    if rest and (first / "about.json").is_file():
        raise ValueError(f"{first} is an exported model, which its example.py runs: name the run that it was made from")
    if rest and not first.exists() and not first.suffix:
        require_run(first)
    if live:
        require_run(first)
    require_images([first])
    model = released.default()
    print(released.introduced(model), file=sys.stderr)
    return Path(model), named


def _view_settings(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return settings by task and name from texts such as ``TASK.SETTING=VALUE``."""
    import yaml

    settings: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        task, dot, name = key.rpartition(".")
        if not equals or not dot:
            raise ValueError(f"--view {text} is not TASK.SETTING=VALUE")
        try:
            settings.setdefault(task, {})[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ValueError(f"--view {text}: {value!r} is no value: write a number or a word behind the =") from error
    return settings
