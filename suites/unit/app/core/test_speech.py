import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipecatapp.core.speech import Sentences, speakable, words_of


def cut(text, sizes=(1,)):
    """The sentences of a text that comes in parts, and how many of them came before its end."""
    sentences, found, at, step = Sentences(), [], 0, 0
    while at < len(text):
        size = sizes[step % len(sizes)]
        found += sentences.add(text[at : at + size])
        at, step = at + size, step + 1
    return found + sentences.rest(), len(found)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("It is on. It was off before.", ["It is on.", "It was off before."]),
        ("Dr. Smith has 3.5 apples, e.g. red ones. Good!", ["Dr. Smith has 3.5 apples, e.g. red ones.", "Good!"]),
        ("1. Open the door\n2. Close it\n", ["1. Open the door", "2. Close it"]),
        ("- **bold** and `code`\n", ["bold and code"]),
        ("See [the docs](https://a.example/b?c=d).", ["See the docs."]),
        ("It is at https://node-1.example:8080/long/path?x=1 now.", ["It is at node-1.example:8080 now."]),
        ("Do this:\n```sh\nrm -rf /\n```\nThen wait.", ["Do this:", "Then wait."]),
        ("Only ```code", ["Only"]),
        ("...", []),
        ("", []),
        ("snake_case stays", ["snake_case stays"]),
    ],
)
def test_an_answer_is_spoken_by_sentences_and_without_markup(text, spoken):
    for sizes in ((1,), (7,), (1000,)):
        assert cut(text, sizes)[0] == spoken


def test_the_first_sentence_does_not_wait_for_the_next():
    sentences = Sentences()
    assert sentences.add("The light is on. And") == ["The light is on."]


def test_a_long_sentence_is_spoken_in_parts():
    text = "and so on, " * 200
    found, before_end = cut(text)
    assert before_end >= 6
    assert max(map(len, found)) <= 300
    assert " ".join(found).split() == text.split()


@given(st.text(), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_how_an_answer_is_divided_does_not_matter(text, sizes):
    assert cut(text, sizes)[0] == cut(text, (len(text) + 1,))[0]


@given(st.text(st.sampled_from("ab[]{}<>\x00\x01\x1b\n\r-*`|\\'\"$;&.! \u202e\u0301")))
def test_what_is_spoken_is_one_line_that_no_program_obeys(text):
    for line in [*cut(text)[0], speakable(text)]:
        assert not set(line) & set("[]<>{}\\\n\r")
        assert not any(unicodedata.category(one).startswith("C") for one in line)


@pytest.mark.parametrize(
    ("transcript", "words"),
    [
        (" Turn on the light.\n", "Turn on the light."),
        ("[BLANK_AUDIO]", ""),
        ("(wind blowing) Hello", "Hello"),
        ("*coughs*", ""),
        (" . . .", ""),
    ],
)
def test_noises_are_no_words(transcript, words):
    assert words_of(transcript) == words
