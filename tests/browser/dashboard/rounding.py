"""Numbers rounded as the page rounds them: halves go up, where Python's own rounding takes the even digit."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal


def to_fixed(value: float, digits: int) -> str:
    """What JavaScript's `toFixed` writes for a number that is not negative."""
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def shown_share(part: float) -> str:
    """A share from 0 to 1 as the page's `share` writes it: 45.6%, 50%."""
    return f"{float(to_fixed(part * 100, 1)):g}%"


def shown_change(now: float, before: float) -> str:
    """How far a number is from one before, without an arrow, as the page's `change` writes it: +3.4%, −12%, 0%."""
    percent = (now - before) / before * 100
    digits = 0 if abs(percent) >= 9.95 else 1
    size = to_fixed(abs(percent), digits)
    if size == "0.0":
        return "0%"
    return f"{'+' if percent > 0 else '−'}{size}%"
