"""Tools and tool choices in OpenAI's form, for the dialects that translate them."""

from collections.abc import Mapping

from evolve.core.model.json_value import JsonValue
from evolve.providers.replies import items, mapping


def is_openai_tools(tools: JsonValue) -> bool:
    """Return whether a list of tools is in OpenAI's form; the first tool decides."""
    first = mapping(items(tools)[0]) if items(tools) else {}
    return first.get("type") == "function" and isinstance(mapping(first.get("function")).get("name"), str)


def tool_functions(tools: JsonValue) -> list[Mapping[str, JsonValue]]:
    """Return the functions of tools in OpenAI's form: name, description, parameters."""
    return [mapping(mapping(tool).get("function")) for tool in items(tools)]


def chosen_tool(choice: JsonValue) -> str | None:
    """Return a choice in OpenAI's form as auto, none, required, or `tool:NAME`; None for another form."""
    if choice in ("auto", "none", "required"):
        return str(choice)
    name = mapping(mapping(choice).get("function")).get("name")
    return f"tool:{name}" if mapping(choice).get("type") == "function" and isinstance(name, str) else None
