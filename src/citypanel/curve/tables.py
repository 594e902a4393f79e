"""The tables of the specification curve, as the warehouse builds them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from citypanel.curve.choices import load_choices
from citypanel.curve.specifications import HEADLINE, specifications
from citypanel.curve.summary import is_papers_question, published_numbers, summarise
from citypanel.study.options import Options
from citypanel.study.run import Sources, Study

# Permutations of the policy behind the joint inference: p-values from 0.005 on.
PERMUTATIONS = 199
DRAWN = ("permuted_estimates", "permuted_t")


def headline_row(variants: pd.DataFrame) -> pd.Series:
    """The headline's row of the table of variants."""
    return variants.loc[variants["variant"] == HEADLINE].iloc[0]


def specification_table(
    tables: Mapping[str, pd.DataFrame], variants: pd.DataFrame
) -> pd.DataFrame:
    """The specification curve around the build's headline.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        The parts of `Sources`.
    variants : DataFrame
        Of the headline: every option of the study, seed, and specifications, the rows
        wanted.

    Returns
    -------
    DataFrame
        As `citypanel.curve.specifications.specifications`, with the lists
        permuted_estimates and permuted_t, null but for two-way specifications whose
        index and sample do not depend on who is treated.
    """
    row = headline_row(variants)
    frame, draws = specifications(
        Study(Sources(**tables)),
        base=Options.of_build(row),
        n=int(row["specifications"]),
        seed=int(row["seed"]),
        permutations=PERMUTATIONS,
    )
    return with_draws(frame, draws)


def with_draws(frame: pd.DataFrame, draws: np.ndarray) -> pd.DataFrame:
    """The table with each specification's permutations as lists."""
    for k, name in enumerate(DRAWN):
        lists = [None if np.isnan(d[k]).all() else d[k].tolist() for d in draws]
        frame[name] = pd.Series(lists, dtype=object)
    return frame


def draws_of(frame: pd.DataFrame) -> np.ndarray:
    """The permutations back from their lists, (specifications, 2, permutations)."""
    sizes = [len(values) for values in frame[DRAWN[0]] if _is_list(values)]
    draws = np.full((len(frame), 2, max(sizes, default=0)), np.nan)
    for k, name in enumerate(DRAWN):
        for i, values in enumerate(frame[name]):
            if _is_list(values):
                draws[i, k] = np.asarray(values, dtype=float)
    return draws


def _is_list(values: object) -> bool:
    return isinstance(values, (list, tuple, np.ndarray))


def specification_summary(
    table: pd.DataFrame,
    variants: pd.DataFrame,
    descriptives: pd.DataFrame,
    regressions: pd.DataFrame,
) -> pd.DataFrame:
    """What the curve says; see `citypanel.curve.summary.summarise`.

    Parameters
    ----------
    table : DataFrame
        As `specification_table`.
    variants : DataFrame
        Of the headline: seed, policy, outcome.
    descriptives, regressions : DataFrame
        The paper's tables, as `published_numbers`.
    """
    table = table.sort_values("specification_order", ignore_index=True)
    row = headline_row(variants)
    paper = (
        published_numbers(descriptives, regressions) if is_papers_question(row) else {}
    )
    return summarise(
        table,
        draws_of(table),
        choices=load_choices(),
        published=paper,
        seed=int(row["seed"]),
    )
