import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipecatapp.core.conversation import SHOWN_CHARS, Conversation, NoWords, newest, question_of
from pipecatapp.core.ports import Message


def exchange(conversation, request, answer):
    return conversation.with_messages([Message("user", request), Message("assistant", answer)])


def test_a_question_has_what_was_said_before():
    conversation = exchange(exchange(Conversation(), "hi", "hello"), "again", "yes")
    question = conversation.question("now")
    assert question.request == "now"
    assert [one.text for one in question.history] == ["hi", "hello", "again", "yes"]


def test_a_request_that_was_stopped_before_its_answer_is_not_shown_to_the_model():
    stopped = Message("user", "stopped")
    conversation = Conversation().with_messages([stopped])
    assert conversation.question("now").history == ()
    conversation = exchange(conversation, "hi", "hello").with_messages([stopped, stopped])
    assert [one.text for one in conversation.question("now").history] == ["hi", "hello"]


def test_what_does_not_fit_is_left_out_from_the_oldest_on():
    conversation = Conversation()
    for number in range(50):
        conversation = exchange(conversation, f"{number} " + "x" * 200, "y" * 100)
    history = conversation.question("now").history
    assert sum(len(one.text) for one in history) <= SHOWN_CHARS
    assert history[0].role == "user"
    assert history[-2].text.startswith("49 ")


@given(
    st.lists(st.builds(Message, st.sampled_from(["user", "assistant", "system"]), st.text(max_size=20))),
    st.integers(0, 60),
)
def test_the_newest_messages_are_in_order_begin_with_a_person_and_keep_instructions(messages, chars):
    found = newest(messages, chars)
    spoken = [one for one in found if one.role != "system"]
    assert sum(len(one.text) for one in spoken) <= chars
    assert not spoken or spoken[0].role == "user"
    assert [one for one in found if one.role == "system"] == [one for one in messages if one.role == "system"]
    rest = iter(messages)
    assert all(any(one is other for other in rest) for one in found), "a subsequence"


def test_a_session_forgets_its_oldest_messages():
    conversation = Conversation()
    for number in range(300):
        conversation = exchange(conversation, str(number), "")
    assert len(conversation.messages) == 200
    assert conversation.messages[-2].text == "299"


def test_a_chat_request_becomes_a_question_with_all_its_messages():
    request = {
        "messages": [
            {"role": "developer", "content": "be kind"},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "tool", "content": "of another agent"},
            {"role": "user", "content": [{"type": "text", "text": "three"}, {"type": "image_url", "image_url": {}}]},
        ]
    }
    question = question_of(request)
    assert question.request == "three"
    assert question.history == (Message("system", "be kind"), Message("user", "one"), Message("assistant", "two"))


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        ["x"],
        [{"role": "assistant", "content": "x"}],
        [{"role": "user", "content": "  "}],
        [{"role": "user", "content": 5}],
    ],
)
def test_a_request_without_words_is_refused(messages):
    with pytest.raises(NoWords):
        question_of({"messages": messages})
