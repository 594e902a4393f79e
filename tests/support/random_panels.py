"""Panels of every shape whose truth is known, and what an estimator may say of them.

The outcome is a level of the unit, a shock of the period and the effect of treatment,
with or without noise. Periods are positions on a grid; the labels a user would write
are put on afterwards, so that a result can be held against the positions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from citypanel import did
from citypanel.errors import CityPanelError

KEYS = dict(outcome="y", unit="id", period="t")
STAGGERED = dict(cohort="g", **KEYS)
NEVER = 10**6
MISSING = ("none", "holes", "entry", "exit", "gap", "cohort_start", "split", "once")
EFFECTS = ("constant", "event", "cell")


def mk(T, G, skip=lambda i, g, t: False, n=12, lvl=lambda i, g: 0):
    """n units, y = id + t + 1 from treatment on, without noise."""
    return pd.DataFrame(
        [
            (i, t, g, i + t + lvl(i, g) + 1.0 * (g > 0 and t >= g))
            for i in range(n)
            for g in [G[i % len(G)]]
            for t in T
            if not skip(i, g, t)
        ],
        columns=["id", "t", "g", "y"],
    )


@dataclass
class Case:
    """A panel, and the effect of each cohort in each period by position."""

    frame: pd.DataFrame
    step: float = 1.0
    start: float = 0.0
    effect: str = "constant"
    story: dict = field(default_factory=dict)

    def position(self, label) -> int:
        return round((float(label) - self.start) / self.step)

    def truth(self, cohort: int, period: int) -> float:
        return effect_of(self.effect, cohort, period)


def effect_of(kind: str, cohort, period):
    """Effect at a position; zero before treatment and for the never treated."""
    age = np.asarray(period) - np.asarray(cohort)
    value = {
        "constant": 1.0 + 0.0 * age,
        "event": 1.0 + age,
        "cell": 1.0 + 0.5 * age + 0.25 * (np.asarray(cohort) % 3),
    }[kind]
    return np.where((age >= 0) & (np.asarray(cohort) < NEVER), value, 0.0)


def random_panel(
    seed: int, *, noise: float = 0.0, missing: str | None = None, levels: str = "unit"
) -> Case:
    """A panel drawn from a seed; columns id, t, g, y, d, w (unit), v (row), c."""
    rng = np.random.default_rng([seed, 77])
    n_periods = int(rng.integers(4, 9))
    positions = np.arange(n_periods)
    missing = missing or MISSING[int(rng.integers(len(MISSING)))]
    if missing == "gap":
        lost = rng.choice(positions[1:-1], int(rng.integers(1, 3)), replace=False)
        positions = np.setdiff1d(positions, lost)
    n = int(rng.integers(8, 16))
    pool = rng.choice(np.arange(-1, n_periods + 2), int(rng.integers(1, 5)), False)
    cohort = rng.choice(pool, n)
    never = rng.choice([0.0, 0.3, 0.3, 0.5])
    cohort = np.where(rng.random(n) < never, NEVER, cohort)
    if rng.random() < 0.2:  # every treated unit has a date of its own
        treated = np.flatnonzero(cohort < NEVER)[: n_periods - 1]
        cohort[:] = NEVER
        cohort[treated] = np.arange(1, len(treated) + 1)
    frame = pd.DataFrame(
        [(i, p, cohort[i]) for i in range(n) for p in positions],
        columns=["id", "p", "gp"],
    )
    frame = frame[_seen(frame, missing, cohort, positions, rng)].reset_index(drop=True)
    effect = EFFECTS[int(rng.integers(3))]
    level = rng.integers(-20, 21, n).astype(float)
    if levels == "common":
        level[:] = 7.0
    shock = rng.integers(-5, 6, n_periods).astype(float)
    frame["d"] = (frame["p"] >= frame["gp"]).astype(float)
    frame["y"] = (
        level[frame["id"]]
        + shock[frame["p"]]
        + effect_of(effect, frame["gp"], frame["p"])
    )
    if noise:
        frame["y"] += noise * rng.normal(size=len(frame))
    frame["w"] = rng.uniform(0.5, 2.0, n)[frame["id"]]
    frame["v"] = rng.uniform(0.5, 2.0, len(frame))
    frame["c"] = (frame["id"] // 2).astype(int)
    step = [1.0, 1.0, 2.0, 0.5, 0.25][int(rng.integers(5))]
    start = [2000.0, 2011.0, 3.0, -30.0][int(rng.integers(4))]
    never_label = np.nan
    if start == 2000.0:
        never_label = [0.0, np.nan, np.inf][int(rng.integers(3))]
    frame["t"] = start + step * frame["p"]
    frame["g"] = np.where(frame["gp"] == NEVER, never_label, start + step * frame["gp"])
    if step >= 1.0:
        frame["t"] = frame["t"].astype(int)
    names = rng.permutation(n)
    if rng.random() < 0.3:
        names = np.array([f"firm {k:02d}" for k in names])
    frame["unit_number"] = frame["id"]
    frame["id"] = names[frame["id"]]
    frame = frame.sample(frac=1.0, random_state=int(seed)).reset_index(drop=True)
    story = dict(seed=seed, missing=missing, effect=effect, step=step, start=start)
    return Case(frame, step, start, effect, story)


def with_control(case: Case, name: str) -> pd.DataFrame:
    """The panel with a control x that the outcome depends on as the estimator has it.

    For group-time effects a unit's own trend goes with it, elsewhere the outcome of
    each row.
    """
    frame = case.frame.copy()
    rng = np.random.default_rng(case.story["seed"])
    if name.startswith("group_time"):
        frame["x"] = rng.normal(size=100)[frame["unit_number"]]
        frame["y"] += 1.5 * frame["x"] * frame["p"]
    else:
        frame["x"] = rng.normal(size=len(frame))
        frame["y"] += 3.0 * frame["x"]
    return frame


def _seen(frame, missing, cohort, positions, rng) -> np.ndarray:
    """Rows that the panel has."""
    n, (i, p) = len(cohort), (frame["id"].to_numpy(), frame["p"].to_numpy())
    if missing == "holes":
        return rng.random(len(frame)) > 0.15
    if missing == "entry":
        return p >= rng.choice(positions[: len(positions) // 2 + 1], n)[i]
    if missing == "exit":
        return p <= rng.choice(positions[len(positions) // 2 :], n)[i]
    if missing == "cohort_start":
        late = np.unique(cohort)[0]
        return (cohort[i] != late) | (p >= late) | (rng.random(n)[i] < 0.2)
    if missing == "split":
        middle = positions[len(positions) // 2]
        first = cohort[i] < NEVER
        return np.where(first, True, p >= middle)
    if missing == "once":
        only = rng.choice(positions, n)
        return (rng.random(n)[i] > 0.3) | (p == only[i])
    return np.ones(len(frame), bool)


def group_time(frame, **options):
    """Group-time effects and their four means."""
    cells = did.group_time_att(frame, **options)
    out = [cells]
    for kind in ("simple", "group", "dynamic", "calendar"):
        try:
            out.append(did.aggregate_att(cells, kind))
        except CityPanelError:
            assert not ((cells["event_time"] >= 0) & cells["estimate"].notna()).any()
    return pd.concat([f.assign(of=f["estimator"]) for f in out], ignore_index=True)


ESTIMATORS = {
    "twfe": lambda f, **o: did.twfe(
        f, treatment="d", engine="closed_form", **KEYS, **o
    ),
    "event_study": lambda f, **o: did.event_study(
        f, engine="closed_form", **STAGGERED, **o
    ),
    "group_time_att": lambda f, **o: group_time(f, **STAGGERED, **o),
    "group_time_att not yet": lambda f, **o: group_time(
        f, control_group="not_yet", base_period="universal", **STAGGERED, **o
    ),
    "group_time_att unbalanced": lambda f, **o: group_time(
        f, panel="unbalanced", control_group="not_yet", **STAGGERED, **o
    ),
    "group_time_att repeated": lambda f, **o: group_time(
        f, panel="repeated", base_period="universal", **STAGGERED, **o
    ),
    "sun_abraham": lambda f, **o: did.sun_abraham(f, **STAGGERED, **o),
    "etwfe": lambda f, **o: did.etwfe(f, **STAGGERED, **o),
    "etwfe never": lambda f, **o: did.etwfe(f, control_group="never", **STAGGERED, **o),
    "imputation": lambda f, **o: did.imputation(f, **STAGGERED, **o),
    "two_stage": lambda f, **o: did.two_stage(f, **STAGGERED, **o),
    "stacked": lambda f, **o: did.stacked(f, before=2, after=1, **STAGGERED, **o),
    "switchers": lambda f, **o: did.switchers(f, **STAGGERED, **o),
    "synthetic_did": lambda f, **o: did.synthetic_did(f, **STAGGERED, **o),
    "bacon_decomposition": lambda f, **o: did.bacon_decomposition(
        f, treatment="d", **KEYS, **o
    ),
}
TREATED = dict(treatment="d", **KEYS)

# Fitted to cells without treatment, so that any effect comes out exactly.
COMPLETED = {
    "augmented_synthetic_control": lambda f, **o: did.augmented_synthetic_control(
        f, **STAGGERED, **o
    ),
    "interactive_fixed_effects": lambda f, **o: did.interactive_fixed_effects(
        f, rank=1, draws=0, **TREATED, **o
    ),
    "matrix_completion": lambda f, **o: did.matrix_completion(
        f, draws=0, **TREATED, **o
    ),
    "triply_robust": lambda f, **o: did.triply_robust(
        f, unit_decay=1.0, time_decay=0.25, penalty=0.2, draws=0, **TREATED, **o
    ),
}
# One coefficient, however it is tested.
OF_ONE = {
    "jackknife": lambda f, **o: did.jackknife(f, **TREATED, **o),
    "leave_one_unit_out": lambda f, **o: did.leave_one_unit_out(f, **TREATED, **o),
    "nonabsorbing_did": lambda f, **o: did.nonabsorbing_did(f, **TREATED, **o),
    "randomisation_inference": lambda f, **o: did.randomisation_inference(
        f, draws=999, seed=1, **TREATED, **o
    ),
    "wild_cluster_bootstrap": lambda f, weights=None, **o: did.wild_cluster_bootstrap(
        f, regression_weights=weights, draws=999, seed=1, **TREATED, **o
    ),
    "propensity_score_did": lambda f, weights=None, **o: did.propensity_score_did(
        f, covariates=["w"], **STAGGERED, **o
    ),
    "conley_taber": lambda f, **o: did.conley_taber(
        f, draws=999, seed=1, **TREATED, **o
    ),
    "ferman_pinto": lambda f, **o: did.ferman_pinto(
        f, size="w", draws=999, seed=1, **TREATED, **o
    ),
}
# Before treatment nothing has an effect.
BEFORE = {
    "fake_date_placebo": lambda f, **o: did.fake_date_placebo(f, **STAGGERED, **o),
}
FUZZED = ESTIMATORS | COMPLETED | OF_ONE | BEFORE
ROBUST = sorted(set(ESTIMATORS) - {"twfe", "bacon_decomposition"})


# Means of whoever is seen: right where those who come and go do not differ in level.
OF_LEVELS = ("group_time_att unbalanced", "group_time_att repeated")


def wrong_rows(
    fit: pd.DataFrame, case: Case, tolerance: float = 1e-6, *, dated: bool = True
) -> list[str]:
    """Rows that are neither the truth nor null with a note.

    Cells are held against their own effect, event times against theirs where the
    effect depends on event time alone, and the other means between the smallest and
    the largest effect; with a constant effect everything is exact. So are event times
    where it is not ``dated`` when treatments began.
    """
    wrong = []
    # An effect by period under treatment is no effect.
    apart = ["test", "two_by_two", "normalised"]
    shown = fit[~fit["aggregation"].isin(apart)]
    after = case.frame[case.frame["d"] > 0]
    effects = case.truth(after["gp"].to_numpy(), after["p"].to_numpy())
    for row in shown.to_dict("records"):
        known = pd.notna(row["estimate"])
        if row["aggregation"] == "coefficient" and row["term"] != "d":
            continue
        if not known:
            if not isinstance(row["note"], str):
                wrong.append(f"{row['term']}: null without a note")
            continue
        low = high = None
        event = row["event_time"]
        before = pd.notna(event) and event < 0
        if before or row["aggregation"] in ("placebo", "carryover"):
            low = high = 0.0
        elif case.effect == "constant":
            low = high = 1.0
        elif row["aggregation"] == "group_time":
            low = high = float(
                case.truth(case.position(row["cohort"]), case.position(row["period"]))
            )
        elif pd.notna(event) and case.effect == "event" and dated:
            low = high = 1.0 + event / case.step
        else:
            low, high = effects.min(), effects.max()
        if pd.notna(row["period"]) and pd.notna(row["cohort"]) and pd.notna(event):
            gap = float(row["period"]) - float(row["cohort"])
            if abs(gap - float(event)) > 1e-9:
                wrong.append(f"{row['term']}: event time {event} for {gap}")
        if not low - tolerance <= row["estimate"] <= high + tolerance:
            wrong.append(
                f"{row['aggregation']} {row['term']}: {row['estimate']} for "
                f"{low} to {high}"
            )
    return wrong
