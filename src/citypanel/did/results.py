"""What an estimator returns: a tidy frame that says how it was made.

It is a DataFrame and goes on being one: its rows can be sorted, filtered and written.
What is read off it is read off the rows that are there, and refused where they no
longer say it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from citypanel import results
from citypanel.errors import EstimationError, OptionError
from citypanel.results import (
    Extras,
    Later,
    Remembering,
    Summary,
    axes_of,
    latex_number,
    latex_text,
    said_dropped,
    said_options,
)

__all__ = ["Extras", "Later", "Result", "Summary", "remember", "remembering"]

LABELS = ("cohort", "period", "event_time")
EVENTS = ("event", "dynamic")
# Okabe and Ito's blue and vermilion: before treatment hollow, after it filled.
BEFORE, AFTER = "#D55E00", "#0072B2"


def critical_value(df: float, level: float = 0.95) -> float:
    """Two-sided critical value of t(df); df = inf is the normal."""
    tail = 0.5 + level / 2.0
    return float(special.ndtri(tail) if np.isinf(df) else special.stdtrit(df, tail))


class Result(Remembering):
    """Tidy frame of estimates, with what was estimated and how.

    Columns are those of `frames.tidy`. Sorting, filtering and copying keep the options,
    the rows left out and the covariances; a frame put together from several results has
    none, and says so when asked.

    Examples
    --------
    >>> import pandas as pd
    >>> from citypanel.did import event_study
    >>> panel = pd.DataFrame(
    ...     [(u, t, u + (u < 3 and t >= 2016) + 0.1 * (u * t % 3))
    ...      for u in range(6) for t in range(2014, 2018)],
    ...     columns=["city", "year", "growth"],
    ... )
    >>> panel["zone"] = panel["city"].map({0: 2016, 1: 2016, 2: 2016})
    >>> found = event_study(panel, outcome="growth", cohort="zone", unit="city",
    ...                     period="year")
    >>> found.options["period"], len(found.dropped)
    ('year', 0)
    >>> found[found["event_time"] == 0].confint(level=0.9).round(3)
               term  event_time  conf_low  conf_high
    2  event_time_0           0     0.829      1.171
    """

    @property
    def _constructor(self) -> Callable[..., Result]:
        return Result

    @property
    def level(self) -> float:
        """Coverage of the intervals in the frame."""
        return float(self.options.get("level", 0.95))

    def confint(self, level: float | None = None) -> pd.DataFrame:
        """Confidence intervals at a level.

        Parameters
        ----------
        level : float, optional
            Coverage, in (0, 1); that of the frame by default.

        Returns
        -------
        DataFrame
            The rows that have an interval: term, what of cohort, period and event time
            applies, conf_low = estimate - c std_error and conf_high, with c the
            critical value of t(df).

        Raises
        ------
        EstimationError
            At another level than the frame's, rows whose interval does not come from
            their standard error (a bootstrap's, or numbers that were changed since).
        """
        self._require("term", "estimate", "std_error", "df", "conf_low", "conf_high")
        given = self.level
        level = given if level is None else level
        if not 0 < level < 1:
            raise OptionError.of("did.level_outside", level=level)
        low, high = self["conf_low"].to_numpy(float), self["conf_high"].to_numpy(float)
        has = ~(np.isnan(low) & np.isnan(high))
        if level != given:
            own = self._interval(given)
            with np.errstate(invalid="ignore"):
                size = 1e-8 * np.maximum(np.abs(low), np.abs(high))
                strange = has & ~(
                    (np.abs(own[0] - low) <= size) & (np.abs(own[1] - high) <= size)
                )
            if strange.any():
                raise EstimationError.of(
                    "did.interval_of_its_own",
                    [str(term) for term in self["term"][strange]],
                    given=f"{given:g}",
                    level=f"{level:g}",
                )
            low, high = self._interval(level)
        found = pd.DataFrame(self[self._named()])
        found = found.assign(conf_low=low, conf_high=high)[has]
        found.attrs = {}
        return found

    def summary(self) -> Summary:
        """What was estimated, from what, and the estimates, as a text."""
        self._require("term", "estimate", "std_error", "p_value")
        options = self.options
        said = [self._heading()]
        said += said_options(options, "outcome")
        counts = [
            f"{int(self[column].max()):,} {what}"
            for column, what in (
                ("n_obs", "observations"),
                ("n_units", "units"),
                ("n_clusters", "clusters"),
            )
            if column in self and self[column].notna().any()
        ]
        if "standard_errors" in self and self["standard_errors"].notna().any():
            kinds = self["standard_errors"].dropna().unique()
            counts.append(f"standard errors: {', '.join(map(str, kinds))}")
        said.append("; ".join(counts))
        said += said_dropped(self.dropped)
        names = ["estimate", "std_error", "statistic", "p_value"]
        table = pd.DataFrame(self[self._named() + [n for n in names if n in self]])
        low, high = self["conf_low"], self["conf_high"]
        table[f"{self.level:.0%} interval"] = [
            "" if np.isnan(a) and np.isnan(b) else f"[{a:.4g}, {b:.4g}]"
            for a, b in zip(low, high, strict=True)
        ]
        text = table.to_string(
            index=False, na_rep="", float_format=lambda value: f"{value:.4g}"
        )
        notes = [n for n in self["note"].dropna().unique()] if "note" in self else []
        said += ["", text, *(f"note: {note}" for note in notes)]
        return Summary("\n".join(said))

    def _latex_cells(self, digits: int) -> tuple[str, list[str], list[list[str]]]:
        self._require("term", "estimate", "std_error", "p_value", "conf_low")
        share = f"{self.level * 100:g}"
        head = ["", "Estimate", "Std. error", rf"{share}\% interval", "$p$"]
        rows = []
        for row in self.to_dict("records"):
            estimate, error, low, high, p = (
                latex_number(row[name], digits)
                for name in (
                    "estimate",
                    "std_error",
                    "conf_low",
                    "conf_high",
                    "p_value",
                )
            )
            interval = f"[{low}, {high}]" if low or high else ""
            rows.append([latex_text(self._title(row)), estimate, error, interval, p])
        return "lrrcr", head, rows

    def plot(self, ax: Any = None, *, title: str | None = None) -> Any:  # type: ignore[override]
        """Draw the estimates: an event study, group-time effects or coefficients.

        As ggdid of R did draws them: one colour before treatment and one after, bars
        for the pointwise intervals, thin ones for the uniform band where there is one,
        a panel a cohort for group-time effects. As fixest's iplot does: the reference
        is a point at zero with a dashed line through it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; not for effects of several cohorts.
        title : str, optional
            Above the figure; estimator and outcome by default.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        ImportError
            matplotlib is not installed.
        EstimationError
            No row that can be drawn.
        """
        self._require("aggregation", "term", "estimate", *LABELS)
        known = self["estimate"].notna()
        events = self[self["aggregation"].isin(EVENTS) & self["event_time"].notna()]
        cells = self[(self["aggregation"] == "group_time") & known]
        parts: list[tuple[str, Result]]
        if len(events):
            parts, across = [("", events)], "event_time"
        elif len(cells):
            parts = [
                (f"cohort {cohort}", cells[cells["cohort"] == cohort])
                for cohort in cells["cohort"].unique()
            ]
            across = "period"
        else:
            shown = self[known & (self["aggregation"] != "test")]
            coefficients = ~shown["term"].isin(["const", "overall"])
            shown = shown[coefficients] if coefficients.any() else shown
            if not len(shown):
                raise EstimationError.of("did.nothing_to_draw")
            parts, across = [("", shown)], "term"
        if ax is not None and len(parts) > 1:
            raise OptionError.of("did.one_axes_for_several", n=len(parts))
        height = 3.6 if len(parts) == 1 else 2.2 * len(parts)
        figure, axes = axes_of(ax, len(parts), (6.4, height))
        for place, (name, rows) in zip(axes, parts, strict=True):
            _draw(place, rows, across, legend=place is axes[0])
            if name:
                place.set_title(name, loc="left", fontsize="medium")
        title = self._heading() if title is None else title
        if len(parts) == 1:
            axes[0].set_title(title, loc="left")
        else:
            figure.suptitle(title, x=0.01, ha="left")
        return figure

    def plot_overlap(self) -> Any:
        """Draw the probabilities of treatment, treated above, controls below.

        Of `entropy_balancing` and `covariate_balancing`: a panel a cohort, for its
        first comparison; a control's area is its weight.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        ImportError
            matplotlib is not installed.
        EstimationError
            The result holds no scores.
        """
        if "scores" not in self.attrs:
            raise EstimationError.of("did.no_scores")
        rows = first_comparisons(self.attrs["scores"]["rows"])
        parts = list(rows.groupby("cohort", sort=False))
        figure, axes = axes_of(None, len(parts), (6.4, 1.0 + 1.3 * len(parts)))
        for ax, (cohort, part) in zip(axes, parts, strict=True):
            draw_scores(ax, part, AFTER, BEFORE)
            ax.set_yticks([0, 1], ["controls", "treated"])
            ax.set_title(f"cohort {cohort}", loc="left", fontsize="medium")
        axes[-1].set_xlabel("probability of treatment")
        return figure

    # --- what the methods share ---

    def _require(self, *columns: str) -> None:
        absent = [column for column in columns if column not in self.columns]
        if absent:
            raise EstimationError.of("did.result_lacks_columns", absent)

        if {"estimate", "std_error", "statistic"} <= set(self.columns):
            estimate, error, ratio = (
                self[c].to_numpy(float) for c in ("estimate", "std_error", "statistic")
            )
            with np.errstate(invalid="ignore", divide="ignore"):
                changed = (error > 0) & (
                    np.abs(estimate / error - ratio) > 1e-8 * np.maximum(1, abs(ratio))
                )
            if changed.any():
                raise EstimationError.of(
                    "did.numbers_changed",
                    [
                        f"{term}: {value:.6g}"
                        for term, value in zip(
                            self["term"][changed], estimate[changed], strict=True
                        )
                    ],
                )

    def _heading(self) -> str:
        outcomes = self["outcome"].dropna().unique() if "outcome" in self else ()
        of = f" of {', '.join(map(str, outcomes))}" if len(outcomes) else ""
        return f"{self.options['estimator']}{of}"

    def _named(self) -> list[str]:
        """The term and the labels that apply."""
        labels = [c for c in LABELS if c in self.columns and self[c].notna().any()]
        return ["term", *labels]

    def _title(self, row: Mapping[str, Any]) -> str:
        if row.get("aggregation") == "group_time":
            return f"{row['cohort']}, {row['period']}"
        return str(row["term"])

    def _interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        df = self["df"].to_numpy(float)
        df = np.where(np.isnan(df), np.inf, df)
        distinct, place = np.unique(df, return_inverse=True)
        critical = np.array([critical_value(d, level) for d in distinct])[place]
        width = critical * self["std_error"].to_numpy(float)
        estimate = self["estimate"].to_numpy(float)
        return estimate - width, estimate + width


def remember(result: Any, estimator: str, options: Mapping[str, Any]) -> Any:
    """Note in a result how it was made; frames without estimates are left alone."""
    if isinstance(result, pd.DataFrame) and "estimate" in result.columns:
        return results.remember(result, Result, estimator, options)
    return result


remembering = results.remembering(remember)


def first_comparisons(scores: pd.DataFrame) -> pd.DataFrame:
    """Of ``attrs["scores"]`` each cohort's first period."""
    first = scores.groupby("cohort")["period"].transform("first")
    return scores[first == scores["period"]]


def draw_scores(ax: Any, rows: pd.DataFrame, treated: str, controls: str) -> None:
    """Probabilities of the treated at height 1, of controls at 0, area as weights.

    Parameters
    ----------
    ax : matplotlib Axes
    rows : DataFrame
        treated (bool), probability, weight.
    treated, controls : colours
    """
    own = rows["treated"].to_numpy(bool)
    for height, side, colour in ((1, own, treated), (0, ~own, controls)):
        part = rows[side].sort_values("probability", kind="stable")
        # Units of like probability stand a little apart.
        apart = 0.12 * (np.arange(len(part)) % 3 - 1)
        area = 8 + 30 * len(part) * part["weight"].to_numpy(float)
        ax.scatter(
            part["probability"], height + apart, s=np.minimum(area, 300), color=colour,
            alpha=0.6, linewidths=0,
        )  # fmt: skip
    ax.set_xlim(-0.03, 1.03)
    ax.set_ylim(-0.6, 1.6)
    ax.spines[["top", "right"]].set_visible(False)


def _draw(ax: Any, rows: Result, across: str, *, legend: bool) -> None:
    """Points with their intervals on one axes."""
    if across == "term":
        places: Any = np.arange(len(rows))
        after = np.ones(len(rows), bool)
        ax.set_xticks(places, [str(term) for term in rows["term"]], rotation=30)
    else:
        rows = rows.sort_values(across)
        labels = rows[across].tolist()
        numeric = all(isinstance(label, int | float | np.number) for label in labels)
        places = np.array(labels, float) if numeric else np.arange(len(rows))
        if not numeric:
            ax.set_xticks(places, [str(label) for label in labels])
        after = np.array([not event < 0 for event in rows["event_time"]], bool)
        ax.set_xlabel("event time" if across == "event_time" else "period")
    estimate = rows["estimate"].to_numpy(float)
    ax.axhline(0.0, color="0.5", linewidth=0.8)
    reference = (estimate == 0.0) & rows["std_error"].isna().to_numpy()
    for place in places[reference]:
        ax.axvline(place, color="0.5", linewidth=0.8, linestyle="--")
    for kind, width in (("band", 0.8), ("conf", 2.2)):
        if f"{kind}_low" not in rows.columns:
            continue
        low, high = (rows[f"{kind}_{end}"].to_numpy(float) for end in ("low", "high"))
        for side, colour in ((~after, BEFORE), (after, AFTER)):
            ax.vlines(
                places[side], low[side], high[side], color=colour, linewidth=width
            )
    for side, colour, fill, name in (
        (~after, BEFORE, "white", "before treatment"),
        (after, AFTER, AFTER, "after"),
    ):
        if side.any():
            ax.plot(
                places[side], estimate[side], "o", color=colour, markerfacecolor=fill,
                markersize=5, label=name,
            )  # fmt: skip
    if legend and (~after).any():
        above = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0)}
        ax.legend(frameon=False, fontsize="small", ncols=2, **above)
    ax.set_ylabel("estimate")
    ax.spines[["top", "right"]].set_visible(False)
