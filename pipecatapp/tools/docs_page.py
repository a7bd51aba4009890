"""What docs/tools.md says about each tool, from the registry."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pipecatapp.core.ports import Risk, ToolSpec

_RISKS: Final = {
    Risk.READ: "it changes nothing",
    Risk.WRITE: "it changes what can be changed back",
    Risk.DANGER: "a person is asked before each call",
}


def tool_sections(specs: Iterable[ToolSpec]) -> str:
    """Return a section of Markdown for each tool: what it does, its risk and its arguments."""
    return "\n".join(line for spec in specs for line in _section(spec)) + "\n"


def _section(spec: ToolSpec) -> Iterator[str]:
    schema: dict[str, Any] = dict(spec.schema)
    yield from (f"### {spec.name}", "")
    yield from (f"{spec.description}. Risk: {_risk(spec)}; at most {spec.timeout_s:g} s.", "")
    yield from ("| argument | what |", "|---|---|")
    for name, part in schema.get("properties", {}).items():
        yield f"| `{name}` | {_described(part, name in schema.get('required', ()))} |"
    yield ""


def _risk(spec: ToolSpec) -> str:
    usual = f"`{spec.risk}` ({_RISKS[spec.risk]})"
    return usual if spec.most_risk is None else f"{usual}, for some calls `{spec.most_risk}` ({_RISKS[spec.most_risk]})"


def _described(part: dict[str, Any], is_required: bool) -> str:
    values = ", ".join(f"`{one}`" for one in part.get("enum", ()))
    words = [part.get("description", ""), f"One of {values}." if values else "", "Required." if is_required else ""]
    return " ".join(filter(None, words))
