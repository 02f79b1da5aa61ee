"""Sweeps neither lose nor repeat runs, however they end."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from one_by_one import OneByOne
from typing_extensions import override

from taskscape import runs
from taskscape.run_folder import Progress, Result
from taskscape.runs import Experiment
from taskscape.sweeps import Executor, Grid, LocalExecutor, Point, Range, Sampler, Sweep, Trial, Values, is_done, run
from taskscape.sweeps.sampler import Outcome
from taskscape.sweeps.sweep import Monitor, Outcomes
from tiny import tiny


class Here(OneByOne):
    """Trains in this process when it is polled."""

    def __init__(self) -> None:
        super().__init__()
        self.trained: list[str] = []

    @override
    def ended(self) -> Sequence[tuple[Path, str]]:
        path = self.waiting.pop(0)
        self.trained.append(path.name)
        try:
            runs.train(runs.read_experiment(path), path, resume=True, quiet=True)
        except ValueError as error:
            return [(path, str(error))]
        return [(path, "")]


RATES = Values("optimizer.lr", [Point(text, ("--optimizer.lr", text)) for text in ("1e-3", "1e-2")])
SEEDS = Values("seed", [Point(text, ("--seed", text)) for text in ("0", "1")])


def builder(store: Path, epochs: int = 2) -> Callable[[Trial], Experiment]:
    def build(trial: Trial) -> Experiment:
        start = replace(tiny(store), keep_checkpoint=False, checkpoint_minutes=0.0, epochs=epochs)
        rate = float(trial.values["optimizer.lr"])
        return replace(start, optimizer=replace(start.optimizer, lr=rate), seed=int(trial.values.get("seed", 0)))

    return build


def swept(
    store: Path, sampler: Sampler, executor: Executor, on_outcome: Callable[[Outcomes], object] = lambda outcomes: None
) -> Outcomes:
    return run(Sweep(sampler, executor, Monitor.of(tiny(store)), builder(store), on_outcome))


def weights(path: Path) -> bytes:
    return (path / "best.safetensors").read_bytes()


def test_a_grid_trains_every_combination_once_seed_by_seed(store: Path, tmp_path: Path) -> None:
    executor = Here()
    outcomes = swept(store, Grid(tmp_path, [RATES, SEEDS]), executor)
    assert executor.trained == ["lr=1e-3,seed=0", "lr=1e-2,seed=0", "lr=1e-3,seed=1", "lr=1e-2,seed=1"]
    assert {outcome.state for _, outcome in outcomes.values()} == {"finished"}
    alone = runs.train(builder(store)(Grid(tmp_path, [RATES, SEEDS]).trials[0]), tmp_path / "alone", quiet=True)
    trial, outcome = next(iter(outcomes.values()))
    assert outcome.value == alone.metrics["semseg/miou"]
    assert weights(trial.path) == weights(tmp_path / "alone")


def test_a_stopped_sweep_goes_on_without_repeating(store: Path, tmp_path: Path) -> None:
    def stop(outcomes: Outcomes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(store, Grid(tmp_path, [RATES, SEEDS]), Here(), stop)
    executor = Here()
    outcomes = swept(store, Grid(tmp_path, [RATES, SEEDS]), executor)
    assert len(executor.trained) == 3
    assert "lr=1e-3,seed=0" not in executor.trained
    assert all(is_done(path) for path in outcomes)
    assert len(outcomes) == 4


def test_a_run_that_fails_does_not_end_the_sweep(store: Path, tmp_path: Path) -> None:
    build = builder(store)

    def one_fails(trial: Trial) -> Experiment:
        return replace(
            build(trial), start_from=tmp_path / "nowhere" if trial.values["optimizer.lr"] == "1e-3" else None
        )

    outcomes = run(Sweep(Grid(tmp_path, [RATES]), Here(), Monitor.of(tiny(store)), one_fails))
    states = {trial.name: outcome for trial, outcome in outcomes.values()}
    assert states["lr=1e-2"].state == "finished"
    assert states["lr=1e-3"].state == "failed"
    assert "nowhere" in states["lr=1e-3"].error


class Killing(LocalExecutor):
    """Kills the first worker that has taken a step."""

    killed = 0

    @override
    def ended(self) -> Sequence[tuple[Path, str]]:
        for path, (process, _, _) in self._processes.items():
            if not self.killed and (path / "last.ckpt").exists():
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                self.killed += 1
        return super().ended()


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_worker_is_resumed_to_the_same_weights(store: Path, tmp_path: Path) -> None:
    executor = Killing(workers=1)
    executor.threads = 1
    outcomes = swept(store, Grid(tmp_path, [Values(RATES.name, RATES.points[:1])]), executor)
    (trial, outcome) = next(iter(outcomes.values()))
    assert executor.killed == 1
    assert outcome.state == "finished"
    runs.train(builder(store)(trial), tmp_path / "alone", quiet=True)
    assert weights(trial.path) == weights(tmp_path / "alone")
    assert (trial.path / "report" / "index.html").exists()


def test_a_worker_that_keeps_dying_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    executor = LocalExecutor(workers=2)
    executor.start(tmp_path)
    ended: Sequence[tuple[Path, str]] = ()
    while not ended:
        ended = executor.ended()
    assert ended[0] == (tmp_path, "its process ended with 1")
    executor.close()


def test_folders_are_named_by_settings(tmp_path: Path) -> None:
    plain = Trial.of(tmp_path, {"optimizer.lr": RATES.points[0], "seed": SEEDS.points[1]})
    assert plain.name == "lr=1e-3,seed=1"
    odd = [Trial.of(tmp_path, {"start_from": Point(text, (text,))}).name for text in ("a/b", "a:b")]
    assert len({*odd}) == 2
    assert all(set(name) & set("/:\\") == set() and len(name) < 120 for name in odd)


def test_the_same_folder_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="twice"):
        Grid(tmp_path, [Values("a", [Point("1", ("x",)), Point("1", ("x",))])])


def test_ranges(tmp_path: Path) -> None:
    assert Range("lr", "--lr", 1e-5, 1e-2).log
    assert not Range("lr", "--lr", 0.0, 1e-2).log
    assert Range("width", "--width", 4, 16, whole=True).point(7).words == ("--width", "7")
    with pytest.raises(ValueError, match="not a range"):
        Range("lr", "--lr", 1e-2, 1e-5)


# -- search ------------------------------------------------------------------------------------------------------------


def search(folder: Path, number: int = 4, storage: str | None = None) -> Sampler:
    pytest.importorskip("optuna")
    from taskscape.sweeps.search import Search

    axes = [Range("optimizer.lr", "--optimizer.lr", 1e-4, 1e-1)]
    return Search(folder, axes, number, study="s", higher_is_better=True, storage=storage)


def test_a_search_goes_on_where_it_was_killed(store: Path, tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def kill(outcomes: Outcomes) -> None:
        if len(outcomes) == 2:
            raise KilledError

    whole, halves = tmp_path / "whole", tmp_path / "halves"
    whole.mkdir(), halves.mkdir()
    expected = swept(store, search(whole), Here())
    with pytest.raises(KilledError):
        swept(store, search(halves), Here(), kill)
    begun = search(halves)
    assert begun.ask() is not None  # assigned to a worker before everything was killed
    executor = Here()
    outcomes = swept(store, search(halves), executor)
    assert len(executor.trained) == 2
    assert [path.name for path in outcomes] == [path.name for path in expected]
    assert [outcome.value for _, outcome in outcomes.values()] == [outcome.value for _, outcome in expected.values()]


def test_a_database_holds_the_search(store: Path, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/sweep.db"
    swept(store, search(tmp_path, 2, storage), Here())
    again = search(tmp_path, 2, storage)
    assert len(again.past()) == 2
    assert again.ask() is None


def test_hopeless_trials_are_pruned(tmp_path: Path) -> None:
    sampler = search(tmp_path, 7)
    for number in range(6):
        trial = sampler.ask()
        assert trial is not None
        for epoch in range(4):
            assert not sampler.report(trial, epoch, 50.0)
        sampler.tell(trial, Outcome("finished", 50.0 + number))
    last = sampler.ask()
    assert last is not None
    assert [sampler.report(last, epoch, 1.0) for epoch in range(4)][-1]
    sampler.tell(last, Outcome("pruned", error="after epoch 2"))
    states = [outcome.state for _, outcome in search(tmp_path, 7).past()]
    assert states == ["finished"] * 6 + ["pruned"]


class Endless(Here):
    """Writes validations like a long run, and ends when it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped: list[Path] = []

    @override
    def ended(self) -> Sequence[tuple[Path, str]]:
        if self.stopped:
            return [(self.stopped.pop(), "stopped")]
        with (self.waiting[0] / "metrics.csv").open("a") as file:
            if not file.tell():
                file.write("epoch,step,val/semseg/miou\n")
            file.write("1,1,3.0\n")
        return ()

    @override
    def stop(self, path: Path) -> None:
        self.stopped.append(path)


