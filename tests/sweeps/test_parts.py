"""Commands that are split into parts give the same result as on one machine."""

import sys
from pathlib import Path

import pytest

from taskscape.cli import main
from taskscape.data.prepare import prepare, prepare_portion
from taskscape.data.readers import Cityscapes
from taskscape.errors import TrainingError
from taskscape.files import locked
from taskscape.parallel import Portion
from taskscape.sweeps import LocalExecutor, parts

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))

import raw_files

SCENES = ["--split", "val", "--count", "5", "--size", "32x64", "--samples", "1"]
CITY = Cityscapes(size=(8, 16), partial=True)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_portions_have_each_thing_once() -> None:
    for count in (0, 1, 7, 10):
        every = [i for number in range(1, 4) for i in Portion(number, 3).among(count)]
        assert every == list(range(count))
    assert Portion.parse("3/10") == (3, 10) and str(Portion(3, 10)) == "3/10"


@pytest.mark.parametrize("text", ["", "3", "0/2", "3/2", "a/b", "1/2/3", "-1/2"])
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(ValueError, match="--part"):
        Portion.parse(text)


def test_portions_of_a_store_in_any_order_are_the_store_of_one_machine(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw_files.cityscapes(raw)
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    prepare(CITY, raw, whole, shard=1, processes=1)
    for number in (3, 1):
        prepare_portion(CITY, raw, shared, Portion(number, 3), shard=1, processes=1)
    with (shared / "train" / "done-1.jsonl").open("a") as record:
        record.write('\n[0, "torn')
    seen: list[tuple[int, int]] = []
    prepare_portion(CITY, raw, shared, Portion(1, 3), 1, 1, lambda *progress: seen.append(progress))
    assert seen == []  # it is already written
    prepare(CITY, raw, shared, shard=1, processes=1)
    assert contents(shared) == contents(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "shared", "whole"]
    with pytest.raises(ValueError, match="is complete: leave --part out"):
        prepare_portion(CITY, raw, shared, Portion(1, 3), shard=1)


def test_inputs_that_change_between_portions_are_read_again(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw_files.cityscapes(raw)
    shared = tmp_path / "shared"
    prepare_portion(CITY, raw, shared, Portion(1, 1), shard=1, processes=1)
    image = sorted((raw / "leftImg8bit").rglob("*.png"))[0]
    other = sorted((raw / "leftImg8bit").rglob("*.png"))[1]
    image.write_bytes(other.read_bytes())
    told: list[str] = []
    prepare(CITY, raw, shared, shard=1, processes=1, tell=told.append)
    assert told == ["the inputs of 1 sample have changed since it was written, which is made again"]
    whole = tmp_path / "whole"
    prepare(CITY, raw, whole, shard=1, processes=1)
    assert contents(shared) == contents(whole)


def test_one_command_at_a_time_works_on_parts(tmp_path: Path) -> None:
    folder = tmp_path / ".val.parts"
    folder.mkdir()
    with locked(folder, folder / "parts.lock"), pytest.raises(ValueError, match="is being written"):
        parts.run_parts(["synth"], tmp_path / "val", LocalExecutor(1))
    assert not list(folder.iterdir())


def test_the_working_folder_is_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw_files.cityscapes(tmp_path / "raw")
    (tmp_path / "store").mkdir()
    monkeypatch.chdir(tmp_path / "store")
    monkeypatch.setattr(parts, "PER_WORKER", 1)
    main(["prepare", "cityscapes", "../raw", ".", "--size", "8x16", "--partial", "--shard", "1", "--on", "local"])
    prepare(CITY, tmp_path / "raw", tmp_path / "whole", shard=1, processes=1)
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "store", "whole"]


def test_workers_of_this_machine_write_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PER_WORKER", 1)
    main(["synth", str(tmp_path / "one"), *SCENES, "--processes", "1"])
    main(["synth", str(tmp_path / "two"), *SCENES, "--part", "2/2"])
    assert sorted(path.stem for path in (tmp_path / "two/val/rgb").iterdir()) == ["000002", "000003", "000004"]
    main(["synth", str(tmp_path / "three"), *SCENES, "--on", "local", "--workers", "2"])
    assert contents(tmp_path / "three") == contents(tmp_path / "one")
    raw, store = str(tmp_path / "one"), str(tmp_path / "store")
    (tmp_path / "one/val").rename(tmp_path / "one/train")
    main(["prepare", "miniscapes", raw, store, "--partial", "--shard", "2", "--on", "local", "--workers", "2"])
    prepare(parts_reader(), raw, tmp_path / "whole", shard=2, processes=1)
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def parts_reader():  # type: ignore[no-untyped-def]
    from taskscape.data.readers import Miniscapes

    return Miniscapes(partial=True)


def test_a_part_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PER_WORKER", 2)
    command = ["synth", str(tmp_path / "x"), *SCENES[:-1], "0"]
    with pytest.raises(TrainingError, match=r"2 of 2 parts failed; .* part 1 of 2: .*samples"):
        parts.run_parts(command, tmp_path / "x", LocalExecutor(1))
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--part", "1/2", "--on", "local"], "--part is the work of one machine"),
        (["--workers", "2"], "--workers is for --on"),
        (["--on", "local", "--address", "auto"], "--address is that of a Ray cluster"),
        (["--part", "2"], "--part 2 is not a valid part"),
    ],
)
def test_flags_that_do_not_fit(
    tmp_path: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["synth", str(tmp_path), *flags])
    assert message in capsys.readouterr().err


def test_a_part_of_a_store_needs_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.joinpath("raw").mkdir()
    with pytest.raises(SystemExit):
        main(["prepare", "miniscapes", str(tmp_path / "raw"), str(tmp_path / "store"), "--part", "1/2"])
    assert "set --shard" in capsys.readouterr().err


def test_nodes_of_a_ray_cluster_write_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(parts, "PER_WORKER", 1)
    main(["synth", str(tmp_path / "one"), *SCENES, "--processes", "1"])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        main(["synth", str(tmp_path / "two"), *SCENES, "--on", "ray", "--address", cluster.address])
    finally:
        cluster.shutdown()
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
