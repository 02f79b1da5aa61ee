"""The tables of docs/performance.md and of steps, from ``against_originals.py``, ``ratios.py``, ``inference.py``,
``growth.py``, ``stacked.py`` and ``taskscape bench``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from table import load, table
from taskscape.training.ways import PLAIN


def originals() -> str:
    """Return a row per step that was compared with the authors' code."""
    rows = []
    for name, result in load("against_originals").items():
        if "seconds" not in result:
            continue
        published, tuned, ours = (result["seconds"][way] for way in ("published", "bf16 and channels last", "ours"))
        threads = result["device"].partition(", ")[2] + (
            ", processor time" if result.get("clock") == "processor" else ""
        )
        cells = [
            f"{published:.2f}",
            f"{tuned:.2f}",
            f"{ours:.2f}",
            f"{result['ratio']:.2f}",
            f"{result['to bf16']:.2f}",
        ]
        rows.append([name, result["way"], threads, *cells])
    head = ["step", "ours computes in", "measured in", "published, s", "theirs with bf16 and channels last, s"]
    return table([*head, "ours, s", "ratio", "to their bf16"], rows, texts=3)


def _shares() -> dict[str, Mapping[str, Any]]:
    """Return the measured shares of the roof, by step."""
    shares: dict[str, Mapping[str, Any]] = {
        name: {"seconds": result["roof"]["processor seconds"], **result["roof"]}
        for name, result in load("against_originals").items()
        if "roof" in result
    }
    ratios = load("ratios")
    for title, part in _STEPS.items():
        step = ratios[part]
        shares[title] = {
            "seconds": step["seconds"]["step"],
            "processor seconds of convolutions": step["seconds"]["convolutions alone"],
            "share": 1 / step["ratio"],
            "kinds": step["kinds"],
        }
    return shares


_STEPS = {
    "`ladder/rung3`, ResNet-34, 8 images of 128x256": "rung3",
    "`ladder/rung10`, ResNet-34, 8 images of 128x256": "rung10",
    "recipe `joint`, ResNet-18, 16 images of 64x128": "step",
}
"""Parts of ``ratios.py`` that are steps, by what they measure."""


def roofs() -> str:
    """Return a row per step: its time, that of its convolutions, their share, and how the rest is spent."""
    rows = []
    for name, share_row in _shares().items():
        other_kinds = {
            kind: share for kind, share in share_row["kinds"].items() if kind != "convolutions" and share >= 0.01
        }
        spent = ", ".join(f"{kind} {100 * share:.0f}" for kind, share in other_kinds.items())
        cells = [share_row["seconds"], share_row["processor seconds of convolutions"]]
        rows.append([name, spent, *(f"{x:.2f}" for x in cells), f"{100 * share_row['share']:.0f}"])
    head = ["step", "besides convolutions, % of a step"]
    return table([*head, "step, s", "convolutions alone, s", "share of the roof, %"], rows, texts=2)


def _percentages(shares: Iterable[float]) -> str:
    return " and ".join(f"{100 * share:.0f} %" for share in shares)


def _reached(is_reached: bool) -> str:
    return "reached" if is_reached else "**missed**"


