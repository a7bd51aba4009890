"""`turns:PROVIDER`: a conversation of another provider with simulated tools, as one answer.

The provider is asked, its calls are made on a table of tools, it gets their results, and so on until it calls nothing,
calls a tool that ends the conversation, or has had its turns. No tool is real, and no code runs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import islice
from operator import add
from typing import Final

from evolve.core.formats.function_calls import FunctionCall, function_calls
from evolve.core.formats.json_text import json_or
from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Provider
from evolve.core.model.suite import ProviderSpec
from evolve.core.simulation.world import State, World, call_tool, check_world, parse_world
from evolve.providers.chat_messages import chat_messages
from evolve.providers.config import load_references, place_of, wrong
from evolve.providers.context import ProviderContext
from evolve.providers.replies import mapping

MAX_TURNS: Final = 4
"""Each turn pays for the whole conversation before it; what a small model has not done in four, it does not do."""
_OWN_KEYS: Final = frozenset(("turns", "simulation"))
_RULES: Final = 2
"""Part of the identity; raise it when the same calls get other results than before."""


@dataclass(slots=True)
class _Conversation:
    """One conversation, as far as it has got."""

    world: World
    state: State
    messages: list[JsonValue]
    answers: list[Answer] = field(default_factory=list)
    calls: list[JsonValue] = field(default_factory=list)
    turns: list[JsonValue] = field(default_factory=list)
    steps: list[JsonValue] = field(default_factory=list)
    """The trace, for assertions: each call, and the last message."""

    def make(self, output: JsonValue, calls: Sequence[FunctionCall]) -> bool:
        """Make one turn's calls; return whether one of them ended the conversation."""
        results, is_last = [], False
        for call in calls:
            effect = call_tool(self.world, self.state, call)
            self.state = effect.state
            results.append(effect.result)
            shown: dict[str, JsonValue] = {
                "name": call.name,
                "arguments": dict(call.arguments),
                "result": effect.result,
            }
            self.calls.append(shown)
            self.steps.append({"type": "tool", **shown, "is_error": effect.is_error})
            is_last = is_last or (call.name in self.world.tools and self.world.tools[call.name].is_last)
        self.turns.append({"output": output, "results": results})
        self.messages += _messages(output, results)
        return is_last

    def end(self, output: JsonValue) -> None:
        """Keep the last output, which calls nothing."""
        self.turns.append({"output": output})
        self.steps.append({"type": "message", "name": "message", "output": output})


class SimulatedTurns:
    """A provider in a conversation with simulated tools.

    Args:
        spec: the suite's entry; its id is `turns:` and the provider's.
        inner: who is asked.
        turns: how often at most.
        simulation: the tools; None where each test has its own.
    """

    def __init__(self, spec: ProviderSpec, inner: Provider, turns: int, simulation: JsonValue) -> None:
        self.id = spec.id
        self._inner, self._turns, self._simulation = inner, turns, simulation

    def identity(self, request: Request) -> JsonValue:
        """See `Provider.identity`."""
        of = self._inner.identity(request)
        if of is None:
            return None
        table, state = self._table(request), _data(request.vars.get("state"))
        return {"provider": "turns", "rules": _RULES, "of": of, "turns": self._turns, "tools": table, "state": state}

    async def answer(self, request: Request) -> Answer:
        """Return the conversation as one answer: `{tool_calls, state, answer}`; see `Provider.answer`.

        An error of the provider in any turn is the answer's.
        """
        try:
            world = parse_world(self._table(request), _data(request.vars.get("state")))
        except CannotEvaluate as error:
            raise CannotEvaluate(f"provider {self.id!r}: {error}") from error
        talk = _Conversation(world, world.state, chat_messages(request.prompt))
        for turn in range(self._turns):
            prompt = json.dumps(talk.messages, ensure_ascii=False) if turn else request.prompt
            answer = await self._inner.answer(replace(request, prompt=prompt))
            talk.answers.append(answer)
            if answer.error is not None or answer.output is None:
                break
            calls = function_calls(answer.output)
            if not calls:
                talk.end(answer.output)
                break
            if talk.make(answer.output, calls):
                break
        return _whole(talk)

    def _table(self, request: Request) -> JsonValue:
        own = _data(request.vars.get("simulation"))
        return self._simulation if own is None else own

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._inner.close()


def _data(var: JsonValue) -> JsonValue:
    """Return a var as data: a file that a var names is JSON text in it, as in promptfoo."""
    return json_or(var, var) if isinstance(var, str) else var


