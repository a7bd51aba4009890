"""Write the table in docs/lint-roles.md and a page for each rule in docs/lint-roles/: run it as a script.

Everything on those pages comes from the rule objects and from the samples that the tests use.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lint_samples import SAMPLES

from evolve.role_lint import Rule, all_rules

PAGE = Path(__file__).parents[3] / "docs/lint-roles.md"
FOLDER = PAGE.with_suffix("")
BEGIN, END = "<!-- the rules: written by rules_page.py -->", "<!-- end of the rules -->"
SHOWN = 2
"""Tasks of a sample that the page shows; the tests hold more."""
_MARK = re.compile(r"\s*(?:\{# smell #\}|[;#] smell)")


def page(before: str) -> str:
    """Return the overview page with today's table of rules."""
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + "\n\n" + "\n".join(_table(all_rules().values())) + "\n\n" + END + tail


def rule_pages() -> dict[Path, str]:
    """Return the text of each rule's page by its file."""
    return {FOLDER / f"{rule.id}.md": "\n".join(_entry(rule)).rstrip() + "\n" for rule in all_rules().values()}


def write() -> None:
    """Write all pages, and remove those of rules that are gone."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    FOLDER.mkdir(exist_ok=True)
    pages = rule_pages()
    for path in set(FOLDER.iterdir()) - set(pages):
        path.unlink()
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")


def _table(rules: Iterable[Rule]) -> Iterator[str]:
    yield "| rule | what it finds |"
    yield "|---|---|"
    for rule in rules:
        what = rule.what.replace("|", chr(92) + "|")
        yield f"| [{rule.id}]({FOLDER.name}/{rule.id}.md) | {what} |"


def _entry(rule: Rule) -> Iterator[str]:
    yield from (f"# {rule.id}", "", f"{rule.what[0].upper()}{rule.what[1:]}. {rule.why}", "")
    yield from (f"**Fix:** {rule.fix}.", "")
    if rule.cannot_see:
        yield from (f"**Cannot see:** {rule.cannot_see}", "")
    for word, kind in (("Bad", "bad"), ("Good", "good")):
        sample = next(path for path in sorted((SAMPLES / rule.id).iterdir()) if path.name.startswith(kind))
        yield from (f"## {word}", "")
        for title, text in _texts(sample):
            yield from (f"```{_language(title)}", *([f"# {title}"] if title else []), *text.splitlines(), "```", "")
    yield f"[All rules](../{PAGE.name})"


def _language(title: str) -> str:
    return "yaml" if not title or title.endswith((".yml", ".yaml")) else "jinja" if title.endswith(".j2") else "text"


def _texts(sample: Path) -> Iterator[tuple[str, str]]:
    for path in [sample] if sample.is_file() else sorted(path for path in sample.rglob("*") if path.is_file()):
        text = "\n".join(_MARK.sub("", line) for line in path.read_text().splitlines()).removeprefix("---\n")
        yield ("" if path == sample else str(path.relative_to(sample))), "\n\n".join(text.split("\n\n")[:SHOWN])


if __name__ == "__main__":
    write()
