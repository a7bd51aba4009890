"""When a failed call is tried again, and how long it waits; no clock is needed for it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.model.errors import EnvironmentFault, HttpFault, InputError
from evolve.providers.context import ProviderSettings
from evolve.system.retry import RetryPolicy, Transient, retry_after_s


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 0.0
    pauses: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def settings(self, dice: Callable[[], float] = lambda: 1.0, **more: float) -> ProviderSettings:
        return ProviderSettings(clock=lambda: self.now, sleep=self.sleep, random=dice, **more)  # type: ignore[arg-type]


def failing(times: int, failure: Transient) -> Callable[[], object]:
    left = [failure] * times

    async def attempt() -> str:
        if left:
            raise left.pop()
        return "done"

    return attempt


def outcome(policy: RetryPolicy, times: int, failure: Transient) -> object:
    return asyncio.run(policy.run("GET http://x/", failing(times, failure)))  # type: ignore[arg-type]


def test_pauses_double_up_to_a_limit() -> None:
    time = Time()
    policy = time.settings(max_retries=6, max_pause_s=4.0).retry_policy()
    assert outcome(policy, 6, Transient("no")) == "done"
    assert time.pauses == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_wish_of_the_endpoint_is_granted() -> None:
    time = Time()
    assert outcome(time.settings(dice=lambda: 0.0).retry_policy(), 1, Transient("no", retry_after_s=7)) == "done"
    assert time.pauses == [7.0]


def test_the_fault_tells_reason_tries_seconds_and_hint() -> None:
    time = Time()
    failure = Transient("no", status=503, hint="do this")
    with pytest.raises(HttpFault, match=r"^GET http://x/: no; 3 tries in 1\.5 s \(do this\)$") as caught:
        outcome(time.settings(max_retries=2).retry_policy(), 9, failure)
    assert (caught.value.call, caught.value.status) == ("GET http://x/", 503)


@given(
    deadline=st.floats(0.1, 100),
    retries=st.integers(0, 8),
    dice=st.floats(0, 1),
    asked=st.none() | st.floats(0, 50),
)
def test_no_pause_reaches_beyond_the_deadline(deadline: float, retries: int, dice: float, asked: float | None) -> None:
    time = Time()
    policy = time.settings(dice=lambda: dice).retry_policy(deadline_s=deadline, max_retries=retries)
    with pytest.raises(EnvironmentFault):
        outcome(policy, 100, Transient("no", retry_after_s=asked))
    assert time.now < deadline
    assert len(time.pauses) <= retries
    assert asked is None or all(pause >= asked for pause in time.pauses)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "Retry-After": "9"}, 0.25),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:01 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "inf"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, now=10.0) == seconds


@given(st.text(max_size=40))
def test_any_retry_after_is_survived(text: str) -> None:
    assert (retry_after_s({"Retry-After": text}, 0.0) or 0.0) >= 0.0


def test_settings_come_from_the_environment() -> None:
    settings = ProviderSettings.from_environment(
        {"EVOLVE_DEADLINE_S": "9", "EVOLVE_RETRIES": "0", "EVOLVE_CACHE_DIR": "/c"}
    )
    assert (settings.deadline_s, settings.max_retries, str(settings.cache_dir)) == (9.0, 0, "/c")
    with pytest.raises(InputError, match=r"(?s)EVOLVE_DEADLINE_S='soon': expected a number.*EVOLVE_RETRIES='-1'"):
        ProviderSettings.from_environment({"EVOLVE_DEADLINE_S": "soon", "EVOLVE_RETRIES": "-1"})
