import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipecatapp.wire import voice_events as events
from pipecatapp.wire.typed_messages import BadMessage
from pipecatapp.wire.voice_events import (
    LONGEST_FRAME,
    VOICE_CLIENT_TYPES,
    VOICE_SERVER_TYPES,
    checked_sound,
    read_voice_client_message,
    read_voice_server_message,
    write_voice_message,
)

DOCS = Path(__file__).parents[4] / "docs" / "voice.md"


@given(st.one_of([st.builds(kind) for kind in VOICE_SERVER_TYPES.values()]))
def test_what_the_agent_writes_is_read_again(message):
    assert read_voice_server_message(write_voice_message(message)) == message


@pytest.mark.parametrize("kind", VOICE_CLIENT_TYPES.values())
def test_what_a_page_writes_is_read_again(kind):
    assert read_voice_client_message(write_voice_message(kind())) == kind()
    with pytest.raises(BadMessage):
        read_voice_server_message(write_voice_message(kind()))


@pytest.mark.parametrize("size", [1, LONGEST_FRAME + 2])
def test_a_frame_of_sound_is_whole_samples_within_the_limit(size):
    with pytest.raises(BadMessage):
        checked_sound(bytes(size))
    assert checked_sound(bytes(LONGEST_FRAME)) == bytes(LONGEST_FRAME)


def test_the_docs_list_every_message_with_its_fields():
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]*)\|", DOCS.read_text(encoding="utf-8"), re.M))
    for name, kind in {**VOICE_SERVER_TYPES, **VOICE_CLIENT_TYPES}.items():
        assert re.findall(r"`([a-z_]+)`", rows[name]) == [field.name for field in fields(kind)], name


def test_every_message_class_has_a_type():
    union = {*events.VoiceServerMessage.__args__, *events.VoiceClientMessage.__args__}
    assert union == {*VOICE_SERVER_TYPES.values(), *VOICE_CLIENT_TYPES.values()}
