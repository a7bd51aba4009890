"""Fields that are copied from the case: which values a call's schema names."""

from typing import Any

import pytest

from evolve.core.evaluation.agent_prompts import render_agent, render_case
from evolve.core.evaluation.copying import copied_from
from evolve.core.model.agents import parse_agent
from evolve.core.model.errors import InputError
from evolve.core.templating.templates import Templates
from evolve.evaluation.setup import Settings, load
from evolve.store.agents import find_agent, load_agent

RENDER = Templates("strict").render
TEXT = {"type": "string"}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}


def values(part: dict[str, Any], case: str) -> list[Any]:
    made: Any = copied_from({"type": "object", "properties": {"it": part}}, ["it"], case)["properties"]["it"]
    return list(made["enum"])


@pytest.mark.parametrize(
    ("part", "case", "named"),
    [
        (PORT, "bind() to 0.0.0.0:80 failed (98: in use), 70000 times", [80, 98]),
        (TEXT, "cannot open '/srv/a/b.log', giving up.", ["/srv/a/b.log", "/srv/a", "/srv"]),
        (TEXT, "GET http://web.internal:80/up: refused", ["web.internal:80", "web.internal"]),
        (TEXT, "image: r/web:1.2; limits: memory_mb=512", ["r/web:1.2", "memory_mb"]),
        (TEXT, 'unknown "proxy_passs" in maxSize', ["proxy_passs", "maxSize"]),
        ({**TEXT, "pattern": "^/"}, "from host.internal to /srv", ["/srv"]),
    ],
)
def test_the_names_of_a_case_are_the_values_that_can_be_copied(part, case, named):
    found = values(part, case)
    assert set(named) <= set(found)
    assert "giving" not in found


def test_words_of_the_language_are_values_only_where_the_case_has_no_names():
    assert values(TEXT, "redis does not answer") == ["redis", "does", "not", "answer"]
    assert values(TEXT, "redis-2 does not answer") == ["redis-2"]


def test_a_field_that_nothing_fits_and_fields_that_are_not_copied_stay_open():
    schema: Any = {"properties": {"port": PORT, "why": TEXT}}
    assert copied_from(schema, ["port"], "no number") == schema
    assert copied_from(schema, ["port"], "port 80")["properties"]["why"] == TEXT  # type: ignore[index, call-overload]


def test_each_of_several_objects_names_the_values():
    choice: Any = {"anyOf": [{"properties": {"port": PORT}}, {"properties": {"path": {**TEXT, "pattern": "^/"}}}]}
    made: Any = copied_from(choice, ["port", "path"], "port 80, /srv")
    assert [one["properties"] for one in made["anyOf"]] == [{"port": {"enum": [80]}}, {"path": {"enum": ["/srv"]}}]


def test_a_grammar_stays_small():
    assert len(values(TEXT, " ".join(f"name-{n}" for n in range(1000)))) <= 150


def test_the_call_has_the_values_of_its_own_case():
    front = {
        "name": "A", "version": 1, "description": "picks", "inputs": {"report": {}}, "model": "echo",
        "output": {"type": "object", "properties": {"port": PORT}}, "copy": ["port"],
    }  # fmt: skip
    agent = parse_agent(front, "## Case\n{{ report }}", "a.md")
    config: Any = render_agent(agent, {"report": "port 8080 is taken"}, None, RENDER).config
    assert config["response_format"]["json_schema"]["schema"]["properties"] == {"port": {"enum": [8080]}}


def test_a_field_to_copy_that_the_output_has_not_is_reported():
    front = {"name": "A", "version": 1, "description": "d", "inputs": {}, "model": "m", "copy": ["prt"]}
    output = load_agent(find_agent("HEAL_AGENT")).output
    with pytest.raises(InputError, match="copy: 'prt' is no field of the output; known: action, memory_mb, image"):
        parse_agent({**front, "output": output}, "## Case\n", "a.md")


def test_nearly_every_right_value_that_the_healing_agent_sees_can_be_copied():
    agent = load_agent(find_agent("HEAL_AGENT"))
    known, lost = 0, []
    for one in load("suites/agents/heal.yaml", Settings()).evaluations:
        best: Any = one.test.metadata["accepted"][0]
        given: Any = one.test.metadata.get("arguments") or {}
        case = render_case(agent, one.vars, RENDER)
        for name in set(agent.copy) & set(best):
            right = {hostname(name, value) for value in given.get(name, [best[name]]) if str(value) in case}
            schema: Any = copied_from(agent.output, agent.copy, case)
            branch = next(part for part in schema["anyOf"] if name in part["properties"])["properties"][name]
            known += bool(right)
            if right and not right & {hostname(name, value) for value in branch["enum"]}:
                lost.append((one.test.description, right))
    assert known > 350
    assert len(lost) <= 0.03 * known, lost


def hostname(name: str, value: Any) -> Any:
    """A service is named by its host with or without a port."""
    return value.partition(":")[0] if name == "service" else value
