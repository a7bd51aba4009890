"""Numbers of an evolution as text, the same on the console and on the page."""

import math

from evolve.report.quantities import NONE


def share(value: float) -> str:
    """Return a share as text, `41.7%`; only all of it is `100%`, and only nothing `0%`."""
    if not math.isfinite(value):
        return NONE
    tenths = _tenths(value)
    if 0 < value < 1:
        tenths = min(max(tenths, 1), 999)  # 0.1% to 99.9%
    return f"{tenths / 10:g}%"


def points(difference: float) -> str:
    """Return a difference of shares in percentage points, `+16.7`."""
    if not math.isfinite(difference):
        return NONE
    sign = "-" if difference < 0 else "+"
    return f"{sign}{_tenths(abs(difference)) / 10:.1f}"


def _tenths(value: float) -> int:
    """Tenths of a percent, halves rounded up as the page's script does."""
    return int(value * 1000 + 0.5 + 1e-9)  # the small number is for halves that binary fractions fall short of


def short(text: str, limit: int) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
