"""Numbers with their units as people read them, the same in all reports."""

from datetime import UTC, datetime

from evolve.core.javascript.values import number_text

NONE = "\N{EN DASH}"
"""What a report shows where there is no number."""


def percent(share: float) -> str:
    """Return a share as text, `99.9%` for 0.9996: it is never rounded up to 100%."""
    tenths = int(share * 1000 + 1e-9)  # 0.29 * 1000 is 289.99...: without the small number it would be 28.9%
    return f"{tenths // 10}%" if tenths % 10 == 0 and abs(share * 1000 - tenths) < 1e-6 else f"{tenths / 10:.1f}%"


def milliseconds(value: float) -> str:
    """Return `0.4 ms`, `312 ms`, `2.4 s`."""
    if value < 10:
        return f"{number_text(round(value, 1))} ms"
    return f"{value:,.0f} ms" if value < 1000 else f"{value / 1000:,.1f} s"


def duration(seconds: float) -> str:
    """Return `0.8 s`, `1 min 23 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def dollars(value: float) -> str:
    """Return `$1.25`, `$0.0031`: whole cents from 10 cents on, else enough digits for the price of one answer."""
    return f"${value:,.2f}" if value >= 0.1 or value == 0 else f"${value:.2g}" if value < 0.0001 else f"${value:.4f}"


def utc(seconds: float) -> str:
    """Return a time since the epoch in ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
