"""The tables of docs/results/photographs.md, from the results of photographs.py."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from table import load, table

Run = Mapping[str, Any]
Read = Callable[[Run], float | None]
"""Reads a number from a run; None if the run does not have it."""
Column = tuple[str, Read, str]
"""Title, reader of the number, and its format."""


def runs(name: str) -> list[Run]:
    """Return the runs of all seeds; empty if the job was not trained."""
    return list(load("photographs").get(name, {}).values())


def metric(key: str, *path: str) -> Read:
    """Return a reader of a metric, on the run's own validation images or on other data."""

    def read(run: Run) -> float | None:
        metrics: Any = run
        for part in path or ("metrics",):
            metrics = metrics.get(part, {})
        value: float | None = metrics.get(key)
        return value

    return read


def best_height(run: Run) -> float | None:
    """Return the best mIoU on CamVid over the heights to which its images were scaled."""
    return max((metrics["semseg/miou"] for metrics in run.get("camvid", {}).values()), default=None)


def cell(name: str, read: Read, form: str) -> str:
    """Return the mean over seeds, with the standard deviation if there are several."""
    values = [value for run in runs(name) if (value := read(run)) is not None]
    if not values:
        return "–"
    spread = f" ± {form.format(statistics.stdev(values))}" if len(values) > 1 else ""
    return form.format(statistics.fmean(values)) + spread


def rows(names: Mapping[str, str], columns: Sequence[Column], first: str = "") -> str:
    """Return a table with a row per completed job, with the number of its seeds, and a column per number."""
    table_rows = [
        [text, f"{len(job_runs)}", *(cell(name, read, form) for _, read, form in columns)]
        for name, text in names.items()
        if (job_runs := runs(name))
    ]
    return table([first, "seeds", *(title for title, _, _ in columns)], table_rows)


def left_out(part: str, names: Sequence[str]) -> str:
    """Return a note on jobs of a part of photographs.py that were not run, with their command; "" if all were."""
    missing = [name for name in names if not runs(name)]
    if not missing:
        return ""
    command = f"python benchmarks/photographs.py {part} --ablate --only {' '.join(missing)} --seeds 0 1 2"
    return (
        "Not run here for lack of GPU time; on two cores, a run takes half an hour to two hours:\n\n"
        f"```bash\n{command}\n```"
    )


def with_left_out(rows: str, part: str, names: Sequence[str]) -> str:
    """Return a table and a note on jobs that are missing in it."""
    return "\n\n".join(filter(None, (rows, left_out(part, names))))


MIOU, ACCURACY = "semseg/miou", "semseg/pixel_accuracy"

_CAMVID = {
    "camvid/first-random": "first recipe, from random weights",
    "camvid/first": "first recipe, from ImageNet",
    "camvid/streets": "`photographs/camvid`, from the released model",
}


def camvid() -> str:
    """Return a row per kind of initial weights."""
    names = {
        **_CAMVID,
        "camvid/imagenet": "the recipe, from ImageNet alone",
        "camvid/random": "the recipe, from random weights",
        "camvid/without-zoom": "the recipe without zoom",
        "camvid/without-jaccard": "the recipe with cross-entropy alone",
        "camvid/without-ema": "the recipe without an average of weights",
        "camvid/fine": "the recipe with a decoder at half the resolution (`--network.fine-skip`) in place of zoom",
        "camvid/weighted": "the recipe; rare classes weigh more (`inverse-log`)",
        "camvid/smoothed": "the recipe; label smoothing 0.1",
        "camvid/slower": "the recipe; learning rate 5e-4 instead of 1e-3",
        "camvid/faster": "the recipe; learning rate 2e-3",
        "camvid/plain": "the recipe; no augmentation but mirror images",
    }
    columns: list[Column] = [
        ("mIoU % ↑", metric(MIOU), "{:.1f}"),
        ("accuracy % ↑", metric(ACCURACY), "{:.1f}"),
        ("mIoU % ↑, three scales and mirrored", metric(MIOU, "tta", "metrics"), "{:.1f}"),
    ]
    return with_left_out(rows(names, columns), "camvid", list(names))


def camvid_classes() -> str:
    """Return a row per kind of initial weights, with a column per class."""
    example, *_ = runs("camvid/streets")
    classes = [key.removeprefix("semseg/iou/") for key in example["metrics"] if "/iou/" in key]
    table_rows = [
        [text, *(_mean(name, metric(f"semseg/iou/{class_name}")) for class_name in classes)]
        for name, text in _CAMVID.items()
    ]
    readers = [metric(f"semseg/iou/{class_name}", "camvid", "360") for class_name in classes]
    table_rows.append(["streets alone, no photograph", *(_mean("streets/small", read) for read in readers)])
    return table(["IoU %", *classes], table_rows)


