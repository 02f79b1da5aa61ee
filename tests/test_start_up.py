"""Answers of the command line before heavy imports, and the consistency of its description of settings."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import fields, replace
from functools import wraps
from pathlib import Path
from typing import Any, Literal

import pytest
from tyro import MISSING

from taskscape import recipes as own
from taskscape.cli import main
from taskscape.commands import COMMANDS, described
from taskscape.commands.arguments import read
from taskscape.commands.call import EMPTY, call, signature
from taskscape.commands.choices import chosen
from taskscape.commands.completion import SCRIPTS, words
from taskscape.commands.data import ACTIONS
from taskscape.commands.experiment import parse
from taskscape.commands.kinds import expected, is_switch, known_words
from taskscape.commands.lines import assignment
from taskscape.commands.recipes import summaries
from taskscape.commands.settings import Choice, Setting, nodes, words_of
from taskscape.commands.topics import page, topics
from taskscape.data.readers import READERS
from taskscape.models import CONFIGS, DeeplabBranchedConfig, NetworkConfig
from taskscape.released import PHOTOGRAPH
from taskscape.serialization import nearest, offered
from taskscape.training.optimization import AdamConfig, AdamWConfig
from taskscape.weighting import PCGradConfig, UncertaintyConfig

SOME = [
    *(name for name in summaries() if "/" not in name),
    *("ladder/rung9", "mtan/balancing_dwa", "adaptive/five_scales", "attention/transformer", "consistency/nyuv2"),
]
"""Recipes whose help is tested: all general ones, and one published experiment of each group."""

HEAVY = {"torch", "timm", "torchvision", "scipy", "lightning_fabric", "torchmetrics", "numba", "matplotlib", "numpy"}


def script() -> Any:
    """Return the script that writes the description."""
    path = Path(__file__).parents[1] / ".ci" / "settings.py"
    spec = importlib.util.spec_from_file_location("describe_settings", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- what is not imported ----------------------------------------------------------------------------------------------

LIGHT = f"""
import json, os, sys
import rich.console, rich.markup, tyro, yaml  # what most lines need, and is free of what is heavy
from taskscape.cli import main
for request in sys.stdin:
    folder, arguments = json.loads(request)
    if child := os.fork():
        os.waitpid(child, 0)
        print("done", flush=True)
        continue
    os.chdir(folder)
    for number, name in enumerate((os.devnull, ".stdout", ".stderr")):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
    try:
        main(arguments)
        sys.exit()
    finally:
        print(*sorted({HEAVY!r} & sys.modules.keys()), file=sys.stderr)
