from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.healing.planning import plan_action
from evolve.core.model.actions import Action
from evolve.core.model.healing import HEALING_META, HealingLimits, Refused, RegisterJob
from fixtures.healing_contexts import FAILED, RULE, context, job, recorded_context, version

MEMORY = "TaskGroups.0.Tasks.0.Resources"
TRIED = Action.INCREASE_MEMORY


def limit_of(given):
    """Return the planned limit; the reason where it is refused."""
    planned = plan_action(given)
    if isinstance(planned, Refused):
        return planned.reason
    assert isinstance(planned, RegisterJob)
    return planned.spec["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"]


def used(memory_mb):
    return replace(FAILED, usage={"memory_mb": memory_mb})


UNKNOWN = "not known: the memory limit of the task that failed"


def keyed(**changes):
    return replace(FAILED, key=replace(FAILED.key, **changes))


def at_most(memory_mb, needs=257):
    return f"ceiling: the task needs {needs} MiB or more, and at most {memory_mb} MiB are allowed"


def healed(number, memory_mb):
    """Return the version that an attempt made."""
    return version(number, stable=False, **{"Meta": {HEALING_META: "h0"}, f"{MEMORY}.MemoryMB": memory_mb})


# The first attempt set 512 MiB and was taken back.
AGAIN = {"tried": (TRIED,), "versions": (version(5), healed(4, 512), version(3))}


TWO_GIB = replace(RULE, max_memory_mb=2048)
CASES = [
    # the agent's value, what differs, the planned limit
    (None, {}, 512),
    (400, {}, 400),
    (512, {}, 512),
    (513, {}, 512),  # above twice the limit, the ceiling without one in the rule
    (256, {}, 512),  # no more than now
    (10, {}, 512),
    (4194304, {}, 512),
    (None, {"rule": TWO_GIB}, 512),
    (1500, {"rule": TWO_GIB}, 1500),
    (4096, {"rule": TWO_GIB}, 512),
    (None, {"rule": TWO_GIB, "failed": used(900)}, 900),
    (600, {"rule": TWO_GIB, "failed": used(900)}, 900),
    (None, {"rule": TWO_GIB, **AGAIN}, 1024),
    (1000, {"rule": TWO_GIB, **AGAIN}, 1000),
    (512, {"rule": TWO_GIB, **AGAIN}, 1024),
    (None, {"rule": TWO_GIB, **AGAIN, "tried": (Action.RESTART,)}, 512),
    (None, {"rule": replace(RULE, max_memory_mb=700), **AGAIN}, 700),
    (None, AGAIN, at_most(512, 513)),
    (None, {"rule": replace(RULE, max_memory_mb=300)}, 300),
    (None, {"rule": replace(RULE, max_memory_mb=256)}, at_most(256)),
    (512, {"rule": replace(RULE, max_memory_mb=64)}, at_most(64)),
    (None, {"rule": replace(RULE, max_memory_mb=300), "failed": used(400)}, at_most(300, 400)),
    (None, {"node_memory_mb": 1000, "node_reserved_mb": 500}, 400),
    (None, {"node_memory_mb": 1000, "node_reserved_mb": 900}, at_most(0)),
    (None, {"node_memory_mb": 1000, "node_reserved_mb": 500, "limits": HealingLimits(node_memory_share=1.0)}, 500),
    (None, {"job": job(**{f"{MEMORY}.MemoryMB": 0})}, UNKNOWN),
    (None, {"failed": keyed(task="")}, UNKNOWN),
    (None, {"failed": keyed(task="other")}, UNKNOWN),
    (None, {"failed": keyed(group="other")}, UNKNOWN),
]


@pytest.mark.parametrize(("memory_mb", "changes", "expected"), CASES)
def test_the_limit_is_absolute_and_below_all_ceilings(memory_mb, changes, expected):
    arguments = None if memory_mb is None else {"memory_mb": memory_mb}
    assert limit_of(context("increase_memory", arguments, **changes)) == expected


@pytest.mark.parametrize("name", ["oomd", "oome", "oomr"])
def test_recorded_tasks_out_of_memory_get_twice_their_limit(name):
    given = recorded_context("14", name, "increase_memory")
    before = given.job["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"]
    assert limit_of(given) == 2 * before


def test_the_only_task_of_a_group_needs_no_name():
    one = job(**{"TaskGroups.0.Tasks": job()["TaskGroups"][0]["Tasks"][:1]})
    assert limit_of(context("increase_memory", job=one, failed=keyed(task=""))) == 512


def test_the_maximum_is_raised_with_the_limit():
    given = context("increase_memory", job=job(**{f"{MEMORY}.MemoryMaxMB": 300}))
    planned = plan_action(given)
    assert isinstance(planned, RegisterJob)
    resources = planned.spec["TaskGroups"][0]["Tasks"][0]["Resources"]
    assert (resources["MemoryMB"], resources["MemoryMaxMB"]) == (600, 600), "300 MiB were not enough"
    assert planned.touched[1:] == (
        "TaskGroups[app].Tasks[main].Resources.MemoryMB",
        "TaskGroups[app].Tasks[main].Resources.MemoryMaxMB",
    )


def test_the_ceiling_without_one_in_the_rule_is_twice_what_a_person_set():
    healed = {"Meta": {HEALING_META: "h0"}}
    now = job(**healed, **{f"{MEMORY}.MemoryMB": 512})
    kept = (
        version(5, **healed, **{f"{MEMORY}.MemoryMB": 512}),
        version(4, **healed, **{f"{MEMORY}.MemoryMB": 400}),
        version(3),
    )
    assert limit_of(context("increase_memory", job=now, versions=kept)).startswith("ceiling: ")
    assert limit_of(context("increase_memory", job=now, versions=kept[:2])) == 800, "the oldest that Nomad keeps"
    by_hand = job(**{f"{MEMORY}.MemoryMB": 512})
    kept_by_hand = (version(5, **{f"{MEMORY}.MemoryMB": 512}), *kept[1:])
    assert limit_of(context("increase_memory", job=by_hand, versions=kept_by_hand)) == 1024


@given(
    st.integers(10, 4194304),
    st.integers(10, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.lists(st.integers(10, 10**6), max_size=3),
)
def test_p7_no_ceiling_is_ever_passed_and_no_limit_set_twice(asked, present, ceiling, node, reserved, tried):
    given = context(
        "increase_memory",
        {"memory_mb": asked},
        job=job(**{f"{MEMORY}.MemoryMB": present}),
        rule=replace(RULE, max_memory_mb=ceiling),
        node_memory_mb=node,
        node_reserved_mb=reserved,
        tried=(TRIED,) * len(tried),
        versions=tuple(healed(number, limit) for number, limit in enumerate(tried)),
    )
    limit = limit_of(given)
    if isinstance(limit, int):
        # The oldest version that Nomad keeps is taken as what a person set.
        assert max([present, *tried]) < limit <= (ceiling or 2 * (tried or [present])[0])
        assert not node or limit + reserved <= 0.9 * node
