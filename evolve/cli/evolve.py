"""`evolve --test-case FILE|DIR`: evolves the agent that failed, and puts the winner through the gate.

The same command again continues an interrupted run. Only `evolve promote` changes an agent's file.
"""

import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from evolve.cli._guard import INTERRUPTED, run_guarded
from evolve.cli._options import (
    BudgetOption,
    add_agent,
    add_concurrency,
    add_executor,
    add_json,
    add_output_dir,
    add_provider,
    add_reflector,
    add_suite,
    budget,
    complete,
    positive,
    reflectors,
    whole,
)
from evolve.cli._parser import CommandParser, Example
from evolve.core.evolution.request import (
    DEFAULT_BUDGET,
    DEFAULT_REFLECTOR_CAP,
    DEFAULT_SEED,
    OUTPUT_DIR,
    EvolutionRequest,
)
from evolve.core.model.errors import ExitCode, InputError, Location, Problem
from evolve.core.model.evolution_events import EvolutionEvent
from evolve.evolution.run import Observer, run_request
from evolve.report.evolution.console import EvolutionConsole
from evolve.report.evolution.lines import summary_lines
from evolve.report.terminal import command_line, print_json, say
from evolve.system.disk_faults import reason_of

if TYPE_CHECKING:
    from evolve.report.evolution.live import LivePage


def main(arguments: Sequence[str]) -> int:
    """Evolve; return 0 done, whatever the gate decided; 2 wrong input, 4 the environment."""
    options = read_options(arguments, os.environ)
    if options.nomad_folder is not None:
        # Imported here: a run in this process needs no client of Nomad.
        from evolve.cli._nomad_run import run_on_nomad

        return run_on_nomad(options.request, options.nomad_folder, os.environ, prints_json=options.is_json)
    console = EvolutionConsole(sys.stderr, time.monotonic, os.environ)
    observers: list[Observer] = [console, _Live()] if options.is_live else [console]
    with redirect_stdout(sys.stderr):  # what a user's Python code prints is not a result
        result = run_request(options.request, observers)
    if result.is_interrupted:
        return INTERRUPTED
    if options.is_json:
        print_json(result.result_json())
    else:
        say(summary_lines(console.evolution, report=result.report, next_commands=result.next_commands()))
    return ExitCode.DONE


class _Live(Observer):
    """A local page that follows the run; it is served from the run's first event on."""

    def __init__(self) -> None:
        self._page: LivePage | None = None
        self._shown = ExitStack()

    def __enter__(self) -> object:
        from evolve.report.evolution.live import LivePage

        self._page = self._shown.enter_context(LivePage())
        say([f"evolve: follow the run at {self._page.url}"], sys.stderr)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.close()

    def warn(self, text: str) -> None:
        """Do nothing: the console shows warnings."""

    def on(self, event: EvolutionEvent) -> None:
        if self._page is not None:
            self._page.add(event)


class Options(NamedTuple):
    """What the command's arguments ask for, and how the result is shown."""

    request: EvolutionRequest
    is_live: bool
    is_json: bool
    nomad_folder: str | None = None
    """The folder on Nomad's node where a job runs the request; None to run it in this process."""


def read_options(arguments: Sequence[str], env: Mapping[str, str]) -> Options:
    """Return what the arguments ask for; without --reflector, EVOLVE_REFLECTOR of the environment is used.

    Raises:
        InputError: they name nothing to evolve on.
    """
    made = parser()
    options = made.parse_args(arguments)
    if options.request:
        _refuse_overruled(made, options)
        return Options(_read_request(options.request), options.live, options.json)
    if not options.test_case and not options.suite:
        raise InputError(Problem("nothing to evolve on", None, "pass failure cases (--test-case) or a suite (--suite)"))
    where = options.executor
    is_nomad = where is not None and where.kind == "nomad"
    if is_nomad and options.live:
        made.error("--live follows a run of this process: leave it out with --executor nomad")
    answers, minutes, tokens = options.budget
    reflector, others = reflectors(options.reflector, env)
    request = EvolutionRequest(
        cases=tuple(options.test_case),
        suite=options.suite,
        agent=options.agent,
        candidates=tuple(options.candidate),
        budget=answers,
        minutes=minutes,
        tokens=tokens,
        seed=options.seed,
        provider=options.provider,
        reflector=reflector,
        other_reflectors=others,
        reflector_cap=options.reflector_cap,
        concurrency=options.concurrency,
        shrink_budget=options.shrink_budget,
        output_dir=options.output_dir,
        small_gate=options.small_gate,
        objective=options.objective,
        command=command_line("evolve", arguments),
        allow_cut_answers=options.allow_cut_answers,
        executor=None if where is None or is_nomad else where.text,
    )
    folder = (where.place or os.getcwd()) if is_nomad else None
    return Options(request, options.live, options.json, folder)