"""
"""A process that forks for every command line, since starting Python takes longer than most of them."""


@pytest.fixture(scope="module")
def light() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", LIGHT], stdin=-1, stdout=-1, text=True) as process:
        yield process


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train three_tasks --help", "--epochs 8"),
        ("train three_tasks --help all", "smooth-l1"),
        ("train joint network:transformer --help network", "* transformer"),
        ("train joint --help netwrok", "did you mean network?"),
        ("train jiont", "there is no recipe 'jiont'; did you mean joint?"),
        ("train joint --epoch 3", "there is no flag --epoch; did you mean --epochs?"),
        ("train joint --epochs=", "--epochs without a value: give a whole number"),
        ("train joint --optimizer.lr 0", "error: --optimizer.lr 0: it must be above 0 and finite (taskscape train"),
        ("train joint --optimizer.lr nan", "error: --optimizer.lr nan: it must be above 0 and finite"),
        ("train joint --optimizer.betas 0.9 2", "error: --optimizer.betas 0.9 2: it must be at least 0 and below 1"),
        ("train joint --tasks.depth.min-depth -1", "error: --tasks.depth.min-depth -1: it must be at least"),
        ("train joint --data.size 0 5", "--data.size 0x5: give HEIGHTxWIDTH, such as 128x256"),
        ("train joint --device gpu", "device is 'gpu': it must be auto, cpu, cuda"),
        ("train joint weighting:pcgrad weighting:dwa", "weighting is chosen twice: leave one out"),
        ("train joint --network deeplab-plain", "did you mean network:NAME?"),
        ("train joint --tasks.depht.loss l1", "did you mean tasks.depth.loss:NAME?"),
        ("train joint --tasks.depht.std 2", "did you mean --tasks.depth.std?"),
        ("train joint --optimzer.momentum 0.9", "it belongs to optimizer:sgd"),
        ("train joint --tasks depth", "did you mean tasks.NAME:KIND?"),
        ("train joint tasks:depth", "tasks has names: write tasks.NAME:KIND"),
        ("train joint loss:l1", "did you mean tasks.depth.loss or tasks.semseg.loss?"),
        ("help predict", "usage: taskscape predict"),
        ("--hlep", "did you mean --help?"),
        ("train joint --epochs three", "--epochs"),
        ("train joint --epochs 0", "--epochs 0: it must be at least 1 (taskscape train"),
        ("train joint --precision fp61", "there is fast, auto, fp32, bf16"),
        ("train joint --optimizer.momentum 0.9", "it belongs to optimizer:sgd"),
        ("train joint weighting:dwaa", "weighting: there is no 'dwaa'; did you mean dwa?"),
        ("train joint netwrok:deeplab-joint", "did you mean network?"),
        ("train joint --network.encoder resnet-18", "did you mean resnet18?"),
        ("train joint data:packed --data.path nowhere", "--data.path: there is no file or folder nowhere"),
        ("train joint --from nowhere", "--from: there is no file or folder nowhere"),
        ("train joint --network.pretrained none", "there is no file or folder none; it may also be True or False"),
        ("train --resume nowhere", "nowhere is not a run"),
        ("train nowhere.yaml", "there is no file nowhere.yaml"),
        ("train nowhere.py:experiment", "there is no Python file"),
        ("sweep --help", "ladder/learning-rates"),
        ("sweep joint --optimizer.lr 1e-3 often", "--optimizer.lr"),
        ("sweep joint --epochs 3", "nothing varies"),
        ("sweep joint --sedes 0 1", "did you mean --seeds? (taskscape sweep joint --help all lists everything)"),
        ("sweep joint --epochs 1 two", "(taskscape sweep joint --help all lists everything)"),
        ("sweep joint --help all", "--seeds SEED"),
        ("sweep joint --help optmizer", "did you mean optimizer?"),
        ("sweep joint --resume nowhere", "taskscape sweep --resume nowhere"),
        ("sweep ladder/learning-rate", "did you mean ladder/learning-rates?"),
        ("sweep ladder/learning-rates --help optimizer", "optimizer:NAME"),
        ("train ladder/learning-rates", "run it with taskscape sweep ladder/learning-rates"),
        ("bench joint --jsno", "did you mean --json? (taskscape bench joint --help all lists everything)"),
        ("bench joint --help schedule", "schedule:NAME"),
        ("sweep --resume nowhere", "nowhere is not a sweep"),
        ("completion --words sweep ladder/task-weights --sear", "--search"),
        ("evaluate nowhere", "nowhere is not a run"),
        ("report nowhere", "nowhere is not a run"),
        ("models", "deeplab-branched"),
        ("recipes ladder", "SI 16.654, IoU 86.246, Grader"),
        ("recipes lader", "did you mean ladder?"),
        ("recipes ladder", "ladder/task-weights"),
        ("recipes ladder/rung3", "The printed count includes squeeze-and-excitation"),
        ("recipes ladder/rung3", "All of ladder: The DeepLabV3+ ladder"),
        ("recipes ladder/rung33", "did you mean ladder/rung3"),
        ("train ladder/rung33", "did you mean ladder/rung3,"),
        ("train ladder/rung3 --scale smal", "--scale"),
        ("data show --help", "contact sheet"),
        ("data check nowhere", "nowhere is not there"),
        ("data check ''", "STORES... is empty, perhaps because a shell variable is not set"),
        (f"data show {__file__}", "is a file: name the folder of a store"),
        ("train joint --out ''", "--out without a value: give a path"),
        ("data show nowhere", "nowhere is not there"),
        ("data baseline nowhere", "nowhere is not there"),
        ("predict nowhere nowhere.jpg --out there", "there is no image or folder nowhere.jpg"),
        ("predict nowhere . --out there", "nowhere is not a run"),
        (f"predict {PHOTOGRAPH} --height 0", "--height 0: it must be at least 1 (taskscape predict"),
        (f"predict {PHOTOGRAPH} --height 64 --native-resolution", "exclude each other"),
        (f"predict {PHOTOGRAPH} --image-range 5 1", "image range is 5 1: white must be greater than black"),
        (f"predict {PHOTOGRAPH} --tta-as scale-3", "did you mean scales-3?"),
        (f"predict {PHOTOGRAPH} --device gpu", "device is 'gpu'"),
        (f"predict {PHOTOGRAPH} --focal 100", "add --point-cloud or --rerun"),
        (f"predict {PHOTOGRAPH} --focal 100 --fov 50 --point-cloud", "give only one of them"),
        (f"predict {PHOTOGRAPH} --fov 200 --point-cloud", "--fov 200: it must be above 0 and below 180"),
        (f"predict {PHOTOGRAPH} --tile-overlap 0.9", "--tile-overlap 0.9: it must be at least 0 and at most 0.75"),
        (f"predict {PHOTOGRAPH} --tasks dept", "--tasks: the network has no task 'dept'; did you mean depth?"),
        (f"predict {PHOTOGRAPH} --out {__file__}", "is a file: name a folder for the predictions"),
        (f"predict {PHOTOGRAPH} --out {__file__}/there", "is a file: name a folder for the predictions"),
        ("evaluate . --height 0", "--height 0: it must be at least 1 (taskscape evaluate"),
        ("label nowhere . --out new --threshold 2", "--threshold 2: it must be at least 0 and at most 1"),
        ("export taskscape/streets-small --to onnx --size 0 5", "--size 0x5: give HEIGHTxWIDTH"),
        ("export taskscape/streets-small --to onnx --tasks dept", "did you mean depth?"),
        (f"export taskscape/streets-small --to onnx --out {__file__}", "is a file: name a folder for the export"),
        (f"export taskscape/streets-small --to onnx --int8 --calibrate {__file__}", "there is no such folder"),
        ("sweep joint --seeds 0 1 --workers 0", "--workers 0: it must be at least 1"),
        ("sweep joint --seeds 0 1 --stack 1", "--stack 1: it must be at least 2"),
        (f"sweep joint --seeds 0 1 --out {__file__}", "is a file: name a folder for the sweep"),
        ("demo --minutes 0", "--minutes 0: it must be above 0 and finite"),
        (f"demo --out {__file__}", "is a file: name a folder for the run"),
        ("doctor --device gpu", "device is 'gpu'"),
        ("bench joint --out run", "leave out --out and --resume"),
        ("synth streets --count 0", "--count 0: it must be at least 1"),
        (f"synth {__file__}", "is a file: name a folder for the streets"),
        ("synth --out streets", "there is no flag --out; OUT is given without a flag"),
        ("data show nowhere --images 0", "--images 0: it must be at least 1"),
        ("predict --watch nowhere", "--watch: there is no folder nowhere"),
        ("predict photo.jpg --view depth --out there", "--view depth is not TASK.SETTING=VALUE"),
        ("predict taskscape/nothing . --out there", "there is no released model 'taskscape/nothing'"),
        ("train joint --from taskscape/nothing", "there is no released model 'taskscape/nothing'"),
        ("train joint --network.pretrained taskscape/nothing", "there is no released model 'taskscape/nothing'"),
        ("models --encoder nothing", "--encoder: timm has no model 'nothing'"),
        ("models --encoder=", "--encoder: timm has no model ''"),
        ("models --tasks semseg=3 semseg=4", "semseg is given twice"),
        ("models --tasks =3", "give each task a name"),
        ("models --tasks semseg=99999999999999", "1 to 65536"),
        ("models --released --encoder resnet18", "leave out --tasks and --encoder"),
        ("push nowhere user/name", "nowhere is not a run"),
        ("push --help", "Hugging Face hub"),
        ("export nowhere --to onnx", "nowhere is not a run"),
        ("export taskscape/streets-small --to onnx --data .", "--data: . is not a store"),
        (
            "export taskscape/streets-small --to onnx --int8 --calibrate nowhere",
            "there is no such folder: name a store",
        ),
        ("export taskscape/streets-small --to torch --single", "--single is for --to web"),
        ("export taskscape/streets-small --to web --int8", "--int8 is for --to onnx or openvino"),
        ("app --port 99999", "--port 99999: it must be at least 0 and at most 65535"),
        ("export --help", "ONNX Runtime"),
        ("pull nothing", "is not a valid name of a model on the hub"),
        ("pull --help", "Download and verify"),
        ("compare nowhere nowhere --out there.html", "nowhere is not a run"),
        ("train joint --data.path .", "--data.path: . is not a store, it has no manifest.json"),
        ("sweep joint data:mixed --data.parts ., nowhere --seeds 0 1", "--data.parts: . is not a store"),
        ("train joint --data.path nowhere", "--data.path: there is no file or folder nowhere"),
        ("train ladder/rung3 --data.paht nowhere", "did you mean --data."),
        ("doctor --help", "reduced precision"),
        ("predict --help", "side-by-side.png"),
        ("evaluate --help", "Evaluate a trained network"),
        ("compare --help", "side by side"),
        ("report --help", "self-contained"),
        ("demo --help", "minutes"),
        ("models --help", "FLOPs"),
        ("synth --help", "Miniscapes"),
        ("completion --words train joint weighting:", "weighting:pcgrad"),
        ("completion --words prepare city", "cityscapes"),
        ("completion --words prepare folder --", "--description"),
        ("prepare --help", "taskscape.yaml"),
        ("prepare cityscapes --help", "--classes 19"),
        ("prepare cityscpes", "did you mean cityscapes?"),
        ("prepare cityscapes --clases 7", "did you mean --classes?"),
        ("prepare cityscapes --classes 8", "there is no '8'"),
        ("prepare folder nowhere out", "there is no folder nowhere"),
        ("prepare folder", "RAW is missing"),
        (f"prepare folder . {__file__}", "is a file: name a folder for the store"),
        ("prepare folder . store --shard 0", "--shard 0: it must be at least 1"),
        ("synth streets --processes 0", "--processes 0: it must be at least 1"),
        ("prepare my.py raw store", "my.py is a file; name the reader in it too, such as my.py:MyData"),
        ("train joint epochs=3", "did you mean --epochs 3?"),
        ("train joint network:mtan", "did you mean segnet-mtan or resnet-mtan?"),
        ("train joint pcgrad", "'pcgrad' belongs to no flag; did you mean weighting:pcgrad?"),
        ("train joint l1", "did you mean tasks.depth.loss:l1?"),
        ("train joint network deeplab-joint", "did you mean network:NAME?"),
        ("train joint --epochs 3 4", "--epochs takes one value"),
        ("train joint --optimizer.betas 0.9", "give 2 numbers"),
        ("train joint data:packed", "--data.path PATH is missing"),
        ("train --resume nowhere --epochs 3", "there is no flag --epochs"),
        ("evaluate nowhere val", "only RUN can be given without a flag"),
        ("predict", "is missing"),
        ("evaluate nowhere --splitt val", "did you mean --split?"),
        ("demo --treads 2", "did you mean --threads?"),
        ("demo --minutes ten", "--minutes ten: give a number"),
        ("sweep joint --epochs 1 2 --workers two", "--workers two: give a whole number or none"),
        ("completion bsh", "did you mean bash?"),
    ],
)
def test_nothing_heavy_is_imported(
    line: str, said: str, light: subprocess.Popen[str], tmp_path: Path, allowed: Set[str] = frozenset()
) -> None:
    assert light.stdin is not None and light.stdout is not None
    print(json.dumps([str(tmp_path), shlex.split(line)]), file=light.stdin, flush=True)
    assert light.stdout.readline() == "done\n"
    errors = (tmp_path / ".stderr").read_text()
    assert set(errors.splitlines()[-1].split()) <= allowed
    shown = " ".join(((tmp_path / ".stdout").read_text() + errors).split())
    assert said in shown
    assert shown.count("did you mean") <= 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"predict {PHOTOGRAPH} --smooth 0.5", "are for videos: name one, or leave them out"),
        ("predict .", "there is no image in .: name some"),
    ],
)
def test_torch_is_not_imported(line: str, said: str, light: subprocess.Popen[str], tmp_path: Path) -> None:
    test_nothing_heavy_is_imported(line, said, light, tmp_path, {"numpy"})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evaluate runs/old/experiment.yaml", "is a file of a run: name its folder, runs/old"),
        ("evaluate runs/old --device gpu", "device is 'gpu'"),
        ("evaluate runs/old --tta-as nothing", "there is no test-time augmentation 'nothing'"),
        ("label nowhere store --out new", "nowhere is not a run"),
        ("label nowhere.onnx store --out new", "nowhere.onnx is not there: check the path"),
        ("label runs/old store --out new --outputs depth", "--outputs is only for ONNX files"),
        ("label taskscape/streets-small store --out new --tasks dept", "did you mean depth?"),
        ("label runs/old store --out ./runs/../store", "is the store itself: name another folder, or change it with"),
        ("label runs/old store --out runs/old/result.json", "is a file: name a folder for the store"),
        ("label runs/old store --out new --tta-as nothing", "there is no test-time augmentation 'nothing'"),
        ("sweep joint --seeds 0 1 --out runs/old", "runs/old is not empty and holds no sweep"),
        ("train runs/old", "runs/old is a run, not a recipe: continue it with taskscape train --resume runs/old"),
        ("train joint --out runs/old", "runs/old holds a run; resume it with"),
    ],
)
def test_runs_are_found_before_heavy_imports(
    line: str, said: str, light: subprocess.Popen[str], tmp_path: Path
) -> None:
    (tmp_path / "runs" / "old").mkdir(parents=True)
    for name in ("experiment.yaml", "result.json"):
        (tmp_path / "runs" / "old" / name).touch()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "manifest.json").touch()
    test_nothing_heavy_is_imported(line, said, light, tmp_path)


def test_training_settings_are_imported_without_fabric_and_torchmetrics() -> None:
    code = (
        "import sys, taskscape.runs; print(*sorted({'lightning_fabric', 'torchmetrics', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split()


def run(code: str) -> list[str]:
    """Return the words that a separate process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout.split()


