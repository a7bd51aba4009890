"""What a reflector may say: whole, short, one thing, and new."""

import json

import pytest

from evolve.core.search.proposals import MAX_RULE_CHARS, Refused, check_rule, check_rules, check_section

RULES = ["A full disk calls for free_disk.", "Port already in use means free_port."]


def said(text: str) -> str:
    return json.dumps({"text": text})


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("An unknown host calls for wait_dependency.", "An unknown host calls for wait_dependency."),
        ("  3. An unknown host\n calls for   wait_dependency. ", "An unknown host calls for wait_dependency."),
        ("- When memory runs out, say increase_memory.", "When memory runs out, say increase_memory."),
        ("Exit code 137 speaks for «increase_memory».", "Exit code 137 speaks for «increase_memory»."),
    ],
)
def test_a_good_rule_is_taken_as_one_line_without_its_bullet(text, rule):
    assert check_rule(said(text), RULES) == rule


def test_of_several_rules_those_that_are_good_are_taken():
    text = "An unknown host calls for wait_dependency.\nBe good.\nA full disk calls for free_disk.\nExit 137 is memory."
    assert check_rules(said(text), RULES) == ("An unknown host calls for wait_dependency.", "Exit 137 is memory.")
    twice = "Exit 137 means memory.\nExit 137 means memory."
    assert check_rules(said(twice), RULES) == ("Exit 137 means memory.",)


@pytest.mark.parametrize("text", ["Be good.\nA full disk calls for free_disk.", ""])
def test_where_no_line_is_a_rule_the_first_says_why(text):
    found = check_rules(said(text), RULES)
    assert isinstance(found, Refused)
    assert found.kind == ("short" if text else "empty")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("", "the answer is empty"),
        ("Sure! Say wait_dependency when a host is unknown.", "expected a JSON object"),
        ('{"text": "An unknown host calls for wait_dep', "expected a JSON object"),
        ('{"rule": "An unknown host calls for wait_dependency."}', "expected a JSON object"),
        ('["An unknown host calls for wait_dependency."]', "expected a JSON object"),
        ('{"text": 7}', "expected a JSON object"),
        (said(""), "empty"),
        (said(" \n "), "empty"),
        (said("Say ```wait_dependency``` for an unknown host."), "a code fence"),
        ("```json\n```", "expected a JSON object"),
        (f"{said('Wait for an unknown host.')} or {said('Escalate an unknown host.')}", "got 2 of them"),
        ("null", "the answer is empty"),
        ("<think>An unknown host, hm.</think>\n", "the answer is empty"),
        ("{" * 100_000, "expected a JSON object"),
        ('{"a":' * 100_000, "expected a JSON object"),
        (said("Sure, here is the rule: an unknown host calls for wait_dependency."), "got chat"),
        (said("Here's one new rule for you."), "got chat"),
        (said("I would add a rule about hosts."), "got chat"),
        (said("An unknown host calls for [your action]."), "a placeholder"),
        (said("An unknown host calls for <insert action>."), "a placeholder"),
        (said("An unknown host calls for ..."), "a placeholder"),
        (said("Be good."), "at least 3 words"),
        (said("host " * MAX_RULE_CHARS), "at most 240 characters"),
        (said("h " * (MAX_RULE_CHARS // 2 - 1) + "hh"), "cut off at 240 characters"),
        (said("A full disk calls for FREE_DISK!"), "the rule nearly repeats 'A full disk"),
        (said("An unknown \x1b[31mhost calls for wait_dependency."), "control characters"),
        ('{"text": "An unknown \\ud800 host calls for it."}', "control characters"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_reason(answer, problem):
    refused = check_rule(answer, RULES)
    assert isinstance(refused, Refused)
    assert problem in refused.reason


GOOD = "An unknown host calls for wait_dependency."


@pytest.mark.parametrize(
    "answer",
    [
        f"```json\n{said(GOOD)}\n```",
        f"```\n{said(GOOD)}\n```",
        f"```json\n{said(GOOD)}",
        f"Sure! Here is the rule:\n\n{said(GOOD)}\n\nLet me know what you think of it.",
        f"<think>Perhaps {said('Escalate what is unknown.')}?</think>\n{said(GOOD)}",
        f"Thinking: a host {{unknown}}, {{{{ twice }}}}.\n\n{said(GOOD)}",
        f"{said(GOOD)}\n{said(GOOD)}",
        f"[{said(GOOD)}]",
        json.dumps({"why": "a host", "text": GOOD}),
        json.dumps({"text": GOOD}, indent=2),
        '{"text": "An unknown host\ncalls for wait_dependency."}',
        said(f"```\n{GOOD}\n```"),
        said(f"```text\n{GOOD}```"),
    ],
)
def test_one_json_object_is_found_in_a_fence_and_in_text(answer):
    assert check_rule(answer, RULES) == GOOD


TEMPLATES = [
    "Answer {{ action }} for an unknown host.",
    "Answer {{action}} for an unknown host.",
    "Answer {{- action -}} for an unknown host.",
    "{% if host %}Answer wait_dependency for it.{% endif %}",
    "Answer wait_dependency {# for now #} for an unknown host.",
    "Answer wait_dependency for {{ an unknown host.",
    "Answer wait_dependency for {% an unknown host.",
]


@pytest.mark.parametrize("text", TEMPLATES)
def test_template_syntax_that_a_proposal_brings_is_refused(text):
    for refused in (check_rule(said(text), RULES), check_section(said(text), "You name the action.")):
        assert isinstance(refused, Refused)
        assert refused.kind == "template"
        assert "instructions are text, not a template: write words in place of '{" in refused.reason


@pytest.mark.parametrize("text", TEMPLATES)
def test_template_syntax_that_the_instructions_have_may_stay_or_go(text):
    own = f"Mind this: {text}"
    assert check_rule(said(text), RULES, own) == text
    assert check_section(said(text), own) == text
    assert check_section(said(text), "You name the action.", own) == text
    assert check_section(said("Look at the report first."), own) == "Look at the report first."


def test_a_template_mark_is_the_same_however_it_is_spaced():
    assert check_rule(said("Answer {{action}} for an unknown host."), [], "{{-  action -}}").__class__ is str
    assert isinstance(check_rule(said("Answer {{ other }} for an unknown host."), [], "{{ action }}"), Refused)


OLD = "You read {{ report }} and name the action.\nAnswer for {{ reader }}."


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (said(f"{OLD}\n" * 20), "expected a section of at most"),
        (said(f"## Role\n{OLD} Mind the words."), "a heading"),
        (said(f"Mind this.\n# Role\n{OLD}"), "a heading"),
        (said(OLD.upper().replace("REPORT", "report").replace("READER", "reader")), "the section is nearly unchanged"),
        ('{"text": "You read {{ report }} and', "expected a JSON object"),
        (said(f"```{OLD}```"), "a code fence"),
    ],
)
def test_what_is_no_section_is_refused_with_the_reason(answer, problem):
    refused = check_section(answer, OLD)
    assert isinstance(refused, Refused)
    assert problem in refused.reason


def test_a_section_keeps_its_lines():
    new = "Look at {{report}} first.\r\nThen speak to {{-  reader -}}, calmly and shortly."
    assert check_section(said(new), OLD) == new.replace("\r\n", "\n")
