import errno
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from PIL import Image

from taskscape import cli
from taskscape.cli import main
from taskscape.commands import COMMANDS
from taskscape.commands.recipes import summaries
from taskscape.errors import Interrupted
from taskscape.files.paths import access_remedy
from taskscape.imports import quick_imports
from taskscape.models import NAMES
from taskscape.parallel import launched_processes
from taskscape.released import PHOTOGRAPH
from taskscape.runs import Experiment
from taskscape.serialization import load_name, parse
from taskscape.tasks import Depth, SurfaceNormals
from taskscape.training.optimization import Constant, SGDConfig
from taskscape.weighting import FixedConfig

MY = f"""
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

sys.path.append({str(Path(__file__).parent)!r})

from tiny import tiny

from taskscape.losses import L1
from taskscape.runs import Experiment
from taskscape.tasks import Depth, SemanticSegmentation


@dataclass(frozen=True)
class Harsh(L1):
    '''Ten times as large.'''
    name: ClassVar[str] = "harsh"

    factor: float = 10.0

    def per_pixel(self, prediction, value):
        return self.factor * super().per_pixel(prediction, value)


def experiment() -> Experiment:
    return tiny(Path("store"))


def harsh() -> Experiment:
    return Experiment(tasks={{"semseg": SemanticSegmentation(), "depth": Depth(loss=Harsh())}})


def broken() -> Experiment:
    return 3
"""


@pytest.fixture
def here(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with my.py, whose experiment takes a second."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").symlink_to(store)
    (tmp_path / "my.py").write_text(MY)
    return tmp_path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Experiment]:
    """Return a function that gives the experiment that ``train`` would train with its arguments."""

    def parse_arguments(*arguments: str) -> Experiment:
        seen: list[Experiment] = []
        monkeypatch.setattr("taskscape.commands.train._train", lambda experiment, *_, **__: seen.append(experiment))
        main(["train", *arguments])
        return seen[0]

    return parse_arguments


def fails(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """Run a command that must fail, and return its message."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return " ".join(message.replace("│", " ").split())


def command(*arguments: str, **options: object) -> subprocess.Popen[str]:
    source = str(Path(sys.modules["taskscape"].__file__ or "").parents[1])
    environment = os.environ | {"PYTHONPATH": source}
    return subprocess.Popen(
        [sys.executable, "-m", "taskscape", *arguments],
        env=environment,
        text=True,
        stderr=subprocess.PIPE,
        **options,
    )  # type: ignore[call-overload]


def interrupt_once(process: subprocess.Popen[str], ready: Callable[[], bool]) -> str:
    """Interrupt a process when it is ready, and return its output."""
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    message = process.communicate(timeout=60)[1]
    assert process.returncode == 130, message
    assert "Traceback" not in message
    return " ".join(message.split())


# -- commands without torch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["--version"], ["recipes"], ["train", "--help"], ["synth", "-h"]]
)
def test_listings_do_not_import_torch(arguments: list[str]) -> None:
    code = f"""
import sys
from taskscape.cli import main
try:
    main({arguments!r})
finally:
    assert not sys.modules.keys() & {{"torch", "numba", "matplotlib"}}
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: taskscape {name}" in capsys.readouterr().out


def test_recipes_are_those_of_the_module(capsys: pytest.CaptureFixture[str]) -> None:
    from taskscape import recipes as module

    assert summaries()
    for name, text in summaries().items():
        assert text
        assert isinstance(module.find(name)(), Experiment)
    main(["recipes"])
    shown = capsys.readouterr().out
    assert all(f"\n{name} " in f"\n{shown}" for name in summaries())


def test_models_are_listed_with_their_cost(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from taskscape.models import CONFIGS

    kept = CONFIGS["deeplab-plain"]
    for name in reversed(NAMES):  # the last one removed is restored first, so the order stays
        monkeypatch.delitem(CONFIGS, name)
    monkeypatch.setitem(CONFIGS, "deeplab-plain", kept)
    main(["models", "--tasks", "depth=1", "--encoder", "resnet18"])
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "deeplab-plain" in line)
    parameters, million = row.split()[1:3]
    assert float(parameters) > 11  # the encoder alone has 11.2 million
    assert million == "M"


def test_brackets_in_names_of_tasks_are_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(config: object, channels: dict[str, int], chosen: object) -> None:
        raise ValueError(f"not {', '.join(channels)}")

    monkeypatch.setattr("taskscape.commands.models.cost", refuse)
    main(["models", "--tasks", "near[a]=1"])
    assert "not near[a]" in capsys.readouterr().out


# -- fields and choices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("optimizer:sgd", "--optimizer.lr", "3e-4", "schedule:constant", "--epochs", "3"),
        ("--epochs", "3", "schedule:constant", "optimizer:sgd", "--optimizer.lr", "3e-4"),
        ("schedule:constant", "--epochs=3", "optimizer:sgd", "--optimizer.lr", "3e-4"),
        ("--optimizer.lr", "3e-4", "--epochs", "3", "--optimizer.no-nesterov", "optimizer:sgd", "schedule:constant"),
    ],
)
def test_fields_and_choices_in_any_order(trained: Callable[..., Experiment], arguments: tuple[str, ...]) -> None:
    from taskscape.recipes import joint

    assert trained("joint", *arguments) == replace(joint(), optimizer=SGDConfig(lr=3e-4), schedule=Constant(), epochs=3)