def test_a_step_is_taken_without_torchs_compiler(store: Path) -> None:
    printed = run(f"""
import sys
from dataclasses import replace
from pathlib import Path
from taskscape import recipes, runs
from taskscape.data import Packed
from taskscape.distributed import launch
from taskscape.run_folder import RunFolder
from taskscape.training.optimization import SGDConfig
experiment = replace(recipes.joint(), data=Packed(Path({str(store)!r})), batch_size=2)
experiment.check()
stores = experiment.data.open()
for optimizer in (experiment.optimizer, SGDConfig()):
    known = replace(experiment.for_data(stores["train"]), optimizer=optimizer)
    trainer = runs.assemble(known, stores, launch("cpu"), RunFolder(Path("nowhere")))
    trainer.training_step(next(trainer.train_data.epoch(0)), 0)
    trainer.state()
print(*sorted({{"torch._dynamo", "lightning_fabric", "torchmetrics", "triton"}} & sys.modules.keys()))
""")
    assert not printed


def test_whoever_asks_for_more_of_torchs_compiler_gets_it() -> None:
    printed = run("""
import sys
import torch
from taskscape.imports import late_compiler
disable = torch.compiler.disable
with late_compiler():
    from torch._dynamo.utils import is_compile_supported
    marked = torch.compiler.disable(lambda: 3)
    print("torch._dynamo" in sys.modules)
    from torch._dynamo.utils import counters
print(torch.compiler.disable is disable, sys.modules["torch._dynamo.utils"].counters is counters, marked())
print(is_compile_supported("cpu") in (True, False), torch.compile(torch.exp, backend="eager")(torch.zeros(1)).item())
""")
    assert printed == ["False", "True", "True", "3", "True", "1.0"]


