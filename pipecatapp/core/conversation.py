"""What was said in a session, and what of it a model is shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from evolve.core.model.json_value import JsonValue
from pipecatapp.core.ports import Message, Question

SHOWN_CHARS: Final = 4000
"""Of the past that a model is shown: some 1,000 tokens, which fit with a request into the slot of a small model."""
_KEPT: Final = 200
"""Messages that a session keeps in memory; the file has the rest."""


class NoWords(ValueError):
    """A request without words of a person."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages of one session, the oldest first."""

    messages: tuple[Message, ...] = ()

    def with_messages(self, messages: Iterable[Message]) -> "Conversation":
        """Return the conversation with more messages at its end."""
        return replace(self, messages=(*self.messages, *messages)[-_KEPT:])

    def question(self, request: str) -> Question:
        """Return a request with as much of the past as a model is shown."""
        return Question(request, newest(_answered(self.messages), SHOWN_CHARS))


def _answered(messages: Sequence[Message]) -> list[Message]:
    """Leave out requests that were stopped before an answer came: chat templates refuse two requests in a row."""
    after = (*messages[1:], Message("user", ""))
    return [one for one, other in zip(messages, after, strict=False) if (one.role, other.role) != ("user", "user")]


def newest(messages: Sequence[Message], chars: int) -> tuple[Message, ...]:
    """Return the newest messages that fit into a number of characters and begin with words of a person.

    Instructions (role `system`) stay, whatever their size.
    """
    kept: list[Message] = []
    left = chars
    for message in reversed(messages):
        if message.role == "system":
            kept.append(message)
            continue
        left -= len(message.text)
        if left >= 0:
            kept.append(message)
        else:
            left = -1
    return _from_a_person(kept[::-1])


def _from_a_person(messages: Iterable[Message]) -> tuple[Message, ...]:
    """An answer whose request was cut off would be read as the answer to nothing."""
    found: list[Message] = []
    has_begun = False
    for message in messages:
        has_begun = has_begun or message.role == "user"
        if has_begun or message.role == "system":
            found.append(message)
    return tuple(found)


def question_of(request: Mapping[str, JsonValue]) -> Question:
    """Return the question of a chat request in OpenAI's form: its last message of a person, and those before.

    Raises:
        NoWords: there is no such message, or it has no text.
    """
    given = request.get("messages")
    messages = [found for one in (given if isinstance(given, list) else []) if (found := _message(one)) is not None]
    last = next((at for at in reversed(range(len(messages))) if messages[at].role == "user"), None)
    if last is None or not messages[last].text.strip():
        raise NoWords("the request has no text of a user")
    return Question(messages[last].text, newest(messages[:last], SHOWN_CHARS))


def _message(value: JsonValue) -> Message | None:
    if not isinstance(value, dict):
        return None
    role = "system" if value.get("role") == "developer" else value.get("role")
    text = _text(value.get("content"))
    # What another agent's tools gave is between that agent and its model.
    return Message(str(role), text) if role in ("system", "user", "assistant") and text else None


def _text(content: JsonValue) -> str:
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return "\n".join(part for part in parts if isinstance(part, str))
