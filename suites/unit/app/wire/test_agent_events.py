import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipecatapp.core.ports import Risk
from pipecatapp.wire import agent_events as events
from pipecatapp.wire.agent_events import (
    CLIENT_TYPES,
    LONGEST_MESSAGE,
    LONGEST_TEXT,
    SERVER_TYPES,
    ApprovalAsked,
    BadMessage,
    Entry,
    Hello,
    Say,
    ToolCard,
    read_client_message,
    read_server_message,
    write_message,
)

DOCS = Path(__file__).parents[4] / "docs" / "agent-app.md"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda inner: st.lists(inner, max_size=2)
)
NUMBERS = st.floats(0, 1e10, allow_nan=False)


def values(hint):
    if get_origin(hint) is tuple:
        return st.lists(values(get_args(hint)[0]), max_size=2).map(tuple)
    if get_origin(hint) is Mapping:
        return st.dictionaries(st.text(), JSON, max_size=2)
    if is_dataclass(hint):
        return st.builds(hint, **{field.name: values(field.type) for field in fields(hint)})
    if hint is float:
        return NUMBERS
    return st.none() | NUMBERS if hint == float | None else st.from_type(hint)


def messages(types):
    return st.one_of([values(kind) for kind in types.values()])


@given(messages(SERVER_TYPES))
def test_what_the_agent_writes_is_read_again(message):
    text = write_message(message)
    assert text.isascii()
    assert read_server_message(text) == message
    with pytest.raises(BadMessage):
        read_client_message(text)


@given(messages(CLIENT_TYPES).filter(lambda message: not isinstance(message, Say) or message.text.strip()))
def test_what_a_page_writes_is_read_again(message):
    assert read_client_message(write_message(message)) == message
    assert read_client_message(write_message(message).encode()) == message


@given(st.text() | st.binary() | JSON.map(json.dumps) | st.dictionaries(st.text(), JSON).map(json.dumps))
def test_what_is_no_message_is_refused_in_one_line(data):
    with pytest.raises(BadMessage) as found:
        read_client_message(data)
    assert len(str(found.value).splitlines()) == 1
    assert len(str(found.value)) < 400


def test_every_field_is_always_there():
    hello = Hello(
        "s",
        "TWIN_AGENT@2",
        "m",
        None,
        "",
        False,
        "off",
        (ToolCard("ha", "", Risk.WRITE),),
        (Entry("t", "user", "", 0.0),),
    )
    assert json.loads(write_message(hello)) == {
        "v": 1,
        "type": "hello",
        "session": "s",
        "agent": "TWIN_AGENT@2",
        "model": "m",
        "accuracy": None,
        "advice": "",
        "has_voice": False,
        "voice_problem": "off",
        "tools": [{"name": "ha", "description": "", "risk": "write"}],
        "history": [{"turn": "t", "role": "user", "text": "", "at": 0.0}],
    }


def test_a_call_is_shown_exactly():
    asked = ApprovalAsked("t", "a", "ssh", {"host": "node-1", "command": "reboot"}, Risk.DANGER, 60.0)
    assert json.loads(write_message(asked))["arguments"] == {"host": "node-1", "command": "reboot"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"v": 2, "type": "ping"}', "expected version v=1"),
        ('{"v": true, "type": "ping"}', "expected version v=1"),
        ('{"v": 1, "type": "shout"}', "unknown type; known: say, approve, deny, cancel, ping"),
        ('{"v": 1, "type": ["ping"]}', "unknown type"),
        ('{"v": 1, "type": "say"}', "the field 'text' is missing"),
        ('{"v": 1, "type": "say", "text": 5}', "expected text, got 5"),
        ('{"v": 1, "type": "say", "text": " "}', "the text is empty"),
        ('{"v": 1, "type": "deny", "id": "a", "all": true}', "unknown field 'all'"),
        (
            '{"v": 1, "type": "say", "text": "' + "x" * (LONGEST_TEXT + 1) + '"}',
            f"longer than {LONGEST_TEXT} characters",
        ),
        (b" " * LONGEST_MESSAGE + b"{}", f"longer than {LONGEST_MESSAGE} bytes"),
        ("[" * 60_000, "expected JSON"),
    ],
)
def test_a_wrong_message_is_refused_with_the_reason(data, message):
    with pytest.raises(BadMessage, match=re.escape(message)):
        read_client_message(data)


def test_half_of_a_surrogate_pair_becomes_a_character():
    assert read_client_message('{"v": 1, "type": "say", "text": "a\\ud83db"}') == Say("a\ufffdb")
    assert read_client_message('{"v": 1, "type": "say", "text": "\\ud83d\\ude00"}') == Say("\U0001f600")


def test_the_docs_list_every_message_with_its_fields():
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]*)\|", DOCS.read_text(encoding="utf-8"), re.M))
    for name, kind in {**SERVER_TYPES, **CLIENT_TYPES}.items():
        assert re.findall(r"`([a-z_]+)`", rows[name]) == [field.name for field in fields(kind)], name


def test_every_message_class_has_a_type():
    union = {*events.ServerMessage.__args__, *events.ClientMessage.__args__}
    assert union == {*SERVER_TYPES.values(), *CLIENT_TYPES.values()}
