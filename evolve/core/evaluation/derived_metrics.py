"""Metrics computed from other metrics: an arithmetic expression over a column's named scores."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from evolve.core.javascript.engine import evaluate_javascript
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.events import PromptMetrics
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import DerivedMetric

_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*")
# The names that mathjs has; promptfoo evaluates expressions with it.
_FUNCTIONS = """
const {abs,acos,asin,atan,atan2,cbrt,ceil,cos,exp,expm1,floor,hypot,log10,log1p,log2,max,min,sign,sin,sqrt,tan} = Math;
const pi = Math.PI, e = Math.E, pow = Math.pow;
const log = (x, base) => base === undefined ? Math.log(x) : Math.log(x) / Math.log(base);
const round = (x, digits = 0) => Math.round(x * 10 ** digits) / 10 ** digits;
const sum = (...xs) => xs.flat().reduce((a, b) => a + b, 0);
const mean = (...xs) => sum(...xs) / xs.flat().length;
const mod = (x, y) => x - y * Math.floor(x / y);
"""


class WithDerived(NamedTuple):
    """A column with its derived metrics, and the reasons why some of them have no value."""

    metrics: PromptMetrics
    problems: tuple[str, ...]


def with_derived(metrics: PromptMetrics, derived: Sequence[DerivedMetric]) -> WithDerived:
    """Add each derived metric in order; later ones may use earlier ones and `__count`, the number of tests.

    One that cannot be computed is 0, as in promptfoo, and reported in `problems`; 0/0 is NaN, `null` in reports.
    """
    if not derived:
        return WithDerived(metrics, ())
    scores: dict[str, float] = dict(metrics.named_scores)
    problems = []
    for metric in derived:
        scores.setdefault(metric.name, 0.0)
        try:
            scores[metric.name] = _evaluate(metric.value, {**scores, "__count": _count(metrics)})
        except CannotEvaluate as error:
            problems.append(f"derivedMetrics: {metric.name}: {error}")
    return WithDerived(replace(metrics, named_scores=scores), tuple(problems))


def _count(metrics: PromptMetrics) -> int:
    return metrics.passed + metrics.failed + metrics.errors


def _evaluate(expression: str, scores: Mapping[str, float]) -> float:
    names: dict[str, JsonValue] = {name: value for name, value in scores.items() if _IDENTIFIER.fullmatch(name)}
    # A metric may have the name of a function; the metric wins, as in mathjs.
    body = f"{_FUNCTIONS}{{ const {{{', '.join(names)}}} = __names; return ({expression.replace('^', '**')}) }}"
    result = evaluate_javascript(body, {"__names": names})
    if result.kind == "number":  # NaN or infinity, which JSON cannot hold: a division by a metric that is 0
        return float(result.shown.replace("Infinity", "inf"))
    value = result.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CannotEvaluate(f"expected '{expression}' to give a number, got {value!r}")
    return float(value)
