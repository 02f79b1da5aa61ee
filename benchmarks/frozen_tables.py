"""The table of docs/guide/encoders.md, from the results of ``frozen.py``."""

from table import load, table


def steps() -> str:
    """Return a row per encoder and device; those that gain most come last."""
    rows = sorted(load("frozen"), key=lambda row: float(row["times as fast"]))
    devices = {row["device"] for row in rows}
    kinds = ("end to end", "LoRA", "frozen", "features kept")
    titles = ["encoder", *(f"{kind}, ms" for kind in kinds), "times as fast"]
    titles += ["computing the features, ms an image", "disk, kB an image"]
    cells = []
    for row in rows:
        step = row["milliseconds per step"]
        name = row["encoder"] if len(devices) == 1 else f"{row['encoder']}, {row['device']}"
        cells.append(
            [
                f"`{name}`",
                *(f"{step[kind]:,.0f}" if kind in step else "–" for kind in kinds),
                f"{row['times as fast']:.1f}",
                f"{row['milliseconds to compute features, per image']:,.0f}",
                f"{row['kilobytes of features, per image']:,.0f}",
            ]
        )
    return table(titles, cells)
