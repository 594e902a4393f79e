"""Write referee.md anew from the file: python -m docs.results.write_referee."""

from pathlib import Path

from citypanel.files import write_text
from citypanel.outputs.marts import Marts
from citypanel.study.referee_words import page

FOLDER = Path(__file__).parent


if __name__ == "__main__":
    with Marts(FOLDER.parents[1] / "citypanel.duckdb") as marts:
        names = ("rpt_referee", "rpt_frontier_alternatives", "rpt_tfp_trajectories")
        write_text(FOLDER / "referee.md", page(*(marts[name] for name in names)))
