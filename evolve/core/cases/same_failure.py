"""Finds the same failure in cases that an earlier version wrote, whose fingerprint is of less redacted messages."""

from typing import Final

from evolve.core.cases.failure_case import FailureCase
from evolve.core.cases.fingerprint import fingerprint
from evolve.core.cases.redaction import PLACEHOLDER, CannotRedact, Redactor

NOT_LABELLED: Final = "; unlabelled: an assertion contained a secret, and masked it would prove nothing"
"""The end of the reason of a case whose assertion was left out."""


def failure_key(case: FailureCase) -> str:
    """Return what is equal for two cases of one failure, whichever version redacted them; empty without a secret.

    The stored texts are redacted again by today's rules, with every id hidden. Only a case in which that leaves a
    placeholder can have another fingerprint than today's; others are compared by fingerprint alone.
    """
    source = case.source
    parts = [source.test, source.check, source.reason.removesuffix(NOT_LABELLED)]
    try:
        safe = Redactor(keeps_ids=False).redact(parts)  # type: ignore[arg-type]
    except CannotRedact:
        return ""
    assert isinstance(safe, list)
    test, check, reason = (str(part) for part in safe)
    if not any(PLACEHOLDER.search(part) for part in (test, check, reason)):
        return ""
    return fingerprint(case.agent, PLACEHOLDER.sub("<id>", test), [PLACEHOLDER.sub("<id>", check)], [reason])