def test_tasks_come_and_go(trained: Callable[..., Experiment]) -> None:
    experiment = trained("joint", "tasks.semseg:none", "tasks.normals:surface-normals", "--tasks.depth.mean", "3")
    assert experiment.tasks == {"depth": Depth(mean=3.0), "normals": SurfaceNormals()}


def test_weights_per_task(trained: Callable[..., Experiment]) -> None:
    experiment = trained("joint", "--weighting.weights", "semseg", "0.6", "depth", "0.4")
    assert experiment.weighting == FixedConfig({"semseg": 0.6, "depth": 0.4})


def test_recipe_names_may_be_written_with_dashes(trained: Callable[..., Experiment]) -> None:
    assert trained("three-tasks") == trained("three_tasks")


def test_the_name_of_a_network_is_a_recipe(trained: Callable[..., Experiment]) -> None:
    experiment = trained("segnet-mtan", "--epochs", "2")
    assert experiment.network.name == "segnet-mtan"
    assert experiment.optimizer == trained("joint").optimizer


def test_a_saved_experiment_is_a_recipe(here: Path, trained: Callable[..., Experiment]) -> None:
    (here / "saved.yaml").write_text("epochs: 5\nseed: 7\n")
    assert trained("saved.yaml", "--epochs", "6") == replace(Experiment(), epochs=6, seed=7)


def test_ones_own_classes_have_flags(here: Path, trained: Callable[..., Experiment]) -> None:
    experiment = trained("my.py:experiment", "--network.width", "4", "--epochs", "2")
    assert (type(experiment.network).__name__, experiment.network.width, experiment.epochs) == ("TinyConfig", 4, 2)
    assert trained("my.py:experiment", "network:deeplab-plain").network.name == "deeplab-plain"


def test_ones_own_classes_have_flags_deep_inside(here: Path, trained: Callable[..., Experiment]) -> None:
    harsh = load_name(Path("my.py"), "Harsh")
    depth = trained("my.py:harsh", "--tasks.depth.loss.factor", "3").tasks["depth"]
    assert depth == Depth(loss=harsh(factor=3.0))
    depth = trained("joint", "tasks.depth.loss:l1").tasks["depth"]
    assert depth == Depth()


# -- a complete run --------------------------------------------------------------------------------------------------


