import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipecatapp.wire.sse import DONE, SseReader, data_of, frame
from pipecatapp.wire.streams import StreamCopy, broken_off


def chunk(text, model="smol", **fields):
    return frame(json.dumps({"choices": [{"delta": {"content": text}}], "model": model, **fields}).encode())


def read(data):
    return [json.loads(data_of(event) or b"null") for event in SseReader().feed(data) if data_of(event) != b"[DONE]"]


@given(st.lists(st.text(max_size=12), max_size=6), st.integers(1, 40))
def test_every_chunk_comes_through_with_our_model_wherever_it_was_cut(texts, size):
    stream = b"".join(chunk(text) for text in texts) + DONE
    copy = StreamCopy("expert-main")
    out = b"".join(copy.feed(stream[begin : begin + size]) for begin in range(0, len(stream), size))
    assert out.endswith(DONE)
    assert copy.is_done
    assert copy.error is None
    assert [(one["choices"][0]["delta"]["content"], one["model"]) for one in read(out)] == [
        (text, "expert-main") for text in texts
    ]


def test_a_text_that_looks_like_the_model_is_left_alone():
    copy = StreamCopy("expert-main")
    out = copy.feed(chunk("a") + chunk('"model": "smol"') + chunk('x"model":"smol"'))
    assert [one["choices"][0]["delta"]["content"] for one in read(out)] == ["a", '"model": "smol"', 'x"model":"smol"']


@pytest.mark.parametrize("key", ['"model":', '"model": ', '"model" :\t', '"mod\\u0065l":'])
def test_only_the_name_changes_and_no_other_byte(key):
    event = f'data: {{{key}"smol", "choices":[ ],"x":1.50}}\n\n'.encode()
    copy = StreamCopy("m")
    assert copy.feed(event) + copy.feed(event) == event.replace(b"smol", b"m") * 2


@pytest.mark.parametrize("blank", ["", " "])
def test_the_model_is_looked_for_in_the_first_chunk_only(blank, monkeypatch):
    event = f'data: {{"model":{blank}"smol","choices":[]}}\n\n'.encode()
    copy = StreamCopy("m")
    copy.feed(event)
    monkeypatch.setattr("pipecatapp.wire.streams.spans_of", lambda _: pytest.fail("each chunk is read as JSON"))
    assert copy.feed(event) == event.replace(b"smol", b"m")


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"error":{"code":500,"message":"out of memory","type":"server_error"}}\n\n',
        b'error: {"code":500,"message":"out of memory","type":"server_error"}\n\n',
    ],
)
def test_an_error_inside_of_a_stream_gets_openais_shape_and_ends_it(event):
    copy = StreamCopy("m")
    out = copy.feed(chunk("a") + event + chunk("late"))
    assert out.endswith(DONE)
    assert copy.error is not None
    assert read(out)[-1]["error"] == {
        "message": "out of memory", "type": "server_error", "param": None, "code": "expert_error",
    }  # fmt: skip
    assert copy.feed(chunk("later")) == b""


def test_a_stream_that_breaks_off_ends_with_an_error_and_only_once():
    copy = StreamCopy("m")
    copy.feed(chunk("a") + b'data: {"half')
    out = copy.fail(broken_off())
    assert read(out)[0]["error"]["code"] == "answer_incomplete"
    assert out.endswith(DONE)
    assert copy.fail(broken_off()) == b""


def test_comments_pass_once_there_was_an_answer():
    copy = StreamCopy("m")
    assert copy.feed(b":\n\n: loading\n\n") == b""
    assert copy.feed(chunk("a") + b":\n\n").endswith(b"}\n\n:\n\n")


def test_tokens_are_those_that_the_expert_counted_last():
    copy = StreamCopy("m")
    copy.feed(chunk("a", timings={"prompt_n": 3, "cache_n": 30, "predicted_n": 2}))
    assert (copy.tokens.prompt, copy.tokens.completion) == (33, 2)
    copy.feed(chunk("", usage={"prompt_tokens": 33, "completion_tokens": 4}))
    assert (copy.tokens.prompt, copy.tokens.completion) == (33, 4)


def test_an_endless_event_ends_the_stream():
    copy = StreamCopy("m")
    out = copy.feed(b"data: " + b"x" * (9 * 2**20))
    assert copy.error is not None
    assert out.endswith(DONE)
