"""Models that predict labels for a store: the network of a run, a named model, or an ONNX file."""

from taskscape.inference.labelers.base import Label, Labeler
from taskscape.inference.labelers.network import NetworkLabeler
from taskscape.inference.labelers.onnx import OnnxLabeler

__all__ = ["Label", "Labeler", "NetworkLabeler", "OnnxLabeler"]
