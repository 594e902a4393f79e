"""Numbers and cells as pages and files for spreadsheets show them."""

from __future__ import annotations

import math
from typing import Any

NOTHING = "–"


def number(value: Any, digits: int = 4) -> str:
    """A number with thousands separators and about `digits` significant digits.

    Whole numbers are shown whole; what is no number is a dash.
    """
    try:
        value = float(value)
    except (TypeError, ValueError):
        return NOTHING
    if not math.isfinite(value):
        return NOTHING
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}".replace("-", "−")
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}".replace("-", "−")
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{value:,.{min(decimals, 10)}f}"
    return (text.rstrip("0").rstrip(".") or "0").replace("-", "−")


def share(value: Any) -> str:
    """A share (0-1) as per cent; never 0% or 100% where it is not exactly that."""
    try:
        value = float(value)
    except (TypeError, ValueError):
        return NOTHING
    if not math.isfinite(value):
        return NOTHING
    text = f"{100 * value:.1f}" if 0 < abs(value) < 0.1 else f"{100 * value:.0f}"
    if value > 0 and float(text) == 0:
        return "<0.1%"
    if value < 1 and text == "100":
        return ">99%"
    return f"{text}%"