# -- the description matches the classes -------------------------------------------------------------------------------


def test_the_description_is_up_to_date() -> None:
    content = json.loads(described.FILE.read_text("utf-8"))
    found = json.loads(json.dumps(script().settings()))
    for part in ("recipes", "texts", "groups", "sweeps", "offers", "classes", "readers"):
        assert content[part] == found[part], "run python .ci/settings.py"
    assert list(content["models"]) == list(CONFIGS), "run python .ci/settings.py"


@pytest.mark.parametrize("name", ["deeplab-joint", "segnet-mtan", "xtask"])
def test_counts_are_up_to_date(name: str) -> None:
    from taskscape.commands.models import cost

    entry = described.described()["models"][name]
    assert (entry["parameters"], entry["flops"]) == cost(CONFIGS[name], own.EXAMPLE_CHANNELS, {})


@pytest.mark.parametrize("name", [*SOME, "segnet-split", "transformer"])
def test_stand_ins_have_the_settings_of_the_classes(name: str) -> None:
    real = own.find(name)() if name in summaries() else own.of_network(name)
    stand_in = described.experiment(name if name in summaries() else "joint")
    if name not in summaries():
        stand_in = chosen(stand_in, [("network", name)])
    text = summaries().get(name, "")
    assert page(name, text, stand_in, "all") == page(name, text, real, "all")


