"""The command `power-agent`: check, serve, schema."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pipecatapp.power.config import load_power_config, power_schema
from pipecatapp.serving.commands import guarded


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser("power-agent", description="Wakes services when somebody connects to them.")
    commands = found.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (("check", "check a configuration with its files"), ("serve", "serve until Ctrl-C or SIGTERM")):
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.add_argument("config", type=Path, metavar="CONFIG", help="the configuration, a YAML file")
    commands.add_parser("schema", help="print the JSON Schema of the configuration")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code: 0, 2 for wrong input, 4 for the machine's fault."""
    given = parser().parse_args(arguments)
    with guarded("power-agent") as outcome:
        _run(given)
    return outcome.code


def _run(given: argparse.Namespace) -> None:
    if given.command == "schema":
        print(json.dumps(power_schema(), indent=2))
        return
    config = load_power_config(given.config)
    if given.command == "check":
        places = ", ".join(f"{one.name} at {one.listen}" for one in config.services)
        print(f"{given.config}: no problems; it would serve {places}")
        return
    # Only here: `check` needs no clients and no event loop.
    from pipecatapp.power.agent import serve

    serve(config, lambda line: print(f"power-agent: {line}", file=sys.stderr, flush=True))


if __name__ == "__main__":
    sys.exit(main())
