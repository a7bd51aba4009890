"""A fingerprint is stable under what differs from run to run."""

from datetime import datetime

from hypothesis import example, given
from hypothesis import strategies as st

from evolve.core.cases.fingerprint import fingerprint, normalise

TIMES = st.datetimes(min_value=datetime(1970, 1, 1)).flatmap(
    lambda moment: st.sampled_from(
        [
            moment.isoformat(),
            moment.isoformat() + "Z",
            moment.strftime("%Y-%m-%d %H:%M:%S"),
            moment.isoformat(timespec="milliseconds") + "+02:00",
        ]
    )
)
IDS = st.one_of(
    st.uuids().map(str),
    st.binary(min_size=4, max_size=32).map(bytes.hex).filter(lambda text: not (text.isdigit() or text.isalpha())),
)
ADDRESSES = st.builds("{}:{}".format, st.ip_addresses(v=4), st.integers(1, 65535))
WORD = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
PATHS = st.lists(WORD, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))
NUMBERS = st.one_of(st.integers(0, 10**6).map(str), st.floats(0, 1000).map(lambda number: f"{number:.3f}"))
MESSAGE = "{time} ERROR job {id}: cannot open {path} on {address}: gave up after {number} s, {{'b': {number}, 'a': x}}"
PARTS = st.fixed_dictionaries({"time": TIMES, "id": IDS, "path": PATHS, "address": ADDRESSES, "number": NUMBERS})


@given(PARTS, PARTS)
def test_times_ids_paths_addresses_and_numbers_do_not_matter(first: dict[str, str], second: dict[str, str]):
    one, two = MESSAGE.format(**first), MESSAGE.format(**second)
    assert normalise(one) == normalise(two)
    assert fingerprint("A", "t", ["c"], [one]) == fingerprint("A", "t", ["c"], [two])


@given(st.lists(st.text(max_size=20), max_size=5), st.lists(WORD, max_size=4), st.randoms())
def test_the_order_and_repetition_of_checks_and_messages_do_not_matter(messages, checks, random):
    shuffled, again = [*messages, *messages[:1]], [*checks, *checks]
    random.shuffle(shuffled)
    random.shuffle(again)
    assert fingerprint("A", "t", checks, messages) == fingerprint("A", "t", again, shuffled)


@given(st.dictionaries(WORD, WORD, min_size=1, max_size=5), st.randoms())
def test_the_order_inside_of_braces_does_not_matter(pairs: dict[str, str], random):
    parts = [f"{key!r}: {value!r}" for key, value in pairs.items()]
    before = "got {" + ", ".join(parts) + "}"
    random.shuffle(parts)
    assert normalise(before) == normalise("got {" + ", ".join(parts) + "}")


@given(st.text(max_size=60))
@example("0/")
def test_a_normalised_message_stays_as_it_is(message: str):
    once = normalise(message)
    assert normalise(once) == once


@given(WORD, WORD)
def test_other_words_are_another_failure(one: str, two: str):
    assert (fingerprint("A", "t", ["c"], [one]) == fingerprint("A", "t", ["c"], [two])) == (one == two)
