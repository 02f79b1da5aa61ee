"""Benchmark of an experiment on this machine: training speed, profile of a step, and distance from the roof."""

from taskscape.bench.bench import Bench, bench
from taskscape.bench.memory import Memory

__all__ = ["Bench", "Memory", "bench"]
