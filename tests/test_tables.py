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

WEIGHTINGS = {row["name"]: row for row in tables.load("balancing")["rows"]}
SEGMENTATION, DEPTH = WEIGHTINGS["segmentation alone"], WEIGHTINGS["depth alone"]


def test_nash_mtl_has_the_lowest_delta_m_better_depth_and_worse_segmentation() -> None:
    nash = WEIGHTINGS["nash-mtl"]
    assert nash["delta_m"] == min(row["delta_m"] for row in WEIGHTINGS.values() if "delta_m" in row)
    assert all(nash[name] < DEPTH[name] for name in DEPTH if name.startswith("depth/"))
    assert all(nash[name] < SEGMENTATION[name] for name in SEGMENTATION if name.startswith("semseg/"))


def test_trainings_in_bf16_end_where_those_in_fp32_end() -> None:
    networks = tables.load("precision_training")["networks"]
    for by_precision in networks.values():
        for metric in ("semseg/miou", "depth/si_log_rmse"):
            exact, rounded = ([run[metric] for run in by_precision[p].values()] for p in ("fp32", "bf16"))
            assert len(exact) == 3 and abs(fmean(rounded) - fmean(exact)) < stdev(exact)
    assert "segnet-split" in networks


def test_mgda_loses_segmentation_and_random_weights_cost_two_percent() -> None:
    mgda = WEIGHTINGS["mgda"]
    assert mgda["semseg/miou"] < min(
        row["semseg/miou"] for name, row in WEIGHTINGS.items() if "semseg/miou" in row and name != "mgda"
    )
    assert mgda["depth/abs_rel"] < DEPTH["depth/abs_rel"]
    for name in ("random", "random-gradient"):
        assert 1.5 < WEIGHTINGS[name]["delta_m"] < 2.5


def times(result: str, mode: str) -> dict[str, float]:
    """Return the time of a step relative to the plain sum, by method."""
    found: Mapping[str, Any] = tables.load(result)["costs"]
    plain = found["fixed"]["seconds"]
    end = f", {mode}"
    return {name.removesuffix(end): of["seconds"] / plain for name, of in found.items() if name.endswith(end)}


def test_cost_of_gradient_methods() -> None:
    parameters, features = times("weighting", "parameters"), times("weighting", "features")
    assert 2.45 < parameters.pop("graddrop") < 2.55 and 3.05 < parameters.pop("conflict-free") < 3.15
    assert min(parameters.values()) > 1.65 and max(parameters.values()) < 1.95
    assert 1.53 < features.pop("nash-mtl") < 1.55
    assert min(features.values()) > 1.045 and max(features.values()) < 1.215


def test_cost_with_cross_task_consistency() -> None:
    parameters = times("weighting-xtask", "parameters")
    assert round(parameters.pop("graddrop"), 2) == 1.31 and round(parameters.pop("conflict-free"), 2) == 1.42
    assert max(parameters.values()) < 1.145
    plain = tables.load("weighting-xtask")["costs"]
    for name in ("gradnorm", "famo"):
        assert 1.28 < plain[name]["seconds"] / plain["fixed"]["seconds"] < 1.36


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
