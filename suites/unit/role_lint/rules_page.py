"""Writes the entries of docs/lint-roles.md from the rules and their samples: run it as a script."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lint_samples import SAMPLES

from evolve.role_lint import Rule, all_rules

PAGE = Path(__file__).parents[3] / "docs/lint-roles.md"
BEGIN, END = "<!-- the rules: written by rules_page.py -->", "<!-- end of the rules -->"
SHOWN = 2
"""Tasks of a sample that the page shows; the tests hold more."""
_MARK = re.compile(r"\s*(?:\{# smell #\}|[;#] smell)")


def page(before: str) -> str:
    """The page with its rules' part made anew."""
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    rules = all_rules()
    lines = [*_table(rules.values()), ""]
    for rule in rules.values():
        lines += _entry(rule)
    return head + BEGIN + "\n\n" + "\n".join(lines) + "\n" + END + tail


def _table(rules: Iterable[Rule]) -> Iterator[str]:
    yield "| rule | smell |"
    yield "|---|---|"
    yield from (f"| [{rule.id}](#{rule.id}) | {rule.what.replace('|', chr(92) + '|')} |" for rule in rules)


def _entry(rule: Rule) -> Iterator[str]:
    yield from (f"### {rule.id}", "", f"{rule.what[0].upper()}{rule.what[1:]}. {rule.why}", "")
    yield from (f"**Mend:** {rule.mend}.", "")
    for word, kind in (("Bad", "bad"), ("Good", "good")):
        sample = next(path for path in sorted((SAMPLES / rule.id).iterdir()) if path.name.startswith(kind))
        yield from (f"{word}:", "")
        for title, text in _texts(sample):
            yield from (f"```{_language(title)}", *([f"# {title}"] if title else []), *text.splitlines(), "```", "")


def _language(title: str) -> str:
    return "yaml" if not title or title.endswith((".yml", ".yaml")) else "jinja" if title.endswith(".j2") else "text"


def _texts(sample: Path) -> Iterator[tuple[str, str]]:
    for path in [sample] if sample.is_file() else sorted(path for path in sample.rglob("*") if path.is_file()):
        text = "\n".join(_MARK.sub("", line) for line in path.read_text().splitlines()).removeprefix("---\n")
        yield ("" if path == sample else str(path.relative_to(sample))), "\n\n".join(text.split("\n\n")[:SHOWN])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