def _read_request(path: str) -> EvolutionRequest:
    """Return the request in a file; raises InputError for a file that has none."""
    try:
        return EvolutionRequest.from_json(json.loads(Path(path).read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(Problem(f"cannot read a request: {reason_of(error)}", Location(path))) from error


def _refuse_overruled(made: CommandParser, options: Namespace) -> None:
    """End the program with exit code 2 for an option that the file of --request would overrule."""
    for name, value in vars(options).items():
        if name not in ("request", "live", "json") and value != made.get_default(name):
            option = f"--{name.replace('_', '-')}"
            made.error(f"{option} is in the file of --request already: change it there, or leave --request out")


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve",
        description="Improve the agent that failed: search for a better prompt, and compare the winner with the "
        "current agent at the gate, on cases that the search never saw.",
        examples=(
            Example(
                "evolve --test-case failure_cases --suite alerts.yaml --agent ALERT_AGENT.md", "search, gate, report"
            ),
            Example(
                "evolve --suite alerts.yaml --agent ALERT_AGENT.md --budget 5m", "without failure cases, in 5 minutes"
            ),
            Example(
                "evolve --suite alerts.yaml --agent ALERT_AGENT.md --candidate MINE.md", "with a prompt that you wrote"
            ),
            Example(
                "evolve --test-case failure_cases --agent ALERT_AGENT.md --small-gate", "open a gate that is too small"
            ),
        ),
        notes="The same command continues a run that was stopped. Only `evolve promote` changes an agent's file. "
        "`evolve --test-case ...` is short for `evolve evolve ...`. "
        "exit codes: 0 done, whatever the gate decided, 2 wrong input, 4 the environment. See docs/evolution.md.",
    )
    add = made.add_argument
    cases = add(
        "--test-case",
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="failure cases; may be given several times",
    )
    complete(cases, "file")
    add_suite(made)
    add_agent(made, "the agent to improve; default: the one that the cases name")
    candidates = add(
        "--candidate",
        action="append",
        default=[],
        metavar="FILE.md",
        help="a version of the agent that a person wrote: the search tries it first; may be given several times",
    )
    complete(candidates, "file")
    add(
        "--budget",
        type=budget,
        default=BudgetOption(DEFAULT_BUDGET),
        metavar="N|TIME|TOKENS",
        help="answers to pay for (200), time that the model may work on them (5m, 90s), or their tokens (200k-tokens); "
        f"default {DEFAULT_BUDGET} answers",
    )
    add(
        "--seed",
        type=int,
        default=DEFAULT_SEED,
        metavar="N",
        help=f"random seed; the same seed and inputs reproduce the run; default {DEFAULT_SEED}",
    )
    add_provider(made)
    add_reflector(made)
    add(
        "--reflector-cap",
        type=positive,
        default=DEFAULT_REFLECTOR_CAP,
        metavar="N",
        help=f"ask each reflector at most N times; default {DEFAULT_REFLECTOR_CAP}",
    )
    add(
        "--shrink-budget",
        type=whole,
        default=0,
        metavar="N",
        help="first spend up to N answers on making new failure cases smaller and finding flaky ones; default 0",
    )
    add(
        "--objective",
        choices=("better", "cheaper"),
        default="better",
        help="better: a prompt with better answers (default); cheaper: one with a fifth fewer tokens that is not worse",
    )
    add(
        "--small-gate",
        action="store_true",
        help="open the gate even if it has too few families to prove anything; this uses up its level",
    )
    add_concurrency(made, "questions in flight at once; default 2 on an embedded model, else 8")
    add_executor(
        made,
        "ray[:ADDRESS]: nodes of a Ray cluster ask; nomad[:FOLDER]: a Nomad job does it all (docs/scaling.md)",
        "ray",
        "nomad",
    )
    complete(add("--request", metavar="FILE", help="read all of this from a file, as the job evolve-run does"), "file")
    add_output_dir(made, OUTPUT_DIR)
    add(
        "--allow-cut-answers",
        action="store_true",
        help="continue even if more than 10%% of the answers are cut at the token limit",
    )
    add("--live", action="store_true", help="serve a local page that follows the run")
    add_json(made)
    return made


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