def test_what_the_sampler_gives_up_is_stopped(store: Path, tmp_path: Path) -> None:
    class Strict(Grid):
        @override
        def report(self, trial: Trial, epoch: int, value: float) -> bool:
            return value < 10

    outcomes = swept(store, Strict(tmp_path, [Values(RATES.name, RATES.points[:1])]), Endless())
    assert [(outcome.state, outcome.error) for _, outcome in outcomes.values()] == [("pruned", "after epoch 1")]


def test_runs_may_share_a_gpu() -> None:
    assert LocalExecutor(gpus=2).workers == 2
    assert LocalExecutor(gpus=2, gpus_per_run=0.5).workers == 4
    assert LocalExecutor(gpus=2, gpus_per_run=0).workers == 1 == LocalExecutor().workers


def test_processes_share_the_threads_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    assert LocalExecutor(workers=2).threads == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert LocalExecutor(workers=2).threads == 1


# -- Ray ---------------------------------------------------------------------------------------------------------------


def test_two_nodes_of_a_ray_cluster_train_a_grid(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    from taskscape.sweeps.on_ray import RayExecutor

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        executor = RayExecutor(None, cluster.address)
        assert (executor.workers, executor.threads) == (2, 1)
        outcomes = swept(store, Grid(tmp_path, [RATES]), executor)
    finally:
        cluster.shutdown()
    assert {outcome.state for _, outcome in outcomes.values()} == {"finished"}
    for trial, _ in outcomes.values():
        runs.train(builder(store)(trial), tmp_path / "alone" / trial.name, quiet=True)
        assert weights(trial.path) == weights(tmp_path / "alone" / trial.name)


def test_a_run_whose_node_is_lost_goes_on_on_another(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    from taskscape.sweeps import on_ray
    from taskscape.sweeps.on_ray import RayExecutor

    monkeypatch.setattr(on_ray, "_WAIT", 0.02)
    build = builder(store, epochs=20)  # enough epochs that the node is lost before the last
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})

    class Losing(RayExecutor):
        """Loses the only node that can train when a step is saved, and gets a new one."""

        lost = 0

        @override
        def ended(self) -> Sequence[tuple[Path, str]]:
            if not self.lost and any((path / "last.ckpt").exists() for path in self._running.values()):
                cluster.remove_node(node, allow_graceful=False)
                cluster.add_node(num_cpus=1)
                self.lost += 1
            return super().ended()

    try:
        node = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        executor = Losing(1, cluster.address)
        grid = Grid(tmp_path, [Values(RATES.name, RATES.points[:1])])
        outcomes = run(Sweep(grid, executor, Monitor.of(tiny(store)), build))
    finally:
        cluster.shutdown()
    (trial, outcome) = next(iter(outcomes.values()))
    assert (executor.lost, outcome.state) == (1, "finished")
    runs.train(build(trial), tmp_path / "alone", quiet=True)
    assert weights(trial.path) == weights(tmp_path / "alone")


def test_runs_of_other_settings_are_not_taken_for_those_of_the_sweep(store: Path, tmp_path: Path) -> None:
    def sweep(epochs: int) -> tuple[Outcomes, list[str]]:
        executor = Here()
        grid = Grid(tmp_path, [RATES])
        return run(Sweep(grid, executor, Monitor.of(tiny(store)), builder(store, epochs))), executor.trained

    first, second = Grid(tmp_path, [RATES]).trials
    first.write(builder(store, 5)(first))  # planned, and not yet trained
    outcomes, _ = sweep(1)
    assert {Result.load(path / "result.json").progress for path in outcomes} == {Progress(1, 1, finished=True)}
    with pytest.raises(ValueError, match=r"lr=1e-3 is finished, and was trained with other settings \(epochs\)"):
        sweep(2)
    for trial in (first, second):
        (trial.path / "result.json").unlink()
    with pytest.raises(ValueError, match=r"lr=1e-3 was started with other settings \(epochs\)"):
        sweep(2)
    assert len(sweep(1)[1]) == 2
