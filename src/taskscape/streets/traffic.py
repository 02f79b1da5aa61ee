"""The stretches of lanes that vehicles occupy."""


class Traffic:
    """Keeps track of the occupied stretches of each lane."""

    def __init__(self) -> None:
        self._intervals: dict[float, list[tuple[float, float]]] = {}

    def take(self, lateral: float, begin: float, end: float) -> bool:
        """Reserve a stretch of a lane, and return whether it was free."""
        intervals = self._intervals.setdefault(lateral, [])
        if any(begin < other_end and end > other_begin for other_begin, other_end in intervals):
            return False
        intervals.append((begin, end))
        return True
