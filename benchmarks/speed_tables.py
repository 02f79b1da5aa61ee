"""The tables of docs/performance.md, from ``against_originals.py``, ``ratios.py``, ``inference.py``, ``growth.py`` and
``stacked.py``; those of a GPU are written if there are results.
"""

from collections.abc import Callable, Mapping
from typing import Any

from table import RESULTS, load, table


def _results(name: str) -> Any:
    return load(name) if (RESULTS / f"{name}.json").exists() else {}


def originals() -> str:
    """Return a row per step that was compared with the authors' code."""
    rows = []
    for name, of in load("against_originals").items():
        if "seconds" not in of:
            continue
        first, second, own = (of["seconds"][what] for what in ("published", "bf16 and channels last", "ours"))
        threads = of["device"].partition(", ")[2] + (", processor time" if of.get("clock") == "processor" else "")
        cells = [f"{first:.2f}", f"{second:.2f}", f"{own:.2f}", f"{of['ratio']:.2f}", f"{of['to bf16']:.2f}"]
        rows.append([name, of["way"], threads, *cells])
    head = ["step", "ours computes in", "measured in", "published, s", "theirs with bf16 and channels last, s"]
    return table([*head, "ours, s", "ratio", "to their bf16"], rows, texts=3)


def _shares() -> dict[str, Mapping[str, Any]]:
    """Return the measured shares of the roof, by step."""
    found: dict[str, Mapping[str, Any]] = {
        name: {"seconds": of["roof"]["processor seconds"], **of["roof"]}
        for name, of in load("against_originals").items()
        if "roof" in of
    }
    step = load("ratios")["step"]
    seconds = step["seconds"]
    found["recipe `joint`, ResNet-18, 16 images of 64x128"] = {
        "seconds": seconds["step"],
        "processor seconds of convolutions": seconds["convolutions alone"],
        "share": 1 / step["ratio"],
        "kinds": step["kinds"],
    }
    return found


def roofs() -> str:
    """Return a row per step: its time, that of its convolutions, their share, and how the rest is spent."""
    rows = []
    for name, of in _shares().items():
        rest = {kind: share for kind, share in of["kinds"].items() if kind != "convolutions" and share >= 0.01}
        where = ", ".join(f"{kind} {100 * share:.0f}" for kind, share in rest.items())
        cells = [of["seconds"], of["processor seconds of convolutions"]]
        rows.append([name, where, *(f"{x:.2f}" for x in cells), f"{100 * of['share']:.0f}"])
    head = ["step", "besides convolutions, % of a step"]
    return table([*head, "step, s", "convolutions alone, s", "share of the roof, %"], rows, texts=2)


def _reached(is_reached: bool) -> str:
    return "reached" if is_reached else "**missed**"


