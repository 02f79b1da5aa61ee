"""A published run predicts the same as the run, describes itself, and contains no other files."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard

import taskscape
from taskscape import runs
from taskscape.modalities import Semseg
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.publishing import About, publish
from taskscape.publishing.command import command_of
from taskscape.publishing.ingredients import ingredients
from taskscape.publishing.sections import trained_on
from taskscape.recipes.photographs import classes_and_depth, streets_small
from taskscape.released import PHOTOGRAPH
from taskscape.released.listing import front_matter, listing
from taskscape.run_folder import Calibration, Result, RunFolder
from taskscape.serialization import unstructure
from taskscape.state_dicts import read_safetensors, save_safetensors
from tiny import tiny

ABOUT = About("user/rooms", license="mit", data_license="CC0-1.0", expects="rooms", limits=("Never tried at sea.",))


def test_predictions_are_those_of_the_run(run: Path, tmp_path: Path) -> None:
    published = publish(run, tmp_path / "model", ABOUT)
    assert published.same
    first, second = (taskscape.load(folder, device="cpu").predict(PHOTOGRAPH) for folder in (run, tmp_path / "model"))
    for task, array in first.items():
        assert np.array_equal(array, second[task])


def test_half_the_size_is_half_the_size_and_says_what_changes(run: Path, tmp_path: Path) -> None:
    published = publish(run, tmp_path / "model", ABOUT, half=True, precision="fp32")
    full, small = (RunFolder(folder).weights.stat().st_size for folder in (run, tmp_path / "model"))
    assert small < 0.55 * full
    tensors = read_safetensors(published.folder.weights)
    for name, tensor in tensors.items():
        assert tensor.dtype == torch.float16 if tensor.ndim > 1 else tensor.dtype != torch.float16, name
    text = published.folder.card.read_text("utf-8")
    assert published.made.agreement.keys() == {"mIoU", "Relative error", "Mean angle"}
    assert all(f"{title} {value}" in text for title, value in published.made.agreement.items())
    first = runs.load(run, "cpu")
    second = runs.load(tmp_path / "model", "cpu")
    image = torch.rand(2, 3, 64, 96)
    precise = replace(first.experiment, precision="fp32")
    before, after = first._replace(experiment=precise).forward(image).final, second.forward(image).final
    for task, raw in before.items():
        assert torch.allclose(raw, after[task], atol=0.02 * float(raw.abs().max()))


def test_nothing_but_the_model_is_published(run: Path, tmp_path: Path) -> None:
    published = publish(run, tmp_path / "model", ABOUT)
    names = {path.name for path in published.files}
    assert names == {"model.safetensors", "experiment.yaml", "result.json", "README.md"}
    for path in published.files:
        assert path.suffix == ".safetensors" or str(tmp_path.parent) not in path.read_text("utf-8"), path
    assert runs.read_experiment(tmp_path / "model").device == "auto"
    assert runs.read_experiment(tmp_path / "model").data.path.name == "blocks"  # type: ignore[attr-defined]


def test_a_calibration_goes_with_the_weights_that_it_belongs_to(run: Path, tmp_path: Path) -> None:
    source = RunFolder(shutil.copytree(run, tmp_path / "run"))
    weights = hashlib.sha256(source.weights.read_bytes()).hexdigest()
    Calibration({"semseg": 1.25}, "val", 8, "blocks", weights).save(source.calibration)
    folder = publish(source.path, tmp_path / "model", ABOUT, half=True).folder
    kept = Calibration.load(folder.calibration)
    assert kept.spreads == {"semseg": 1.25} and kept.images == 8
    assert kept.weights == hashlib.sha256(folder.weights.read_bytes()).hexdigest() != weights
    assert "calibrated on 8 images of val" in folder.card.read_text("utf-8")
    view = taskscape.load(folder.path, confidence=True, device="cpu").confidence_views["semseg"]
    assert view.calibrated
    again = publish(folder.path, tmp_path / "again", ABOUT, half=True).folder  # from a published folder
    assert Calibration.load(again.calibration).spreads == kept.spreads

    Calibration({"semseg": 1.25}, "val", 8, "blocks", "of others").save(source.calibration)
    folder = publish(source.path, tmp_path / "model", ABOUT).folder  # over an earlier one
    assert not folder.calibration.exists() and "## Confidence" not in folder.card.read_text("utf-8")


def test_the_card_is_one_of_the_hub(run: Path, tmp_path: Path) -> None:
    folder = publish(run, tmp_path / "model", ABOUT).folder
    card, result = ModelCard.load(folder.card), Result.load(folder.result())
    assert card.data.license == "mit" and card.data.pipeline_tag == "image-segmentation"
    assert {one.metric_type: one.metric_value for one in card.data.eval_results} == {
        name: round(result.metrics[name], 4) for name, spec in result.specs.items() if spec.leads
    }
    said = card.text
    for name, spec in result.specs.items():
        if not (spec.per_class or spec.optional) and name in result.metrics:
            assert f"| `{name}` | {spec.show(result.metrics[name])} |" in said
    for words in ("background, foreground", "CC0-1.0", "It is for rooms.", "Never tried at sea.", "blind to the image"):
        assert words in said
    assert "checksum" in said and f"{result.cost['parameters'] / 1e6:.2f} M" in said
    about = listing(folder.path)
    assert (about.tasks, about.license, about.expects) == (("semseg", "depth", "normals"), "mit", "rooms")
    assert front_matter(folder.card)["taskscape"]["trained_on"] == about.trained_on == "the store blocks"


def test_results_of_other_splits_stand_beside(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    result = Result.load(RunFolder(run).result())
    worse = {**result.metrics, "semseg/miou": 12.5}
    replace(result, split="camvid-val", metrics=worse).save(RunFolder(tmp_path / "run").result("camvid-val"))
    text = publish(tmp_path / "run", tmp_path / "model", ABOUT).folder.card.read_text("utf-8")
    assert "| val | camvid-val |" in text and "On camvid-val mIoU is 12.50 %" in text
    other = replace(result, split="rooms-val-height240", tasks={**result.tasks, "semseg": Semseg(CITYSCAPES_19)})
    other.save(RunFolder(tmp_path / "run").result("rooms-val-height240"))
    text = publish(tmp_path / "run", tmp_path / "model", ABOUT).folder.card.read_text("utf-8")
    assert "| val | camvid-val | rooms-val-height240 |" in text and "A number after `height`" in text
    assert "On rooms-val-height240 mIoU" not in text  # other classes: no comparison
    assert listing(tmp_path / "model").metrics["mIoU"]["camvid-val"] == "12.50 %"


def test_ingredients_have_licenses() -> None:
    found = {one.what: one.license for one in ingredients(unstructure(streets_small()), "")}
    (streets,) = [what for what in found if "generated streets" in what]
    assert found[streets].startswith("MIT")
    assert found["ImageNet weights of the encoder tf_efficientnet_lite0"] == "Apache-2.0"
    assert not any("not stated" in license for license in found.values())


def test_every_part_of_mixed_data_is_an_ingredient() -> None:
    settings = unstructure(classes_and_depth())
    found = {one.what: one.license for one in ingredients(settings, "")}
    assert found["the store camvid"].startswith("not stated")
    assert found["6,000 generated streets of 240x320 in the style photographs"].startswith("MIT")
    assert trained_on(settings) == ("the store camvid and 6,000 generated streets of 240x320 in the style photographs")


def test_the_command_is_that_of_the_log(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert command_of(run) == "taskscape train experiment.yaml"
    run.log.write_text(
        "2026-01-01 10:00:00 started: taskscape 0.1.0, device CPU, command /home/me/bin/taskscape train joint "
        "--data.path /home/me/rooms --data.folder=/home/me/cache --optimizer.lr=3e-4\n"
    )
    assert command_of(run) == "taskscape train joint --data.path rooms --data.folder=cache --optimizer.lr=3e-4"


def test_damage_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    weights = RunFolder(tmp_path / "run").weights
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match=r"best\.safetensors is damaged, its checksum differs"):
        publish(tmp_path / "run", tmp_path / "model", ABOUT)
    tensors = read_safetensors(RunFolder(run).weights)
    tensors["heads.depth.weight"].view(-1)[0] = float("inf")
    save_safetensors(weights, tensors)
    with pytest.raises(ValueError, match="not finite"):
        publish(tmp_path / "run", tmp_path / "model", ABOUT)
    with pytest.raises(FileNotFoundError, match="is not a run"):
        publish(tmp_path / "nowhere", tmp_path / "model", ABOUT)


def test_code_is_published_with_consent_only(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])  # so that tiny.py is saved by a relative path
    runs.train(replace(tiny(store), epochs=1), tmp_path / "run", quiet=True)
    with pytest.raises(ValueError, match=r"needs code of yours, tiny\.py:TinyConfig.*--with-code"):
        publish(tmp_path / "run", tmp_path / "model", ABOUT)
    published = publish(tmp_path / "run", tmp_path / "model", ABOUT, code=True)
    assert published.same and published.folder.code / "tiny.py" in published.files


def test_a_card_that_says_nonsense_is_named(run: Path, tmp_path: Path) -> None:
    folder = publish(run, tmp_path / "model", ABOUT).folder
    text = folder.card.read_text("utf-8")
    folder.card.write_text(text.replace("half: false", "half: {a: [1]}"))
    with pytest.raises(ValueError, match=r"README\.md.*half"):
        publish(folder.path, tmp_path / "again", ABOUT)
