"""The commands, one per file: a function with the name of the command, or a ``main(arguments)`` that reads them itself.

Heavy imports are inside functions to keep help fast.
"""

COMMANDS = {
    "demo": "render streets, train and evaluate a small network, and write a report",
    "synth": "write generated streets with their labels as files",
    "prepare": "convert a raw data set to a packed store",
    "data": "check or inspect a packed store",
    "label": "add pseudo-labels predicted by a model to a store",
    "recipes": "list the recipes that can be trained",
    "models": "list the networks with their parameters and FLOPs",
    "train": "train a recipe, or resume a run",
    "sweep": "train a recipe with many settings: grids, seeds, searches",
    "bench": "measure how fast a recipe trains on this machine",
    "evaluate": "evaluate a trained network on a split",
    "predict": "run inference on images and videos",
    "export": "export a network for ONNX Runtime, OpenVINO, torch or a browser",
    "app": "try networks in the browser, on your own images or a camera",
    "push": "upload the network of a run to the Hugging Face hub",
    "pull": "download a model from the hub",
    "report": "write an HTML report of a run",
    "compare": "write an HTML comparison of several runs",
    "doctor": "check the installation and the numerical precision of this machine",
    "completion": "print the completion script for bash, zsh or fish",
}
"""Every command with its description, in the order of the help."""

GENERAL = ("--threads", "--quiet", "--verbose", "--debug", "--help")
"""Flags that every command has."""
