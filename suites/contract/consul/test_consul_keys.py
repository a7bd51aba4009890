"""Keys, check-and-set, sessions and locks on a real Consul."""

import asyncio

import pytest

from evolve.cluster.blocking import Rate
from evolve.cluster.faults import NotFound, Rejected

FAST = Rate(every_s=0.01, burst=100)


def test_a_missing_key_is_none_and_lists_nothing(run, prefix):
    async def scenario(consul):
        return await consul.keys.read(prefix), await consul.keys.read_all(prefix), await consul.keys.list(prefix)

    assert run(scenario) == (None, (), ())


@pytest.mark.parametrize("value", [b"", b"one", bytes(range(256)), "ünïcode".encode()])
def test_a_value_comes_back_as_it_was_written(run, prefix, value):
    async def scenario(consul):
        assert await consul.keys.write(f"{prefix}/a", value)
        return await consul.keys.read(f"{prefix}/a")

    assert run(scenario).value == value


def test_a_key_may_hold_spaces_and_other_characters(run, prefix):
    async def scenario(consul):
        key = f"{prefix}/a b?c#d%e&f=ü"
        await consul.keys.write(key, b"x")
        return await consul.keys.list(prefix), key

    found, key = run(scenario)
    assert found == (key,)


def test_check_and_set_writes_only_what_is_as_it_was_read(run, prefix):
    async def scenario(consul):
        key = f"{prefix}/cas"
        assert await consul.keys.write(key, b"1", if_index=0)
        assert not await consul.keys.write(key, b"2", if_index=0)
        first = await consul.keys.read(key)
        assert not await consul.keys.write(key, b"2", if_index=first.modify_index - 1)
        assert await consul.keys.write(key, b"2", if_index=first.modify_index)
        assert not await consul.keys.delete(key, if_index=first.modify_index)
        return await consul.keys.read(key)

    assert run(scenario).value == b"2"


def test_of_many_writers_with_one_index_one_wins(run, prefix):
    async def scenario(consul):
        return await asyncio.gather(*(consul.keys.write(f"{prefix}/race", b"%d" % n, if_index=0) for n in range(20)))

    assert sum(run(scenario)) == 1


def test_the_same_value_again_does_not_move_the_index(run, prefix):
    async def scenario(consul):
        await consul.keys.write(prefix, b"1")
        before = await consul.keys.read(prefix)
        await consul.keys.write(prefix, b"1")
        return before, await consul.keys.read(prefix)

    before, after = run(scenario)
    assert before == after


def test_deleting_a_missing_key_is_no_fault_and_below_deletes_all(run, prefix):
    async def scenario(consul):
        assert await consul.keys.delete(f"{prefix}/none")
        await consul.keys.write(f"{prefix}/a", b"")
        await consul.keys.write(f"{prefix}/b", b"")
        assert await consul.keys.delete(prefix, below=True)
        return await consul.keys.list(prefix)

    assert run(scenario) == ()


def test_a_value_over_512_kib_is_rejected(run, prefix):
    async def scenario(consul):
        await consul.keys.write(prefix, b"x" * 600_000)

    with pytest.raises(Rejected, match="too large") as raised:
        run(scenario)
    assert raised.value.status == 413


def test_a_watch_wakes_for_its_key_alone_and_for_its_creation(run, prefix):
    async def scenario(consul):
        watch = consul.keys.watch(f"{prefix}/a", wait_s=20, rate=FAST)
        seen = [await watch.next()]
        waiting = asyncio.ensure_future(watch.next())
        await consul.keys.write(f"{prefix}/neighbour", b"1")
        await consul.keys.write(f"{prefix}/a", b"1")
        seen.append(await waiting)
        waiting = asyncio.ensure_future(watch.next())
        await consul.keys.delete(f"{prefix}/a")
        seen.append(await waiting)
        return seen

    missing, made, gone = run(scenario)
    assert missing is None
    assert [one.value for one in made] == [b"1"]
    assert gone is None


