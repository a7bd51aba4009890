"""The tool `ha`: states and services of Home Assistant, of the domains that the configuration allows."""

import asyncio
import json
from typing import Any, Final

from evolve.core.model.json_value import JsonValue
from evolve.system.http_client import HttpCall, HttpClient, accept_json
from evolve.system.retry import RetryPolicy
from pipecatapp.core.ports import Risk, ToolReason
from pipecatapp.tools.config import HomeConfig
from pipecatapp.tools.context import ToolContext
from pipecatapp.tools.ha_risks import domain_of, needs_kind, risk_of_call
from pipecatapp.tools.registry import Arguments, ToolProblem, needed_text, text_of, tool

_TARGETS: Final = frozenset(("entity_id", "device_id", "area_id", "floor_id", "label_id", "target"))
"""Keys of a service's data that would choose other entities than the one that was checked."""
_EXPECTED: Final = {"turn_on": "on", "turn_off": "off", "lock": "locked", "unlock": "unlocked"}
_READ_BACK_S: Final = 3.0
"""How long a device may take to show what it was asked for."""
_LOOK_EVERY_S: Final = 0.1
_SHOWN: Final = ("friendly_name", "unit_of_measurement", "brightness", "temperature", "current_temperature")


async def _risk(arguments: Arguments, context: ToolContext) -> Risk:
    """Return what a call can do; one that the tool refuses can do nothing."""
    config, entity = context.config.home, text_of(arguments, "entity_id")
    if arguments["action"] != "call":
        return Risk.READ
    if config is None or domain_of(entity) not in config.domains:
        return Risk.WRITE
    return risk_of_call(entity, config, await _kind(entity, config) if needs_kind(entity, config) else "")


async def _kind(entity: str, config: HomeConfig) -> str:
    home = _Home(config)
    try:
        found = (await home.state(entity)).get("attributes")
    finally:
        await home.close()
    kind = found.get("device_class") if isinstance(found, dict) else None
    return kind if isinstance(kind, str) else ""


@tool(
    "ha",
    {
        "required": ["action"],
        "properties": {
            "action": {
                "enum": ["list", "state", "call"],
                "description": "`list` names entities, `state` shows one, `call` calls a service for one.",
            },
            "entity_id": {
                "type": "string",
                "pattern": "^[a-z_]+\\.[a-z0-9_]+(?!\n)$",
                "description": "Such as light.kitchen; not for `list`.",
            },
            "service": {"type": "string", "pattern": "^[a-z_]+(?!\n)$", "description": "For `call`, such as turn_on."},
            "data": {"type": "object", "description": 'For `call`: further data, such as {"brightness": 100}.'},
        },
    },
    risk=Risk.WRITE,
    timeout_s=20,
    risk_of=_risk,
)
async def ha(arguments: Arguments, context: ToolContext) -> str:
    """Show and change what is in the house: lights, heating, blinds, sensors and scenes."""
    config = context.config.home
    if config is None:
        raise ToolProblem(ToolReason.NOT_CONFIGURED, "Home Assistant is not configured: set tools.ha")
    home = _Home(config)
    try:
        if arguments["action"] == "list":
            return await home.names()
        entity = needed_text(arguments, "entity_id", "it names what is meant, such as light.kitchen")
        home.check_domain(entity)
        if arguments["action"] == "state":
            return _line(await home.state(entity))
        return await _called(home, entity, arguments)
    finally:
        await home.close()


async def _called(home: "_Home", entity: str, arguments: Arguments) -> str:
    service = needed_text(arguments, "service", "a call names one, such as turn_on")
    data = arguments.get("data", {})
    data = data if isinstance(data, dict) else {}
    if _TARGETS & data.keys():
        message = f"data may not name other targets: {', '.join(sorted(_TARGETS & data.keys()))}"
        raise ToolProblem(ToolReason.REFUSED, message)
    await home.call(entity, service, data)
    wanted = _EXPECTED.get(service)
    found = await home.state_after(entity, wanted)
    if wanted and found.get("state") != wanted:
        message = f"{service} was called, but the state read back is not {wanted!r}: {_line(found)}"
        raise ToolProblem(ToolReason.FAILED, message)
    return f"called {service}; read back: {_line(found)}"


class _Home:
    """Calls of Home Assistant's REST API, for one call of the tool."""

    def __init__(self, config: HomeConfig) -> None:
        self._config = config
        # A call is never repeated: a toggle that was done twice is not done.
        self._client = HttpClient(RetryPolicy(deadline_s=15, attempt_s=15, max_retries=0))

    async def close(self) -> None:
        await self._client.close()

    def check_domain(self, entity: str) -> None:
        domain = domain_of(entity)
        if domain not in self._config.domains:
            allowed = ", ".join(self._config.domains)
            raise ToolProblem(ToolReason.REFUSED, f"the domain {domain!r} is not allowed (allowed: {allowed})")

    async def names(self) -> str:
        found = await self._ask("GET", "/api/states")
        states = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        shown = sorted((one for one in states if self._is_allowed(one)), key=lambda one: str(one["entity_id"]))
        return "\n".join(map(_line, shown)) or f"no entities in the domains {', '.join(self._config.domains)}"

    async def state(self, entity: str) -> dict[str, Any]:
        found = await self._ask("GET", f"/api/states/{entity}")
        return found if isinstance(found, dict) else {}

    async def state_after(self, entity: str, wanted: str | None) -> dict[str, Any]:
        """Return the state as soon as it is the wanted one, or after a while as it is."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _READ_BACK_S
        found = await self.state(entity)
        while wanted and found.get("state") != wanted and loop.time() < until:
            await asyncio.sleep(_LOOK_EVERY_S)
            found = await self.state(entity)
        return found

    async def call(self, entity: str, service: str, data: dict[str, JsonValue]) -> None:
        path = f"/api/services/{domain_of(entity)}/{service}"
        await self._ask("POST", path, {**data, "entity_id": entity})

    def _is_allowed(self, state: dict[str, JsonValue]) -> bool:
        return domain_of(str(state.get("entity_id", ""))) in self._config.domains

    async def _ask(self, method: str, path: str, body: JsonValue = None) -> JsonValue:
        headers = {"Authorization": f"Bearer {self._config.token}", "Content-Type": "application/json"}
        call = HttpCall(
            method,
            self._config.url + path,
            headers,
            None if body is None else json.dumps(body).encode(),
            hints={
                401: "make a long-lived access token and set tools.ha.token_file",
                404: "the action `list` names the entities",
                400: "Home Assistant knows no such service or data",
            },
            follows=False,
        )
        return await self._client.call(call, accept_json)


def _line(state: dict[str, Any]) -> str:
    attributes = state.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    more = ", ".join(f"{name} {attributes[name]}" for name in _SHOWN if attributes.get(name) is not None)
    return f"{state.get('entity_id')} is {state.get('state')}{f' ({more})' if more else ''}"
