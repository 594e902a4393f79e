"""The tables behind marts.rpt_influence and its neighbours, from the build's frames.

Each function takes the parts of `Sources` by name and the table of variants, and
returns one table about the headline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from citypanel.curve.tables import headline_row
from citypanel.influence.assumed_bounds import assumed_bounds
from citypanel.influence.experiments import influence
from citypanel.influence.frontier_carriers import carriers, frontier_alternatives
from citypanel.influence.index_uncertainty import index_uncertainty
from citypanel.influence.yardsticks import yardsticks
from citypanel.study.estimates import printed_effect
from citypanel.study.options import Options
from citypanel.study.run import Sources, Study

#: Imputations; their Monte Carlo error is a tenth of the spread between them.
IMPUTATIONS = 100


def headline_of(
    tables: Mapping[str, pd.DataFrame], variants: pd.DataFrame
) -> tuple[Study, Options, pd.Series]:
    """The study, the headline's options and its row of the table of variants."""
    row = headline_row(variants)
    return Study(Sources(**tables)), Options.of_build(row.to_dict()), row


def influence_table(
    tables: Mapping[str, pd.DataFrame],
    variants: pd.DataFrame,
    origins: pd.DataFrame,
    **how: Any,
) -> pd.DataFrame:
    """See `citypanel.influence.experiments.influence`.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        The parts of `Sources`.
    variants : DataFrame
    origins : DataFrame
        city_id, year, variable, origin of every figure in use.
    **how
        n_jobs, progress.
    """
    study, options, _ = headline_of(tables, variants)
    return influence(study, options, origins=origins, **how)


def carriers_table(
    tables: Mapping[str, pd.DataFrame], variants: pd.DataFrame
) -> pd.DataFrame:
    """See `citypanel.influence.frontier_carriers.carriers`."""
    study, options, _ = headline_of(tables, variants)
    return carriers(study, options)


def alternatives_table(
    tables: Mapping[str, pd.DataFrame], variants: pd.DataFrame, every: bool = True
) -> pd.DataFrame:
    """See `citypanel.influence.frontier_carriers.frontier_alternatives`."""
    study, options, _ = headline_of(tables, variants)
    return frontier_alternatives(study, options, every=every)


def bounds_table(
    tables: Mapping[str, pd.DataFrame],
    variants: pd.DataFrame,
    published: pd.DataFrame,
) -> pd.DataFrame:
    """See `citypanel.influence.assumed_bounds.assumed_bounds`.

    Parameters
    ----------
    published : DataFrame
        Tables 3 to 5 as printed: paper_table, paper_column, term, estimate. The targets
        are zero and the effect in the first column that the study declares.
    """
    study, options, _ = headline_of(tables, variants)
    return assumed_bounds(study, options, targets=targets_of(published))


def targets_of(published: pd.DataFrame) -> dict[str, float]:
    """Zero, and the coefficient the paper prints."""
    printed = printed_effect(published)["estimate"].dropna()
    paper = {"paper": float(printed.iloc[0])} if len(printed) else {}
    return {"zero": 0.0, **paper}


def uncertainty_table(
    tables: Mapping[str, pd.DataFrame], variants: pd.DataFrame, **how: Any
) -> pd.DataFrame:
    """See `citypanel.influence.index_uncertainty.index_uncertainty`.

    The draws are the option inference_draws.
    """
    study, options, row = headline_of(tables, variants)
    return index_uncertainty(
        study,
        options,
        draws=int(row["inference_draws"]),
        imputations=IMPUTATIONS,
        seed=int(row["seed"]),
        **how,
    )


def yardsticks_table(
    tables: Mapping[str, pd.DataFrame], variants: pd.DataFrame
) -> pd.DataFrame:
    """See `citypanel.influence.yardsticks.yardsticks`."""
    study, options, row = headline_of(tables, variants)
    return yardsticks(
        study,
        options,
        draws=max(int(row["inference_draws"]), 999),
        seed=int(row["seed"]),
    )


def every_table(
    tables: Mapping[str, pd.DataFrame],
    variants: pd.DataFrame,
    origins: pd.DataFrame,
    published: pd.DataFrame,
    *,
    n_jobs: int | None = 1,
    say: Callable[[str], Callable[[int, int], None] | None] = lambda name: None,
) -> dict[str, pd.DataFrame]:
    """All six, by name.

    Parameters
    ----------
    say : callable
        Gets the name of each table before it is computed; what it returns is that
        table's progress callback.
    """
    functions: dict[str, tuple[Callable[..., pd.DataFrame], tuple]] = {
        "influence": (influence_table, (origins,)),
        "frontier_carriers": (carriers_table, ()),
        "frontier_alternatives": (alternatives_table, ()),
        "assumed_bounds": (bounds_table, (published,)),
        "index_uncertainty": (uncertainty_table, ()),
        "yardsticks": (yardsticks_table, ()),
    }
    found = {}
    for name, (function, more) in functions.items():
        progress = say(name)
        parallel = name in ("influence", "index_uncertainty")
        how = {"n_jobs": n_jobs, "progress": progress} if parallel else {}
        found[name] = function(tables, variants, *more, **how)
    return found
