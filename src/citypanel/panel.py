"""Checks that every function on a long panel makes before it computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from citypanel.errors import PanelError


def require_columns(panel: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise PanelError unless `panel` has every one of `columns`, once."""
    missing = [column for column in columns if column not in panel.columns]
    if missing:
        if set(missing) <= set(panel.index.names):
            raise PanelError.of("panel.columns_in_index", missing)
        raise PanelError.of("panel.lacks_columns", missing, columns=list(panel.columns))
    if panel.columns.is_unique:
        return
    twice = [c for c in dict.fromkeys(columns) if (panel.columns == c).sum() > 1]
    if twice:
        raise PanelError.of("panel.column_twice", [f"{column}" for column in twice])


def factorize(values: Any, *, sort: bool = False) -> tuple[np.ndarray, Any]:
    """`pandas.factorize`; of text, which it is slow on, the words as objects."""
    if isinstance(values.dtype, pd.StringDtype):
        values = values.to_numpy(dtype=object)
    return pd.factorize(values, sort=sort)


def require_unique_key(panel: pd.DataFrame, key: Sequence[str]) -> None:
    """Raise PanelError when a row of `panel` repeats another's `key`."""
    again = panel.duplicated(list(key), keep=False).to_numpy()
    if again.any():
        repeated = panel.loc[again, list(key)]
        raise PanelError.of(
            "panel.repeated_key",
            (
                ", ".join(
                    f"{name} {value}" for name, value in zip(key, row, strict=True)
                )
                for row in repeated.drop_duplicates().itertuples(index=False)
            ),
            what=" and ".join(key),
        )
