"""`# noqa: rule-id reason`: findings that somebody has reviewed and wants to keep."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evolve.role_lint.nodes import Spot
from evolve.role_lint.rule import LintFinding

WITHOUT_REASON: Final = "exemption-without-reason"
UNUSED: Final = "exemption-unused"
META_RULES: Final = {
    WITHOUT_REASON: "a `noqa` for one of these rules without a reason",
    UNUSED: "a `noqa` for one of these rules on a line without such a finding",
}
# The comment signs of YAML, jobs and ini files; it ends at Jinja's `#}` or at the next comment.
_NOQA: Final = re.compile(r"(?:#|//|;)\s*noqa:\s*([^#}]*?)\s*(?:#\}|$|#)")
# With the brackets of ansible-lint's ids (`risky-shell-pipe`, `no-changed-when[x]`), which may be on the same line.
_ID: Final = re.compile(r"[a-z][a-z0-9-]*(?:\[[a-z-]+\])?")


@dataclass(frozen=True, slots=True)
class Exemption:
    """One rule that one line is exempt from."""

    spot: Spot
    rule: str
    reason: str
    lines: tuple[int, ...]
    """The lines that it applies to: its own, and also the next if the comment is alone on its line."""


def apply_exemptions(
    findings: Iterable[LintFinding], paths: Iterable[str], chosen: frozenset[str]
) -> Iterator[LintFinding]:
    """Yield the findings that no exemption covers, and the problems of the exemptions.

    Args:
        findings: what the rules found.
        paths: the files to look for exemptions in.
        chosen: the ids of the rules that ran; exemptions of other rules are ignored.
    """
    exempt = [item for path in sorted(set(paths)) for item in read_exemptions(path, chosen)]
    by_line = {(item.spot.path, line, item.rule): item for item in exempt for line in item.lines}
    used: set[Exemption] = set()
    for finding in findings:
        item = by_line.get((finding.spot.path, finding.spot.line, finding.rule))
        if item is None:
            yield finding
        else:
            used.add(item)
    yield from _complaints(exempt, used)


def _complaints(exempt: Sequence[Exemption], used: set[Exemption]) -> Iterator[LintFinding]:
    for item in exempt:
        if item not in used:
            text = f"`noqa: {item.rule}` exempts nothing: the line has no such finding"
            yield LintFinding(item.spot, UNUSED, text, "remove it, or move it to the line of the finding")
        elif not item.reason:
            text = f"`noqa: {item.rule}` has no reason"
            yield LintFinding(
                item.spot, WITHOUT_REASON, text, f"add the reason after it: `# noqa: {item.rule} because ...`"
            )


def read_exemptions(path: str, known: frozenset[str]) -> Iterator[Exemption]:
    """Yield the exemptions in a file that name a known rule; those of other linters are ignored."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    if "noqa" not in text:
        return
    for number, line in enumerate(text.splitlines(), 1):
        found = _NOQA.search(line)
        if found:
            rules, reason = _words(found[1], known)
            is_alone = not line[: found.start()].strip(" \t{")
            lines = (number, number + 1) if is_alone else (number,)
            spot = Spot(path, number, found.start() + 1)
            yield from (Exemption(spot, rule, reason, lines) for rule in rules)


def _words(text: str, known: frozenset[str] | Mapping[str, object]) -> tuple[list[str], str]:
    rules: list[str] = []
    words = text.replace(",", " ").split()
    while words and _ID.fullmatch(words[0]) and (words[0] in known or "[" in words[0]):
        rules.append(words.pop(0))
    return [rule for rule in rules if rule in known], " ".join(words)
