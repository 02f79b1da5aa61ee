"""Which runs can be trained as a stack, and why others cannot."""

from collections.abc import Sequence

from taskscape.runs.experiment import Experiment
from taskscape.training.networks_as_one import require_stackable

SAME = ("network", "tasks", "data", "augmentation", "batch_size", "precision", "channels_last", "device")
"""The settings that all runs of a stack share; all others may differ."""

_OFF = {
    "compile": (False, "torch.vmap cannot compute a compiled network; leave out --compile"),
    "recompute_activations": (False, "torch.vmap cannot recompute activations; leave out --recompute-activations"),
    "feature_cache": (0.0, "kept features are read by one run at a time; set --feature-cache 0"),
    "minutes": (None, "the time would be that of all runs together; set --epochs"),
    "trackers": ((), "a tracker follows one run per process; leave out --trackers"),
}
"""Settings that a stack does not support: the value that they must have, and why."""


def refusal(experiment: Experiment) -> str:
    """Return why runs of an experiment cannot be in any stack, with the remedy; "" if they can."""
    for name, (value, reason) in _OFF.items():
        if getattr(experiment, name) != value:
            return f"{name} is {getattr(experiment, name)}: {reason}"
    if experiment.precision == "auto":
        return "precision is auto, which times a run alone; set --precision bf16 or fp32"
    weighting = experiment.weighting.build(tuple(experiment.tasks), experiment.seed)
    try:
        weighting.check(shared_parameters=True, shared_features=False, compiled=False)
    except ValueError:
        return (
            f"weighting {experiment.weighting.name} uses gradients at the shared features, which a stack does not "
            "compute; set --weighting.mode parameters"
        )
    return ""


def difference(one: Experiment, other: Experiment) -> str:
    """Return the first setting that differs but must be equal for all runs of a stack; "" if there is none."""
    return next((name for name in SAME if getattr(one, name) != getattr(other, name)), "")


def refusal_of_network(experiment: Experiment) -> str:
    """Return why networks of an experiment cannot be computed as one, with the remedy; "" if they can.

    Builds them on the meta device, which is quick.
    """
    try:
        require_stackable([experiment.build_without_numbers() for _ in range(2)])
    except ValueError as error:
        return str(error)
    return ""


def require_stack(experiments: Sequence[Experiment]) -> None:
    """Raise ``ValueError`` with the remedy if runs of these experiments cannot be trained as a stack."""
    for experiment in experiments:
        if name := difference(experiments[0], experiment):
            raise ValueError(f"these runs cannot be trained as a stack: they differ in {name}; train them one by one")
        if reason := refusal(experiment):
            raise ValueError(f"these runs cannot be trained as a stack: {reason}")
    if reason := refusal_of_network(experiments[0]):
        raise ValueError(f"these runs cannot be trained as a stack: {reason}")
