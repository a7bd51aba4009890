"""One JSON line per case: the rows of the result file, for tools that read line by line."""

from evolve.core.model.events import RunFinished
from evolve.report.suites.promptfoo_rows import Rows, dump_row
from evolve.report.suites.run_row import run_row
from evolve.system.atomic_files import output_file


def write_jsonl(path: str, run: RunFinished) -> None:
    """Write the rows of all suites; each names its suite's file under `suite`, and its run under `run`."""
    facts = {"run": run_row(run.identity)} if run.identity else {}
    with output_file(path) as file:
        for suite, results in run.results:
            rows = Rows(suite.path)
            for result in results:
                file.write(dump_row({**rows.row(result), "suite": suite.path, **facts}) + "\n")
