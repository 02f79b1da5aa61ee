"""The documents are correct: their Python code runs, their commands and flags exist, their links resolve."""

import functools
import importlib
import io
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import taskscape
from blocks import pack
from documents import PAGES, README, ROOT, blocks, commands
from taskscape import models, recipes
from taskscape.cli import main
from taskscape.commands import COMMANDS
from taskscape.commands.call import signature
from taskscape.commands.recipes import summaries as names_of_recipes
from taskscape.commands.settings import Choice, nodes
from taskscape.data import Packed

DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *PAGES]
GUIDE = [page for page in DOCUMENTS if blocks(page, "python") and page.name not in ("CONTRIBUTING.md", "decisions.md")]


def label(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with the files that pages assume: a store, a run and a photograph."""
    folder = tmp_path_factory.mktemp("documents")
    store = pack(folder / "rooms")
    network = models.DeeplabJointConfig(encoder="resnet10t", output_stride=32, width=16)
    experiment = replace(recipes.joint(), network=network, data=Packed(store), epochs=1, batch_size=4, device="cpu")
    taskscape.train(experiment, folder / "joint", quiet=True)
    Image.effect_noise((60, 40), 80).convert("RGB").save(folder / "photo.jpg")
    return folder


@pytest.fixture
def workspace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "stores").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "stores" / "rooms").symlink_to(made / "rooms")
    (tmp_path / "runs" / "joint").symlink_to(made / "joint")
    (tmp_path / "photo.jpg").symlink_to(made / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    random = torch.get_rng_state()
    yield tmp_path
    torch.set_rng_state(random)
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", GUIDE, ids=label)
def test_python_runs(page: Path, workspace: Path) -> None:
    names: dict[str, object] = {"__name__": "__page__"}
    for block in blocks(page, "python"):
        if block.title:
            (workspace / block.title).write_text(block.code)
        with redirect_stdout(io.StringIO()):
            exec(compile(block.code, f"{label(page)}: {block.code.splitlines()[0]}", "exec"), names)


def test_ten_lines_are_enough() -> None:
    for block in blocks(ROOT / "docs" / "guide" / "ten-lines.md", "python"):
        assert len([line for line in block.code.splitlines() if line.strip()]) <= 10, block.code


def flags(command: str) -> set[str]:
    return set(re.findall(r"(?<= )--[a-z][\w.-]*", command))


@functools.cache
def help_of(*arguments: str) -> str:
    """Return the output of a command with --help."""
    text = io.StringIO()
    with redirect_stdout(text), suppress(SystemExit):
        main([*arguments, "--help"])
    return text.getvalue()


@functools.cache
def fields_of_experiments() -> set[str]:
    """Return the names of all settings, as flags."""
    source = "\n".join(path.read_text() for path in (ROOT / "src" / "taskscape").rglob("*.py"))
    return {name.replace("_", "-") for name in re.findall(r"^    (\w+): ", source, re.MULTILINE)}


@pytest.mark.parametrize("page", [page for page in DOCUMENTS if commands(page)], ids=label)
def test_commands_and_their_flags_exist(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    known = {*names_of_recipes(), *models.NAMES}
    for command in commands(page):
        _, name, *rest = command.split()
        if name == "--version":
            continue
        assert name in COMMANDS, command
        if name in ("train", "sweep", "bench"):
            if rest[0] != "--resume" and name != "sweep" and not re.search(r"\.(py|yaml)\b", rest[0]):
                assert rest[0] in known, command
            own = (
                {"--from", "--out", "--resume", "--help", "--threads"}
                if name == "train"
                else {"--threads", *flags(" " + help_of(name))}
            )
            for flag in flags(command) - own:
                assert flag.rpartition(".")[2].lstrip("-") in fields_of_experiments(), command
        elif name == "prepare" and ".py:" in rest[0]:
            continue  # a reader that the page defines
        else:
            text = help_of(name, rest[0]) if name == "prepare" else help_of(name)
            assert flags(command) - {"--help"} <= flags(" " + text), command


def test_a_reader_who_follows_the_guide_makes_every_run_once() -> None:
    """A folder that holds a run is refused, so no two blocks may train into the same one."""
    made: list[str] = []
    for page in (README, *PAGES):
        if page.parent.name in ("guide", "docs") or page == README:
            shell = " ".join(command for command in commands(page) if command.startswith("taskscape train"))
            made += re.findall(r"--out (\S+)", shell)
            made += [
                run for block in blocks(page, "python") for run in re.findall(r'\.train\([^"]+"([^"]+)"', block.code)
            ]
    assert "runs/joint" in made
    assert sorted(made) == sorted(set(made))


def test_every_command_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    assert set(re.findall(r"^\| `taskscape (\w+)", page, re.MULTILINE)) == set(COMMANDS)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and mkdocs generate them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


COMMAND_LINE = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("train", "sweep", "bench", "prepare")])
def test_the_reference_has_every_flag_of_a_command(command: str) -> None:
    module = importlib.import_module(f"taskscape.commands.{command}")
    functions = {f"data {name}": one for name, one in module.ACTIONS.items()} if command == "data" else {}
    for name, function in functions.items() or [(command, getattr(module, command))]:
        [row] = re.findall(rf"^\| `taskscape {name}\b[^`]*` \|.* \| (.*)\|$", COMMAND_LINE, re.MULTILINE)
        assert set(re.findall(r"`--([\w-]+)`", row)) == {one.flag for one in signature(function).settings}


@pytest.mark.parametrize("field", ["data", "objective", "optimizer", "schedule"])
def test_the_reference_has_every_class_of_a_choice(field: str) -> None:
    [row] = re.findall(rf"^\| `{field}:` \| (.*) \|$", COMMAND_LINE, re.MULTILINE)
    tree = {node.path: node for node in nodes(recipes.joint()) if isinstance(node, Choice)}
    assert re.findall(r"`([\w-]+)`", row) == list(tree[field].classes)


@pytest.mark.parametrize("page", [*DOCUMENTS, ROOT / "CHANGELOG.md"], ids=label)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        other = (page.parent / file).resolve() if file else page
        assert other.exists(), target
        assert not anchor or anchor in anchors(other), target


@pytest.mark.parametrize("page", [*DOCUMENTS, ROOT / "CHANGELOG.md"], ids=label)
def test_files_that_are_named_exist(page: Path) -> None:
    for name in re.findall(r"`((?:src|tests|docs|examples|benchmarks)/[\w/.-]+\.\w+)`", page.read_text("utf-8")):
        if not re.search(r"[A-Z]{4}", name):  # such as NAME, a placeholder
            assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", DOCUMENTS, ids=label)
def test_no_comment_begins_a_line_of_text(page: Path) -> None:
    """There it would end the paragraph before it."""
    assert not re.findall(r"^ *<!--.*?-->.*\S.*", page.read_text("utf-8"), re.MULTILINE)


def test_the_site_has_every_page() -> None:
    nav = set(re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert nav == {page.relative_to(ROOT / "docs").as_posix() for page in PAGES}


@pytest.mark.parametrize(
    "room", ["data", "losses", "metrics", "modalities", "models", "objectives", "tasks", "views", "weighting"]
)
def test_every_public_class_is_in_the_reference(room: str) -> None:
    page = (ROOT / "docs" / "reference" / f"{room}.md").read_text()
    listed = set(re.findall(r"^::: taskscape\.[\w.]*?(\w+)$|^      members: \[(\w+)\]$", page, re.MULTILINE))
    names = {name for pair in listed for name in pair if name}
    module = getattr(taskscape, room)
    exported = {name for name in vars(module).get("__all__", ()) if isinstance(getattr(module, name), type)}
    configs = {config.__name__ for config in vars(module).get("CONFIGS", {}).values()}
    assert exported | configs <= names | ALIASES


ALIASES = {"AlbedoLoss", "BoundaryLoss", "DepthLoss", "NormalsLoss", "SegmentationLoss", "Color", "RgbArray", "Space"}
"""Names of types, not classes."""


def test_the_home_page_counts_right() -> None:
    from taskscape import weighting

    sentence = f"{len(models.NAMES)} networks, {len(weighting.CONFIGS)} balancing"
    for page in (README, ROOT / "docs" / "index.md"):
        assert sentence in " ".join(page.read_text().split())


@pytest.mark.parametrize("room", ["models", "weighting"])
def test_the_reference_links_every_paper(room: str) -> None:
    page = (ROOT / "docs" / "reference" / f"{room}.md").read_text()
    for name, config in getattr(taskscape, room).CONFIGS.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", page, re.MULTILINE)
        assert config.link in row
        assert getattr(config, "paper", "") in row


def test_scripts_read_their_arguments() -> None:
    """So ``--help`` describes a script, and unknown arguments are an error before any work."""
    scripts = [
        *ROOT.glob("benchmarks/*.py"),
        *ROOT.glob(".ci/*.py"),
        *ROOT.glob("docs/*.py"),
    ]
    run = [path for path in scripts if '__name__ == "__main__"' in path.read_text("utf-8")]
    assert run and not [
        path.name for path in run if not re.search(r"parse_args\(|tyro\.cli\(", path.read_text("utf-8"))
    ]
