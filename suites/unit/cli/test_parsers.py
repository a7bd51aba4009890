"""The parsers of all commands: examples that parse, suggestions, and one name for one option."""

import argparse
import importlib
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator

import pytest

from evolve.cli._commands import COMMANDS, module_of
from evolve.cli._parser import EXAMPLES, CommandParser
from evolve.cli.completion import whole_parser

DIALECT = re.compile(r"\b(told|said|stands|mend|mends|anew|likewise|whoever|betters|smells?|bought|all the same)\b")


def parser_of(command: str) -> CommandParser:
    parser: CommandParser = importlib.import_module(module_of(command)).parser()
    return parser


def parsers() -> Iterator[CommandParser]:
    """Those of the commands, and of the commands of `evolve cases`."""
    for command in COMMANDS:
        parser = parser_of(command)
        yield parser
        for inner in parser.subcommands().values():
            assert isinstance(inner, CommandParser)
            yield inner


def words_of(example: str) -> list[str]:
    """The words of `evolve` in a line for a shell, which may use its output."""
    match = re.search(r"(?:^|\()evolve ([^)>]*)", example)
    assert match, example
    return shlex.split(match[1])


@pytest.mark.parametrize("parser", tuple(parsers()), ids=lambda parser: parser.prog)
def test_every_help_has_examples_that_parse(parser: CommandParser) -> None:
    assert parser.examples
    assert EXAMPLES in parser.format_help()
    for command, text in parser.examples:
        assert command in parser.format_help()
        assert text
        words = words_of(command)
        name, rest = ("evolve", words) if words[0].startswith("-") else (words[0], words[1:])
        parser_of(name).parse_args(rest)
        assert parser.prog in f"evolve {' '.join(words)}", "an example is of the command that it explains"


@pytest.mark.parametrize("parser", tuple(parsers()), ids=lambda parser: parser.prog)
def test_help_is_plain_english(parser: CommandParser) -> None:
    assert not DIALECT.findall(parser.format_help())
    assert all(action.help for action in parser._actions), "no option goes unexplained"


def test_an_option_means_the_same_everywhere() -> None:
    forms = defaultdict(set)
    for parser in parsers():
        for action in parser._actions:
            if action.help == argparse.SUPPRESS:
                continue
            for name in action.option_strings:
                forms[name].add((action.metavar, action.option_strings[0], type(action).__name__ != "_StoreTrueAction"))
    forms["--provider"] = {next(iter(forms["--provider"]))}  # `evolve run` takes several
    assert {name: found for name, found in forms.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("run x.yaml --suite-concurrency 2 --no-suite-cache", "run x.yaml --concurrency 2 --no-cache"),
        ("cases list --folder elsewhere", "cases list --cases elsewhere"),
    ],
)
def test_an_old_name_works_and_is_not_shown(old: str, new: str) -> None:
    command, *rest = old.split()
    parser = parser_of(command)
    assert parser.parse_args(rest) == parser.parse_args(new.split()[1:])
    helps = parser.format_help() + "".join(inner.format_help() for inner in parser.subcommands().values())
    assert not {word for word in rest if word.startswith("--")} & set(helps.split())


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("run x.yaml --agnt A.md", "did you mean --agent for --agnt?"),
        ("run --last-faild", "did you mean --last-failed for --last-faild?"),
        ("run x.yaml --undefined=strct", "did you mean 'strict'?"),
        ("cases lst", "did you mean 'list'?"),
        ("cases list --statuss open", "did you mean --status for --statuss?"),
        ("cases list --status opn", "did you mean 'open'?"),
        ("promote --provisonal", "did you mean --provisional for --provisonal?"),
        ("lint-roles x --format jsn", "did you mean 'json'?"),
        ("evolve --test-cases x", "did you mean --test-case for --test-cases?"),
        ("reflect x --concurrency none", "expected a positive integer, got 'none'"),
        ("completion fsh", "did you mean 'fish'?"),
    ],
)
def test_what_was_mistyped_gets_a_suggestion(words: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    command, *rest = words.split()
    with pytest.raises(SystemExit) as ended:
        parser_of(command).parse_args(rest)
    assert ended.value.code == 2
    assert hint in " ".join(capsys.readouterr().err.split())


def test_a_value_that_begins_with_two_dashes_is_no_typo(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser_of("promote").parse_args(["--", "--provisonal", "x"])
    assert "did you mean" not in capsys.readouterr().err


def test_one_parser_knows_all_commands() -> None:
    assert set(whole_parser().subcommands()) == {*COMMANDS, "help"}


def test_help_starts_without_the_libraries_of_the_commands() -> None:
    heavy = "{'aiohttp', 'asyncio', 'jinja2', 'jsonschema', 'rich', 'shtab', 'sqlite3', 'yaml', 'quickjs'}"
    code = f"import sys; from evolve.__main__ import main; main(['--help']); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
