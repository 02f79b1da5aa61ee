"""8-bit weights and activations: an ONNX file that is a quarter of the size, and twice as fast on a CPU.

Uses ONNX Runtime's static quantization, in QDQ format with one scale per channel of weights, from the first convolution
up to the last of each task. The last convolutions, pre- and post-processing, and blocks that ``search`` finds too
sensitive stay in float32.
"""

from taskscape.export.int8.reduction import Int8

__all__ = ["Int8"]
