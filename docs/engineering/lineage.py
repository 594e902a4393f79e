"""Draw the lineage of the warehouse, from dbt's manifest, as lineage.svg.

Run it in the project's root after `dbt parse`:  python -m docs.engineering.lineage
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

LAYERS = (
    "raw", "staging", "intermediate", "estimates", "marts", "quality", "study",
)  # fmt: skip
TITLES = {
    "raw": "seeds: as published",
    "staging": "staging: typed",
    "intermediate": "intermediate: cells, policy, panel",
    "estimates": "estimates: the library",
    "marts": "marts: what people query",
    "quality": "quality: what is wrong",
    "study": "study: one shape for every study",
}
PYTHON, SQL = "#B35900", "#1F4E79"


def draw(manifest: dict, target: Path) -> None:
    """Write the picture: a column a layer, a line from each table to what reads it."""
    import matplotlib
    from matplotlib.figure import Figure

    nodes = {
        key: node
        for key, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed") and node["schema"] in LAYERS
    }
    parents = {
        key: [p for p in node["depends_on"].get("nodes", []) if p in nodes]
        for key, node in nodes.items()
    }
    columns = defaultdict(list)
    for key, node in nodes.items():
        columns[node["schema"]].append(key)
    height = max(len(keys) for keys in columns.values())
    place: dict[str, tuple[float, float]] = {}
    for x, layer in enumerate(LAYERS):
        # A table stands beside the middle of what it reads.
        def middle(key: str) -> tuple[float, str]:
            ys = [place[p][1] for p in parents[key] if p in place]
            return (sum(ys) / len(ys) if ys else height / 2, nodes[key]["name"])

        keys = sorted(columns[layer], key=middle)
        step = height / max(len(keys), 1)
        for y, key in enumerate(keys):
            place[key] = (x, (y + 0.5) * step)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lineage"}):
        figure = Figure(
            figsize=(3.2 * len(LAYERS), 0.34 * height + 0.6), layout="constrained"
        )
        axes = figure.add_subplot()
        for key, above in parents.items():
            x, y = place[key]
            for parent in above:
                px, py = place[parent]
                # Where the name ends: letters of 8 points on columns of 3.2 inches.
                end = px + 0.021 * len(nodes[parent]["name"])
                axes.plot(
                    [end, x - 0.02], [py, y], color="0.75", linewidth=0.5,
                    zorder=1,
                )  # fmt: skip
        for key, (x, y) in place.items():
            python = nodes[key].get("language") == "python"
            axes.text(
                x, y, nodes[key]["name"], fontsize=8, va="center", zorder=2,
                color=PYTHON if python else SQL,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )  # fmt: skip
        for x, layer in enumerate(LAYERS):
            axes.text(x, -0.6, TITLES[layer], fontsize=9, weight="bold", va="center")
        axes.set_xlim(-0.05, len(LAYERS) - 0.2)
        axes.set_ylim(height + 0.2, -1.2)
        axes.axis("off")
        figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    manifest = json.loads(Path("target/manifest.json").read_text("utf-8"))
    draw(manifest, Path(__file__).with_name("lineage.svg"))