def _mean(name: str, read: Read) -> str:
    return cell(name, read, "{:.0f}").split(" ")[0]


_STREETS: list[Column] = [
    ("streets", metric(MIOU), "{:.1f}"),
    ("CamVid, 240 high", metric(MIOU, "camvid", "240"), "{:.1f}"),
    ("300", metric(MIOU, "camvid", "300"), "{:.1f}"),
    ("360", metric(MIOU, "camvid", "360"), "{:.1f}"),
    ("accuracy % at 240", metric(ACCURACY, "camvid", "240"), "{:.1f}"),
]


def streets() -> str:
    """Return a row per network with long training on generated streets."""
    names = {"streets/all": "`streets_to_camvid`, classes alone", "streets/small": "`streets_small`, three tasks"}
    return rows(names, _STREETS, "mIoU % ↑")


def ingredients() -> str:
    """Return a row per ingredient: all ingredients without it, and it alone."""
    texts = {
        "imagenet": "weights of ImageNet",
        "style": "streets in the style of photographs",
        "color": "color and light",
        "texture": "texture",
        "lens": "lens",
        "sensor": "noise, sharpening, JPEG",
        "zoom": "zoom",
    }

    size = trained_size("streets/base")

    def change(name: str, base: str) -> str:
        values = [[best_height(run) for run in runs(job)] for job in (name, base)]
        if not all(seed_values and seed_values[0] is not None for seed_values in values):
            return "–"
        return f"{values[0][0] - values[1][0]:+.1f}"  # type: ignore[operator]

    base, nothing = f"{size}streets/base", f"{size}streets/nothing"
    table_rows = []
    for key, text in texts.items():
        without, only = f"{size}streets/without-{key}", f"{size}streets/only-{key}"
        mious = [cell(name, best_height, "{:.1f}") for name in (without, only)]
        table_rows.append([text, mious[0], change(without, base), mious[1], change(only, nothing)])
    if not runs(base):
        return left_out("streets", ["streets/base", "streets/nothing", *all_but_and_alone(texts)])
    with_all, with_none = (cell(name, best_height, "{:.1f}") for name in (base, nothing))
    head = ["mIoU % on CamVid", f"all but this (all: {with_all})", "", f"this alone (nothing: {with_none})", ""]
    return table(head, table_rows)


def all_but_and_alone(ingredients: Iterable[str]) -> list[str]:
    """Return the jobs without each ingredient, and those with that ingredient only."""
    return [f"streets/{variant}-{key}" for variant in ("without", "only") for key in ingredients]


def amounts() -> str:
    """Return a row per number and size of streets."""
    size = trained_size("streets/fewer")
    half = bool(size)
    base_count = "1,500" if half else "3,000"
    names = {
        "streets/fewer": "375, 8 times" if half else "750, 16 times",
        "streets/base": f"{base_count}, {'twice' if half else '4 times'}",
        "streets/more": "3,000, once" if half else "6,000, twice",
        "streets/smaller": f"{base_count} of {'60x80' if half else '120x160'}",
        "streets/larger": f"{base_count} of {'180x240' if half else '360x480'}",
    }
    columns: list[Column] = [("best mIoU % on CamVid ↑", best_height, "{:.1f}")]
    if not any(runs(size + name) for name in names):
        return left_out("streets", list(names))
    first = f"streets of {'120x160' if half else '240x320'}"
    rendered = rows({size + name: text for name, text in names.items()}, columns, first)
    return rendered if half else with_left_out(rendered, "streets", list(names))


def trained_size(name: str) -> str:
    """Return the prefix of the names of jobs: "", or ``half/`` if they were trained only with --half."""
    return "" if runs(name) or not runs(f"half/{name}") else "half/"


def released() -> str:
    """Return a row per data set for the released network: streets, out-of-distribution streets and CamVid."""
    columns = ("mIoU % ↑", "depth, rel ↓", "δ<1.25 % ↑", "normals, mean ° ↓", "within 11.25° % ↑")
    keys = (MIOU, "depth/abs_rel", "depth/delta1", "normals/mean", "normals/within_11.25")
    forms = ("{:.1f}", "{:.3f}", "{:.1f}", "{:.1f}", "{:.1f}")
    places = {"streets (val)": ("metrics",), "streets of another look (shifted)": ("shifted",)}
    table_rows = [
        [text, *(cell("streets/small", metric(key, *place), form) for key, form in zip(keys, forms, strict=True))]
        for text, place in places.items()
    ]
    table_rows.append(["CamVid (val), 11 classes", cell("streets/small", best_height, "{:.1f}"), "–", "–", "–", "–"])
    return table(["measured on", *columns], table_rows)


