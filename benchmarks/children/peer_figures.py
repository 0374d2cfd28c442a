"""Draw time against number of cells, and power against false discovery proportion.

Colours of Okabe and Ito, which the colour-blind can tell apart; markers differ as well.
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator

STYLES = {
    "kompot-donor": ("#D55E00", "o", True),
    "kompot-cell": ("#D55E00", "o", False),
    "kompot-median": ("#D55E00", "D", True),
    "kompot-labels": ("#D55E00", "D", False),
    "original-cell": ("#000000", "s", False),
    "original-samples": ("#000000", "s", True),
    "original-limited": ("#000000", "D", True),
    "deseq-samples": ("#0072B2", "^", True),
    "deseq-clusters": ("#0072B2", "^", False),
    "voom-samples": ("#56B4E9", "v", True),
    "voom-clusters": ("#56B4E9", "v", False),
    "lemur": ("#009E73", "P", True),
    "memento": ("#CC79A7", "X", True),
    "mellon": ("#E69F00", "P", True),
    "milo": ("#0072B2", "^", True),
    "meld": ("#56B4E9", "v", True),
    "cna": ("#009E73", "X", True),
}
"""Colour, marker, and whether it is filled and its line solid."""
LEVEL = 0.05


def look(key):
    color, marker, filled = STYLES[key]
    return {
        "color": color,
        "marker": marker,
        "markerfacecolor": color if filled else "white",
        "linestyle": "-" if filled else "--",
        "markersize": 8 if key.startswith("kompot") else 6.5,
        "linewidth": 2.4 if key.startswith("kompot") else 1.3,
        "zorder": 4 if key.startswith("kompot") else 3,
    }


def panels(titles):
    figure, axes = plt.subplots(1, len(titles), figsize=(10.5, 5.6), layout="constrained")
    for ax, title in zip(axes, titles.values(), strict=True):
        ax.set_title(title)
        ax.grid(color="0.9", linewidth=0.8)
        ax.spines[["top", "right"]].set_visible(False)
    return figure, dict(zip(titles, axes, strict=True))


def finish(figure, axes, path):
    for ax in axes.values():
        ax.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=2, frameon=False, fontsize=8.5
        )
    figure.savefig(path, dpi=130, facecolor="white", metadata={"Software": None})


def draw_times(points, titles, path):
    figure, axes = panels(titles)
    for kind, ax in axes.items():
        own = [point for point in points if point["kind"] == kind]
        for key in dict.fromkeys(point["key"] for point in own):
            line = sorted((p["n_cells"], p["seconds"]) for p in own if p["key"] == key)
            title = next(point["title"] for point in own if point["key"] == key)
            ax.plot(*zip(*line, strict=True), label=title, **look(key))
        sizes = sorted({point["n_cells"] for point in own})
        ax.set(xscale="log", yscale="log", xlabel="cells", ylabel="wall time [s]")
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
        ax.set_xticks([], minor=True)
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_minor_formatter("")
        if sizes:
            ax.set_xlim(sizes[0] * 0.7, sizes[-1] * 1.4)
    finish(figure, axes, path)


def draw_powers(points, titles, path):
    figure, axes = panels(titles)
    for kind, ax in axes.items():
        for point in (point for point in points if point["kind"] == kind):
            style = look(point["key"]) | {"linestyle": "none"}
            ax.errorbar(
                point["fdp"], point["power"], xerr=point["fdp_error"], yerr=point["power_error"],
                label=point["title"], elinewidth=1, **style,
            )  # fmt: skip
        ax.axvline(LEVEL, color="0.4", linestyle="--", linewidth=1)
        ax.set(
            xlabel="false discovery proportion", ylabel="power", xlim=(-0.03, 1), ylim=(-0.03, 1)
        )
    finish(figure, axes, path)


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    folder = Path(task["folder"])
    draw_times(task["times"], task["titles"], folder / "time.png")
    draw_powers(task["powers"], task["titles"], folder / "power.png")
    Path(task["report"]).write_text("{}")


if __name__ == "__main__":
    main(sys.argv[1])