def test_a_lock_has_one_holder_until_it_is_released(run, prefix):
    async def scenario(consul):
        first = await consul.sessions.create("first", ttl_s=10, lock_delay_s=0)
        second = await consul.sessions.create("second", ttl_s=10, lock_delay_s=0)
        assert await consul.keys.acquire(prefix, first, b"first")
        assert await consul.keys.acquire(prefix, first, b"first")
        assert not await consul.keys.acquire(prefix, second)
        assert (await consul.keys.read(prefix)).session == first
        assert not await consul.keys.release(prefix, second)
        assert await consul.keys.release(prefix, first)
        assert await consul.keys.acquire(prefix, second, b"second")
        held = await consul.keys.read(prefix)
        await consul.sessions.destroy(first)
        await consul.sessions.destroy(second)
        return held, second

    held, second = run(scenario)
    assert (held.session, held.value, held.lock_index) == (second, b"second", 2)


def test_of_many_who_want_a_lock_one_gets_it(run, prefix):
    async def scenario(consul):
        made = [await consul.sessions.create(f"s{n}", ttl_s=10, lock_delay_s=0) for n in range(8)]
        got = await asyncio.gather(*(consul.keys.acquire(prefix, session) for session in made))
        for session in made:
            await consul.sessions.destroy(session)
        return got

    assert sum(run(scenario)) == 1


def test_a_plain_write_goes_through_a_lock(run, prefix):
    async def scenario(consul):
        session = await consul.sessions.create("holder", ttl_s=10, lock_delay_s=0)
        await consul.keys.acquire(prefix, session, b"mine")
        assert await consul.keys.write(prefix, b"yours")
        found = await consul.keys.read(prefix)
        await consul.sessions.destroy(session)
        return found

    assert run(scenario).value == b"yours"


def test_the_end_of_a_session_frees_its_lock_or_deletes_its_key(run, prefix):
    async def scenario(consul):
        keeps = await consul.sessions.create("keeps", ttl_s=10, lock_delay_s=0)
        deletes = await consul.sessions.create("deletes", ttl_s=10, lock_delay_s=0, deletes_keys=True)
        await consul.keys.acquire(f"{prefix}/kept", keeps)
        await consul.keys.acquire(f"{prefix}/deleted", deletes)
        await consul.sessions.destroy(keeps)
        await consul.sessions.destroy(deletes)
        return await consul.keys.read(f"{prefix}/kept"), await consul.keys.read(f"{prefix}/deleted")

    kept, deleted = run(scenario)
    assert kept.session == ""
    assert deleted is None


def test_within_the_lock_delay_nobody_gets_the_lock_of_a_lost_holder(run, prefix):
    async def scenario(consul):
        lost = await consul.sessions.create("lost", ttl_s=10, lock_delay_s=2)
        heir = await consul.sessions.create("heir", ttl_s=10, lock_delay_s=0)
        await consul.keys.acquire(prefix, lost)
        await consul.sessions.destroy(lost)
        refused = await consul.keys.acquire(prefix, heir)
        while not await consul.keys.acquire(prefix, heir):
            await asyncio.sleep(0.1)
        await consul.sessions.destroy(heir)
        return refused

    assert run(scenario) is False


def test_a_session_is_renewed_read_listed_and_gone(run):
    async def scenario(consul):
        session = await consul.sessions.create("s", ttl_s=10)
        renewed = await consul.sessions.renew(session)
        assert await consul.sessions.read(session) == renewed
        assert session in {one.id for one in await consul.sessions.list()}
        await consul.sessions.destroy(session)
        assert await consul.sessions.read(session) is None
        with pytest.raises(NotFound):
            await consul.sessions.renew(session)
        return renewed

    renewed = run(scenario)
    assert (renewed.name, renewed.ttl, renewed.behavior) == ("s", "10s", "release")


@pytest.mark.parametrize("ttl_s", [1, 90_000])
def test_a_time_to_live_out_of_range_is_rejected(run, ttl_s):
    async def scenario(consul):
        await consul.sessions.create("s", ttl_s=ttl_s)

    with pytest.raises(Rejected, match="Invalid Session TTL"):
        run(scenario)


def test_a_session_that_never_was_gets_no_lock(run, prefix):
    async def scenario(consul):
        await consul.keys.acquire(prefix, "11111111-2222-3333-4444-555555555555")

    with pytest.raises(Rejected, match="invalid session"):
        run(scenario)
