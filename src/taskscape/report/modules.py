"""Parameter counts by part of the network."""

from collections.abc import Mapping, Sequence
from html import escape

from taskscape.modalities import Modality
from taskscape.report.glossary import cost_text
from taskscape.report.html import wide
from taskscape.report.words import MISSING, task_word


def parameter_table(networks: Sequence[tuple[str, Mapping[str, int]]], tasks: Mapping[str, Modality]) -> str:
    """Return a table with a row per part and a column per network (title, parameters by part).

    For a single network there is also a column of shares.
    """
    parts = dict.fromkeys(part for _, sizes in networks for part in sizes)
    if not parts:
        return ""
    is_single = len(networks) == 1
    heads = (
        "".join(f"<th scope=col>{escape(title)}</th>" for title, _ in networks) + "<th scope=col>share</th>" * is_single
    )
    rows = "".join(
        f"<tr><th scope=row>{escape(_words(part, tasks))}</th>"
        + "".join(_size(part, sizes) for _, sizes in networks)
        + (_share(part, networks[0][1]) if is_single else "")
        + "</tr>"
        for part in parts
    )
    return wide(
        f'<table class="parts"><caption>Parameters by part of the network</caption><thead><tr><td></td>{heads}</tr>'
        f"</thead><tbody>{rows}</tbody></table>",
        "parameters by part of the network",
    )


def _size(part: str, sizes: Mapping[str, int]) -> str:
    return f"<td>{cost_text('parameters', sizes[part]) if part in sizes else MISSING}</td>"


def _share(part: str, sizes: Mapping[str, int]) -> str:
    share = 100 * sizes[part] / sum(sizes.values())
    text = "&lt; 1 %" if 0 < share < 0.5 else f"{share:.0f} %"
    return f'<td><i class="bar" style="--width:{share:.1f}%"></i><span>{text}</span></td>'


def _words(part: str, tasks: Mapping[str, Modality]) -> str:
    """Return ``decoders.semseg`` as ``decoders, segmentation``."""
    return ", ".join(task_word(name, tasks).replace("_", " ") for name in part.split("."))
