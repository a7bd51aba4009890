"""The command `moe-gateway`: check, serve, health, key, openapi, schema."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pipecatapp.gateway.config import GatewayConfig, config_schema, load_config
from pipecatapp.gateway.keys import make_key, read_keys
from pipecatapp.serving.commands import guarded


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser("moe-gateway", description="OpenAI's API in front of the experts of a cluster.")
    commands = found.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (("check", "check a configuration with its files"), ("serve", "serve until Ctrl-C or SIGTERM")):
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.add_argument("config", type=Path, metavar="CONFIG", help="the configuration, a YAML file")
        command.add_argument(
            "--insecure", action="store_true", help="allow to serve beyond loopback without TLS and without a proxy"
        )
    health = commands.add_parser("health", help="ask the gateway of a configuration whether it answers; 4 when not")
    health.add_argument("config", type=Path, metavar="CONFIG", help="the configuration, a YAML file")
    key = commands.add_parser("key", help="make a key: it is shown once; the line goes into the file of keys")
    key.add_argument("name", metavar="NAME", help="whose key it is")
    document = commands.add_parser("openapi", help="print the OpenAPI document")
    document.add_argument("--table", action="store_true", help="print its routes as a Markdown table instead")
    commands.add_parser("schema", help="print the JSON Schema of the configuration")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code: 0, 2 for wrong input, 4 for the machine's fault."""
    given = parser().parse_args(arguments)
    with guarded("moe-gateway") as outcome:
        _run(given)
    return outcome.code


def _run(given: argparse.Namespace) -> None:
    if given.command == "check":
        config = _checked(given)
        print(f"{given.config}: no problems; it would serve on {config.listen.host}:{config.listen.port}")
    elif given.command == "serve":
        # Only here: FastAPI and uvicorn take half a second to import.
        from pipecatapp.gateway.server import serve

        serve(_checked(given), lambda line: print(f"moe-gateway: {line}", file=sys.stderr, flush=True))
    elif given.command == "health":
        from pipecatapp.serving.health_check import check_health

        # The running gateway decides whether it is insecure.
        config = load_config(given.config, insecure=True)
        check_health(config.listen, is_tls=config.tls is not None)
    elif given.command == "key":
        print(make_key(given.name).for_people())
    elif given.command == "openapi":
        from pipecatapp.gateway.app import inner_app
        from pipecatapp.gateway.gateway import Gateway
        from pipecatapp.gateway.openapi import route_table

        document = inner_app(Gateway(GatewayConfig())).openapi()
        print(route_table(document) if given.table else json.dumps(document, indent=2), end="\n" * (not given.table))
    else:
        print(json.dumps(config_schema(), indent=2))


def _checked(given: argparse.Namespace) -> GatewayConfig:
    config = load_config(given.config, insecure=given.insecure)
    if config.keys_file is not None:
        read_keys(config.keys_file)
    return config


if __name__ == "__main__":
    sys.exit(main())
