"""Numbers as people read them, with a true minus sign."""

from __future__ import annotations

import math
from typing import Any

NOTHING = "–"
MINUS = "\u2212"


def _finite(value: Any) -> float | None:
    try:
        value = float(value)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def number(value: Any, digits: int = 4) -> str:
    """A number with thousands separators and about `digits` significant digits.

    Whole numbers are shown whole; what is no number is a dash.
    """
    value = _finite(value)
    if value is None:
        return NOTHING
    if (value == round(value) and abs(value) < 1e15) or abs(value) >= 10 ** (
        digits - 1
    ):
        return f"{value:,.0f}".replace("-", MINUS)
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{value:,.{min(decimals, 10)}f}"
    return (text.rstrip("0").rstrip(".") or "0").replace("-", MINUS)


def fixed(value: Any, decimals: int = 3, *, sign: str = "") -> str:
    """A number with a fixed count of decimals; what is no number is a dash.

    A negative number that rounds to zero keeps its minus: the sign is a finding.

    Parameters
    ----------
    sign : str
        "+" writes it before positive numbers too.
    """
    if value in (math.inf, -math.inf):
        return "∞" if value > 0 else f"{MINUS}∞"
    value = _finite(value)
    if value is None:
        return NOTHING
    text = f"{abs(value):,.{decimals}f}"
    # What arithmetic leaves of zero has no sign.
    if value < -1e-12:
        return MINUS + text
    return ("+" if sign == "+" else "") + text


def share(value: Any, *, sign: str = "") -> str:
    """A share (0-1) as per cent; never 0% or 100% where it is not exactly that.

    sign: "+" writes it before positive shares too.
    """
    value = _finite(value)
    if value is None:
        return NOTHING
    if value < 0 or sign == "+":
        before = MINUS if value < 0 else "+"
        return before + share(abs(value))
    text = f"{100 * value:.1f}" if 0 < abs(value) < 0.1 else f"{100 * value:.0f}"
    if value > 0 and float(text) == 0:
        return "<0.1%"
    if value < 1 and text == "100":
        return ">99%"
    return f"{text}%"


def p_text(p: Any) -> str:
    """p = 0.38, p < 0.001, p > 0.99, or nothing; the spaces do not break."""
    p = _finite(p)
    if p is None:
        return ""
    digits = 3 if p < 0.1 else 2
    text = f"p = {p:.{digits}f}"
    if p < 0.001 or p >= 0.995:
        text = "p < 0.001" if p < 0.001 else "p > 0.99"
    return text.replace(" ", "\u00a0")


def p_cell(p: Any) -> str:
    """A p-value under a heading that says p: never 0.000."""
    p = _finite(p)
    if p is None:
        return NOTHING
    return "<0.001" if p < 0.001 else fixed(p)


def per_cent(value: float) -> str:
    """A share (0-1) in words: 12 per cent, under 1 per cent."""
    if 0 < value < 0.005:
        return "under 1 per cent"
    if 0.995 < value < 1:
        return "over 99 per cent"
    return f"{100 * value:.0f} per cent"
