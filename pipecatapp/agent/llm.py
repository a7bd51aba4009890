"""The model behind the agent: it chooses a tool as TWIN_AGENT, fills in its arguments, and answers."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from evolve.core.formats.json_schemas import compile_open_schema
from evolve.core.model.errors import CannotEvaluate, HttpFault
from evolve.core.model.json_value import JsonValue
from pipecatapp.agent.choice import ChoiceAgent
from pipecatapp.agent.model_calls import ModelCalls
from pipecatapp.agent.prompts import answer_messages, argument_messages, choice_request
from pipecatapp.core.ports import BadArguments, Question, ToolSpec

_SAMPLING: Final[Mapping[str, JsonValue]] = {"temperature": 0, "seed": 1}
_ARGUMENT_TOKENS: Final = 512
"""Long enough for a small program; a model that never ends its JSON must not hold a turn."""


class LanguageModel:
    """`TwinModel` over OpenAI's API."""

    def __init__(self, calls: ModelCalls, agent: ChoiceAgent, most_tokens: int) -> None:
        """Take what asks.

        Args:
            calls: of the model.
            agent: that chooses tools.
            most_tokens: of an answer.
        """
        self._calls = calls
        self._agent = agent
        self._most_tokens = most_tokens

    async def choose(self, question: Question, tools: Sequence[ToolSpec]) -> str:
        """Return the name of the tool that serves the question; `none` where none does.

        Raises:
            HttpFault: the endpoint failed, or its answer names no tool.
        """
        prompt = self._agent.prompt(choice_request(question), tools)
        messages: list[JsonValue] = [dict(one) for one in prompt.messages]
        text = await self._calls.whole({**prompt.config, "messages": messages})
        choice = self._agent.choice_of(_json_of(text))
        if choice is None:
            raise HttpFault("the model's choice is not the JSON that was asked for", call=self._agent.title)
        return choice

    async def arguments(self, question: Question, tool: ToolSpec) -> Mapping[str, JsonValue]:
        """Return the arguments for a tool, which fit its schema.

        Raises:
            BadArguments: the model's do not fit.
            HttpFault: the endpoint failed.
        """
        if not tool.schema.get("properties"):
            return {}
        form: JsonValue = {"name": tool.name, "strict": False, "schema": dict(tool.schema)}
        body = {
            **_SAMPLING,
            "max_tokens": _ARGUMENT_TOKENS,
            "response_format": {"type": "json_schema", "json_schema": form},
            "messages": argument_messages(question, tool),
        }
        return _checked(_json_of(await self._calls.whole(body)), tool)

    async def answer(self, question: Question) -> AsyncIterator[str]:
        """Yield the parts of the answer to the person.

        Raises:
            HttpFault: the endpoint failed.
        """
        body = {**_SAMPLING, "max_tokens": self._most_tokens, "messages": answer_messages(question)}
        async for part in self._calls.parts(body):
            yield part


def _json_of(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
        # Python reads NaN and 1e999, and no page can read what it writes for them.
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return value


def _checked(value: JsonValue, tool: ToolSpec) -> Mapping[str, JsonValue]:
    if not isinstance(value, dict):
        raise BadArguments(f"the arguments for {tool.name} are not a JSON object")
    try:
        problem = compile_open_schema(dict(tool.schema))(value)
    except CannotEvaluate as error:
        raise BadArguments(f"the schema of {tool.name} cannot be checked: {error}") from None
    if problem:
        raise BadArguments(f"the arguments for {tool.name} do not fit: {problem}")
    return value
