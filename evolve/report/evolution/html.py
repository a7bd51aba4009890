"""An evolution as one HTML file: opens offline, in any browser, from a mail or a CI artifact.

The answers at the top, the diff, the gate's pairs and what still fails are plain HTML and need no script; the curve,
the tree and the matrix are drawn by the script from data in the page. All text of a run is in the page as escaped
HTML or as JSON that the script shows as text. `live` serves the same page, which then asks its own server for its next
version.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from evolve.core.evolution.summary import EvolutionSummary, fold
from evolve.core.model.evolution_events import EvolutionEvent
from evolve.report.evolution.data import evidence_data, overview_data
from evolve.report.evolution.glance import glance_values
from evolve.report.evolution.sections import section_values
from evolve.report.evolution.words import remaining_failures
from evolve.report.page import Page
from evolve.system.atomic_files import output_file

_PAGE = Page(
    "evolution/report.html",
    # The other report's page is the base: colours, tiles, tables and buttons are the same.
    styles=("report.css", "evolution.css"),
    scripts=(
        "evolution.js",
        "evolution_chart.js",
        "evolution_tree.js",
        "evolution_matrix.js",
        "evolution_start.js",
        "theme.js",
    ),
    is_module=True,
)


def write_evolution_html(path: Path, events: Iterable[EvolutionEvent]) -> None:
    """Write the page of an evolution, finished or not.

    Raises:
        InputError: the file cannot be written.
    """
    with output_file(str(path)) as file:
        file.writelines(page(fold(events)))


def page(evolution: EvolutionSummary, *, version: int | None = None) -> Iterator[str]:
    """Return the page, part by part.

    With a `version` the page asks its server for a later one, until the run is over.
    """
    cases = remaining_failures(evolution)
    values = {**section_values(evolution, cases), **glance_values(evolution, cases), "version_of_run": version}
    data = {"overview": overview_data(evolution), "evidence": evidence_data(evolution)}
    return _PAGE.render(values, data, may_reload=version is not None)
