"""Numbers of things in plain English."""


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 case`, `2,000 cases`: a number with its noun in the right form.

    Args:
        plural: the plural form; empty for the noun plus s.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