def test_a_run(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    main(["train", "my.py:experiment", "--epochs", "1"])
    run = here / "runs" / "experiment-1"
    assert "mIoU" in capsys.readouterr().out
    assert (run / "report" / "index.html").exists()
    saved = parse((run / "experiment.yaml").read_text(), "x", Experiment)
    assert saved.epochs == 1

    # repeat: into a new folder, from the saved experiment, and not over another run
    main(["train", "runs/experiment-1/experiment.yaml", "--epochs", "2"])
    assert json.loads((here / "runs" / "experiment-2" / "result.json").read_text())["metrics"]
    message = fails(capsys, "train", "my.py:experiment", "--out", "runs/experiment-1")
    assert "runs/experiment-1 holds a run; resume it with taskscape train --resume runs/experiment-1" in message

    # resume: alone, or with the settings that it had
    main(["train", "--resume", "runs/experiment-1"])
    main(["train", "my.py:experiment", "--epochs", "1", "--resume", "runs/experiment-1"])
    message = fails(capsys, "train", "my.py:experiment", "--epochs", "7", "--resume", "runs/experiment-1")
    assert "was started with other settings (epochs)" in message

    capsys.readouterr()
    main(["evaluate", "runs/experiment-1", "--split", "train"])
    said = capsys.readouterr().out
    assert "10 images, train" in said and said.endswith("result: runs/experiment-1/result-train.json\n")
    assert "has no split 'tests'" in fails(capsys, "evaluate", "runs/experiment-1", "--split", "tests")

    # a folder of runs, and a misspelled name
    for words in (
        "train --resume {}",
        "train my.py:experiment --resume {}",
        "train my.py:experiment --from {}",
        "evaluate {}",
        "report {}",
        "compare {} --out x.html",
        "export {} --to torch",
        "predict {} my.py",
    ):
        assert "such as runs/experiment-1" in fails(capsys, *words.format("runs").split()), words
        near = fails(capsys, *words.format("runs/experimnt-1").split())
        assert "did you mean runs/experiment-1 or runs/experiment-2?" in near or "--from" in words, words
    both = ("compare", "runs/experiment-1", "runs/experiment-2", "--out", "x.html")
    message = fails(capsys, *both, "--split", "test")
    assert "no result-test.json and its data has no split 'test'; there is train, val" in message
    message = fails(capsys, *both, "--split", "train")
    assert "make it with `taskscape evaluate runs/experiment-2 --split train`" in message

    main(["report", "runs/experiment-1"])
    main(["compare", "runs/experiment-1", "runs/experiment-2", "--out", "page.html"])
    assert (here / "page.html").exists()

    Image.new("RGB", (20, 30)).save(here / "good.png")
    (here / "bad.png").write_text("")
    capsys.readouterr()
    main(["predict", "runs/experiment-1", "good.png", "--out", "predicted"])
    assert capsys.readouterr().out.splitlines()[-1].endswith("files are in predicted")
    assert (here / "predicted" / "good.side-by-side.png").exists()
    message = fails(capsys, "predict", "runs/experiment-1", "good.png", "bad.png", "--out", "predicted")
    assert "1 of 2 images was left out" in message
    assert "bad.png" in message

    # the weights of another network
    settings = yaml.safe_load((run / "experiment.yaml").read_text())
    settings["network"]["width"] = 5
    (run / "experiment.yaml").write_text(yaml.safe_dump(settings))
    assert "does not fit the network" in fails(capsys, "evaluate", "runs/experiment-1")


def test_a_loss_that_is_not_finite_ends_with_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = fails(capsys, "train", "my.py:experiment", "--optimizer.lr", "1e30", code=1)
    assert "the loss of" in message
    assert "Try a lower --optimizer.lr" in message


def test_synth_writes_streets_and_skips_those_that_are_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["synth", "streets", "--count", "2", "--size", "16x32", "--samples", "1", "--processes", "1"]
    main(arguments)
    assert "2 streets are in streets/train" in capsys.readouterr().out
    first = (here / "streets" / "train" / "rgb" / "000000.jpg").stat().st_mtime_ns
    main(arguments)
    assert (here / "streets" / "train" / "rgb" / "000000.jpg").stat().st_mtime_ns == first
    assert "records other settings" in fails(capsys, *arguments, "--seed", "1")


# -- wrong input -----------------------------------------------------------------------------------------------------


def test_a_file_that_looks_like_a_flag(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "-dash.jpg").touch()
    error = fails(capsys, "predict", "-dash.jpg", "--out", "there")
    assert "there is no flag -dash.jpg; if it is a path, write ./-dash.jpg" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("tran", "there is no command 'tran'; did you mean train?"),
        ("train", "what to train comes first"),
        ("train --epochs 3 joint", "what to train comes first"),
        ("train joint --optimizer.lrr 3", "there is no flag --optimizer.lrr; did you mean --optimizer.lr?"),
        ("train joint --resume nowhere", "nowhere is not a run"),
        ("train joint --run a --resume b", "are different folders; leave out --out"),
        ("train wrong.yaml", "wrong.yaml: there is no field 'epoch'; did you mean epochs?"),
        ("train my.py", "name the function in it too, such as my.py:experiment"),
        ("train my.py:experimet", "my.py has no 'experimet'; did you mean experiment?"),
        ("train my.py:broken", "my.py:broken returned a int, not an Experiment"),
        ("train weighting:dwa", "there is no recipe 'weighting:dwa'; taskscape recipes lists them"),
        ("recipes xyz", "there is no group of recipes 'xyz'; taskscape recipes lists them"),
        ("train your.py:experiment", "there is no Python file"),
        ("train my.py:experiment --network.width 0 --data.path my.py", "my.py"),
        ("predict nowhere my.py --out x", "nowhere is not a run"),
        ("predict nowhere no.png --out x", "there is no image or folder no.png"),
        ("compare nowhere --out x.html", "nowhere is not a run"),
        ("synth x --size 12", "--size 12: give HEIGHTxWIDTH"),
        ("synth x --split nothing", "nothing"),
        ("synth my.py --count 1", "my.py"),
        ("predict x --submission city", "--submission city: give one or more of cityscapes, coco-panoptic"),
        ("models --tasks semseg", "--tasks semseg: give each task a name and its number of output channels"),
    ],
)
def test_wrong_input_ends_with_2_and_a_remedy(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    """More messages, of lines that need no file, are in tests/test_start_up.py."""
    (here / "wrong.yaml").write_text("epoch: 3")
    assert message in fails(capsys, *arguments.split())


def test_a_comparison_replaces_no_file_but_a_comparison(tmp_path: Path) -> None:
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "experiment.yaml").write_text("")
        runs.append(str(tmp_path / name))
    for name, start in (
        ("paper.tex", "\\documentclass{article}"),
        ("mine.csv", "run,miou\n"),
        ("mine.html", "<p>mine"),
    ):
        (tmp_path / name).write_text(start)
        with pytest.raises(ValueError, match=f"{name} exists and is not a comparison, so it is not replaced: name ano"):
            main(["compare", *runs, "--out", str(tmp_path / name), "--debug"])
    with pytest.raises(ValueError, match=r"result\.json ends in \.json: end it in \.html for a page"):
        main(["compare", *runs, "--out", str(tmp_path / "result.json"), "--debug"])
    for name, start in (("old.html", "<!doctype html><p>old"), ("old.tex", "% taskscape compare: old")):
        (tmp_path / name).write_text(start)
        with pytest.raises((ValueError, FileNotFoundError), match="result"):  # of the runs, which have no result
            main(["compare", *runs, "--out", str(tmp_path / name), "--debug"])


