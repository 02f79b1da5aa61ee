"""``taskscape doctor``."""

import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Literal

from taskscape.serialization import counted

if TYPE_CHECKING:
    import torch

    from taskscape.training.precision import Precision

PACKAGES = ("taskscape", "torch", "torchvision", "timm", "torchjd", "lightning-fabric", "numpy", "numba")

GIB = 2**30


@dataclass(frozen=True)
class Line:
    """The result of one check."""

    name: str
    value: str
    state: Literal["fine", "note", "off"] = "fine"
    """``note`` marks a possible problem, ``off`` a problem that needs its remedy."""
    remedy: str = ""
    avoided: bool = False
    """Whether training applies the remedy automatically."""


def doctor(*, json: bool = False, device: str = "auto") -> None:
    """Check the installation, and whether this machine computes correctly in reduced precision.

    Checks versions, processor, GPUs, threads, memory and the cache folder. Compares the layers and functions that
    networks consist of in bf16 with float32, and in float32 with float64. Says which of bf16 and float32 is faster. The
    exit code is 0 if all is fine and 1 if something is off; in that case the last line says whether training avoids the
    problem.

    Args:
        json: Print JSON instead of a table.
        device: Device to check: auto (a GPU if there is one), cpu, cuda, cuda:1 or mps.
    """
    from taskscape.devices import check_device_name

    check_device_name(device)
    lines = [*_versions(), *_hardware(), *_threads(), _memory(), *_cache(), *_precision(device)]
    fine = all(line.state != "off" for line in lines)
    if json:
        _print_json(lines, fine)
    else:
        _print_table(lines, fine)
    sys.exit(0 if fine else 1)


def _print_json(lines: Sequence[Line], fine: bool) -> None:
    print(json.dumps({"fine": fine, "lines": [asdict(line) for line in lines]}, indent=1, ensure_ascii=False))


def _print_table(lines: Sequence[Line], fine: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = {"fine": "", "note": "yellow", "off": "bold red"}
    table = Table("", "", "", box=None, padding=(0, 2, 0, 0), show_header=False)
    table.columns[2].overflow = "fold"  # a path is shown in full
    for line in lines:
        text = line.value + (f": {line.remedy}" if line.remedy else "")
        table.add_row(line.name, Text("" if line.state == "fine" else line.state, styles[line.state]), Text(text))
    console = Console(highlight=False)
    console.print(table)
    console.print("\nall is fine" if fine else f"\n{_what_is_off(lines)}")


def _what_is_off(lines: Sequence[Line]) -> str:
    """Return the last line of the output if something is off: whether the user needs to act."""
    avoided = [line.avoided for line in lines if line.state == "off"]
    if all(avoided):
        return "something is off; training avoids it, so there is nothing to do"
    return "something is off" + ("; training avoids some of it, the rest needs its remedy" if any(avoided) else "")


def _versions() -> list[Line]:
    lines = [Line("python", platform.python_version())]
    for name in PACKAGES:
        try:
            lines.append(Line(name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            lines.append(Line(name, "not installed", "off", "install taskscape again, with pip install ."))
    return lines


def _hardware() -> list[Line]:
    import torch

    from taskscape.machine import processor

    gpus = (
        [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    return [
        Line("processor", f"{processor()}, {torch.backends.cpu.get_cpu_capability()}"),
        Line("GPUs", ", ".join(gpus) or "none that torch can use"),
    ]


def _threads() -> list[Line]:
    import torch

    from taskscape.parallel import cores

    usable, threads = cores(), torch.get_num_threads()
    settings = {
        name: value for name, value in os.environ.items() if name.startswith(("OMP_", "MKL_NUM", "KMP_", "GOMP_"))
    }
    lines = [Line("settings of threads", " ".join(f"{k}={v}" for k, v in sorted(settings.items())) or "none")]
    on_cores = f"on {counted(usable, 'core', 'cores')}"
    value = f"{counted(threads, 'thread', 'threads')} {on_cores}"
    if threads > usable:
        lines.append(Line("threads", value, "off", f"set OMP_NUM_THREADS={usable}: more threads wait for each other"))
    else:
        lines.append(Line("threads", value))
    if hasattr(os, "getloadavg"):
        load = os.getloadavg()[0]  # the mean number of running threads in the last minute
        busy = usable > 1 and load > 0.5
        fewer = max(1, usable - round(load))
        remedy = f"if other programs use the cores, training with --threads {fewer} is faster than with {usable}"
        lines.append(Line("load", f"{load:.1f} {on_cores}", *(("note", remedy) if busy else ())))
    return lines


def _memory() -> Line:
    import psutil

    memory = psutil.virtual_memory()
    value = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB available"
    if memory.available < GIB:
        return Line("memory", value, "off", "end other programs, or train with a smaller --batch-size")
    return Line("memory", value)


def _cache() -> list[Line]:
    from taskscape.files import cache_folder

    try:
        folder = cache_folder()
    except ValueError as error:
        return [Line("cache folder", "none", "off", str(error))]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "make it writable, or set the environment variable TASKSCAPE_CACHE to another folder"
        return [Line("cache folder", f"{folder} cannot be written ({error.strerror})", "off", remedy)]
    free = shutil.disk_usage(folder).free / GIB
    value = f"{folder}, {free:.1f} GiB free"
    return [Line("cache folder", value, "off", "make room") if free < 0.5 else Line("cache folder", value)]


def _precision(device: str) -> list[Line]:
    from taskscape.devices import find_device, with_float64

    torch_device = find_device(device)
    # Bf16 is compared with float32, and float32 with float64 if the device supports it.
    fp32_lines = _operators(torch_device, "fp32") if with_float64(torch_device) == torch_device else []
    return [*fp32_lines, *_operators(torch_device, "bf16"), _speed(torch_device)]


def _speed(device: "torch.device") -> Line:
    from taskscape.training.bf16_speed import slow_bf16

    slow = slow_bf16(device)
    name = f"speed of bf16 on {device}"
    if slow:
        return Line(name, f"{slow}: runs compute in fp32, unless --precision asks for bf16")
    return Line(name, "faster than fp32: runs compute in it, unless --precision asks for fp32")


def _operators(device: "torch.device", precision: "Precision") -> list[Line]:
    import torch

    from taskscape.selfcheck.check import check
    from taskscape.selfcheck.findings import IN_WORDS, short
    from taskscape.selfcheck.standard import standard_operators
    from taskscape.training.precision import autocast

    def context() -> torch.autocast:
        return autocast(device, precision)

    operators = {operator.signature: operator for operator in standard_operators(device, context)}
    exact = torch.float64 if precision == "fp32" else torch.float32
    lines = []
    for operator in operators.values():
        wrong, remedy = check(operator, device, context, exact)
        if wrong:
            advice = "" if remedy is None else f"in training it {IN_WORDS[remedy]} instead; "
            if remedy is None and precision == "bf16":
                advice = "train with --precision fp32; "
            advice += "another version of torch may compute it correctly"
            lines.append(Line(f"{precision}: {short(operator.title)}", wrong, "off", advice, remedy is not None))
    summary = f"{len(operators) - len(lines)} of {len(operators)} layers and functions are correct"
    avoided = bool(lines) and all(line.avoided for line in lines)
    return [Line(f"{precision} on {device}", summary, "off" if lines else "fine", avoided=avoided), *lines]
