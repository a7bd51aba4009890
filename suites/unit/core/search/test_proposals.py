"""What a reflector may say: whole, short, one thing, and new."""

import json

import pytest

from evolve.core.search.proposals import MAX_RULE_CHARS, check_rule, check_section

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
    assert check_rule(said(text), RULES) == (rule, "")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("", "expected a JSON object"),
        ("Sure! Say wait_dependency when a host is unknown.", "expected a JSON object"),
        ('{"text": "An unknown host calls for wait_dep', "expected a JSON object"),
        ('{"rule": "An unknown host calls for wait_dependency."}', "expected a JSON object"),
        ('["An unknown host calls for wait_dependency."]', "expected a JSON object"),
        ('{"text": 7}', "expected a JSON object"),
        (said(""), "empty"),
        (said(" \n "), "empty"),
        (said("```\nAn unknown host calls for wait_dependency.\n```"), "a code fence"),
        (said("Sure, here is the rule: an unknown host calls for wait_dependency."), "got chat"),
        (said("Here's one new rule for you."), "got chat"),
        (said("I would add a rule about hosts."), "got chat"),
        (said("An unknown host calls for [your action]."), "a placeholder"),
        (said("An unknown host calls for {{ action }}."), "a placeholder"),
        (said("An unknown host calls for <insert action>."), "a placeholder"),
        (said("An unknown host calls for ..."), "a placeholder"),
        (said("Be good."), "at least 3 words"),
        (said("host " * MAX_RULE_CHARS), "at most 240 characters"),
        (said("A full disk calls for FREE_DISK!"), "the rule nearly repeats 'A full disk"),
        (said("An unknown \x1b[31mhost calls for wait_dependency."), "control characters"),
        ('{"text": "An unknown \\ud800 host calls for it."}', "control characters"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_reason(answer, problem):
    rule, why = check_rule(answer, RULES)
    assert rule == ""
    assert problem in why


OLD = "You read {{ report }} and name the action.\nAnswer for {{ reader }}."


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (said("You read {{ report }} and say what heals it."), "the section lacks the variables reader"),
        (said("Name the action."), "the section lacks the variables reader, report"),
        (said(f"{OLD}\n" * 20), "expected a section of at most"),
        (said(f"## Role\n{OLD} Mind the words."), "a heading"),
        (said(f"Mind this.\n# Role\n{OLD}"), "a heading"),
        (said(OLD.upper().replace("REPORT", "report").replace("READER", "reader")), "the section is nearly unchanged"),
        ('{"text": "You read {{ report }} and', "expected a JSON object"),
        (said(f"```{OLD}```"), "a code fence"),
    ],
)
def test_what_is_no_section_is_refused_with_the_reason(answer, problem):
    body, why = check_section(answer, OLD)
    assert body == ""
    assert problem in why


def test_a_section_keeps_its_variables_however_they_are_spaced_and_its_lines():
    new = "Look at {{report}} first.\r\nThen speak to {{-  reader -}}, calmly and shortly."
    assert check_section(said(new), OLD) == (new.replace("\r\n", "\n"), "")
