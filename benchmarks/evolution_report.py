"""How long an evolution's page takes to write and to open: `python -m benchmarks.evolution_report [--runs 5]`.

The run has 300 candidates and 400 cases, each answered by each. Opening is measured in the browser: from the start of
navigation until the answers, the curve and the tree are painted; then the matrix, and the evidence of one cell. Needs a
Chromium on the PATH and `.venv/bin/pip install -e '.[browser]'`.
"""

import argparse
import io
import platform
import shutil
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from evolve.core.evolution.json_lines import from_line, to_line
from evolve.core.model.evolution_events import EvolutionEvent, RolloutScored
from evolve.report.evolution.console import EvolutionConsole
from evolve.report.evolution.html import write_evolution_html
from fixtures.evolution_runs import large_events

TARGET_S = 1.0
_PAINTED = "() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"


class Opening(NamedTuple):
    """One opening, in seconds."""

    painted: float
    matrix: float
    evidence: float


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=300)
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    events = list(large_events(options.candidates, options.cases))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "evolution.html"
        begun = time.process_time()
        write_evolution_html(path, events)
        written = time.process_time() - begun
        size = path.stat().st_size / 1e6
        openings = _open(path, options.runs)
    cells = sum(isinstance(event, RolloutScored) for event in events)
    _print(options, cells, openings)
    print(f"| write, CPU | {written:.2f} s | | |")
    print(f"| file | {size:.1f} MB | | |")
    print(f"| console, CPU for an event | {_console(events) * 1e6:.0f} us | | |")
    print(f"| event to a line and back, CPU | {_lines(events) * 1e6:.0f} us | | |")


def _open(path: Path, runs: int) -> list[Opening]:
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        return [_once(browser, path) for _ in range(runs + 1)][1:]


def _once(browser: Any, path: Path) -> Opening:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri())
    painted = page.evaluate(_PAINTED)
    assert page.locator("#tree tbody tr").count()
    begun = time.perf_counter()
    page.locator("#matrix").scroll_into_view_if_needed()
    page.wait_for_selector(".matrix canvas")
    page.evaluate(_PAINTED)
    matrix = time.perf_counter() - begun
    begun = time.perf_counter()
    page.locator(".matrix").click(position={"x": 400, "y": 200})
    page.wait_for_selector("dialog[open] pre")
    evidence = time.perf_counter() - begun
    context.close()
    return Opening(painted / 1000, matrix, evidence)


def _console(events: list[EvolutionEvent]) -> float:
    """Seconds of CPU that the console's plain lines cost for each event."""
    begun = time.process_time()
    with EvolutionConsole(io.StringIO(), time.monotonic, {"CI": "1"}) as console:
        for event in events:
            console.on(event)
    return (time.process_time() - begun) / len(events)


def _lines(events: list[EvolutionEvent]) -> float:
    begun = time.process_time()
    for event in events:
        from_line(to_line(event))
    return (time.process_time() - begun) / len(events)


def _print(options: argparse.Namespace, cells: int, openings: list[Opening]) -> None:
    opened, matrix, evidence = (statistics.median(times) for times in zip(*openings, strict=True))
    print(f"python -m benchmarks.evolution_report --candidates {options.candidates} --cases {options.cases}")
    print(f"{date.today().isoformat()}, {platform.machine()}, Python {platform.python_version()}\n")
    print("| what | measured | target | ratio |\n|---|---|---|---|")
    name = f"open, {cells:,} cells (median of {len(openings)})"
    print(f"| {name} | {opened:.2f} s | < {TARGET_S:g} s | {opened / TARGET_S:.2f} |")
    print(f"| matrix, when it is scrolled to | {matrix:.2f} s | | |")
    print(f"| evidence of the first cell, with the click | {evidence:.2f} s | | |")


if __name__ == "__main__":
    main()
