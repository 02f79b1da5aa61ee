"""The parameters of the parts of networks."""

from collections.abc import Mapping, Sequence
from html import escape

from taskscape.modalities import Modality
from taskscape.report.glossary import cost_text
from taskscape.report.html import wide
from taskscape.report.words import task_word

NONE = "–"


def parameter_table(networks: Sequence[tuple[str, Mapping[str, int]]], tasks: Mapping[str, Modality]) -> str:
    """Return a table with a row per part and a column per network, (title, parameters by part)."""
    parts = dict.fromkeys(part for _, sizes in networks for part in sizes)
    if not parts:
        return ""
    heads = "".join(f"<th scope=col>{escape(title)}</th><th scope=col>share</th>" for title, _ in networks)
    rows = "".join(
        f"<tr><th scope=row>{escape(_words(part, tasks))}</th>" + "".join(_cells(part, sizes) for _, sizes in networks)
        for part in parts
    )
    return wide(
        f'<table class="parts"><caption>Parameters by part of the network</caption><thead><tr><td></td>{heads}</tr>'
        f"</thead><tbody>{rows}</tbody></table>",
        "parameters by part of the network",
    )


def _cells(part: str, sizes: Mapping[str, int]) -> str:
    if part not in sizes:
        return f"<td>{NONE}</td><td></td>"
    share = sizes[part] / sum(sizes.values())
    return (
        f"<td>{cost_text('parameters', sizes[part])}</td>"
        f'<td><i class="bar" style="--width:{100 * share:.1f}%"></i>{100 * share:.0f} %</td>'
    )


def _words(part: str, tasks: Mapping[str, Modality]) -> str:
    """Return ``decoders.semseg`` as ``decoders, segmentation``."""
    return ", ".join(task_word(name, tasks).replace("_", " ") for name in part.split("."))
