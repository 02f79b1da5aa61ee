"""What is written for predictions, one kind of files in each file."""

from taskscape.inference.outputs.base import Output, Writer
from taskscape.inference.outputs.maps import Maps

__all__ = ["Maps", "Output", "Writer"]
