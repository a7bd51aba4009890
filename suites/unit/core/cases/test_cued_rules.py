"""A rule that reads only the lines of its cues finds what its pattern finds in the whole text."""

import threading

import pytest

from evolve.core.cases import (
    access_words,
    account_pairs,
    answered_questions,
    call_arguments,
    code_places,
    command_output,
    conversations,
    cued_rules,
    named_blocks,
    named_literals,
    one_time_codes,
    password_cues,
    password_places,
    password_words,
    presented_tokens,
    presented_values,
    program_options,
    quoted_arguments,
    secret_layouts,
    secret_names_in_text,
    secret_neighbours,
    secret_phrases,
    secret_sections,
    secret_shapes,
    statement_parameters,
    wire_places,
)
from evolve.core.cases.cued_rules import CuedRule, CuedText, read, rule
from fixtures.redaction_texts import FOLDER, planted_texts

TEXT = "\n".join(text.text for path in sorted(FOLDER.glob("*.yaml")) for text in planted_texts(path.stem, 7))


def _rules_of(value: object) -> list[CuedRule]:
    if isinstance(value, CuedRule):
        return [value]
    return [one for part in value for one in _rules_of(part)] if type(value) is tuple else []


RULES = [
    one
    for module in (
        access_words,
        account_pairs,
        answered_questions,
        call_arguments,
        code_places,
        command_output,
        conversations,
        named_blocks,
        named_literals,
        one_time_codes,
        password_cues,
        password_places,
        password_words,
        presented_tokens,
        presented_values,
        program_options,
        quoted_arguments,
        secret_layouts,
        secret_names_in_text,
        secret_neighbours,
        secret_phrases,
        secret_sections,
        secret_shapes,
        statement_parameters,
        wire_places,
    )
    for value in vars(module).values()
    for one in _rules_of(value)
]


CUED = CuedText(TEXT)


def test_nearly_all_rules_have_cues():
    assert len([one for one in RULES if read(one).cues]) > 0.85 * len(RULES)


@pytest.mark.parametrize("one", RULES, ids=lambda one: one.text[:40])
def test_a_rule_finds_what_its_pattern_finds_in_the_whole_text(one: CuedRule):
    found = {match.span() for match in CUED.matches(one)}
    assert found >= {match.span() for match in one.pattern.finditer(TEXT)}


@pytest.mark.parametrize(
    ("pattern", "cues"),
    [
        (r"\bIDENTIFIED\s+BY", {"identified"}),
        (r"(?i)(?:pass|pwd)=", {"pass", "pwd"}),
        (r"p(?:ass|wd)=x", {"pass", "pwd"}),
        (r"\w{3}(?:ftp|lftp) x", {"ftp"}),
        (r"(?:ftp|lftp) x", {"ftp", "lftp"}),
        (r"gh[ps]_\w+", {"ghp_", "ghs_"}),
        (r"(?<!\w)(?:SK[0-9a-f]{32})", {"sk"}),
        (r"\w+=\S+", set()),
        (r"(?:token)?\w+://", {"://"}),
    ],
)
def test_cues_are_read_from_the_pattern(pattern: str, cues: set[str]):
    assert read(rule(pattern)).cues == cues


@pytest.mark.parametrize(
    ("pattern", "breaks"), [(r"a b[^\n]c", 0), (r"a[ \t]b\S", 0), (r"a\sb", None), (r"a[^x]b", None), ("a\nb", None)]
)
def test_a_pattern_that_may_include_a_line_break_reads_more_than_a_line(pattern: str, breaks: int | None):
    assert read(rule(pattern)).lines == breaks


def test_a_capital_whose_small_form_is_longer_moves_no_place():
    text = "İİİ Password=x"
    assert [match.span() for match in CuedText(text).matches(rule(r"(?i)password=\w"))] == [(4, 14)]


def test_a_secret_far_from_its_cue_on_one_long_line_is_whole():
    text = "x" * 50_000 + " password=" + "s" * 4000 + " y" * 20_000
    assert [len(match[1]) for match in CuedText(text).matches(rule(r"password=(\S{1,4096})"))] == [4000]


def test_a_rule_that_is_first_used_after_others_searched_the_text_is_found():
    text = CuedText("zweite losung: hund7")
    assert [match[1] for match in text.matches(rule(r"zweite (\w+)"))] == ["losung"]
    assert [match[1] for match in text.matches(rule(r"losung: (\w+)"))] == ["hund7"]
    assert not list(text.matches(rule(r"parole: (\w+)")))


class SharedText(str):
    """A text in which two threads meet when they look for their first cue."""

    __slots__ = ("first", "meeting")

    def __contains__(self, cue: object) -> bool:
        if cue == self.first:
            self.meeting.wait(timeout=60)
        return super().__contains__(str(cue))


def test_threads_that_search_one_text_at_once_do_not_miss_a_rule_that_is_read_later():
    text = CuedText("dritte losung: hund7")
    known = rule(r"dritte (\w+)")
    read(known)
    text._lower = shared = SharedText(text._lower)
    shared.first, shared.meeting = next(iter(cued_rules._ALL_CUES)), threading.Barrier(2)
    threads = [threading.Thread(target=lambda: list(text.matches(known))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text._lower = str(text._lower)
    assert [match[1] for match in text.matches(rule(r"losung:\s(hund\w)"))] == ["hund7"]
