import json

from evolve.core.evaluation.agent_prompts import DemoBank
from evolve.core.model.agents import Demo, DemoSettings, parse_agent
from evolve.core.retrieval.closed_answers import closed_parts, has_closed_part, is_closed_set, open_fields
from evolve.core.templating.templates import Templates

LABELS = [{"action": "free_port", "port": 8000 + n} for n in range(6)] + [{"action": "restart"} for _ in range(6)]


def test_few_answers_that_come_again_are_a_closed_set():
    assert is_closed_set(["a", "b"] * 3)
    assert not is_closed_set(["a", "b", "c"])
    assert not is_closed_set([])


def test_an_argument_that_differs_in_each_case_is_open_and_the_rest_is_closed():
    assert open_fields(LABELS) == ["port"]
    assert set(closed_parts(LABELS)) == {'{"action": "free_port"}', '{"action": "restart"}'}
    assert has_closed_part(LABELS)


def test_answers_without_an_open_field_are_kept_whole():
    whole = [{"tool": tool} for tool in ("ssh", "ha")] * 3
    assert closed_parts(whole) == [json.dumps(answer) for answer in whole]


def test_free_texts_and_few_answers_have_no_closed_part():
    few = [{"action": "free_port", "port": 1}, {"action": "restart"}]
    assert closed_parts(few) == [json.dumps(answer) for answer in few]
    assert not has_closed_part(few)
    assert not has_closed_part(["a text", "another"])
    assert not has_closed_part([])


def test_likely_demos_of_an_action_with_arguments_are_chosen_by_the_action():
    front = {"name": "A", "version": 1, "description": "acts", "inputs": {"report": {}}, "output": {}, "model": "echo"}
    agent = parse_agent(front, "## Case\n{{ report }}", "a.md")
    demos = [
        Demo({"report": f"cannot bind port {label['port']}" if "port" in label else f"job {n} hung"}, label, f"{n}")
        for n, label in enumerate(LABELS)
    ]
    bank = DemoBank(agent, DemoSettings("b.yaml", select="likely", k=2), demos, Templates("strict").render)
    assert [json.loads(answer)["action"] for _, answer in bank.choose("job 7 cannot bind")] == ["free_port"] * 2
    assert [json.loads(answer)["action"] for _, answer in bank.choose("it hung again")] == ["restart"] * 2