def targets() -> str:
    """Return a row per goal: the figure here, and whether the goal is reached on this kind of machine."""
    steps, shares, ratios = load("against_originals"), _shares(), load("ratios")
    rows = []
    for title, start in (("MTAN, 3 and 2 tasks", "MTAN"), ("cross-task consistency", "cross-task")):
        ratios_here = sorted(of["ratio"] for name, of in steps.items() if name.startswith(start) and "ratio" in of)
        against = " to ".join(f"{ratio:.1f}×" for ratio in dict.fromkeys((ratios_here[0], ratios_here[-1])))
        share = max(of["share"] for name, of in shares.items() if name.startswith(start))
        figure = f"{against}; {100 * share:.0f} % of the roof"
        goal = "10×; without matrix units 90 % of the roof"
        rows.append([f"step of {title}, against the authors' code", goal, figure, _reached(share >= 0.895)])
    libmtl = {name: of for name, of in steps.items() if name.startswith("LibMTL")}
    figure = ", ".join(f"{of['ratio']:.1f}×" for of in libmtl.values() if "ratio" in of)
    share = max((of["roof"]["share"] for of in libmtl.values() if "roof" in of), default=0.0)
    figure += f"; {100 * share:.0f} % of the roof" if share else "; the roof was not measured"
    reached = _reached(share >= 0.895) if share else "open"
    title = "step on a ResNet-50, against LibMTL: hard sharing, MTAN, PCGrad, CAGrad; the roof of hard sharing"
    rows.append([title, "5×; without matrix units 90 % of the roof", figure, reached])
    joint = shares["recipe `joint`, ResNet-18, 16 images of 64x128"]["share"]
    rows.append(
        [
            "step of DeepLabV3+ (recipe `joint`), share of the roof",
            "50 % with matrix units, 90 % without",
            f"{100 * joint:.0f} %",
            _reached(joint >= 0.895),
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
    together = [1 / ratios["together"][what] for what in ("ratio", "ratio of predictions")]
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
    asked = [answers[f"taskscape {word}"] for word in ("--help", "--version", "trian")]
    asked.append(load("startup")["python -c 'import taskscape'"])
    figure = f"{max(asked):.2f} s; the slowest answer of any command {max(answers.values()):.2f} s"
    reached = _reached(max(asked) <= 0.3)
    rows.append(["`import taskscape`, `--help`, `--version`, a mistyped command", "0.3 s", figure, reached])
    classic = next(of for of in load("streets")["cases"] if of["size"] == [128, 256] and of["samples"] == 4)
    figure, reached = f"{classic['ms']:.0f} ms", _reached(classic["ms"] <= 25)
    rows.append(["a generated street of 128x256 with 4 samples, one core", "25 ms", figure, reached])
    return table(["work", "goal", "here", ""], rows, texts=4)


def loading() -> str:
    """Return a row per way of loading."""
    found = load("ratios")["loading"]
    names = {
        "DataLoader": "PNG files, torchvision's transforms, `DataLoader` with four workers",
        "store": "packed store, augmented alike",
        "store, not augmented": "packed store, not augmented",
    }
    each, wall = found["seconds"], found["wall"]
    rows = [
        [names[name], f"{1000 * each[name]:.2f}", f"{1000 * wall[name]:.2f}", f"{each['DataLoader'] / each[name]:.1f}"]
        for name in names
    ]
    return table(["an image of 128x256 with two labels", "processor time, ms", "time, ms", "ratio"], rows)


def inference() -> str:
    """Return a row per network: milliseconds per image in each way, images per second, and operations."""
    found = _results("inference")
    compiled = found.get("compiled", {})
    rows = []
    for name, of in found.get("rows", {}).items():
        seconds = of["seconds"]
        ways = ("fp32", "bf16", "bf16, depth", "onnx", "openvino", "openvino bf16")
        cells = [f"{1000 * seconds[way]:.0f}" if way in seconds else "–" for way in ways]
        share = 100 * of["flops"]["depth"] / of["flops"]["all"]
        by = compiled.get(name)
        cells.append(f"{by['seconds']['bf16'] / by['seconds']['compiled']:.2f}" if by else "–")
        rows.append([f"`{name}`", *cells, f"{of['images a second']['bf16']:.1f}", f"{share:.0f}"])
    head = ["network", "fp32", "bf16", "bf16, depth alone", "ONNX Runtime", "OpenVINO", "OpenVINO in bf16"]
    head += ["compiled, times as fast", "images a second", "operations of depth alone, %"]
    return table(head, rows)


def step_memory() -> str:
    """Return a row per network: the peak memory of a training process."""
    found = _results("step_memory").get("found", {})
    rows = [
        [f"`{name}`", f"{of['peak'] / 2**30:.2f}", f"{of['per image'] / 2**20:.0f}"]
        for name, of in sorted(found.items(), key=lambda item: float(item[1]["peak"]))
    ]
    return table(["network", "peak, GiB", "each further image, MiB"], rows)


def growth() -> str:
    """Return a row per varied property: the exponents."""
    rows = []
    for name, of in _results("step_growth").get("found", {}).items():
        first, *_, last = of["seconds"]
        memory = f"{of['exponent of memory']:.2f}" if "exponent of memory" in of else "–"
        sizes = f"{float(first):g} to {float(last):g}"
        rows.append([name, sizes, f"{of['exponent of time']:.2f}", memory])
    return table(["with", "from … to", "exponent of time", "exponent of memory"], rows, texts=2)


NOT_MEASURED = "It was not measured yet."


def gpu() -> str:
    """Return the GPU of the other tables, and the version of torch."""
    about = _results("inference_gpu").get("environment")
    return f"{about['device']}, torch {about['torch'].partition('+')[0]}" if about else "a GPU"


def originals_on_gpu() -> str:
    """Return a row per step that was compared with the authors' code on a GPU."""
    rows = []
    for name, of in _results("against_originals_gpu").items():
        if "seconds" not in of:
            rows.append([name, f"failed: {of['failed']}", *("–" for _ in range(6))])
            continue
        ways = ("published", "bf16 and channels last", "ours without graphs", "ours")
        milliseconds = [f"{1000 * of['seconds'][way]:.1f}" for way in ways]
        graphs = of.get("graphs", "no: of this method there are none")
        is_captured = "yes" if graphs == "captured" else graphs
        rows.append([name, is_captured, *milliseconds, f"{of['ratio']:.1f}", f"{of['to bf16']:.1f}"])
    head = ["step, ms", "ours as a graph", "published", "theirs with bf16 and channels last", "ours without graphs"]
    return table([*head, "ours", "ratio", "to their bf16"], rows, texts=2) if rows else NOT_MEASURED


def inference_on_gpu() -> str:
    """Return a row per network: milliseconds per image, and images per second of a batch, on a GPU."""
    rows = []
    for name, of in _results("inference_gpu").get("rows", {}).items():
        seconds, many = of["seconds"], of["images a second"]
        cells = [f"{1000 * seconds[way]:.2f}" if way in seconds else "–" for way in ("fp32", "bf16", "graph")]
        cells += [f"{many[way]:,.0f}" if way in many else "–" for way in ("bf16", "graph")]
        rows.append([f"`{name}`", *cells])
    head = ["network", "fp32, ms", "bf16, ms", "bf16 as a graph, ms", "images a second, bf16", "as a graph"]
    return table(head, rows) if rows else NOT_MEASURED


def ratios_on_gpu() -> str:
    """Return a row per ratio on a GPU, with its goal."""
    found = _results("ratios_gpu")
    rows = []
    if "loading" in found:
        of = found["loading"]
        each = 1000 * of["seconds"]["store"]
        ratio, goal = 1 / of["ratio"], 10
        work = (
            f"an augmented image of a batch, on the GPU ({each:.2f} ms), against DataLoader with four workers on files"
        )
        rows.append([work, f"{goal}×", f"{ratio:.1f}×", _reached(ratio >= goal)])
    if "together" in found:
        of = found["together"]
        both = [1 / of[what] for what in ("ratio", "ratio of predictions")]
        work = "both tasks from one network, against two networks: training and prediction"
        rows.append([work, "1.7×", " and ".join(f"{x:.2f}×" for x in both), _reached(min(both) >= 1.7)])
    if "evaluation" in found:
        ratio = found["evaluation"]["ratio"]
        work = "evaluation with every metric of three tasks, against the forward passes alone"
        rows.append([work, "at most 1.1×", f"{ratio:.2f}×", _reached(ratio < 1.105)])
    return table(["work", "goal", "on the GPU", ""], rows, texts=4) if rows else NOT_MEASURED


def stacked_on_gpu() -> str:
    """Return a row per network of which several runs were trained at once on a GPU."""
    rows = []
    for of in _results("stacked").get("rows", []):
        if "seconds" not in of:
            rows.append([of["case"], "–", "–", "–", "–", of["error"]])
            continue
        milliseconds = [f"{1000 * of['seconds'][way]:.1f}" for way in ("one", "after another", "stacked")]
        rows.append([of["case"], *milliseconds, f"{of['against one']:.1f}", ""])
    head = ["step of 8 runs, ms", "one", "one after the other", "stacked", "stacked, times one", "not measured"]
    return table(head, rows) if rows else NOT_MEASURED


PARTS: dict[str, Callable[[], str]] = {
    "speed-targets": targets,
    "speed-originals": originals,
    "speed-roofs": roofs,
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
