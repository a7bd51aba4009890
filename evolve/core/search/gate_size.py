"""How many families a gate needs at least."""

from collections.abc import Collection


def families_to_prove(alpha: float) -> int:
    """Return the smallest number of families that can prove anything at this level.

    When all n families win and none loses, p of the sign-flip test is 2^-n, the smallest that n families can reach.
    """
    families = 1
    while 0.5**families > alpha:
        families += 1
    return families


def small_gate(families: Collection[str], alpha: float) -> str:
    """Return what is wrong with a gate of these families; empty when it can prove something."""
    has, needs = len(set(families)), families_to_prove(alpha)
    if has >= needs:
        return ""
    owned = "no family" if not has else "1 family" if has == 1 else f"{has} families"
    missing = "1 more is" if needs - has == 1 else f"{needs - has} more are"
    return f"the gate has {owned} and needs {needs} to prove anything at its level {alpha:.2g}: {missing} missing"
