"""Coverage of intervals for an effect on an estimated index, in simulated panels.

    OMP_NUM_THREADS=1 python -m benchmarks.index_uncertainty.run

writes docs/method/influence_coverage.md. --level and --effect compute some rows only;
the page's other rows stay as they are, and it says which were never run. The truth is
the mean estimate on true indices over many panels of the same kind.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from scipy import special
from tests.support.simulated_panel import LEVELS, simulate_panel

from citypanel.influence.estimated_index import estimated_index
from citypanel.study.effect import EffectDesign

SEED = 20240705
TRUTH_PANELS = 4000
EFFECTS = (0.0, 0.02)
PANELS = 200
DRAWS = 100


def truth(level: str, effect: float) -> tuple[float, float]:
    """Mean and standard deviation of the estimate on the true index."""
    found = []
    for stream in np.random.SeedSequence([SEED, 1]).spawn(TRUTH_PANELS):
        panel = simulate_panel(
            np.random.default_rng(stream), level=level, effect=effect
        )
        rows = np.zeros(panel.outputs.shape, dtype=bool)
        rows[:, 1:] = True
        outcome = np.full(panel.outputs.shape, np.nan)
        outcome[:, 1:] = panel.index
        found.append(
            float(EffectDesign(panel.treatment, rows, "xtreg").fit(outcome).estimate)
        )
    return float(np.mean(found)), float(np.std(found))


def one(stream, level: str, effect: float, draws: int) -> list[float]:
    """Estimates and standard errors of one panel."""
    generator = np.random.default_rng(stream)
    panel = simulate_panel(generator, level=level, effect=effect)
    found = estimated_index(
        panel.outputs,
        panel.inputs,
        panel.treatment,
        panel.cohort,
        draws=draws,
        seed=int(generator.integers(2**31)),
    )
    return [
        found.estimate,
        found.std_error,
        found.combined_std_error,
        found.corrected,
        found.corrected_std_error,
        *found.interval,
        found.frontier_only,
    ]


def table(
    levels: list[str], effects: list[float], panels: int, draws: int, n_jobs: int
) -> dict[tuple[str, str], str]:
    """Rows of the table by level and effect."""
    lines = {}
    critical = float(special.stdtrit(71, 0.975))
    for level in levels:
        for effect in effects:
            target, spread = truth(level, effect)
            streams = np.random.SeedSequence([SEED, 2]).spawn(panels)
            found = np.array(
                Parallel(n_jobs=n_jobs)(
                    delayed(one)(s, level, effect, draws) for s in streams
                )
            )
            b, se, combined, corrected, se_c, low, high, frontier = found.T
            inside = [
                np.abs(b - target) <= critical * se,
                np.abs(b - target) <= critical * combined,
                np.abs(corrected - target) <= critical * se_c,
                (low <= target) & (target <= high),
            ]
            cells = [
                level,
                f"{effect:g}",
                f"{panels} x {draws}",
                f"{target:.4f}",
                f"{spread:.4f}",
                f"{b.mean() - target:+.4f}",
                f"{corrected.mean() - target:+.4f}",
                f"{b.std():.4f}",
                f"{corrected.std():.4f}",
                f"{se.mean():.4f}",
                f"{frontier.mean():.4f}",
                f"{combined.mean():.4f}",
                f"{se_c.mean():.4f}",
                *(f"{100 * x.mean():.0f}" for x in inside),
            ]
            lines[level, cells[1]] = "| " + " | ".join(cells) + " |"
            print(lines[level, cells[1]], flush=True)
    return lines


def rows_of(page: Path) -> dict[tuple[str, str], str]:
    """Rows that an earlier run wrote, by level and effect."""
    if not page.is_file():
        return {}
    rows = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] in LEVELS:
            rows[cells[0], cells[1]] = line
    return rows


def page(found: dict[tuple[str, str], str]) -> str:
    """The page, which names the rows that are not there."""
    keys = [(level, f"{effect:g}") for level in LEVELS for effect in EFFECTS]
    whole = f"{PANELS} x {DRAWS}"
    short = [key for key in keys if key in found and f"| {whole} |" not in found[key]]
    absent = [key for key in keys if key not in found]
    state = (
        "Every row is of that size."
        if not short + absent
        else "\n".join(
            f"{said} (`level`, effect): {', '.join(' '.join(key) for key in which)}."
            for said, which in (("Run shorter only", short), ("Never run", absent))
            if which
        )
    )
    lines = [
        f"""# Coverage of intervals for an effect on an estimated index

Simulated panels of 72 cities and 9 years, half of the cities treated; none of the
study's figures enters. Each row has its number of panels and of replications of each
loop; {whole} is the full run.
{state}
With 200 panels a nominal 95 is met within 3 points by chance, with 60 within 6. `level`
is how far cities lie from the true frontier: `near` (many close to it; an effect that
would carry a city beyond it turns back) or `far` (hardly any). `truth` is the mean
estimate on true indices over {TRUTH_PANELS} panels, `spread` its standard deviation:
what a standard error would be if the frontier were known. Written by
`benchmarks/index_uncertainty/run.py`.

| level | effect on growth | panels x replications | truth | spread | bias | \
bias, corrected | s.d. of the estimate | s.d., corrected | \
mean clustered s.e. | mean frontier s.e. | mean combined s.e. | \
mean double-bootstrap s.e. | coverage: clustered | combined | corrected, \
double bootstrap | its percentile interval |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|""",
        *(found[key] for key in keys if key in found),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panels", type=int, default=PANELS)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--level", choices=LEVELS, help="default: each")
    parser.add_argument("--effect", type=float, choices=EFFECTS, help="default: each")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/method/influence_coverage.md")
    )
    options = parser.parse_args()
    found = table(
        [options.level] if options.level else list(LEVELS),
        list(EFFECTS) if options.effect is None else [options.effect],
        options.panels,
        options.draws,
        options.jobs,
    )
    options.out.write_text(page(rows_of(options.out) | found), encoding="utf-8")


if __name__ == "__main__":
    main()