def _messages(output: JsonValue, results: Sequence[JsonValue]) -> list[JsonValue]:
    """Return one turn as messages: tool messages for OpenAI's own calls, else the results as the user's text."""
    calls = output.get("tool_calls") if isinstance(output, dict) else output
    if isinstance(calls, list) and calls and all(isinstance(call, dict) and "function" in call for call in calls):
        numbered = [_with_id(mapping(call), at) for at, call in enumerate(calls)]
        content = mapping(output).get("content")
        asked: JsonValue = {"role": "assistant", "content": content, "tool_calls": [*numbered]}
        left = iter(results)
        # The protocol wants an answer to each item, and one that names no function has no result.
        return [asked, *(_tool_message(call, [*islice(left, len(function_calls([call])))]) for call in numbered)]
    shown = "\n".join(f"Result: {_text(result)}" for result in results)
    return [{"role": "assistant", "content": _text(output)}, {"role": "user", "content": shown}]


def _with_id(call: Mapping[str, JsonValue], at: int) -> dict[str, JsonValue]:
    """Return a call with what the protocol requires of it; some servers leave the id out."""
    return {"id": f"call_{at}", "type": "function", **call}


def _tool_message(call: Mapping[str, JsonValue], results: Sequence[JsonValue]) -> JsonValue:
    content = "\n".join(map(_text, results)) if results else "this names no function"
    return {"role": "tool", "tool_call_id": call["id"], "content": content}


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _whole(talk: _Conversation) -> Answer:
    """Return the conversation as one answer; tokens, cost and time are those of all its turns."""
    last = talk.answers[-1]
    has_answer = bool(talk.steps) and mapping(talk.steps[-1]).get("type") == "message"
    # The calls come first: reflectors and people read the beginning of an output.
    output: JsonValue = {
        "tool_calls": talk.calls,
        "state": dict(talk.state),
        "answer": last.output if has_answer else None,
    }
    failed = last.error if last.error is not None else "no output" if last.output is None else None
    costs = [answer.cost for answer in talk.answers if answer.cost is not None]
    cut = next((answer.finish_reason for answer in talk.answers if answer.is_cut), last.finish_reason)
    return Answer(
        None if failed else output,
        error=failed,
        latency_ms=sum(answer.latency_ms for answer in talk.answers),
        cost=sum(costs) if costs else None,
        tokens=reduce(add, (answer.tokens for answer in talk.answers), TokenUsage()),
        finish_reason=cut,
        guardrails=last.guardrails,
        metadata={**last.metadata, "trajectory": talk.steps, "turns": talk.turns},
    )


def open_provider(spec: ProviderSpec, context: ProviderContext) -> SimulatedTurns:
    """Return the provider that the rest of the id names, in conversation with simulated tools.

    Raises:
        InputError: no such provider, a wrong config of it, or a malformed table; with all problems.
        EnvironmentFault: something that the provider needs is not on this machine.
    """
    rest = spec.id.partition(":")[2]
    if not rest or rest.startswith("turns:"):
        example = "expected turns:PROVIDER, such as turns:openai:chat:MODEL"
        raise InputError(Problem(f"provider {spec.id!r}: {example}", place_of(spec)))
    turns = spec.config.get("turns", MAX_TURNS)
    if not isinstance(turns, int) or isinstance(turns, bool) or not 1 <= turns <= MAX_TURNS:
        raise wrong(spec, "turns", f"a whole number from 1 to {MAX_TURNS}")
    simulation = _simulation(spec, context)
    config = {key: value for key, value in spec.config.items() if key not in _OWN_KEYS}
    return SimulatedTurns(spec, _open_inner(replace(spec, id=rest, config=config), context), turns, simulation)


def _open_inner(spec: ProviderSpec, context: ProviderContext) -> Provider:
    from evolve.providers import open_provider as open_named  # it finds this module by its name

    return open_named(
        spec,
        base_dir=context.base_dir,
        files=context.files,
        env=context.env,
        scripts=context.scripts,
        templates=context.templates,
        settings=context.settings,
    )


def _simulation(spec: ProviderSpec, context: ProviderContext) -> JsonValue:
    """Return the config's table, from its file where it is one; None without one."""
    simulation = load_references(spec.config.get("simulation"), spec, context)
    problems: list[Problem] = []

    def note(path: Sequence[str | int], message: str, hint: str = "", kind: str = "") -> None:  # noqa: ARG001
        where = ".".join(map(str, path))
        problems.append(Problem(f"provider {spec.id!r}: {where}: {message}", place_of(spec, "simulation"), hint))

    if simulation is not None:
        check_world(simulation, ("simulation",), note)
    if problems:
        raise InputError(problems)
    return simulation
