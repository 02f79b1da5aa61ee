"""Weights and activations of eight bits: a file of ONNX that is a quarter as large, and twice as fast on a processor.

ONNX Runtime's static quantization, in QDQ form with a scale per channel of weights, between the first convolution and
the last of each task. The last ones, what stands before and behind, and blocks that ``search`` finds too sensitive stay
in float32.
"""

from taskscape.export.int8.reduction import Int8

__all__ = ["Int8"]
