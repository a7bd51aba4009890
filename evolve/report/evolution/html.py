"""An evolution as one HTML file: opens offline, in any browser, from a mail or a CI artifact.

The answers at the top, the diff, the gate's pairs and what still fails are plain HTML and need no script; the curve,
the tree and the matrix are drawn by the script from data in the page. Nothing is requested from anywhere, which the
page's Content-Security-Policy also forbids; all text of a run reaches the page as escaped HTML or as JSON that the
script shows as text. `evolution_live` serves the same page, which then asks its own server for its next version.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from pathlib import Path

from evolve import __version__
from evolve.core.evolution.summary import Evolution, fold
from evolve.core.model.evolution_events import EvolutionEvent
from evolve.report.evolution.data import evidence_data, overview_data
from evolve.report.evolution.sections import header, sections
from evolve.report.evolution.words import verdict
from evolve.report.suites.html import asset, embedded_json, policy
from evolve.system.atomic_files import output_file

_SCRIPTS = ("evolution.js", "evolution_chart.js", "evolution_tree.js", "evolution_matrix.js", "evolution_start.js")
"""In this order they are one script."""


def write_evolution_html(path: Path, events: Iterable[EvolutionEvent]) -> None:
    """Writes the page of an evolution, whole or as far as it came.

    Raises:
        InputError: the place cannot be written.
    """
    with output_file(str(path)) as file:
        file.writelines(page(fold(events)))


def page(evolution: Evolution, *, version: int | None = None) -> Iterator[str]:
    """The page, part by part. With a `version` it asks where it came from for a later one, until the run is over."""
    style, script = _style(), _script()
    found = verdict(evolution)
    agent = evolution.started.agent if evolution.started else "no run"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    live = "" if version is None else "; connect-src 'self'"
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy(style, script)}{live}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
    if version is not None:
        yield f'<meta name="version" content="{version}">\n'
    yield f"<title>{escape(found.word)}: {escape(agent)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    yield '<a class="skip" href="#glance">Skip to the answers</a>\n'
    yield f'<div id="page">\n{"".join(header(evolution))}<main id="main">\n{"".join(sections(evolution))}'
    yield "</main>\n</div>\n"
    yield f"<footer><p>Written by Anneal {escape(__version__)}. Times are local to this browser.</p></footer>\n"
    yield '<dialog id="dialog" aria-labelledby="dialog-title"></dialog>\n'
    yield f'<script type="application/json" id="overview">{embedded_json(overview_data(evolution))}</script>\n'
    yield f'<script type="application/json" id="evidence">{embedded_json(evidence_data(evolution))}</script>\n'
    yield f'<script type="module">{script}</script>\n</body>\n</html>\n'


@cache
def _style() -> str:
    # The other report's page is the base: colours, tiles, tables and buttons are the same.
    return asset("report.css") + asset("evolution.css")


@cache
def _script() -> str:
    return "\n".join(map(asset, _SCRIPTS))
