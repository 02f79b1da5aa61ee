"""How fast an experiment trains on this machine, where the time of a step goes, and how far that is from the roof."""

from taskscape.bench.bench import Bench, bench
from taskscape.bench.memory import Memory

__all__ = ["Bench", "Memory", "bench"]
