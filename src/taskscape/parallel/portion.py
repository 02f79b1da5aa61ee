"""Parts of work that is divided among machines."""

from typing import NamedTuple


class Portion(NamedTuple):
    """One part of work divided among machines: ``number`` out of 1 … ``total``."""

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> "Portion":
        """Parse a portion such as ``3/10``, the third of ten. Raises ``ValueError``."""
        number, slash, total = text.partition("/")
        if not (slash and number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
            raise ValueError(f"--part {text} is not a valid part: write 3/10 for the third of ten")
        return cls(int(number), int(total))

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    def among(self, count: int) -> range:
        """Return the indices of this part among ``count`` items. Together, the parts have every item exactly once."""
        return range((self.number - 1) * count // self.total, self.number * count // self.total)
