"""The command `pipecatapp`: serve, check, health, key, mcp, schema, tools."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pipecatapp.agent.config import AgentConfig, config_schema, load_config
from pipecatapp.gateway.keys import make_key, read_keys
from pipecatapp.serving.commands import guarded


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        "pipecatapp", description="The agent: a page for people, tools, and the model `pipecat`."
    )
    commands = found.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (("check", "check a configuration with its files"), ("serve", "serve until Ctrl-C or SIGTERM")):
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.add_argument("config", type=Path, metavar="CONFIG", help="the configuration, a YAML file")
        command.add_argument(
            "--insecure", action="store_true", help="allow to serve beyond loopback without TLS and without a proxy"
        )
    health = commands.add_parser("health", help="ask the agent of a configuration whether it answers; 4 when not")
    health.add_argument("config", type=Path, metavar="CONFIG", help="the configuration, a YAML file")
    key = commands.add_parser("key", help="make a key: it is shown once; the line goes into the file of keys")
    key.add_argument("name", metavar="NAME", help="whose key it is")
    mcp = commands.add_parser(
        "mcp",
        help="serve the tools that change nothing by the Model Context Protocol",
        description="Serve the tools that change nothing by the Model Context Protocol: on standard streams for the"
        " program that starts this one, or over HTTP.",
    )
    mcp.add_argument("config", type=Path, metavar="CONFIG", help="the configuration, a YAML file")
    mcp.add_argument(
        "--port", type=int, metavar="PORT", help="serve http://127.0.0.1:PORT/mcp instead; needs keys_file"
    )
    commands.add_parser("tools", help="print the tools with their arguments, as docs/tools.md shows them")
    commands.add_parser("schema", help="print the JSON Schema of the configuration")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code: 0, 2 for wrong input, 4 for the machine's fault."""
    given = parser().parse_args(arguments)
    with guarded("pipecatapp") as outcome:
        _run(given)
    return outcome.code


def _run(given: argparse.Namespace) -> None:
    if given.command == "check":
        config = _checked(given)
        print(f"{given.config}: no problems; it would serve on {config.listen}")
    elif given.command == "serve":
        # Only here: the server's libraries take most of a second to import.
        from pipecatapp.agent.server import serve

        serve(_checked(given), _say)
    elif given.command == "health":
        from pipecatapp.serving.health_check import check_health

        # The running agent decides whether it is insecure.
        config = load_config(given.config, insecure=True)
        check_health(config.listen, is_tls=config.tls is not None)
    elif given.command == "key":
        print(make_key(given.name).for_people())
    elif given.command == "mcp":
        from pipecatapp.agent.mcp_serving import serve_tools

        serve_tools(load_config(given.config, insecure=True), given.port, _say)
    elif given.command == "tools":
        from pipecatapp.tools.all_tools import ALL_TOOLS
        from pipecatapp.tools.docs_page import tool_sections

        print(tool_sections([tool.spec for tool in ALL_TOOLS]), end="")
    else:
        print(json.dumps(config_schema(), indent=2))


def _say(line: str) -> None:
    print(f"pipecatapp: {line}", file=sys.stderr, flush=True)


def _checked(given: argparse.Namespace) -> AgentConfig:
    from pipecatapp.agent.choice import ChoiceAgent

    config = load_config(given.config, insecure=given.insecure)
    if config.keys_file is not None:
        read_keys(config.keys_file)
    ChoiceAgent(config.agent_file)
    return config


if __name__ == "__main__":
    sys.exit(main())
