import random
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

import pytest
import yaml

from taskscape.data import Augmentation
from taskscape.modalities.class_sets import CITYSCAPES_7, ClassSet
from taskscape.models import DeeplabJointConfig
from taskscape.runs import Experiment
from taskscape.serialization import dump, is_offered, load_name, offered, parse, user_code, user_modules
from taskscape.tasks import Depth, SemanticSegmentation
from taskscape.weighting import FixedConfig


def random_value(kind: Any, dice: random.Random) -> Any:
    """Return any value of a type."""
    arguments = get_args(kind)
    if get_origin(kind) is Annotated:
        return random_value(arguments[0], dice)
    if get_origin(kind) in (Union, UnionType):
        return random_value(dice.choice(arguments), dice)
    if get_origin(kind) is Literal:
        return dice.choice(arguments)
    if get_origin(kind) is tuple:
        of = arguments[:1] * dice.randint(0, 3) if arguments[-1] is ... else arguments
        return tuple(random_value(member, dice) for member in of)
    if get_origin(kind) in (Mapping, dict):
        return {random_value(str, dice): random_value(arguments[1], dice) for _ in range(dice.randint(0, 3))}
    if kind is ClassSet:
        return CITYSCAPES_7
    if is_offered(kind):
        return random_value(dice.choice(list(offered(kind).values())), dice)
    if is_dataclass(kind):
        hints = get_type_hints(kind, include_extras=True)
        needed = [f for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
        for attempt in range(200):  # a class may reject some values: change fewer and fewer
            changed = [f for f in fields(kind) if f in needed or dice.random() < 0.9**attempt]
            with suppress(ValueError):
                return kind(**{f.name: random_value(hints[f.name], dice) for f in changed})
        return kind()
    return {
        NoneType: lambda: None,
        bool: lambda: dice.random() < 0.5,
        int: lambda: dice.randint(-3, 1000),
        float: lambda: dice.choice([0.0, 1.0, 1e-4, 1e-10, 3e20, float("inf"), dice.random(), dice.gauss(0, 100)]),
        str: lambda: dice.choice(["resnet18", "", "1e-4", "null", "yes", "a: b", "äß1", "2020-01-01", " x\n", "'"]),
        Path: lambda: Path(dice.choice(["a", "a/b c", "/x/y.pt", "true", "1", ".."])),
    }[kind]()


@pytest.mark.parametrize("seed", range(40))
def test_random_experiments_come_back(seed: int) -> None:
    experiment = random_value(Experiment, random.Random(seed))
    text = dump(experiment)
    assert parse(text, "experiment.yaml", Experiment) == experiment
    assert dump(parse(text, "experiment.yaml", Experiment)) == text


def test_what_is_left_out_has_its_default() -> None:
    experiment = parse("epochs: 3\ntasks: {depth: {type: depth}}\noptimizer: {type: adam, lr: 1e-4}", "x", Experiment)
    assert experiment == replace(Experiment(), epochs=3, tasks={"depth": Depth()})
    assert experiment.optimizer.lr == 1e-4  # YAML reads it as text


def test_a_class_set_is_saved_whole() -> None:
    experiment = Experiment(tasks={"semseg": SemanticSegmentation(classes=CITYSCAPES_7)})
    assert yaml.safe_load(dump(experiment))["tasks"]["semseg"]["classes"]["name"] == "cityscapes-7"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3", "run.yaml: there is no field 'epoch'; did you mean epochs?"),
        ("optimizer: {type: adm}", "run.yaml: optimizer: there is no 'adm'; did you mean adam?"),
        (
            "optimizer: {type: adam, weight_decy: 1}",
            "run.yaml: optimizer: there is no field 'weight_decy'; did you mean weight_decay?",
        ),
        ("optimizer: {lr: 1}", "run.yaml: optimizer: the key 'type' is missing: one of sgd, adam, adamw"),
        ("optimizer: adam", "run.yaml: optimizer: 'adam' is not a mapping with the key 'type'"),
        ("optimizer: {type: adam, betas: [0.9]}", "run.yaml: optimizer.betas: "),
        ("tasks: {depth: {type: depth, min_depth: a}}", "run.yaml: tasks['depth'].min_depth: 'a' is not a number"),
        ("tasks: {depth: {type: depth, min_depth: 500, max_depth: 300}}", "min_depth"),
        ("tasks: {depth: {type: dept}}", "run.yaml: tasks['depth']: there is no 'dept'; did you mean depth?"),
        ("tasks: {depth: {mean: 3}}", "run.yaml: tasks['depth']: the key 'type' is missing: one of semseg, depth"),
        ("tasks: {}", "run.yaml: tasks: no task is enabled"),
        ("optimizer: {is: adam}", "the key 'is' is from an earlier version, which cannot be read"),
        ("epochs: three", "run.yaml: epochs: 'three' is not a whole number"),
        ("epochs: 1.5", "run.yaml: epochs: 1.5 is not a whole number"),
        ("epochs: true", "run.yaml: epochs: True is not a whole number"),
        ("epochs: 0", "run.yaml: epochs is 0: it must be at least 1"),
        ("compile: 'no'", "run.yaml: compile: 'no' is not true or false"),
        ("precision: fp8", "run.yaml: precision: 'fp8' is not one of fast, auto, fp32, bf16"),
        ("network: {type: deeplab-joint, pretrained: 3}", "run.yaml: network.pretrained: 3 is not true or false and 3"),
        ("weighting: {type: fixed, weights: {depth: much}}", "run.yaml: weighting.weights['depth']: 'much' is not"),
        ("epochs: x\nseed: y", "epochs: 'x' is not a whole number\nrun.yaml: seed: 'y'"),
        ("data: {type: packed}", "run.yaml: data.path: is missing"),
        ("[1]", "run.yaml: [1] is not a mapping of network, tasks"),
        ("a: [", "run.yaml is not YAML: "),
        ("", "run.yaml: None is not a mapping"),
    ],
)
def test_errors_name_file_and_field(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(text, "run.yaml", Experiment)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system ['touch executed']", "network: !!python/name:os.system"]
)
def test_reading_executes_nothing(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="is not YAML"):
        parse(text, "run.yaml", Experiment)
    assert not list(tmp_path.iterdir())


