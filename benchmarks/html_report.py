"""How long a report takes to write and to open: `python -m benchmarks.html_report [--tests 5000] [--runs 5]`.

Opening is measured in the browser: from the start of navigation until the first results are painted. Needs a Chromium
on the PATH and `.venv/bin/pip install -e '.[browser]'`.
"""

import argparse
import platform
import shutil
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple

from evolve.report.suites.html import write_html
from fixtures.report_runs import matrix_run, report_run

TARGET_S = 1.0
_PAINTED = "() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"


class Opening(NamedTuple):
    """One opening, in seconds."""

    painted: float
    filtered: float


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--matrix", action="store_true", help="a quarter of the tests, each in four columns")
    options = parser.parse_args()
    run = matrix_run(options.tests // 4) if options.matrix else report_run(options.tests)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        begun = time.process_time()
        write_html(str(path), run)
        written = time.process_time() - begun
        size = path.stat().st_size / 1e6
        openings = _open(path, options.runs)
    _print(options.tests, written, size, openings)


def _open(path: Path, runs: int) -> list[Opening]:
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        return [_once(browser, path) for _ in range(runs + 1)][1:]


def _once(browser: object, path: Path) -> Opening:
    context = browser.new_context()  # type: ignore[attr-defined]  # playwright is not installed where types are checked
    page = context.new_page()
    page.goto(path.as_uri())
    painted = page.evaluate(_PAINTED)
    begun = time.perf_counter()
    page.locator("[data-state=fail]").click()
    page.locator(".count", has_text=" of ").wait_for()
    filtered = time.perf_counter() - begun
    context.close()
    return Opening(painted / 1000, filtered)


def _print(tests: int, written: float, size: float, openings: list[Opening]) -> None:
    opened = statistics.median(opening.painted for opening in openings)
    filtered = statistics.median(opening.filtered for opening in openings)
    print(f"python -m benchmarks.html_report --tests {tests} --runs {len(openings)}")
    print(f"{date.today().isoformat()}, {platform.machine()}, Python {platform.python_version()}\n")
    print("| what | measured | target | ratio |\n|---|---|---|---|")
    name = f"open, {tests:,} rows (median of {len(openings)})"
    print(f"| {name} | {opened:.2f} s | < {TARGET_S:g} s | {opened / TARGET_S:.2f} |")
    print(f"| filter by state, with the click | {filtered:.2f} s | | |")
    print(f"| write, CPU | {written:.2f} s | | |")
    print(f"| file | {size:.1f} MB | | |")


if __name__ == "__main__":
    main()