# -- help --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOME)
def test_help_is_one_screen_and_pages(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    experiment = described.experiment(name)
    first = page(name, summaries()[name], experiment, None).splitlines()
    assert len(first) <= 40
    assert max(map(len, first)) <= 100
    for topic in topics(experiment):
        shown = page(name, "", experiment, topic)
        assert ">>>" not in shown
        assert "(default: None)" not in shown


def test_a_member_of_a_choice_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = page("joint", "", described.experiment("joint"), "network").partition("network:NAME")[2]
    assert [line.strip("* ").split()[0] for line in shown.splitlines()[1:]] == list(CONFIGS)


COMMAND_PAGES = [
    *(name for name in COMMANDS if name not in ("train", "sweep", "bench", "prepare", "data")),
    *(f"data {action}" for action in ACTIONS),
    *(f"prepare {name}" for name in described.described()["readers"]),
]


@pytest.mark.parametrize("command", COMMAND_PAGES)
def test_pages_of_commands_are_written_as_those_of_recipes(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: taskscape {command}")
    assert not re.search(r"\{None\}|\(default|\(required|INT\b|STR\b|FLOAT\b|None\b|\d [x×] \d|╭", shown)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 100
    for number, line in enumerate(lines):
        if line.startswith("  --"):
            assert line[34:].strip() or lines[number + 1][34:].strip(), f"{line} is not explained"


LISTS = ["", *COMMANDS, "data", "recipes", "prepare", "sweep joint", "bench joint", "sweep joint --help all"]


@pytest.mark.parametrize("command", [*LISTS, *COMMAND_PAGES, "train joint", "train joint --help all"])
def test_pages_and_lists_fit_the_terminal(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command.split()
    for columns in (80, 100, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        with suppress(SystemExit):
            main(words if "--help" in words or words == ["recipes"] else [*words, "--help"])
        assert max(map(len, capsys.readouterr().out.splitlines())) <= min(columns, 100)


def function_of(command: str) -> Any:
    """Return a command's function, modified to record its values instead of using them."""
    name, _, rest = command.partition(" ")
    module = importlib.import_module(f"taskscape.commands.{name}")
    if name == "prepare":
        return module.function_of(next(reader for reader in READERS if reader.name == rest))
    return module.ACTIONS[rest] if name == "data" else getattr(module, name)


@pytest.mark.parametrize("command", COMMAND_PAGES)
def test_every_flag_of_a_page_is_read(command: str) -> None:
    function, called = function_of(command), []

    @wraps(function)
    def recorded(*places: Any, **values: Any) -> None:
        called.append(values)

    takes = signature(function)
    words = [str((words_of(place.kind) or ["word"])[0]) for place in takes.places]
    made_up = {"HxW": "64x128", "N": "32", "X": "0.5", "X X": "0 1"}
    for one in takes.settings:
        if one.value is MISSING or one.value in EMPTY:
            known = known_words(one.kind) or [made_up.get(expected(one.kind, short=True), "word")]
            words += [f"--{one.flag}", *known[0].split()]
        else:
            words += assignment(one).split()[: 1 if is_switch(one.kind) else None]
    call(recorded, words, command)
    assert len(called) == 1


@pytest.mark.parametrize("name", SOME)
def test_what_a_page_shows_is_what_one_writes(name: str) -> None:
    default = described.experiment(name)
    shown = [
        word
        for node in nodes(default)
        if isinstance(node, Setting) and not is_switch(node.kind) and node.value not in ((), {})
        for word in assignment(node).split()
        if node.path not in ("note", "start_from", "start_checksum", "continued", "data.path", "data.folder")
    ]
    assert parse(name, default, shown).experiment == default


@pytest.mark.parametrize(
    ("kind", "fitting", "wrong"),
    [
        (int, ["3"], ["3.5"]),
        (float, ["-1e-3"], ["much"]),
        (float | None, ["none"], ["nothing"]),
        (bool | Path, ["true"], ["a", "b"]),
        (tuple[float, float], ["0.9", "0.99"], ["0.9", "x"]),
        (tuple[int, ...], ["1", "2", "3"], ["1", "two"]),
        (tuple[int, int] | None, ["64x128"], ["64"]),
        (Mapping[str, float], ["depth", "2"], ["depth"]),
        (Literal["fp32", "bf16"], ["bf16"], ["fp16"]),
    ],
)
def test_words_fit_the_type_of_a_setting(kind: Any, fitting: list[str], wrong: list[str]) -> None:
    tree = [Setting("thing", kind, None, "")]
    assert list(read(["--thing", *fitting], tree).flags["thing"])
    with pytest.raises(ValueError, match=r"thing|belongs to no flag"):
        read(["--thing", *wrong], tree)


# -- choices -----------------------------------------------------------------------------------------------------------


def test_a_choice_keeps_what_the_recipe_has_set() -> None:
    network = parse("joint", own.joint(), ["network:deeplab-branched"]).experiment.network
    assert network == DeeplabBranchedConfig(encoder="resnet18")


@pytest.mark.parametrize(
    ("path", "before", "after", "kept"),
    [
        ("optimizer", AdamWConfig(lr=0.002, betas=(0.8, 0.9)), AdamConfig(lr=0.002, betas=(0.8, 0.9)), "adam"),
        ("weighting", PCGradConfig(mode="features"), None, "cagrad"),
        ("weighting", UncertaintyConfig("xtask"), None, "fixed"),
    ],
)
def test_choices_keep_fields_of_the_same_name_and_type(path: str, before: Any, after: Any, kept: str) -> None:
    new = getattr(chosen(replace(own.joint(), **{path: before}), [(path, kept)]), path)
    types = {field.name: field.type for field in fields(new)}
    for field in fields(before):
        if getattr(before, field.name) != field.default and types.get(field.name) == field.type:
            assert getattr(new, field.name) == getattr(before, field.name)
    assert after is None or new == after


def test_every_class_of_every_choice_can_be_chosen() -> None:
    for name in SOME:
        experiment = described.experiment(name)
        for node in nodes(experiment):
            for cls in node.classes if isinstance(node, Choice) else ():
                if node.path.count(".") == 0:
                    chosen(experiment, [(node.path, cls)])


def test_losses_of_a_mapping_and_of_a_lone_class_can_be_chosen(tmp_path: Path) -> None:
    experiment = parse(
        "xtask", own.xtask(), ["objective.losses.depth:ssim", "tasks.semseg.loss:kl-divergence"]
    ).experiment
    assert [type(loss).__name__ for loss in experiment.objective.losses.values()] == ["SSIM"]
    file = tmp_path / "my_loss.py"
    file.write_text(
        "from dataclasses import dataclass\nfrom typing import ClassVar\nfrom taskscape.losses import Cosine\n"
        "@dataclass(frozen=True)\nclass Mine(Cosine):\n    name: ClassVar[str] = 'mine'\n    power: float = 1.0\n"
    )
    asked = parse(
        "three_tasks", own.three_tasks(), [f"tasks.normals.loss:{file}:Mine", "--tasks.normals.loss.power", "2"]
    )
    assert asked.experiment.tasks["normals"].loss.power == 2.0


@pytest.mark.parametrize("size", ["32x64", "32 64"])
def test_sizes_are_written_in_one_way(size: str) -> None:
    asked = parse("joint", own.joint(), ["--augmentation.crop", *size.split(), "--data.size", *size.split()])
    assert asked.experiment.augmentation.crop == asked.experiment.data.size == (32, 64)


def test_the_path_of_a_store_alone_chooses_the_packed_data(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    for name in ("joint", "ladder/rung3", "mtan/cityscapes_7"):
        for default in (own.find(name)(), described.experiment(name)) if name in summaries() else ():
            data = parse(name, default, ["--data.path", str(tmp_path)]).experiment.data
            assert (type(data).__name__, data.path) == ("Packed", tmp_path)
            same = parse(name, default, ["data:packed", "--data.path", str(tmp_path)]).experiment.data
            assert same == data


def test_an_encoder_may_start_from_a_released_model() -> None:
    name = "taskscape/streets-small"
    assert str(parse("joint", own.joint(), ["--network.pretrained", name]).experiment.network.pretrained) == name


def test_names_are_alike_without_dashes_and_capitals() -> None:
    assert nearest("resnet-18", ["cspresnet50", "resnet18", "resnet18d"]) == "; did you mean resnet18?"
    assert nearest("resnet1O", ["resnet18", "resnet10t", "resnet61q"]) == "; did you mean resnet10t?"
    assert nearest("vit_smal", ["gcvit_small", "vit_small_patch16"]) == "; did you mean vit_small_patch16?"
    assert nearest("mtan", ["deeplab-joint", "segnet-mtan"]) == "; did you mean segnet-mtan?"
    assert nearest("ab", ["slabby", "tabular"]) == "; there is slabby, tabular"


# -- completion --------------------------------------------------------------------------------------------------------


def test_words_are_completed() -> None:
    assert "train" in words(["tr"])
    assert {"joint", "segnet-mtan"} <= set(words(["train", ""]))
    assert set(words(["train", "joint", "network:"])) == {f"network:{name}" for name in offered(NetworkConfig)}
    assert words(["train", "joint", "--precision", ""]) == ["fast", "auto", "fp32", "bf16"]
    assert "--network.tokens" in words(["train", "joint", "network:transformer", "--network."])
    assert words(["data", ""])[:3] == ["check", "show", "baseline"]
    assert "--tta" in words(["evaluate", "runs/joint", "--"])
    assert "ladder" in words(["recipes", ""])


def test_bash_completes_behind_a_colon() -> None:
    code = """
        taskscape() { python -m taskscape "$@"; }
        COMP_LINE="taskscape train joint network:deeplab-b"; COMP_POINT=${#COMP_LINE}
        _taskscape; printf '%s\\n' "${COMPREPLY[@]}"
    """.replace("python", sys.executable)
    done = subprocess.run(["bash", "-c", SCRIPTS["bash"] + code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["deeplab-branched", "deeplab-branched-lite"]


@pytest.mark.parametrize("words", [["--compile", "True"], ["--compile=true"], ["--compile"]])
def test_a_switch_takes_a_word_too(words: list[str]) -> None:
    assert parse("joint", own.joint(), words).experiment.compile is True
    assert parse("joint", own.joint(), ["--channels_last", "False"]).experiment.channels_last is False
    assert parse("joint", own.joint(), ["--no-channels-last"]).experiment.channels_last is False


@pytest.mark.parametrize("words", ["--epochs 3 --epochs 4", "--compile --no-compile", "--batch-size 4 --batch_size 4"])
def test_a_flag_is_given_once(words: str) -> None:
    with pytest.raises(ValueError, match="is given twice"):
        parse("joint", own.joint(), words.split())
