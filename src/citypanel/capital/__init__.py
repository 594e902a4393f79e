"""Capital stocks by the perpetual inventory method."""

from citypanel.capital.perpetual_inventory import (
    INITIAL_CAPITAL,
    VANISHING,
    initial_growth,
    perpetual_inventory,
)

__all__ = [
    "INITIAL_CAPITAL",
    "VANISHING",
    "initial_growth",
    "perpetual_inventory",
]
