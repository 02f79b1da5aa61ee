"""For a plain value of any wrong type, the message names the file and the field."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskscape.data.readers.folder.description import _SETTINGS, Description
from taskscape.data.readers.folder.section import Section
from taskscape.runs import Experiment
from taskscape.serialization import offered, structure

VALUES: list[Any] = [
    None,
    True,
    -3,
    0.5,
    "abc",
    "",
    [],
    ["a"],
    [[1]],
    {},
    {"a": 1},
    {"a": {"b": []}},
    [None],
    {1: None},
]
SOUND: dict[str, dict[str, Any]] = {"semseg": {"classes": ["a", "b"]}, "depth": {"unit": "meter"}}


def cases() -> Iterator[tuple[str, str, Any]]:
    for field in _SETTINGS:
        yield from (("", field, value) for value in VALUES)
    for name, section in offered(Section).items():
        yield from ((name, field.name, value) for field in fields(section) for value in VALUES)


def test_every_field_of_a_description_is_read_or_refused_by_name(tmp_path: Path) -> None:
    path, refused = tmp_path / "taskscape.yaml", 0
    for name, field, value in cases():
        content = (
            {"semseg": SOUND["semseg"], field: value} if not name else {name: {**SOUND.get(name, {}), field: value}}
        )
        path.write_text(yaml.safe_dump(content))
        try:
            Description.load(path)
        except ValueError as error:
            refused += 1
            assert str(path) in str(error) and "object has no" not in str(error), error
            assert field in str(error), (name, field, value, str(error))
    assert refused > 100


@pytest.mark.parametrize("field", [field.name for field in fields(Experiment)])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_field_of_an_experiment_is_read_or_refused_by_name(field: str, value: Any) -> None:
    try:
        structure({field: value}, "experiment.yaml", Experiment)
    except ValueError as error:
        assert str(error).startswith("experiment.yaml") and "object has no" not in str(error), error
        assert field in str(error) or repr(value) in str(error), error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"splits": ["a"]}, r"taskscape\.yaml: splits: \['a'\] is not a mapping"),
        ({"splits": 0.9}, r"taskscape\.yaml: splits: 0\.9 is not a mapping"),
        ({"normals": {"axes": "xyz"}}, r"taskscape\.yaml: normals: axes: 'xyz' is not a list of 3"),
    ],
)
def test_text_and_lists_are_no_other_forms(content: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "taskscape.yaml").write_text(yaml.safe_dump({"semseg": SOUND["semseg"], **content}))
    with pytest.raises(ValueError, match=message):
        Description.load(tmp_path / "taskscape.yaml")
