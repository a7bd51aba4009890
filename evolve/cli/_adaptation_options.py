"""The words of `evolve adapt`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evolve.adaptation.reflection_agent import DEFAULT_AGENT
from evolve.cli._options import Budget, add_agent, add_json, add_provider, add_reflector, budget, positive
from evolve.core.adaptation.failures import PER_DAY
from evolve.core.adaptation.reflection import MODEL_ACTIONS, Action
from evolve.core.evolution.request import DEFAULT_BUDGET, DEFAULT_SEED, OUTPUT_DIR
from evolve.core.model.errors import InputError, Location, Problem
from evolve.store.case_writer import CI_FOLDER

CASES = "failure_cases"


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of these words.

    Raises:
        InputError: they do not go together; with every reason.
    """
    options = _parser().parse_args(arguments)
    problems = []
    if options.diagnostics is None and not (options.status or options.work):
        problems.append(Problem("no diagnostics given", None, "name a JSON file, or - for standard input"))
    if options.diagnostics is not None and (options.status or options.work):
        problems.append(Problem(f"{options.diagnostics}: --status and --work take no diagnostics"))
    if options.suite and not Path(options.suite).is_file():
        problems.append(Problem("no such file", Location(options.suite), "--suite takes the file of the agent's suite"))
    known = {*MODEL_ACTIONS, Action.ERROR}
    if options.answer and options.answer not in known:
        problems.append(Problem(f"--answer {options.answer}: no action", None, f"known: {', '.join(sorted(known))}"))
    if problems:
        raise InputError(problems)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evolve adapt",
        description="A failed job's diagnostics become a failure case of the agent that was wrong about them, "
        "and the case starts an evolution of it.",
        epilog="Without the right action the case is unlabelled: it is written and drives nothing. "
        "Nothing but `evolve promote` changes an agent's file.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("diagnostics", nargs="?", metavar="DIAGNOSTICS.json|-", help="one failed job's diagnostics")
    right = parser.add_mutually_exclusive_group()
    right.add_argument(
        "--action", dest="accepted", type=_one, default=[], metavar="ACTION", help="the action that healed it"
    )
    right.add_argument("--accepted", nargs="+", metavar="ACTION", help="the actions that are right, the best first")
    add("--forbidden", nargs="+", default=[], metavar="ACTION", help="actions that would do harm")
    add("--answer", metavar="ACTION", help="what the agent answered, where it was asked before; or error")
    add_agent(parser, f"the reflection agent; default {DEFAULT_AGENT}")
    add("--cases", metavar="DIR", help=f"the folder of failure cases; default {CASES} (in CI {CI_FOLDER})")
    add_provider(parser)
    add("--suite", metavar="FILE", help="the agent's suite; default: the one its evidence names")
    add(
        "--budget",
        type=budget,
        default=Budget(DEFAULT_BUDGET, None),
        metavar="N|Nm",
        help="answers or minutes of each evolution, as in `evolve --budget`",
    )
    add("--seed", type=int, default=DEFAULT_SEED, metavar="S", help="as in `evolve --seed`")
    add_reflector(parser)
    add("--output-dir", default=OUTPUT_DIR, metavar="DIR", help="where reports go, as in `evolve --output-dir`")
    add(
        "--per-day",
        type=positive,
        default=PER_DAY,
        metavar="N",
        help=f"evolutions of one agent that may start on one day; default {PER_DAY}",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--wait", action="store_true", help="evolve in the foreground, not in the background")
    how.add_argument("--work", action="store_true", help="evolve for what is in the queue, without a new failure")
    how.add_argument("--status", action="store_true", help="what runs and what waits")
    add_json(parser)
    add("--log", default="", help=argparse.SUPPRESS)
    return parser


def _one(text: str) -> list[str]:
    return [text]
