"""``taskscape predict``."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from taskscape.commands.shared import (
    Device,
    TtaAs,
    chosen_tta,
    if_interrupted,
    printed_warnings,
    require_model,
    require_run,
    require_usable,
)
from taskscape.commands.videos import predict_videos, record_camera, watch_folder
from taskscape.imports import quick_imports
from taskscape.inference.checks import FieldOfView, Overlap, VideoHeight, check_scaling, require_images, require_rerun
from taskscape.serialization import counted
from taskscape.serialization.ranges import BelowOne, Count, Positive

if TYPE_CHECKING:
    from taskscape.inference import Predictor
    from taskscape.inference.cameras import Lens
    from taskscape.inference.outputs import Output
    from taskscape.inference.tiles import Tiles

Named = Annotated[
    tuple[Path, ...],
    tyro.conf.arg(
        metavar="[RUN] IMAGES...",
        help="Run folder or name of a model (by default a released model), then images, videos or folders of them.",
    ),
]
Submission = Literal["cityscapes", "coco-panoptic"]
Settings = Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="TASK.SETTING=VALUE")]


def predict(
    named: Named = (),
    /,
    *,
    out: Path = Path("predictions"),
    height: Count | None = None,
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
    tile_overlap: Overlap | None = None,
    point_cloud: bool = False,
    point_color: str = "image",
    rerun: bool = False,
    focal: Positive | None = None,
    fov: FieldOfView | None = None,
    submission: tuple[Submission, ...] = (),
    batch: Count = 1,
    camera: str | None = None,
    watch: Path | None = None,
    videos: tuple[str, ...] = (),
    smooth: BelowOne = 0.0,
    frames: bool = False,
    video_height: VideoHeight | None = None,
    device: Device = "auto",
) -> None:
    """Run inference on images and videos with the network of a run, or with a model given by its name.

    Without a run or model, a released model is used (taskscape models --released lists them). A name of the form
    user/name is a model on the Hugging Face hub.

    For photo.jpg and each task, such as depth, the command writes photo.depth.png (values for further processing) and
    photo.depth-view.png (a view in colors), and for all tasks photo.side-by-side.png, all at the size of the photo.
    metadata.json describes how to read the values.

    For film.mp4 it writes film.depth.mp4 for each task, and film.side-by-side.mp4, with the audio of the film. An
    interrupted command resumes when it is repeated. Videos need PyAV, the extra video.

    Args:
        out: Folder to write to.
        height: Scale images to this height for the network, and its output back to their size; by default the height
            at which the network was evaluated, where it is most accurate.
        native_resolution: Do not scale images: outlines are finer, but distances less reliable.
        tta: Test-time augmentation: the mean of the predictions for the image and its mirror image.
        view: Change how a task is written or shown; may be repeated. TASK.unit=mm writes distances in millimeters, up
            to 65.5 m, and TASK.unit=cm in centimeters, up to 655 m; by default the finest unit that covers the range of
            the network. TASK.near=2 and TASK.far=50 set the color scale, by default that of the run's report.
        image_range: Values of black and white in images of more than 8 bits, like image_range in taskscape.yaml; by
            default the range set there for the run's data, or else the full 16-bit range, if an image evidently uses
            it.
        confidence: Also write the confidence of the network: photo.depth.confidence.png, 16-bit gray with 65535 for 1,
            and photo.depth.confidence-view.png. Available for classes always, for depth and normals if they were
            trained with it.
        tasks: Tasks to predict and write; by default all. Decoders that none of them needs are not computed.
        pictures: Also write the views in colors, which take most of the time.
        tiles: Process images at full resolution in overlapping tiles, with little memory, instead of scaling them. This
            gives finer outlines and takes longer. The depth of each tile is aligned with that of the scaled image.
        tile_size: Process images in tiles of this height and width, such as 480x960; by default the size at which the
            network was evaluated. With --height, images are scaled to that height first.
        tile_overlap: Fraction of a tile that overlaps with the next one; by default 0.25.
        point_cloud: Also write photo.ply: the points of the image in meters, x right, y down, z forward, with colors,
            and with normals if they are predicted. The sky is left out.
        point_color: Source of the points' colors: image, or the name of a task, such as semseg.
        rerun: Also write recording.rrd for the viewer of rerun.io: images, maps, camera and points, one image after the
            other. Needs rerun-sdk, the extra rerun.
        focal: Focal length of the images in pixels, for points; by default that in the image's EXIF data, or else that
            of the network's training data.
        fov: Horizontal field of view in degrees, from the left to the right edge, as an alternative to --focal.
        submission: Also write files for a benchmark. cityscapes: label ids for its server, in the folder cityscapes;
            coco-panoptic: the folder panoptic and panoptic.json, with one segment for every class in an image.
        batch: Number of images of equal size, or of tiles, that are computed together, which is faster on a GPU.
        camera: Predict the frames of a camera until Ctrl-C: its number, its name, or the address of a stream
            (rtsp://...).
        watch: Predict the images and videos in this folder, and those added to it, until Ctrl-C.
        videos: Videos to write: names of tasks, TASK.confidence, side-by-side; by default all.
        smooth: Weight of earlier frames in each frame of a video, from 0 to below 1, such as 0.6, which reduces the
            flicker of classes. Earlier frames follow the motion, and are dropped when the scene is cut.
        frames: Also write the values of each frame of a video for further processing, in the folder film.frames.
        video_height: Height of the videos and of their maps; by default that of the film, at most 1080.
    """
    if camera is not None and watch is not None:
        raise ValueError("--camera and --watch exclude each other: use only one")
    view_settings = _view_settings(view)
    is_live = camera is not None or watch is not None
    run, images = _model_and_images(named, is_live)
    require_model(run, tasks)
    if watch is not None and not watch.is_dir():
        raise ValueError(f"--watch: there is no folder {watch}")
    require_usable(out, "the predictions", device)
    check_scaling(height, image_range, native_resolution=native_resolution)
    from taskscape.inference.cameras import Lens

    lens = Lens(focal, fov)
    if (lens.focal or lens.fov or point_color != "image") and not (point_cloud or rerun):
        raise ValueError("--focal, --fov and --point-color are for points: add --point-cloud or --rerun")
    if rerun:
        require_rerun()
    augmentation = chosen_tta(tta, tta_as)
    from taskscape.inference.sources import videos_among

    films, images = videos_among(images, out)
    if (point_cloud or rerun or submission) and (films or camera is not None):
        raise ValueError("--point-cloud, --rerun and --submission are for images: leave them out, or name no video")
    if (videos or smooth or frames or video_height) and not (films or is_live):
        raise ValueError("--videos, --smooth, --frames and --video-height are for videos: name one, or leave them out")
    if films or is_live:
        from taskscape.inference.video.settings import VideoSettings  # refused if PyAV is not installed

        settings = VideoSettings(videos, smooth, video_height, frames)
    with quick_imports():
        from taskscape.inference import load
    with printed_warnings():
        predictor = load(
            run,
            height=height,
            native_resolution=native_resolution,
            tta=augmentation,
            view_settings=view_settings,
            image_range=image_range,
            confidence=confidence,
            tasks=tasks,
            tiles=_tiles(tiles, tile_size, tile_overlap),
            batch=batch,
            device=device,
        )
    outputs = partial(_outputs, submission, lens, pictures=pictures, points=point_cloud, rerun=rerun, color=point_color)
    if camera is not None:
        record_camera(predictor, camera, out, settings)
    elif watch is not None:
        watch_folder(predictor, watch, out, settings, outputs())
    elif films:
        predict_videos(predictor, films, out, settings)
    if images or not (films or is_live):  # without any images, _predict_images reports that
        _predict_images(predictor, images, out, outputs())


def _outputs(
    submission: Sequence[Submission], lens: "Lens", *, pictures: bool, points: bool, rerun: bool, color: str
) -> "list[Output]":
    """Return the outputs to write for images."""
    with quick_imports():
        from taskscape.inference.outputs import CityscapesLabels, CocoPanoptic, Maps, Output, PointClouds, Recording

    outputs: list[Output] = [Maps(pictures)]
    outputs += [PointClouds(color, lens)] * points + [Recording(color, lens)] * rerun
    outputs += [CityscapesLabels() if name == "cityscapes" else CocoPanoptic() for name in dict.fromkeys(submission)]
    return outputs


def _tiles(tiles: bool, size: tuple[int, int] | None, overlap: float | None) -> "Tiles | None":
    """Return the tiles that the three flags define, or None without any of them."""
    from taskscape.inference.tiles import Tiles

    if not tiles and size is None and overlap is None:
        return None
    return Tiles(size) if overlap is None else Tiles(size, overlap)


def _predict_images(predictor: "Predictor", images: Sequence[Path], out: Path, outputs: "Sequence[Output]") -> None:
    with quick_imports():
        from taskscape.inference.predict import predict as predict_files
    from taskscape.progress import progress_bar, reporter

    notes: list[str] = []
    with (
        if_interrupted(f"finished images in {out} are kept; the same command predicts all of them again"),
        printed_warnings(),
        progress_bar() as progress,
    ):
        report = reporter(progress, "images")
        files = predict_files(predictor, images, out, outputs=outputs, progress=report, note=notes.append)
    print(*notes, f"{counted(len(files), 'file is', 'files are')} in {out}", sep="\n")


def _model_and_images(paths: Sequence[Path], is_live: bool) -> tuple[Path, Sequence[Path]]:
    """Return the model, by default a released one, and the images, of which there are none if the input is ``live``.

    Raises ``ValueError`` or ``FileNotFoundError`` if one of them does not exist, before torch is imported.
    """
    from taskscape import released
    from taskscape.run_folder.names import RunFolder

    if not paths and not is_live:
        raise ValueError("IMAGES is missing: name images, videos, or folders of them")
    first, *rest = paths or (Path(released.default()),)
    if is_live and rest:
        raise ValueError(f"--camera and --watch take no images: leave out {rest[0]}")
    for path in rest:
        if path.as_posix() in released.names() or RunFolder(path).experiment.is_file():
            raise ValueError(f"{path} is a model, not an image: name one model, before the images")
    if rest:
        require_images(rest)
    if released.is_name(first) or RunFolder(first).experiment.is_file():
        if not rest and not is_live:
            raise ValueError(f"there is no image to predict: name some after {first}")
        return first, rest
    if RunFolder(first).runs():
        require_run(first)  # names one of them
    if rest and (first / "about.json").is_file():
        raise ValueError(
            f"{first} is an exported model: run it with its example.py, or name the run that it was exported from"
        )
    if rest and not first.exists() and not first.suffix:
        require_run(first)
    if is_live:
        require_run(first)
    require_images([first])
    model = released.default()
    print(released.introduced(model), file=sys.stderr)
    return Path(model), paths


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
            raise ValueError(f"--view {text}: {value!r} is no value: write a number or a word after the =") from error
    return settings