def test_names_of_files_are_utf_8_in_every_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda program, words, environment: started.append((words, environment)))
    monkeypatch.setattr(sys, "argv", ["taskscape", "--version"])
    main()
    assert not started
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    main(["--version"])  # called from Python, whose process continues
    assert not started
    main()
    assert started[0][0][1:] == sys.orig_argv[1:] and started[0][1]["PYTHONUTF8"] == "1"


@pytest.mark.parametrize(
    ("set_by_user", "spins"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_waiting_threads_leave_the_cores_to_others(
    set_by_user: dict[str, str], spins: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GOMP_", "OMP_WAIT"))} | set_by_user
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "argv", ["taskscape", "--version"])
    main(["--version"])  # called from Python, whose environment stays
    assert environment.get("GOMP_SPINCOUNT") == set_by_user.get("GOMP_SPINCOUNT")
    main()
    assert environment.get("GOMP_SPINCOUNT") == spins


def test_a_name_that_is_no_utf_8_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskscape.commands.recipes.by_group", lambda: "runs/gr\udcf6\udcdfe".encode())
    with pytest.raises(SystemExit) as ended:
        main(["recipes"])
    assert ended.value.code == 2 and "is not UTF-8, near 'runs/gr" in capsys.readouterr().err


def test_debug_shows_where(here: Path) -> None:
    with pytest.raises(ValueError, match="there is no recipe"):
        main(["train", "jiont", "--debug"])


def test_mistakes_of_the_program_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskscape.commands.recipes.by_group", lambda: {}["x"])
    with pytest.raises(KeyError):
        main(["recipes"])


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 64000 bytes. Error code 12"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    ],
)
def test_too_little_memory_is_said_with_what_helps(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("taskscape.commands.recipes.by_group", fail)
    with pytest.raises(SystemExit) as ended:
        main(["recipes"])
    assert ended.value.code == 1
    message = capsys.readouterr().err
    assert "there is not enough memory" in message and "--batch-size" in message and "Traceback" not in message


def test_several_processes_must_be_told_their_folder(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "name it with --out" in fails(capsys, "train", "joint")


def test_a_job_of_slurm_without_srun_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert launched_processes() == 1
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    assert launched_processes() == 4


def test_a_full_disk(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    message = fails(capsys, "train", "my.py:experiment", "--out", "full")
    assert "could not write full/experiment.yaml: No space left on device" in message


# -- Ctrl-C and pipes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "function", "message"),
    [
        ("demo", "taskscape.demo.demo", "generated data are kept; start again"),
        ("synth out", "taskscape.data.readers.miniscapes.write_miniscapes", "the streets in out are kept"),
        ("synth out[a]", "taskscape.data.readers.miniscapes.write_miniscapes", "the streets in out[a] are kept"),
        ("models --tasks depth=1", "taskscape.commands.models.cost", "stopped"),
        ("train joint", "taskscape.runs.train", "generated data are kept; start again"),
        ("evaluate run", "taskscape.runs.evaluate", "start the same command again"),
        ("predict taskscape/streets-small my.py", "taskscape.inference.predict.predict", "finished images in"),
        ("report run", "taskscape.report.write_report", "run is unchanged"),
        ("export run --to torch --out out", "taskscape.export.export", "out is unchanged; start the same command"),
        ("compare a b --out x.html", "taskscape.report.write_comparison", "nothing was written"),
    ],
)
def test_interrupts_say_what_is_kept(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    function: str,
    message: str,
) -> None:
    for folder in ("run", "a", "b"):
        (here / folder).mkdir()
        (here / folder / "experiment.yaml").write_text("")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(function, interrupt)
    assert message in fails(capsys, *arguments.split(), code=130)


def test_interrupting_training_keeps_the_checkpoint(here: Path) -> None:
    process = command("train", "my.py:experiment", "--epochs", "100000", "--out", "run", stdout=subprocess.DEVNULL)
    message = interrupt_once(process, (here / "run" / "last.ckpt").exists)
    assert message.endswith("continue with taskscape train --resume run")
    assert (here / "run" / "last.ckpt").exists()


def test_interrupting_synth_keeps_the_streets(here: Path) -> None:
    arguments = ("--count", "100000", "--size", "16x32", "--samples", "1", "--processes", "2")
    process = command("synth", "out", *arguments, stdout=subprocess.DEVNULL)
    message = interrupt_once(process, (here / "out" / "train" / "rgb" / "000003.jpg").exists)
    assert message.endswith("the streets in out are kept; the same command continues")
    assert len(list((here / "out").rglob("*.part"))) <= 2  # files that a process was writing when it ended


def test_interrupts_wait_for_imports() -> None:
    """A Python error inside torch's C++ code would crash the process."""
    done = []
    for signum, error in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Interrupted)):
        before = signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else cli._terminate)
        try:
            with pytest.raises(error), quick_imports():
                signal.raise_signal(signum)
                done.append(signum)
            assert signal.getsignal(signum) in (signal.default_int_handler, cli._terminate)
        finally:
            signal.signal(signum, before)
    assert done == [signal.SIGINT, signal.SIGTERM]


