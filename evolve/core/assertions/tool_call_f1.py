"""`tool-call-f1`: the tools that the output calls, compared with those that it should call."""

from collections.abc import Iterable, Iterator

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import threshold_of, wrong_value
from evolve.core.formats.json_text import parse_json
from evolve.core.javascript.values import js_strip, number_text, to_js_string
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

_SCHEMA: JsonValue = {
    "anyOf": [{"type": "string"}, {"type": "array", "minItems": 1}],
    "x-expected": "a list of tool names, or text with commas",
}


@assertion_type("tool-call-f1", value_schema=_SCHEMA, value_required=True)
def tool_call_f1(check: AssertionInput) -> Verdict:
    """Pass when F1 of the two sets of names reaches `threshold`, 1 without one.

    Order and repetition of the names do not count. The score is F1 also when negated.
    """
    wanted, called = _wanted_tools(check), set(tool_names(check.output))
    score = _f1(wanted, called)
    limit = threshold_of(check, 1)
    reason = (
        f"F1 {score:.3f}, threshold {number_text(limit)}. Expected: {_list_text(wanted)}, called: {_list_text(called)}"
    )
    return Verdict((score >= limit) != check.negated, score, reason)


def _wanted_tools(check: AssertionInput) -> set[str]:
    value = check.assertion.value
    if isinstance(value, str):
        return {js_strip(name) for name in value.split(",")}
    if isinstance(value, list) and value:
        return {to_js_string(name) for name in value}
    raise wrong_value(check, "a list of tool names, or text with commas")


def _f1(wanted: set[str], called: set[str]) -> float:
    hits = len(wanted & called)
    if not hits:
        return 0.0
    precision, recall = hits / len(called), hits / len(wanted)
    return 2 * precision * recall / (precision + recall)


def _list_text(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def tool_names(output: JsonValue) -> Iterator[str]:
    """Yield the names of the tools that an output calls, as OpenAI, Anthropic and Google write them.

    Text is read as JSON, as a whole or else line by line.
    """
    if isinstance(output, str):
        yield from _tools_in_text(output)
    elif isinstance(output, dict):
        yield from _tools_of_mapping(output)
    elif isinstance(output, list):
        for item in output:
            if isinstance(item, dict):
                yield from _tool_of_item(item)


def _tools_in_text(text: str) -> Iterator[str]:
    try:
        yield from tool_names(parse_json(text))
    except ValueError:
        for line in map(js_strip, text.split("\n")):
            if line.startswith(("{", "[")):
                yield from _tools_in_line(line)


def _tools_in_line(line: str) -> Iterator[str]:
    try:
        yield from tool_names(parse_json(line))
    except ValueError:
        return


def _tools_of_mapping(output: dict[str, JsonValue]) -> Iterator[str]:
    calls, google, live = output.get("tool_calls"), output.get("functionCall"), output.get("toolCall")
    if isinstance(calls, list):
        for call in calls:
            yield from _name_of(call.get("function") if isinstance(call, dict) else None)
            yield from _name_of(call)
    elif output.get("type") == "tool_use" and isinstance(output.get("name"), str):
        yield from _name_of(output)
    elif isinstance(google, dict | list):
        yield from _name_of(google)
    elif isinstance(live, dict):
        several = live.get("functionCalls")
        for call in several if isinstance(several, list) else ():
            yield from _name_of(call)


def _tool_of_item(item: dict[str, JsonValue]) -> Iterator[str]:
    google, function = item.get("functionCall"), item.get("function")
    if item.get("type") == "tool_use" and isinstance(item.get("name"), str):
        yield from _name_of(item)
    elif isinstance(google, dict | list):
        yield from _name_of(google)
    elif isinstance(function, dict | list):
        yield from _name_of(function)
    else:
        yield from _name_of(item)


def _name_of(value: JsonValue) -> Iterator[str]:
    name = value.get("name") if isinstance(value, dict) else None
    if isinstance(name, str):
        yield name
