"""The loopback server of the public suites: the same question gets the same answer, in the protocol of its path."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.public_server import answer_text, serve


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serve() as url:
        yield url


def ask(url: str, body: bytes) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


MESSAGES = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/chat/completions", MESSAGES),
        ("/v1/messages", {**MESSAGES, "max_tokens": 9}),
        ("/api/chat", {**MESSAGES, "stream": False}),
        ("/v1/responses", {"model": "m", "input": "hello"}),
        ("/v1beta/models/m:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}),
    ],
)
def test_a_question_is_echoed_in_the_protocol_of_its_path(server: str, path: str, asked: Any) -> None:
    replies = [ask(server + path, json.dumps(asked).encode()) for _ in range(2)]
    assert "hello" in json.dumps(replies[0])
    assert replies[0] == replies[1]


def test_what_is_no_json_gets_an_answer(server: str) -> None:
    assert ask(f"{server}/v1/chat/completions", b"{") == {"echo": "not understood"}


def grading(output: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"Grade: echo: {output}. Reply with reason, pass and score."}]}


def test_graders_get_both_verdicts_by_the_output_alone() -> None:
    verdicts = []
    for number in range(40):
        text = answer_text(grading(f"o{number:05}"))
        assert text == answer_text({**grading(f"o{number:05}"), "temperature": 0})
        assert text is not None
        verdicts.append(json.loads(text))
    assert {one["pass"] for one in verdicts} == {True, False}
    assert all((one["score"] == 1.0) is one["pass"] for one in verdicts)


@pytest.mark.parametrize("asked", [MESSAGES, {}, [], None, "pass and reason"])
def test_other_questions_get_no_verdict(asked: Any) -> None:
    assert answer_text(asked) is None
