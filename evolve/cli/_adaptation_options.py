"""The options of `evolve adapt`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evolve.adaptation.reflection_agent import DEFAULT_AGENT
from evolve.cli._options import (
    BudgetOption,
    add_agent,
    add_cases,
    add_json,
    add_old_name,
    add_output_dir,
    add_provider,
    add_reflector,
    add_suite,
    budget,
    complete,
    positive,
)
from evolve.cli._parser import CommandParser, Example
from evolve.core.adaptation.failures import PER_DAY
from evolve.core.evolution.request import DEFAULT_BUDGET, DEFAULT_SEED, OUTPUT_DIR
from evolve.core.model.actions import MODEL_ACTIONS, Action
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.text.did_you_mean import did_you_mean
from evolve.store.case_writer import CI_FOLDER

CASES = "failure_cases"


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of these arguments.

    Raises:
        InputError: every contradiction between them.
    """
    options = parser().parse_args(arguments)
    problems = []
    if options.diagnostics is None and not (options.queue or options.work):
        problems.append(Problem("no diagnostics given", None, "name a JSON file, or - for standard input"))
    if options.diagnostics is not None and (options.queue or options.work):
        problems.append(Problem(f"{options.diagnostics}: --queue and --work take no diagnostics"))
    if options.suite and not Path(options.suite).is_file():
        problems.append(Problem("no such file", Location(options.suite), "--suite takes the file of the agent's suite"))
    known = {*MODEL_ACTIONS, Action.ERROR}
    if options.answer and options.answer not in known:
        problems.append(
            Problem(
                f"--answer {options.answer}: no such action",
                None,
                did_you_mean(options.answer, known) or f"known: {', '.join(sorted(known))}",
            )
        )
    if problems:
        raise InputError(problems)
    return options


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve adapt",
        description="Turn a failed job's diagnostics into a failure case of the agent that was wrong about them, and "
        "improve the agent on it.",
        examples=(
            Example("evolve adapt failed.json --action free_port", "the right action is known: write a case, evolve"),
            Example("evolve adapt failed.json", "ask the agent; without the right action the case is only saved"),
            Example("evolve adapt --queue", "what runs and what waits"),
        ),
        notes="Without the right action the case is saved as unlabelled and is not used until you label it. "
        "Only `evolve promote` changes an agent's file. "
        "exit codes: 0 done, 2 wrong input, 4 the environment. See docs/adaptation.md.",
    )
    add = made.add_argument
    complete(
        add("diagnostics", nargs="?", metavar="DIAGNOSTICS.json|-", help="the diagnostics of one failed job"), "file"
    )
    right = made.add_mutually_exclusive_group()
    right.add_argument(
        "--action", dest="accepted", type=_one, default=[], metavar="ACTION", help="the action that healed it"
    )
    right.add_argument("--accepted", nargs="+", metavar="ACTION", help="the actions that are right, the best first")
    add("--forbidden", nargs="+", default=[], metavar="ACTION", help="actions that would do harm")
    add("--answer", metavar="ACTION", help="what the agent answered, if it was asked already; or error")
    add_agent(made, f"the reflection agent; default {DEFAULT_AGENT}")
    add_cases(made, f"the folder of failure cases; default {CASES} (in CI {CI_FOLDER})")
    add_provider(made)
    add_suite(made)
    add(
        "--budget",
        type=budget,
        default=BudgetOption(DEFAULT_BUDGET),
        metavar="N|TIME|TOKENS",
        help="answers, time or tokens of each evolution, as in `evolve --budget`",
    )
    add("--seed", type=int, default=DEFAULT_SEED, metavar="N", help="random seed, as in `evolve --seed`")
    add_reflector(made)
    add_output_dir(made, OUTPUT_DIR)
    add(
        "--per-day",
        type=positive,
        default=PER_DAY,
        metavar="N",
        help=f"start at most N evolutions of an agent in a day; default {PER_DAY}",
    )
    how = made.add_mutually_exclusive_group()
    how.add_argument("--wait", action="store_true", help="evolve in the foreground, not in the background")
    how.add_argument("--work", action="store_true", help="evolve for the failures in the queue, without a new one")
    how.add_argument("--queue", action="store_true", help="show what runs and what waits")
    add_old_name(how, "--status", dest="queue", action="store_true")
    add_json(made)
    add("--log", default="", help=argparse.SUPPRESS)
    return made


def _one(text: str) -> list[str]:
    return [text]