def targets() -> str:
    """Return a row per goal: the figure here, and whether the goal is reached on this kind of machine."""
    steps, shares, ratios = load("against_originals"), _shares(), load("ratios")
    rows = []
    for title, start in (("MTAN, 3 and 2 tasks", "MTAN"), ("cross-task consistency", "cross-task")):
        ratios_here = sorted(
            result["ratio"] for name, result in steps.items() if name.startswith(start) and "ratio" in result
        )
        against = " to ".join(f"{ratio:.1f}×" for ratio in dict.fromkeys((ratios_here[0], ratios_here[-1])))
        of_roof = [result["share"] for name, result in shares.items() if name.startswith(start)]
        figure = f"{against}; {_percentages(of_roof)} of the roof"
        goal = "10×; without matrix units 90 % of the roof"
        rows.append([f"step of {title}, against the authors' code", goal, figure, _reached(min(of_roof) >= 0.895)])
    libmtl = {name: result for name, result in steps.items() if name.startswith("LibMTL")}
    figure = ", ".join(f"{result['ratio']:.1f}×" for result in libmtl.values() if "ratio" in result)
    share = max((result["roof"]["share"] for result in libmtl.values() if "roof" in result), default=0.0)
    figure += f"; {100 * share:.0f} % of the roof" if share else "; the roof was not measured"
    reached = _reached(share >= 0.895) if share else "open"
    title = "step on a ResNet-50, against LibMTL: hard sharing, MTAN, PCGrad, CAGrad; the roof of hard sharing"
    rows.append([title, "5×; without matrix units 90 % of the roof", figure, reached])
    ladder = [result["share"] for name, result in shares.items() if "ladder/" in name]
    rows.append(
        [
            "steps of the DeepLab ladder (rungs 3 and 10), ResNet-34 at 128x256, share of the roof",
            "50 % with matrix units, 90 % without",
            _percentages(ladder),
            _reached(min(ladder) >= 0.895),
        ]
    )
    loading = 1 / ratios["loading"]["ratio"]
    rows.append(
        [
            "augmented batches from a store, against DataLoader with four workers on files",
            "10×",
            f"{loading:.1f}×",
            _reached(loading >= 10),
        ]
    )
    together = [1 / ratios["together"][key] for key in ("ratio", "ratio of predictions")]
    rows.append(
        [
            "both tasks from one network, against two networks: training and prediction",
            "1.7×",
            " and ".join(f"{ratio:.2f}×" for ratio in together),
            _reached(min(together) >= 1.7),
        ]
    )
    evaluation = ratios["evaluation"]["ratio"]
    rows.append(
        [
            "evaluation with every metric of three tasks, against the forward passes alone",
            "at most 1.1×",
            f"{evaluation:.2f}×",
            _reached(evaluation < 1.105),
        ]
    )
    answers = {name: seconds for name, seconds in load("startup").items() if name.startswith("taskscape")}
    start_up_times = [answers[f"taskscape {word}"] for word in ("--help", "--version", "trian")]
    start_up_times.append(load("startup")["python -c 'import taskscape'"])
    figure = f"{max(start_up_times):.2f} s; the slowest answer of any command {max(answers.values()):.2f} s"
    reached = _reached(max(start_up_times) <= 0.3)
    rows.append(["`import taskscape`, `--help`, `--version`, a mistyped command", "0.3 s", figure, reached])
    classic = next(
        result for result in load("streets")["cases"] if result["size"] == [128, 256] and result["samples"] == 4
    )
    figure, reached = f"{classic['ms']:.0f} ms", _reached(classic["ms"] <= 25)
    rows.append(["a generated street of 128x256 with 4 samples, one core", "25 ms", figure, reached])
    return table(["work", "goal", "here", ""], rows, texts=4)


def loading() -> str:
    """Return a row per way of loading."""
    result = load("ratios")["loading"]
    names = {
        "DataLoader": "PNG files, torchvision's transforms, `DataLoader` with four workers",
        "store": "packed store, augmented alike",
        "store, not augmented": "packed store, not augmented",
    }
    processor_seconds, wall_seconds = result["seconds"], result["wall"]
    rows = [
        [
            names[name],
            f"{1000 * processor_seconds[name]:.2f}",
            f"{1000 * wall_seconds[name]:.2f}",
            f"{processor_seconds['DataLoader'] / processor_seconds[name]:.1f}",
        ]
        for name in names
    ]
    return table(["an image of 128x256 with two labels", "processor time, ms", "time, ms", "ratio"], rows)


