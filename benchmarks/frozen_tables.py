"""The table of docs/guide/encoders.md, of what ``frozen.py`` measured."""

from table import load, table


def steps() -> str:
    """A row per encoder and device."""
    rows = load("frozen")
    devices = {row["device"] for row in rows}
    titles = ["encoder", "end to end, ms", "frozen, ms", "features kept, ms", "times as fast"]
    titles += ["computing the features, ms an image", "disk, kB an image"]
    cells = []
    for row in rows:
        step = row["milliseconds per step"]
        name = row["encoder"] if len(devices) == 1 else f"{row['encoder']}, {row['device']}"
        cells.append(
            [
                f"`{name}`",
                *(f"{step[kind]:,.0f}" for kind in ("end to end", "frozen", "features kept")),
                f"{row['times as fast']:.1f}",
                f"{row['milliseconds to compute features, per image']:,.0f}",
                f"{row['kilobytes of features, per image']:,.0f}",
            ]
        )
    return table(titles, cells)
