"""Walk a panel variant by variant."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd


def by_variant(
    panel: pd.DataFrame,
    variants: pd.DataFrame,
    step: Callable[[pd.DataFrame, pd.Series], pd.DataFrame],
) -> pd.DataFrame:
    """Apply `step(rows, options)` to each variant's rows and stack what it returns.

    Parameters
    ----------
    panel : DataFrame
        Has a column `variant`.
    variants : DataFrame
        One row per variant: `variant`, `variant_order` and its options.
    step : callable
        Gets a variant's rows (without the column `variant`) and its options.

    Returns
    -------
    DataFrame
        The frames in the order of `variant_order`, with `variant` as first column.
    """
    pieces = []
    for _, options in variants.sort_values("variant_order").iterrows():
        rows = panel.loc[panel["variant"] == options["variant"]]
        piece = step(rows.drop(columns="variant").reset_index(drop=True), options)
        piece.insert(0, "variant", options["variant"])
        pieces.append(piece)
    return pd.concat(pieces, ignore_index=True)