def inference() -> str:
    """Return a row per network: milliseconds per image in each way, images per second, and operations."""
    results = load("inference")
    rows = []
    for name, result in results["rows"].items():
        seconds = result["seconds"]
        ways = ("fp32", "bf16", "bf16, depth", "onnx", "openvino", "openvino bf16")
        cells = [f"{1000 * seconds[way]:.0f}" if way in seconds else "–" for way in ways]
        share = 100 * result["flops"]["depth"] / result["flops"]["all"]
        compiled_result = results["compiled"].get(name)
        cells.append(
            f"{compiled_result['seconds']['bf16'] / compiled_result['seconds']['compiled']:.2f}"
            if compiled_result
            else "–"
        )
        rows.append([f"`{name}`", *cells, f"{result['images a second']['bf16']:.1f}", f"{share:.0f}"])
    head = ["network", "fp32", "bf16", "bf16, depth alone", "ONNX Runtime", "OpenVINO", "OpenVINO in bf16"]
    head += ["compiled, times as fast", "images a second", "operations of depth alone, %"]
    return table(head, rows)


def step_memory() -> str:
    """Return a row per network: the peak memory of a training process."""
    rows = [
        [f"`{name}`", f"{usage['peak'] / 2**30:.2f}", f"{usage['per image'] / 2**20:.0f}"]
        for name, usage in sorted(load("step_memory")["found"].items(), key=lambda item: float(item[1]["peak"]))
    ]
    return table(["network", "peak, GiB", "each further image, MiB"], rows)


def growth() -> str:
    """Return a row per varied property: the exponents."""
    rows = []
    for name, result in load("step_growth")["found"].items():
        first, *_, last = result["seconds"]
        memory = f"{result['exponent of memory']:.2f}" if "exponent of memory" in result else "–"
        sizes = f"{float(first):g} to {float(last):g}"
        rows.append([name, sizes, f"{result['exponent of time']:.2f}", memory])
    return table(["with", "from … to", "exponent of time", "exponent of memory"], rows, texts=2)


def ways() -> str:
    """Return a row per way of computing the steps of two recipes, with the speedups over an untuned loop."""
    results = [load("bench_joint"), load("bench_mtan")]
    heads, rows = [""], [[way] for way in results[0]["seconds of a step"]]
    for result in results:
        images, _, height, width = result["batch"]
        heads += [f"{result['network']}, {images} of {height}x{width}: images/s", "ratio"]
        seconds = result["seconds of a step"]
        for row in rows:
            row += [f"{images / seconds[row[0]]:.3g}", f"{seconds[str(PLAIN)] / seconds[row[0]]:.2f}"]
    return table(heads, rows)


def gpu() -> str:
    """Return the GPU of the other tables, and the version of torch."""
    about = load("inference_gpu")["environment"]
    return f"{about['device']}, torch {about['torch'].partition('+')[0]}"


def originals_on_gpu() -> str:
    """Return a row per step that was compared with the authors' code on a GPU."""
    rows = []
    for name, result in load("against_originals_gpu").items():
        if "seconds" not in result:
            rows.append([name, f"failed: {result['failed']}", *("–" for _ in range(6))])
            continue
        ways = ("published", "bf16 and channels last", "ours without graphs", "ours")
        milliseconds = [f"{1000 * result['seconds'][way]:.1f}" for way in ways]
        graphs = result.get("graphs", "not for this method")
        is_captured = "yes" if graphs == "captured" else graphs
        rows.append([name, is_captured, *milliseconds, f"{result['ratio']:.1f}", f"{result['to bf16']:.1f}"])
    head = ["step, ms", "ours as a graph", "published", "theirs with bf16 and channels last", "ours without graphs"]
    return table([*head, "ours", "ratio", "to their bf16"], rows, texts=2)


