"""Tables and figures in documents equal the results, and statements about them hold."""

import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import learning  # noqa: E402
import tables  # noqa: E402
from taskscape import models  # noqa: E402


@pytest.mark.parametrize("document", tables.DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documents_have_the_figures_of_the_results(document: Path) -> None:
    text = document.read_text("utf-8")
    assert tables.render(text) == text, "run python benchmarks/tables.py"


def test_every_part_stands_in_a_document() -> None:
    text = "".join(document.read_text("utf-8") for document in tables.DOCUMENTS)
    assert all(f"<!-- result: {name} -->" in text for name in tables.PARTS)


def test_a_changed_figure_is_found_and_mended() -> None:
    text = "At <!-- result: scenes-with-one -->1.0<!-- end --> a second.\n<!-- result: streets -->\nold\n<!-- end -->\n"
    made = tables.render(text)
    assert "1.0<!-- end -->" not in made and "| 128x256 | 4 |" in made and "old" not in made
    assert tables.render(made) == made


def test_answers_take_less_than_a_fifth_of_an_import_of_torch() -> None:
    found = tables.load("startup")
    answers = {name: seconds for name, seconds in found.items() if name.startswith("taskscape")}
    assert max(answers.values()) < found["python -c 'import torch'"] / 5


# -- sentences of docs/results -----------------------------------------------------------------------------------------

WEIGHTINGS = {
    row["name"]: {name: fmean(of_seeds) for name, of_seeds in row.items() if isinstance(of_seeds, list)}
    for row in tables.load("balancing")["rows"]
}
"""The means over the seeds, by metric and weighting."""
SEGMENTATION, DEPTH = WEIGHTINGS["segmentation alone"], WEIGHTINGS["depth alone"]
DELTA_M = {name: row["delta_m"] for name, row in WEIGHTINGS.items() if "delta_m" in row}


def test_three_methods_have_the_lowest_delta_m_better_depth_and_worse_segmentation() -> None:
    assert sorted(DELTA_M, key=lambda name: DELTA_M[name])[:3] == ["nash-mtl", "fairgrad", "db-mtl"]
    for row in (WEIGHTINGS[name] for name in ("nash-mtl", "fairgrad", "db-mtl")):
        assert all(row[name] < DEPTH[name] for name in DEPTH)
        assert all(0.95 * SEGMENTATION[name] < row[name] < SEGMENTATION[name] for name in SEGMENTATION)


def test_deviations_of_delta_m_over_the_seeds() -> None:
    spreads = [stdev(row["delta_m"]) for row in tables.load("balancing")["rows"] if "delta_m" in row]
    assert (round(min(spreads), 1), round(max(spreads), 1)) == (0.1, 0.9)


def test_trainings_in_bf16_end_where_those_in_fp32_end() -> None:
    networks = tables.load("precision_training")["networks"]
    for by_precision in networks.values():
        for metric in ("semseg/miou", "depth/si_log_rmse"):
            exact, rounded = ([run[metric] for run in by_precision[p].values()] for p in ("fp32", "bf16"))
            assert len(exact) == 3 and abs(fmean(rounded) - fmean(exact)) < stdev(exact)
    assert "segnet-split" in networks


def test_mgda_and_the_geometric_mean_lose_segmentation() -> None:
    with_segmentation = [name for name, row in WEIGHTINGS.items() if "semseg/miou" in row]
    worst = sorted(with_segmentation, key=lambda name: WEIGHTINGS[name]["semseg/miou"])[:2]
    assert worst == ["mgda", "geometric"]
    assert all(WEIGHTINGS[name]["depth/abs_rel"] < DEPTH["depth/abs_rel"] for name in worst)


def test_random_weights_are_two_percent_worse_than_a_plain_sum() -> None:
    assert all(1.9 < DELTA_M[name] - DELTA_M["fixed"] < 2.4 for name in ("random", "random-gradient"))


def times(result: str) -> dict[str, float]:
    """Return the time of a step relative to the plain sum, by method, rounded as in the table."""
    found: Mapping[str, Any] = tables.load(result)["costs"]
    return {name: round(of["seconds"] / found["fixed"]["seconds"], 2) for name, of in found.items()}


def by_mode(relative: Mapping[str, float], mode: str) -> dict[str, float]:
    """Return the times of the methods with this mode, by method."""
    end = f", {mode}"
    return {name.removesuffix(end): time for name, time in relative.items() if name.endswith(end)}


def test_cost_of_gradient_methods() -> None:
    relative = times("weighting")
    assert relative["gradnorm"] == relative["famo"] == 1.40
    assert round(relative["db-mtl"], 1) == 1.9
    parameters, features = by_mode(relative, "parameters"), by_mode(relative, "features")
    assert round(parameters.pop("graddrop"), 1) == 2.5
    assert min(parameters.values()) > 1.5 and max(parameters.values()) < 1.71
    assert (min(features.values()), max(features.values())) == (1.03, 1.10)


def test_cost_with_cross_task_consistency() -> None:
    relative = times("weighting-xtask")
    parameters = by_mode(relative, "parameters") | {"db-mtl": relative["db-mtl"]}
    assert parameters.pop("graddrop") == 1.35 and relative["excess-mtl"] == 1.49
    assert (min(parameters.values()), max(parameters.values())) == (1.07, 1.14)
    assert all(1.28 < relative[name] < 1.36 for name in ("gradnorm", "famo"))


def test_networks_are_better_than_blind_predictors_but_for_two() -> None:
    found = tables.load("networks")
    exceptions = {
        "segnet-split-deep": {"depth/si_log_rmse"},
        "cross-attention": {"depth/abs_err", "depth/abs_rel", "depth/si_log_rmse"},
    }
    for row in found["rows"]:
        for blind in found["baselines"]:
            worse = {
                name
                for name, value in blind.items()
                if name != "name" and (row[name] < value if name.startswith("semseg") else row[name] > value)
            }
            expected = exceptions.get(row["name"], set()) if blind["name"] == "blind, by position" else set()
            assert worse == expected, (row["name"], blind["name"])


def test_adaptive_bins_trail_in_depth() -> None:
    rows = {row["name"]: row for row in tables.load("networks")["rows"]}
    other = rows["deeplab-branched-lite"]
    for name in ("adaptive-depth", "transformer", "cross-attention"):
        assert rows[name]["depth/si_log_rmse"] > other["depth/si_log_rmse"]
    for name in ("adaptive-depth", "transformer"):
        assert abs(rows[name]["semseg/miou"] - other["semseg/miou"]) < 1.1


def test_steps_gain_over_originals_by_bf16_and_channels_last() -> None:
    timed = {name: of for name, of in tables.load("against_originals").items() if "seconds" in of}
    assert len(timed) >= 4 and all(of["ratio"] > 1.9 for of in timed.values())
    by_gradients = {name for name in timed if name.split(",")[1].endswith(("PCGrad", "CAGrad"))}
    assert all(timed[name]["to bf16"] > 1.7 for name in by_gradients)
    assert all(0.9 < of["to bf16"] < 1.2 for name, of in timed.items() if name not in by_gradients)


def test_what_performance_says_of_loading_and_of_depth_alone() -> None:
    seconds = tables.load("ratios")["loading"]["seconds"]
    assert seconds["store, not augmented"] < seconds["store"] / 4 < seconds["DataLoader"] / 16
    rows = tables.load("inference")["rows"]
    assert all(of["flops"]["depth"] < of["flops"]["all"] for of in rows.values())
    trunks = ("deeplab-joint", "deeplab-joint-lite", "deeplab-plain")
    assert all(of["flops"]["depth"] > 0.98 * of["flops"]["all"] for name, of in rows.items() if name in trunks)
    assert all(of["seconds"]["openvino bf16"] < of["seconds"]["bf16"] for of in rows.values() if "refused" not in of)


def test_smoothing_calms_videos_and_costs_nothing() -> None:
    found = tables.load("video")
    for kind in ("pan", "drive"):
        none, plain, smooth = (found[kind]["means"][way] for way in ("none", "plain 0.6", "smooth 0.6"))
        assert (
            all(smooth[key] < none[key] for key in ("depth", "normals")) and smooth["flicker"] < none["flicker"] * 2 / 3
        )
        assert smooth["semseg/pixel_accuracy"] > none["semseg/pixel_accuracy"] > plain["semseg/pixel_accuracy"]
        assert smooth["semseg/miou"] > none["semseg/miou"] and smooth["depth/abs_rel"] < none["depth/abs_rel"]
        assert smooth["normals/mean"] < none["normals/mean"] + 0.1
        seconds = found[kind]["seconds_a_frame"]
        assert 0.2 < seconds["smoothing"] / seconds["network"] < 0.5
    assert found["pan"]["means"]["plain 0.6"]["flicker"] > found["pan"]["means"]["none"]["flicker"]
    assert min(found["likeness"]["steps"]) > 0.78 and max(found["likeness"]["cuts"]) < 0.2


def test_the_table_of_networks_can_be_made_with_every_network() -> None:
    assert {name: one.network.name for name, one in learning.networks().items()} == {n: n for n in models.NAMES}
