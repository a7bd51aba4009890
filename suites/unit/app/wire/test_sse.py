import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipecatapp.wire.sse import EventTooLong, SseReader, comment, data_of, frame, is_comment

LINES = st.lists(st.sampled_from([b"data: a", b"data:b", b": c", b"event: x", b"id"]), min_size=1, max_size=3)


@given(st.lists(LINES, max_size=5), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
def test_events_do_not_depend_on_where_the_network_cuts(events, end, data):
    stream = b"".join(end.join(lines) + end + end for lines in events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader = SseReader()
    found = []
    for begin, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[begin:stop])
    # A carriage return at the very end may be half of a pair, so one more byte decides.
    found += reader.feed(b":\n\n") if end == b"\r" else []
    expected = [b"\n".join(lines) for lines in events]
    assert found[: len(expected)] == expected
    assert reader.feed(b"data: next\n\n")[-1] == b"data: next", "nothing of an unfinished event is left"


def test_an_event_without_an_end_is_kept_until_it_is_too_long():
    reader = SseReader(longest=10)
    assert reader.feed(b"data: 1234") == []
    with pytest.raises(EventTooLong):
        reader.feed(b"5")


def test_data_of_several_lines_is_joined():
    assert data_of(b"data: a\n: no\ndata:b") == b"a\nb"
    assert data_of(b"event: x") is None
    assert data_of(b"error: {}", b"error") == b"{}"


def test_what_is_written_is_read_again():
    assert SseReader().feed(frame(b"{}") + comment("waiting")) == [b"data: {}", b": waiting"]
    assert is_comment(b": waiting")
    assert not is_comment(b"data: x\n: y")
