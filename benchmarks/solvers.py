"""How well do our solvers of the gradient methods agree with those of torchjd, and what do they cost?

``solvers.py --columns 11000000`` combines random gradients, of which the second conflicts with the first, with the
default settings of both, and prints for each method: milliseconds (the best of three), the relative difference of the
combined gradients, and the smallest cosine of each combined gradient with a gradient.
"""

import argparse
import time
import warnings
from collections.abc import Callable

import torch
import torchjd.aggregation as theirs
from torch import Tensor

from taskscape import weighting
from taskscape.weighting.task_gradients import TaskGradients


def best(function: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Return the shortest time of three calls in milliseconds, and the result."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        result = function()
        times.append(1000 * (time.perf_counter() - started))
    return min(times), result


def least_cosine(rows: Tensor, vector: Tensor) -> float:
    products = torch.stack([row.double() @ vector.double() for row in rows])
    lengths = torch.stack([row.double().norm() for row in rows])
    return float((products / (lengths * vector.double().norm())).min())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=3)
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--double", action="store_true", help="gradients in float64; float32 by default")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(arguments.threads)

    dtype = torch.float64 if arguments.double else torch.float32
    rows = torch.randn(arguments.tasks, arguments.columns, dtype=dtype, generator=torch.Generator().manual_seed(0))
    rows[1] -= 0.8 * rows[0]
    names = [f"task{k}" for k in range(arguments.tasks)]
    gradients = TaskGradients(rows, [arguments.columns], split=False)
    pairs = (
        (weighting.MGDA(names), theirs.MGDA()),
        (weighting.CAGrad(names), theirs.CAGrad(0.4)),
        (weighting.NashMTL(names), theirs.NashMTL(arguments.tasks)),
        (weighting.FairGrad(names, max_norm=0.0), theirs.FairGrad(2.0)),
        (weighting.UPGrad(names), theirs.UPGrad()),
        (weighting.IMTLG(names), theirs.IMTLG()),
        (weighting.AlignedMTL(names), theirs.AlignedMTL()),
        (weighting.ConFIG(names), theirs.ConFIG()),
    )
    print("| method | ms | ms, torchjd | difference | least cosine | least cosine, torchjd |")
    print("|---|--:|--:|--:|--:|--:|")
    for method, aggregator in pairs:
        ours_ms, ours = best(lambda: method.combine(gradients, names).gradient)  # noqa: B023
        theirs_ms, theirs_combined = best(lambda: aggregator(rows))  # noqa: B023
        numbers = f"{ours_ms:.1f} | {theirs_ms:.1f} | {float((ours - theirs_combined).norm() / ours.norm()):.0e}"
        cosines = f"{least_cosine(rows, ours):.2f} | {least_cosine(rows, theirs_combined):.2f}"
        print(f"| {method.config.name} | {numbers} | {cosines} |")


if __name__ == "__main__":
    main()