def test_nothing_is_frozen_without_an_import() -> None:
    """Frozen objects in reference cycles are never freed, so calls of commands in one process must not add to them."""
    frozen = gc.get_freeze_count()
    with quick_imports():
        import taskscape.imports  # noqa: F401
    assert gc.get_freeze_count() == frozen


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams_lead_nowhere(closed: tuple[int, ...]) -> None:
    """A shell closes them with ``>&-``; the first opened file would receive the output."""
    script = "\n".join(
        [
            "import os, sys",
            f"for number in {closed}: os.close(number)",
            f"for number in {closed}: setattr(sys, ('stdin', 'stdout', 'stderr')[number], None)",
            "from taskscape.cli import main",
            "sys.argv = ['taskscape', 'recipes']",
            "main()",
            "assert all(os.path.samestat(os.fstat(n), os.stat(os.devnull)) for n in " + f"{closed})",
            "sys.exit(7)",
        ]
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 7 and not done.stderr and bool(done.stdout) == (1 not in closed)


def test_a_closed_pipe_is_no_error() -> None:
    process = command("recipes", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.wait()


@pytest.mark.parametrize(
    "line",
    ["predict", "label taskscape/streets-small store", "export taskscape/streets-small --to onnx", "train joint"],
)
def test_a_folder_that_cannot_be_written_is_refused_first(
    line: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").symlink_to(store)
    monkeypatch.setattr("taskscape.files.paths.os.access", lambda path, mode: mode & os.W_OK == 0)
    words = [*line.split(), *([str(PHOTOGRAPH)] if line == "predict" else []), "--out", "new/folder"]
    with pytest.raises(SystemExit):
        main(words)
    assert ". cannot be written to: allow this user to write there (chmod u+w), or" in capsys.readouterr().err


def test_chmod_is_no_remedy_for_a_read_only_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = SimpleNamespace(f_flag=os.ST_RDONLY | os.ST_NOSUID)
    monkeypatch.setattr("taskscape.files.paths.os.statvfs", lambda path: mounted)
    assert access_remedy(tmp_path) == "make the file system writable, or choose another folder"


@pytest.mark.parametrize(
    ("mode", "of", "remedy"),
    [
        (os.R_OK, "run/best.safetensors", "allow this user to read it (chmod u+r)"),
        (os.R_OK, "run", "allow this user to read it (chmod u+rx)"),
        (os.X_OK, "run", "allow this user to enter {folder}/run (chmod u+x)"),
        (os.W_OK, "run", "allow this user to write there (chmod u+w), or choose another place"),
    ],
)
def test_an_error_of_the_system_names_its_file_and_what_helps_and_not_its_number(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mode: int,
    of: str,
    remedy: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = Path("run/best.safetensors")
    weights.parent.mkdir()
    weights.write_bytes(b"")
    name = of if mode == os.R_OK else str(weights)

    def denied(device: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", name)

    def may(path: Path, wanted: int) -> bool:  # the user running the tests may have all permissions
        return not (path == tmp_path / of and wanted == mode)

    monkeypatch.setattr("taskscape.files.paths.os.access", may)
    monkeypatch.setattr("taskscape.devices.check_device_name", denied)
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {name}: Permission denied; {remedy.format(folder=tmp_path)}\n"
