"""Quantize a float32 ONNX file to int8 with ONNX Runtime."""

import copy
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from taskscape.export.int8.graph import KERNELS, OPERATIONS, layers_of
from taskscape.export.int8.images import Image


class Quantizer:
    """Quantizes a model to int8 variants, using the ranges of its activations.

    Ranges extend from the smallest to the largest value over all images. Percentiles and entropy, which cut off the
    tails, were no better on the networks of ``benchmarks/int8.py`` and took three times as long.
    """

    def __init__(self, path: Path, images: Sequence[Image]) -> None:
        """Read the file, and run it on the images to determine the ranges."""
        import onnx
        from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
        from onnxruntime.quantization.calibrate import create_calibrator

        class Reader(CalibrationDataReader):  # type: ignore[misc]
            def __init__(self, inputs: Iterator[dict[str, Image]]) -> None:
                self.inputs = inputs

            def get_next(self) -> dict[str, Image] | None:
                return next(self.inputs, None)

        self.model = onnx.shape_inference.infer_shapes(onnx.load(path))
        self.layers = layers_of(self.model)
        with tempfile.TemporaryDirectory() as folder:
            calibrator = create_calibrator(
                path,
                list(OPERATIONS),
                augmented_model_path=str(Path(folder) / "ranges.onnx"),
                calibrate_method=CalibrationMethod.MinMax,
            )
            calibrator.collect_data(Reader({"image": image} for image in images))
            self.ranges = calibrator.compute_data()

    def model_with(self, floating: Iterable[str]) -> Any:
        """Return the model in int8 (``onnx.ModelProto``), except for these blocks and the last kernels."""
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

        model, nodes = copy.deepcopy(self.model), self.layers.without(floating)
        if not nodes:  # ONNX Runtime would quantize all nodes
            return model
        quantizer = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=self.ranges,
            nodes_to_quantize=nodes,
            nodes_to_exclude=[],
            op_types_to_quantize=list(OPERATIONS),
            extra_options={},
        )
        quantizer.quantize_model()
        return quantizer.model.model


def count_kernels(model: Any) -> tuple[int, int]:
    """Return how many convolutions and matrix products of a model are int8, and how many there are in total."""
    dequantized = {output for node in model.graph.node if node.op_type == "DequantizeLinear" for output in node.output}
    kernels = [node for node in model.graph.node if node.op_type in KERNELS]
    return sum(all(name in dequantized for name in node.input[:2]) for node in kernels), len(kernels)
