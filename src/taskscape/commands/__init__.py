"""The commands, one per file: ``main(arguments)`` parses, calls and prints. Heavy imports wait inside functions."""

COMMANDS = {
    "demo": "make streets, train a small network, evaluate it, write the report",
    "synth": "write generated streets with their labels as files",
    "prepare": "turn a raw data set into a packed store",
    "data": "check or inspect a packed store",
    "label": "add labels that a model predicts to a store",
    "recipes": "list what can be trained",
    "models": "list the networks with their parameters and FLOPs",
    "train": "train a recipe, or resume a run",
    "sweep": "train a recipe with many settings: grids, seeds, searches",
    "bench": "measure how fast a recipe trains on this machine",
    "evaluate": "evaluate a trained network on a split",
    "predict": "run inference on images and videos",
    "export": "write a network as a file for ONNX Runtime, OpenVINO, torch or a browser",
    "app": "try networks in the browser, on your own pictures or a camera",
    "push": "send the network of a run to the Hugging Face hub",
    "pull": "fetch a model of the hub",
    "report": "write an HTML report of a run",
    "compare": "write an HTML comparison of several runs",
    "doctor": "check the installation, and the precision of this machine",
    "completion": "print the script that completes taskscape's words in bash, zsh or fish",
}
"""Every command, in the order of the help, with what it does."""

GENERAL = ("--threads", "--quiet", "--verbose", "--debug", "--help")
"""The flags of every command."""
