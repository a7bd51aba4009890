"""`evolve lint-roles DIR...`: patterns in Ansible roles that break idempotency, with file:line and a fix for each."""

import sys
from collections.abc import Iterator, Mapping, Sequence

from evolve.cli._guard import run_guarded
from evolve.cli._options import complete
from evolve.cli._parser import CommandParser, Example
from evolve.core.model.errors import ExitCode
from evolve.role_lint import LintReport, Rule, all_rules, as_json, as_sarif, as_text, choose_rules, lint_roles


def main(arguments: Sequence[str]) -> int:
    """Print the findings; return 1 when there are any, else 0."""
    made = parser()
    options = made.parse_args(arguments)
    rules = all_rules()
    if options.list_rules:
        _print("".join(f"{line}\n" for line in _list_rules(rules)))
        return ExitCode.DONE
    if not options.places:
        made.error("DIR is missing: a role, a folder of roles, or a repository with playbooks")
    chosen = choose_rules([name for part in options.rules for name in part.split(",") if name], rules)
    report = lint_roles(options.places, chosen)
    _write(_format(report, options.format), options.output)
    if options.output:
        _print(f"{list(as_text(report))[-1]}: {options.output}\n")
    return ExitCode.FAILURES if report.findings else ExitCode.DONE


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve lint-roles",
        description="Find patterns in Ansible roles that break idempotency, a restart or another host.",
        examples=(
            Example("evolve lint-roles roles", "every role of a folder"),
            Example("evolve lint-roles . --format sarif --output lint.sarif", "a repository with playbooks, for CI"),
            Example("evolve lint-roles --list-rules", "what is looked for"),
        ),
        notes="exit codes: 0 clean, 1 findings, 2 wrong input. docs/lint-roles.md explains each rule.",
    )
    complete(
        made.add_argument("places", nargs="*", metavar="DIR", help="a role, a folder of roles, or a repository"),
        "folder",
    )
    made.add_argument("--format", choices=("text", "json", "sarif"), default="text", help="default: text")
    output = made.add_argument("-o", "--output", metavar="FILE", help="write the report there instead of printing it")
    complete(output, "file")
    made.add_argument("--rules", action="append", default=[], metavar="ID,ID", help="only these rules")
    made.add_argument("--list-rules", action="store_true", help="list the rules")
    return made


def _list_rules(rules: Mapping[str, Rule]) -> Iterator[str]:
    width = max(map(len, rules))
    return (f"{id:{width}}  {rule.what}" for id, rule in rules.items())


def _format(report: LintReport, form: str) -> str:
    if form == "json":
        return as_json(report)
    return as_sarif(report) if form == "sarif" else "".join(f"{line}\n" for line in as_text(report))


def _write(text: str, path: str | None) -> None:
    if path is None:
        _print(text)
        return
    from evolve.system.atomic_files import output_file

    with output_file(path) as file:
        file.write(text)


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
