"""A small panel to try everything on.

Examples
--------
>>> from citypanel.examples import zones
>>> zones().shape
(400, 15)
"""

from pathlib import Path

import pandas as pd

__all__ = ["zones"]


def zones() -> pd.DataFrame:
    """An invented panel of 40 cities in ten years, whose effects are known.

    Eight cities get a zone in 2014, which raises the log wage by 0.10 in its first year
    and by 0.02 more in each later one; eight get one in 2016, which raises it by 0.06;
    24 never do. A log wage is the city's level, the year's, the effect and a normal
    error of standard deviation 0.04.

    Returns
    -------
    DataFrame
        One row per city and year (2010 to 2019): city, year, region, zone (first year
        with a zone, null for never), treated (0 or 1), wage (logarithm), output,
        capital, labour, investment and emissions (all at constant prices or in constant
        units), population (thousand persons), latitude, longitude (degrees), port
        (first year of another policy, which has no effect).

    Examples
    --------
    >>> from citypanel.examples import zones
    >>> panel = zones()
    >>> panel.groupby("zone", dropna=False)["city"].nunique().tolist()
    [8, 8, 24]
    """
    types = {"city": "str", "zone": "Int64", "port": "Int64"}
    return pd.read_csv(Path(__file__).with_name("zones.csv"), dtype=types)