_NYUV2 = {
    "nyuv2/random": "both tasks, random weights",
    "nyuv2/imagenet": "both tasks, ImageNet",
    "nyuv2/frozen": "both tasks, ImageNet, encoder frozen",
    "nyuv2/semseg": "segmentation alone, ImageNet",
    "nyuv2/depth": "depth alone, ImageNet",
}
_ROOMS: list[Column] = [
    ("mIoU % ↑", metric(MIOU), "{:.1f}"),
    ("accuracy % ↑", metric(ACCURACY), "{:.1f}"),
    ("SI-logRMSE ↓", metric("depth/si_log_rmse"), "{:.1f}"),
    ("rel ↓", metric("depth/median_scaled_abs_rel"), "{:.3f}"),
    ("δ<1.25 % ↑", metric("depth/median_scaled_delta1"), "{:.1f}"),
]


def nyuv2() -> str:
    """Return a row per network."""
    return with_left_out(rows(_NYUV2, _ROOMS), "nyuv2", list(_NYUV2))


def nyuv2_half() -> str:
    """Return a row per network, with shorter training on smaller images."""
    return rows({f"half/{name}": text for name, text in _NYUV2.items()}, _ROOMS)


def consistent() -> str:
    """Return checks of depth, normals and classes on CamVid's photographs that need no labels of them."""
    texts = {
        "road/relative_error": ("road: distance from its plane, % of the depth ↓", 100, "{:.1f}"),
        "road/from_vertical": ("road: normals from the vertical, ° ↓", 1, "{:.1f}"),
        "mirror/depth": ("mirror image: depth, % ↓", 100, "{:.1f}"),
        "mirror/normals": ("mirror image: normals, ° ↓", 1, "{:.1f}"),
        "mirror/classes": ("mirror image: same class, % ↑", 1, "{:.1f}"),
        "zoom/depth": ("zoom by 1.25: depth, % ↓", 100, "{:.1f}"),
        "zoom/scale": ("zoom by 1.25: depth over what it should be, 1 is right", 1, "{:.2f}"),
        "zoom/classes": ("zoom by 1.25: same class, % ↑", 1, "{:.1f}"),
    }

    def scaled(key: str, factor: float) -> Read:
        def read(run: Run) -> float | None:
            value = metric(key, "consistency")(run)
            return None if value is None else factor * value

        return read

    networks = ("mixed/classes-and-depth", "streets/small")
    table_rows = [
        [
            "classes on CamVid: mIoU % ↑",
            cell(networks[0], metric(MIOU), "{:.1f}"),
            cell(networks[1], best_height, "{:.1f}"),
        ],
        *(
            [text, *(cell(name, scaled(key, factor), form) for name in networks)]
            for key, (text, factor, form) in texts.items()
        ),
    ]
    return table(["median over 101 photographs", "classes from CamVid", "streets alone"], table_rows)


def times() -> str:
    """Return a row per recipe."""
    table_rows = [
        [
            f"`photographs/{name}`",
            f"{measurement['batch_size']}",
            f"{measurement['steps']:,}",
            f"{measurement['seconds_per_step']:.2f}",
            f"{100 * measurement['of_augmentation'] / measurement['seconds_per_step']:.0f} %",
            f"{measurement['minutes_on_two_cores']:.0f}",
        ]
        for name, measurement in load("photographs")["times"].items()
    ]
    head = ["recipe", "batch", "steps", "processor seconds a step", "of that augmentation", "minutes on two cores"]
    return table(head, table_rows)


def readme() -> str:
    """Return the table of README: mIoU by training data, and depth where there are labels of it."""
    at_240, miou, delta = (
        metric("semseg/miou", "camvid", "240"),
        metric("semseg/miou"),
        metric("depth/median_scaled_delta1"),
    )
    lines = [
        ("generated streets alone", "CamVid (101)", cell("streets/small", at_240, "{:.1f}"), "–"),
        ("367 photographs of CamVid", "CamVid (101)", cell("camvid/streets", miou, "{:.1f}"), "–"),
        (
            "500 photographs of rooms",
            "NYUv2 (154)",
            cell("nyuv2/imagenet", miou, "{:.1f}"),
            cell("nyuv2/imagenet", delta, "{:.1f}"),
        ),
    ]
    return table(["trained on", "measured on", "mIoU, % ↑", "depth: δ < 1.25, % ↑"], lines, texts=2)


PARTS = {
    "photographs-readme": readme,
    "photographs-camvid": camvid,
    "photographs-camvid-classes": camvid_classes,
    "photographs-streets": streets,
    "photographs-ingredients": ingredients,
    "photographs-amounts": amounts,
    "photographs-released": released,
    "photographs-nyuv2": nyuv2,
    "photographs-nyuv2-half": nyuv2_half,
    "photographs-consistent": consistent,
    "photographs-times": times,
}