def inference_on_gpu() -> str:
    """Return a row per network: milliseconds per image, and images per second of a batch, on a GPU."""
    rows = []
    for name, result in load("inference_gpu")["rows"].items():
        seconds, rates = result["seconds"], result["images a second"]
        cells = [f"{1000 * seconds[way]:.2f}" if way in seconds else "–" for way in ("fp32", "bf16", "graph")]
        cells += [f"{rates[way]:,.0f}" if way in rates else "–" for way in ("bf16", "graph")]
        rows.append([f"`{name}`", *cells])
    head = ["network", "fp32, ms", "bf16, ms", "bf16 as a graph, ms", "images a second, bf16", "as a graph"]
    return table(head, rows)


def ratios_on_gpu() -> str:
    """Return a row per ratio on a GPU, with its goal."""
    ratios = load("ratios_gpu")
    rows = []
    if "loading" in ratios:
        result = ratios["loading"]
        milliseconds = 1000 * result["seconds"]["store"]
        ratio, goal = 1 / result["ratio"], 10
        work = (
            f"an augmented image of a batch, on the GPU ({milliseconds:.2f} ms), against DataLoader with four workers "
            "on files"
        )
        rows.append([work, f"{goal}×", f"{ratio:.1f}×", _reached(ratio >= goal)])
    if "together" in ratios:
        result = ratios["together"]
        speedups = [1 / result[key] for key in ("ratio", "ratio of predictions")]
        work = "both tasks from one network, against two networks: training and prediction"
        rows.append([work, "1.7×", " and ".join(f"{x:.2f}×" for x in speedups), _reached(min(speedups) >= 1.7)])
    if "evaluation" in ratios:
        ratio = ratios["evaluation"]["ratio"]
        work = "evaluation with every metric of three tasks, against the forward passes alone"
        rows.append([work, "at most 1.1×", f"{ratio:.2f}×", _reached(ratio < 1.105)])
    return table(["work", "goal", "on the GPU", ""], rows, texts=4)


def stacked_on_gpu() -> str:
    """Return a row per network of which several runs were trained at once on a GPU."""
    rows = []
    for result in load("stacked")["rows"]:
        if "seconds" not in result:
            rows.append([result["case"], "–", "–", "–", "–", result["error"]])
            continue
        milliseconds = [f"{1000 * result['seconds'][way]:.1f}" for way in ("one", "after another", "stacked")]
        rows.append([result["case"], *milliseconds, f"{result['against one']:.1f}", ""])
    head = ["step of 8 runs, ms", "one", "one after the other", "stacked", "stacked, times one", "not measured"]
    return table(head, rows)


def busy(rows: Sequence[Mapping[str, Any]] | None = None) -> str:
    """Return a row per number of other processes: the milliseconds of a step, by threads and settings of OpenMP."""
    rows = rows or load("busy")["rows"]
    columns = dict.fromkeys((row["threads"], row["spins"]) for row in rows)
    titles = [
        f"{threads} {'thread' if threads == 1 else 'threads'}, GOMP_SPINCOUNT={spins}, ms" for threads, spins in columns
    ]
    found = {(row["competitors"], row["threads"], row["spins"]): row["seconds"] for row in rows}
    cells = [
        [str(competitors), *(f"{1000 * found[competitors, threads, spins]:.0f}" for threads, spins in columns)]
        for competitors in dict.fromkeys(row["competitors"] for row in rows)
    ]
    return table(["other processes", *titles], cells)


PARTS: dict[str, Callable[[], str]] = {
    "speed-targets": targets,
    "speed-originals": originals,
    "speed-roofs": roofs,
    "speed-ways": ways,
    "speed-busy": busy,
    "speed-loading": loading,
    "speed-inference": inference,
    "speed-memory": step_memory,
    "speed-growth": growth,
    "speed-gpu": gpu,
    "speed-originals-gpu": originals_on_gpu,
    "speed-inference-gpu": inference_on_gpu,
    "speed-ratios-gpu": ratios_on_gpu,
    "speed-stacked-gpu": stacked_on_gpu,
}