@dataclass(frozen=True)
class Holder:
    value: Any = field(default_factory=object)


def test_what_is_not_plain_is_not_saved() -> None:
    with pytest.raises(ValueError, match="value is a object, which cannot be saved"):
        dump(Holder())


OWN = """
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from taskscape.runs import Experiment
from taskscape.weighting import Fixed, FixedConfig, Weighting, WeightingConfig


@dataclass(frozen=True)
class Mine(WeightingConfig):
    name: ClassVar[str] = "mine"

    power: float = 1.0

    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        return Fixed(tasks)


@dataclass(frozen=True)
class NoWeighting:
    name: ClassVar[str] = "no-weighting"


NUMBER = 3


def experiment() -> Experiment:
    return Experiment(weighting=Mine(2.0))
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(OWN)
    return tmp_path / "my.py"


def test_classes_of_ones_own_file_come_back(own: Path) -> None:
    experiment = load_name(Path("my.py"), "experiment")()
    text = dump(experiment)
    assert yaml.safe_load(text)["weighting"] == {"type": "my.py:Mine", "power": 2.0}
    assert parse(text, "x", Experiment) == experiment  # the same class, not a second copy of it


def test_a_file_elsewhere_is_saved_by_its_whole_path(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load_name(own, "experiment")()
    (own.parent / "inside").mkdir()
    monkeypatch.chdir(own.parent / "inside")
    assert yaml.safe_load(dump(experiment))["weighting"]["type"] == f"{own.resolve()}:Mine"


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("my.py:Min", "my.py has no 'Min'; did you mean Mine?"),
        ("your.py:Mine", "there is no Python file .*your.py"),
        ("my.py:NUMBER", "my.py:NUMBER is not a dataclass with a `name: ClassVar"),
        ("my.py:NoWeighting", "my.py:NoWeighting is not a subclass of WeightingConfig"),
        ("broken.py:Mine", "broken.py, line 1, could not be imported: ZeroDivisionError"),
        ("text.txt:Mine", "text.txt is not a Python file"),
    ],
)
def test_errors_about_ones_own_file(own: Path, tag: str, message: str) -> None:
    (own.parent / "broken.py").write_text("1 / 0")
    (own.parent / "text.txt").write_text("")
    with pytest.raises(ValueError, match=message):
        parse(f"weighting: {{type: '{tag}'}}", "x", Experiment)


def test_every_module_is_looked_at_once_however_many_files_one_has(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "helper.py").write_text("")
        (tmp_path / name / "my.py").write_text("import helper\nVALUE = 3")
        load_name(tmp_path / name / "my.py", "VALUE")
    before = user_code._import_root.cache_info()
    beside = [module.__file__ for module in user_modules() if module.__name__ == "helper"]
    after = user_code._import_root.cache_info()
    assert {str(tmp_path / name / "helper.py") for name in "abc"} <= set(beside)
    assert after.hits + after.misses - before.hits - before.misses < 2 * len(sys.modules)


def test_a_module_that_is_imported_already_is_not_run_again() -> None:
    assert load_name(Path(__file__), "OWN") is OWN
    assert (
        load_name(Path(sys.modules[DeeplabJointConfig.__module__].__file__ or ""), "DeeplabJointConfig")
        is DeeplabJointConfig
    )


def test_a_subclass_of_a_class_of_the_package_is_ones_own() -> None:
    experiment = Experiment(weighting=OwnFixed({"depth": 2.0}))
    assert yaml.safe_load(dump(experiment))["weighting"]["type"].endswith("test_settings.py:OwnFixed")
    assert parse(dump(experiment), "x", Experiment) == experiment


@dataclass(frozen=True)
class OwnFixed(FixedConfig):
    name: ClassVar[str] = "own-fixed"


@pytest.mark.parametrize("written", ["32x64", "[32, 64]", "32 × 64"])
def test_sizes_of_a_file_are_written_as_flags_are(written: str) -> None:
    assert parse(f"crop: {written}", "there.yaml", Augmentation).crop == (32, 64)
    with pytest.raises(ValueError, match="crop: 32 is not HEIGHTxWIDTH"):
        parse("crop: '32'", "there.yaml", Augmentation)
    assert parse("crop: null", "there.yaml", Augmentation).crop is None
