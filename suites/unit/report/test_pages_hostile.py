"""Whatever a run's texts hold, each page shows them as text: no element, attribute or template comes of them."""

import html.parser
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any
from urllib.parse import unquote

import pytest

from evolve.core.evolution.summary import fold
from evolve.core.model.evolution_events import VOTE, Promoted, ProposalRejected, ReflectorStopped, RolloutScored
from evolve.core.text.visible import visible
from evolve.report.evolution.html import page as evolution_page
from evolve.report.roles.html import roles_page
from evolve.report.suites.html import html_text
from fixtures.evolution_runs import evolution_events, killed_events
from fixtures.report_runs import report_run
from fixtures.verification_runs import verification

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "end of script": "</script></style></title><img src=x onerror=alert(1)>",
    "comment": "<!--<script> -->]]>",
    "quotes": "\"' onfocus=alert(1) x='\" `",
    "entities": "&lt;b&gt; &amp; &#60; &quot;",
    "expression": "{{ 7 * 7 }}{{ self }}{{ undefined.x }}",
    "statement": "{% include 'page.html' %}{% raw %}{% endblock %}{# note #}",
    "percent": "%s %(x)s {0} ${x} %",
    "surrogate": "half \ud800 pair",
    "nul": "nul \x00 and \x1b[31m",
}
_CLOSED = {
    "CaseResult": {"status", "error_kind"},
    "TaskInfo": {"split"},
    "RolloutScored": {"split"},
    "CandidateScored": {"split"},
    "CaseRecorded": {"change"},
    "GateDecision": {"word"},
    "EvolutionFinished": {"outcome"},
    "TaskLine": {"status"},
}
"""Fields that hold one of a few words of ours, by class."""
_GROUPING = ("family", "split", "status", "source")
"""Keys of metadata that the page of suites looks for."""
_TOKEN = re.compile(r"~\d{4}~")


class Taint:
    """Replaces each text of a value by an attack with a number of its own, the same for the same text."""

    def __init__(self, attack: str) -> None:
        self.attack = attack
        self._numbers: dict[str, int] = {}

    def line(self, text: str) -> str:
        number = self._numbers.setdefault(text, len(self._numbers))
        sign = re.match(r"--- |\+\+\+ |@@ |[-+]", text)  # what makes a text a patch
        return f"{sign[0] if sign else ''}{self.attack}~{number:04}~"

    def text(self, text: str) -> str:
        return text if text in ("", VOTE) else "\n".join(self.line(line) for line in text.split("\n"))

    def value(self, value: Any) -> Any:
        if isinstance(value, Enum):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key if key in _GROUPING else self.text(key): self.value(part) for key, part in value.items()}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self.value, value))
        if isinstance(value, tuple | list):
            return type(value)(map(self.value, value))
        return self._record(value) if is_dataclass(value) else value

    def _record(self, value: Any) -> Any:
        closed = _CLOSED.get(type(value).__name__, set())
        names = [field.name for field in fields(value) if field.init and field.name not in closed]
        return replace(value, **{name: self.value(getattr(value, name)) for name in names})


def suites_page(taint: Taint) -> str:
    run = taint.value(report_run(40))
    return html_text(run, title=taint.text("the title"), command=taint.text("the command"))


def suites_page_named_by_its_suite(taint: Taint) -> str:
    return html_text(taint.value(report_run(3)))


def finished_page(taint: Taint) -> str:
    events = [
        *evolution_events(),
        ProposalRejected("add_rule", "a duplicate"),
        ReflectorStopped("refused for one cause", "another model: --reflector ID", 5),
        Promoted("TRIAGE@2", "agents/triage.md", "5de52a8ee6", "provisional"),
    ]
    return _evolution(taint, events)


def killed_page(taint: Taint) -> str:
    return _evolution(taint, killed_events())


def _evolution(taint: Taint, events: Any) -> str:
    # An output that is a mapping is shown as JSON, whose escapes are not the attack's own text.
    plain = (replace(e, output=json.dumps(e.output)) if isinstance(e, RolloutScored) else e for e in events)
    return "".join(evolution_page(fold(map(taint.value, plain)), version=7))


def page_of_roles(taint: Taint) -> str:
    return "".join(roles_page(taint.value(verification())))


PAGES = (suites_page, suites_page_named_by_its_suite, finished_page, killed_page, page_of_roles)


class Parsed(html.parser.HTMLParser):
    """The elements with the names of their attributes, and all texts: what is shown, attributes, data."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.shown = ""
        self.attributes: list[str] = []
        self.data: list[str] = []
        self._inside = ""
        self._is_data = False
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += (unquote(value or "") for _, value in attrs)
        self._inside, self._is_data = tag, ("type", "application/json") in attrs

    def handle_endtag(self, tag: str) -> None:
        self.shape.append((f"/{tag}", ()))
        self._inside = ""

    def handle_comment(self, _data: str) -> None:
        self.shape.append(("comment", ()))

    def handle_decl(self, decl: str) -> None:
        self.shape.append((decl, ()))

    def handle_data(self, data: str) -> None:
        if self._is_data and self._inside == "script":
            self.data += _texts(json.loads(data))
        elif self._inside not in ("script", "style"):
            self.shown += data


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def calm(attack: str) -> str:
    """A harmless text with the same words, so that a diff finds the same pieces."""
    return re.sub(r"[^\w\s]", ".", attack)


def _escaped(text: str) -> str:
    """As files, links and the page of roles write what cannot stand there: NUL and ESC, half a surrogate pair."""
    return visible(text).encode("utf-8", "backslashreplace").decode()


def _whole(attack: str) -> str:
    # The anchor of a row is part of a link, where half of a surrogate pair is a question mark.
    return f"(?:{re.escape(_escaped(attack))}|{re.escape(_escaped(attack.encode('utf-8', 'replace').decode()))})"


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("page", PAGES)
def test_hostile_text_stays_text(page: Callable[[Taint], str], attack: str) -> None:
    hostile, plain = Parsed(page(Taint(attack))), Parsed(page(Taint(calm(attack))))
    assert hostile.shape == plain.shape
    for name in ("shown", "attributes", "data"):
        found, expected = getattr(hostile, name), getattr(plain, name)
        texts, calm_texts = ([found], [expected]) if name == "shown" else (found, expected)
        tokens = [token for text in texts for token in _TOKEN.findall(text)]
        assert tokens == [token for text in calm_texts for token in _TOKEN.findall(text)]
        assert tokens or page is page_of_roles
        intact = re.compile(f"{_whole(attack)}({_TOKEN.pattern})")
        assert [token for text in texts for token in intact.findall(_escaped(text))] == tokens


def test_the_pages_show_most_of_their_texts() -> None:
    counts = [len(set(_TOKEN.findall(Parsed(page(Taint("calm"))).shown))) for page in PAGES]
    assert all(count >= least for count, least in zip(counts, (20, 5, 100, 60, 60), strict=True)), counts
