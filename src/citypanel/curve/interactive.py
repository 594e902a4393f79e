"""The specification curve as one HTML page that needs no network."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pandas as pd

from citypanel.curve.choices import Choices
from citypanel.curve.specifications import HEADLINE

SHOWN = {
    "estimate": 6,
    "conf_low": 6,
    "conf_high": 6,
    "p_value": 5,
    "mean": 4,
    "std_dev": 4,
    "maximum": 4,
    "assumed_share": 4,
}


def curve_data(table: pd.DataFrame, choices: Choices, paper: float) -> dict:
    """What the page draws: a column a list, choices as positions of their values."""
    rows = table.loc[table["estimate"].notna()]
    rows = rows.sort_values(["estimate", "specification"], ignore_index=True)
    columns: dict[str, list] = {}
    for name, digits in SHOWN.items():
        values = rows[name].to_numpy(dtype=float)
        columns[name] = [
            None if np.isnan(v) else float(f"{v:.{digits}g}") for v in values
        ]
    columns["n_obs"] = [int(v) for v in rows["n_obs"]]
    for name in ("estimand", "plausibility"):
        columns[name] = rows[name].astype(str).tolist()
    declared = []
    for choice in choices.choices:
        values = [str(v.value) for v in choice.values]
        seen = rows[choice.name].astype(str)
        values += sorted(set(seen) - set(values))
        place = {value: i for i, value in enumerate(values)}
        columns[choice.name] = [place[value] for value in seen]
        declared.append({"name": choice.name, "label": choice.label, "values": values})
    headline = table.loc[table["specification"] == HEADLINE]
    base = {
        choice.name: str(headline[choice.name].iloc[0]) if len(headline) else None
        for choice in choices.choices
    }
    return {"choices": declared, "columns": columns, "headline": base, "paper": paper}


def curve_page(table: pd.DataFrame, choices: Choices, paper: float) -> str:
    """The page.

    Parameters
    ----------
    table : DataFrame
        As `specifications`.
    choices : Choices
    paper : float
        The paper's coefficient.

    Returns
    -------
    str
        HTML with its data, style and script inside; nothing is fetched. Every text is
        set as text, never as markup.
    """
    data = json.dumps(curve_data(table, choices, paper), separators=(",", ":"))
    # A closing tag or comment inside a string would end the script.
    for sign in "<>&\u2028\u2029":
        data = data.replace(sign, f"\\u{ord(sign):04x}")
    page = files("citypanel.curve").joinpath("curve.html").read_text("utf-8")
    return page.replace("/*DATA*/null", data)
