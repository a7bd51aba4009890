import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipecatapp.core.routing import Instance, Routing, conversation_of

THREE = tuple(Instance(f"i{index}", f"http://127.0.0.1:{index}") for index in range(3))


def test_the_idler_of_two_gets_the_request():
    routing, dice = Routing(), random.Random(1)
    for _ in range(300):
        chosen = routing.choose(THREE, dice=dice, now=0.0)
        assert chosen is not None
        routing.start(chosen.id)
    counts = [routing.in_flight(one.id) for one in THREE]
    assert sum(counts) == 300
    # By chance alone the spread would be some 16; with two choices it is a few.
    assert max(counts) - min(counts) <= 6


def test_turns_of_a_conversation_stay_together_until_that_instance_is_behind():
    routing, dice = Routing(), random.Random(1)
    first = routing.choose(THREE, dice=dice, now=0.0, conversation=b"c")
    assert first is not None
    assert {routing.choose(THREE, dice=dice, now=0.0, conversation=b"c") for _ in range(50)} == {first}
    for _ in range(4):
        routing.start(first.id)
    assert routing.choose(THREE, dice=dice, now=0.0, conversation=b"c") == first
    routing.start(first.id)
    other = routing.choose(THREE, dice=dice, now=0.0, conversation=b"c")
    assert other not in (None, first)
    for _ in range(5):
        routing.end(first.id)
    # It moved: its prompt is cached there now.
    assert routing.choose(THREE, dice=dice, now=0.0, conversation=b"c") == other


def test_an_instance_whose_connection_failed_is_left_out_for_longer_each_time():
    routing, dice = Routing(), random.Random(1)
    assert [routing.fail("i0", now=0.0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    found = {routing.choose(THREE, dice=dice, now=29.0) for _ in range(100)}
    assert THREE[0] not in found
    assert THREE[0] in {routing.choose(THREE, dice=dice, now=30.0) for _ in range(100)}
    routing.succeed("i0")
    assert routing.fail("i0", now=40.0) == 1


def test_where_all_are_ejected_they_are_asked_all_the_same():
    routing = Routing()
    for one in THREE:
        routing.fail(one.id, now=0.0)
    assert routing.choose(THREE, dice=random.Random(1), now=0.1) in THREE


def test_without_any_left_there_is_none():
    routing = Routing()
    assert routing.choose((), dice=random.Random(1), now=0.0) is None
    assert routing.choose(THREE, dice=random.Random(1), now=0.0, without={"i0", "i1", "i2"}) is None


def test_a_key_does_not_show():
    assert "secret" not in repr(Instance("a", "http://h:1", api_key="secret"))


CONVERSATION = [{"role": "system", "content": "s"}, {"role": "user", "content": "u1"}]


def test_later_turns_of_a_conversation_have_its_hash():
    first = conversation_of("k", {"messages": CONVERSATION})
    later = [*CONVERSATION, {"role": "assistant", "content": "a"}, {"role": "user", "content": "u2"}]
    assert conversation_of("k", {"messages": later}) == first
    assert conversation_of("other", {"messages": CONVERSATION}) != first
    assert conversation_of("k", {"messages": [CONVERSATION[0], {"role": "user", "content": "x"}]}) != first


@pytest.mark.parametrize("request_", [None, {}, {"messages": []}, {"input": "x"}])
def test_what_has_no_beginning_has_no_hash(request_):
    assert conversation_of("k", request_) == b""


def test_a_prompt_is_a_beginning():
    assert conversation_of("k", {"prompt": "a"}) != conversation_of("k", {"prompt": "b"}) != b""


class Traffic(RuleBasedStateMachine):
    """Requests come and go; the books stay right."""

    def __init__(self):
        super().__init__()
        self.routing = Routing()
        self.dice = random.Random(7)
        self.now = 0.0
        self.running = []
        self.ejected = {}

    @rule(conversation=st.sampled_from([b"", b"a", b"b"]), without=st.sets(st.sampled_from(["i0", "i1", "i2"])))
    def ask(self, conversation, without):
        chosen = self.routing.choose(THREE, dice=self.dice, now=self.now, conversation=conversation, without=without)
        assert (chosen is None) == (len(without) == 3)
        if chosen is None:
            return
        assert chosen.id not in without
        fit = [one.id for one in THREE if one.id not in without and self.ejected.get(one.id, 0) <= self.now]
        assert not fit or chosen.id in fit
        self.routing.start(chosen.id)
        self.running.append(chosen.id)

    @rule(fails=st.booleans())
    def finish(self, fails):
        if not self.running:
            return
        id = self.running.pop()
        self.routing.end(id)
        if fails:
            self.ejected[id] = self.now + self.routing.fail(id, self.now)
        else:
            self.routing.succeed(id)
            self.ejected.pop(id, None)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds):
        self.now += seconds

    @rule(kept=st.sets(st.sampled_from(["i0", "i1", "i2"])))
    def forget(self, kept):
        self.routing.forget_all_but(kept)
        for id in ("i0", "i1", "i2"):
            if id not in kept and id not in self.running:
                self.ejected.pop(id, None)

    @invariant()
    def counts_are_right(self):
        running = Counter(self.running)
        assert [self.routing.in_flight(one.id) for one in THREE] == [running[one.id] for one in THREE]


TestTraffic = Traffic.TestCase


@given(st.lists(st.binary(min_size=1, max_size=4), max_size=30))
def test_any_conversations_are_answered(conversations):
    routing, dice = Routing(), random.Random(3)
    assert all(routing.choose(THREE, dice=dice, now=0.0, conversation=one) for one in conversations)
