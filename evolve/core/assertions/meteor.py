"""`meteor`: words and stems that the output shares with reference texts; see `evolve.core.metrics.meteor`."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import TEXT_OR_TEXTS, similarity_verdict, texts_of, wrong_value
from evolve.core.metrics.meteor import meteor_score
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("meteor", value_schema=TEXT_OR_TEXTS, value_required=True, keys=("alpha", "beta", "gamma"))
def meteor(check: AssertionInput) -> Verdict:
    """Pass when the best reference's score reaches `threshold`, 0.5 without one."""
    # The defaults are those that the authors of METEOR publish.
    alpha, beta, gamma = (
        _read_setting(check, name, default) for name, default in (("alpha", 0.9), ("beta", 3.0), ("gamma", 0.5))
    )
    return similarity_verdict(
        check, "METEOR", meteor_score(check.text, texts_of(check), alpha=alpha, beta=beta, gamma=gamma), 0.5
    )


def _read_setting(check: AssertionInput, name: str, default: float) -> float:
    value = check.assertion.config.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise wrong_value(check, f"text, and {name}={value!r} a number from 0 to 100")
    return float(value)
