"""Which variant of the recipe of ``taskscape demo`` learns most per processor time? One thread each.

    python benchmarks/demo.py --json benchmarks/results/demo.json

trains each variant for ``--seconds`` of processor time, including the rendering of its streets, with a learning-rate
cycle of that length, and measures it on 200 streets of the validation split. Processor time is comparable between two
busy cores and two idle ones: 100 s are what the demo has for training at a load of 4. It takes about two minutes per
variant on an idle core; ``--only`` selects variants, whose results are added to the file. With ``--images``, a variant
trains on that many images instead, from 1,600 streets: 9,720 are half of what two idle cores train on.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from taskscape import recipes, runs
from taskscape.data import Streets
from taskscape.distributed import launch
from taskscape.evaluation import evaluate
from taskscape.losses import CrossEntropy, SILog
from taskscape.models import DeeplabJointConfig
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.tasks import Depth, SemanticSegmentation
from taskscape.training.optimization import AdamWConfig, OneCycle
from taskscape.training.precision import autocast
from taskscape.weighting import FixedConfig

SECONDS_PER_STREET = 0.029
"""Processor time to render a street at 64x128 with 4 samples."""


def former_recipe() -> Experiment:
    """Return the former recipe: a wider network, equal weights of pixels, half the learning rate, 800 streets."""
    return replace(
        recipes.demo(),
        network=DeeplabJointConfig(encoder="resnet10t", output_stride=32, width=96, fine_skip=True),
        tasks={"semseg": SemanticSegmentation(), "depth": Depth(loss=SILog())},
        optimizer=AdamWConfig(lr=2e-3),
        batch_size=8,
        weighting=FixedConfig(),
        schedule=OneCycle(),
        data=Streets(train=800, val=200, size=(64, 128)),
    )


def weighted(experiment: Experiment) -> Experiment:
    """Return the experiment with classes weighted by their rarity."""
    loss = CrossEntropy(class_weights="inverse-log")
    return replace(experiment, tasks={**experiment.tasks, "semseg": SemanticSegmentation(loss=loss)})


def small(experiment: Experiment, encoder: str = "resnet10t", width: int = 64, fine: bool = True) -> Experiment:
    """Return the experiment with a smaller decoder, twice the learning rate and 400 streets."""
    network = DeeplabJointConfig(encoder=encoder, output_stride=32, rates=(1,), width=width, fine_skip=fine)
    return replace(few_streets(weighted(experiment)), network=network, optimizer=AdamWConfig(lr=4e-3))


def quick(experiment: Experiment, lr: float) -> Experiment:
    """Return the experiment with this learning rate, which rises during a fifth of the time."""
    return replace(experiment, optimizer=AdamWConfig(lr=lr), schedule=OneCycle(pct_start=0.2))


def depth_weighs(weight: float, experiment: Experiment) -> Experiment:
    """Return the experiment with this weight of depth, relative to 1 for segmentation."""
    return replace(experiment, weighting=FixedConfig({"depth": weight}))


def few_streets(experiment: Experiment) -> Experiment:
    """Return the experiment with 400 streets."""
    return replace(experiment, data=Streets(train=400, val=200, size=(64, 128)))


def with_network(experiment: Experiment, **settings: Any) -> Experiment:
    """Return the experiment with these settings of the network."""
    network: Any = experiment.network
    return replace(experiment, network=replace(network, **settings))


def whole(experiment: Experiment, **settings: Any) -> Experiment:
    """Return the experiment with all stages of its encoder, as in the former recipe, and these network settings."""
    return with_network(experiment, coarsest=32, rates=(1,), **settings)


def as_it_was(experiment: Experiment) -> Experiment:
    """Return the experiment without the Jaccard index, with its former learning rate and weight of depth."""
    return depth_weighs(3.0, quick(weighted(whole(experiment)), 3e-3))


VARIANTS: dict[str, Callable[[], Experiment]] = {
    "before": former_recipe,
    "before, 400 streets": lambda: few_streets(former_recipe()),
    "class weights, 400 streets": lambda: few_streets(weighted(former_recipe())),
    "class weights": lambda: weighted(former_recipe()),
    "class weights, lr 4e-3": lambda: replace(weighted(former_recipe()), optimizer=AdamWConfig(lr=4e-3)),
    "class weights, batch 16, lr 3e-3": lambda: replace(
        weighted(former_recipe()), batch_size=16, optimizer=AdamWConfig(lr=3e-3)
    ),
    "small": lambda: small(former_recipe()),
    "small, width 48": lambda: small(former_recipe(), width=48),
    "small, width 96, no fine skip": lambda: small(former_recipe(), width=96, fine=False),
    "small, batch 4": lambda: replace(small(former_recipe()), batch_size=4),
    "small, lr 6e-3": lambda: quick(small(former_recipe()), 6e-3),
    "small, lr 6e-3, depth × 2": lambda: depth_weighs(2.0, quick(small(former_recipe()), 6e-3)),
    "small, lr 1e-2, depth × 2": lambda: depth_weighs(2.0, quick(small(former_recipe()), 1e-2)),
    "small, depth × 3": lambda: depth_weighs(3.0, small(former_recipe())),
    "small, cs3darknet_focus_s": lambda: small(former_recipe(), "cs3darknet_focus_s"),
    "small, dla46_c": lambda: small(former_recipe(), "dla46_c"),
    "demo": lambda: few_streets(recipes.demo()),
    "demo-pretrained": lambda: few_streets(recipes.demo_pretrained()),
    "demo-pretrained, cross-entropy, depth × 3, lr 3e-3": lambda: as_it_was(recipes.demo_pretrained()),
    "demo-pretrained, lr 1.5e-2, depth × 5": lambda: depth_weighs(5.0, quick(whole(recipes.demo_pretrained()), 1.5e-2)),
    "demo, all stages": lambda: few_streets(whole(recipes.demo())),
    "demo-pretrained, all stages": lambda: few_streets(whole(recipes.demo_pretrained())),
    "demo-pretrained, two of them frozen": lambda: few_streets(whole(recipes.demo_pretrained(), freeze=2)),
    "demo-pretrained, to stride 16": lambda: few_streets(
        with_network(recipes.demo_pretrained(), coarsest=16, rates=(1, 2))
    ),
    "demo-pretrained, fp32": lambda: replace(few_streets(recipes.demo_pretrained()), precision="fp32"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=100.0, help="processor time for each variant")
    parser.add_argument("--images", type=int, help="train on this number of images, without a time limit")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, Any] = {}
    if arguments.json and arguments.json.exists():
        results = json.loads(arguments.json.read_text())
    for name in arguments.only:
        results[name] = train(VARIANTS[name](), arguments.seconds, arguments.images)
        print(f"{name}: {results[name]}", flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def train(experiment: Experiment, seconds: float, images: int | None = None) -> dict[str, float]:
    """Train for this processor time, or on this number of images, and return the metrics."""
    streets = experiment.data
    assert isinstance(streets, Streets)
    if images is not None:
        streets = replace(streets, train=1600)
        experiment = replace(experiment, data=streets)
    fabric = launch("cpu")
    stores = runs.open_data(experiment, fabric)
    trainer = runs.assemble(experiment.for_data(stores["train"]), stores, fabric, RunFolder(Path()))
    seconds_left = seconds - SECONDS_PER_STREET * streets.train
    started = time.process_time()
    steps = epoch = 0

    def share() -> float:
        if images is not None:
            return min(steps * experiment.batch_size / images, 1.0)
        return min((time.process_time() - started) / seconds_left, 1.0)

    step = trainer.training_step
    step.learning_rate = lambda number: experiment.schedule.factor(share(), 1)
    while share() < 1:
        for batch in trainer.train_data.epoch(epoch):
            step(batch, steps)
            steps += 1
            if share() == 1:
                break
        epoch += 1
    spent = time.process_time() - started
    trainer.network.eval()
    with autocast(fabric.device, experiment.number_format):
        metrics = evaluate(
            trainer.network, trainer.training_step.tasks, trainer.val_data.epoch(0), fabric.device
        ).metrics
    seen = steps * experiment.batch_size
    return {
        "seconds": round(spent) if images is not None else seconds,
        "images": seen,
        "ms_per_image": round(1000 * spent / seen, 1),
        "parameters": sum(p.numel() for p in trainer.network.parameters()),
        **{name: round(metrics[name], 3) for name in ("semseg/miou", "semseg/pixel_accuracy", "depth/si_log_rmse")},
    }


if __name__ == "__main__":
    main()
