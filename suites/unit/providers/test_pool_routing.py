"""Which expert of a pool answers: one for each prefix, others only where it is busy."""

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from evolve.core.model.answers import Request
from evolve.providers.pool_routing import choose, prefix_of, rendezvous

EXPERTS = [f"http://expert{n}/v1" for n in range(4)]
IDLE = dict.fromkeys(EXPERTS, 0)


def test_an_idle_pool_gives_equal_keys_to_one_expert_and_spreads_different_ones() -> None:
    homes = Counter(choose(f"candidate {n}", IDLE, 1) for n in range(400))
    assert len(homes) == 4
    assert min(homes.values()) > 60
    assert all(choose("candidate 7", dict(reversed(IDLE.items())), 1) == choose("candidate 7", IDLE, 1) for _ in "ab")


@given(st.text(max_size=20), st.sampled_from(EXPERTS))
def test_only_the_keys_of_an_expert_that_left_move_and_each_to_its_second(key: str, left: str) -> None:
    before = rendezvous(key, EXPERTS)
    after = rendezvous(key, [url for url in EXPERTS if url != left])
    assert after == [url for url in before if url != left]


def test_a_busy_home_spills_to_the_least_loaded_of_equals_to_the_keys_next() -> None:
    home, second, third, _ = rendezvous("some prompt", EXPERTS)
    assert choose("some prompt", {**IDLE, home: 1}, 1) == second
    assert choose("some prompt", {**IDLE, home: 1, second: 1}, 1) == third
    assert choose("some prompt", {**dict.fromkeys(EXPERTS, 2), third: 1}, 1) == third


def test_a_home_keeps_its_requests_while_it_has_slots() -> None:
    home = rendezvous("some prompt", EXPERTS)[0]
    assert choose("some prompt", {**IDLE, home: 3}, 4) == home
    assert choose("some prompt", {**IDLE, home: 4}, 4) != home


@given(st.text(max_size=8), st.lists(st.integers(0, 9), min_size=4, max_size=4), st.integers(1, 4))
def test_nobody_waits_behind_a_longer_queue_than_another_has(key: str, loads: list[int], slots: int) -> None:
    given_loads = dict(zip(EXPERTS, loads, strict=True))
    chosen = given_loads[choose(key, given_loads, slots)]
    assert chosen < slots or chosen == min(loads)


def test_the_prefix_is_the_system_message_else_the_template_else_the_beginning() -> None:
    chat = json.dumps([{"role": "system", "content": "You name colours."}, {"role": "user", "content": "sky"}])
    assert prefix_of(Request(chat)) == "You name colours."
    assert prefix_of(Request("Colour of sky", raw_prompt="Colour of {{ thing }}")) == "Colour of {{ thing }}"
    assert prefix_of(Request("x" * 999)) == "x" * 256


def test_a_prompt_that_cannot_be_read_has_a_prefix_all_the_same() -> None:
    assert prefix_of(Request('[{"role": "user", ')) == '[{"role": "user", '
