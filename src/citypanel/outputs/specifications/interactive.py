"""The specification curve as one HTML page that needs no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from citypanel.curve.choices import Choices
from citypanel.curve.specifications import HEADLINE
from citypanel.outputs.facts import Facts
from citypanel.pages import embedded, render
from citypanel.words import Catalogue

SHOWN = {"estimate": 6, "conf_low": 6, "conf_high": 6, "p_value": 5}
SAID = Catalogue("curve")
TEMPLATES = Path(__file__).with_name("templates")


def curve_data(table: pd.DataFrame, choices: Choices, facts: Facts) -> dict:
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
        declared.append(
            {
                "name": choice.name,
                "label": facts.labels.choice(choice.name),
                "values": values,
                "told": [facts.labels.value(choice.name, v) for v in values],
            }
        )
    headline = table.loc[table["specification"] == HEADLINE]
    base = {
        choice.name: str(headline[choice.name].iloc[0]) if len(headline) else None
        for choice in choices.choices
    }
    return {
        "choices": declared,
        "columns": columns,
        "headline": base,
        "estimand": facts.estimand,
        "paper": facts.paper.estimate if facts.paper else None,
        "words": SAID.of("interactive"),
    }


def curve_page(table: pd.DataFrame, choices: Choices, facts: Facts) -> str:
    """The page.

    Parameters
    ----------
    table : DataFrame
        As `specifications`.
    choices : Choices
    facts : Facts
        Of the file the curve was computed from.

    Returns
    -------
    str
        HTML with its data, style and script inside; nothing is fetched. Every text is
        set as text, never as markup.
    """

    names = ("title", "lead", "read", "effect", "with_dubious", "seen", "nothing")
    return render(
        "curve.html.j2",
        folder=TEMPLATES,
        data=embedded(curve_data(table, choices, facts)),
        said={name: SAID(f"interactive.{name}") for name in names},
    )
