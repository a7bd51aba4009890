import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipecatapp.gateway.config import Access
from pipecatapp.gateway.limits import Limits
from pipecatapp.wire.openai import ApiError


def test_the_headers_count_down():
    limits, access = Limits(), Access(requests_per_minute=3)
    assert limits.enter("a", access, 0.0) == {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "2",
        "x-ratelimit-reset-requests": "20.000s",
    }
    assert limits.enter("a", access, 0.0)["x-ratelimit-remaining-requests"] == "1"


def test_beyond_the_rate_it_says_when_to_come_back():
    limits, access = Limits(), Access(requests_per_minute=2)
    for _ in range(2):
        limits.enter("a", access, 0.0)
    with pytest.raises(ApiError) as error:
        limits.enter("a", access, 10.0)
    assert (error.value.status, error.value.code, error.value.type) == (429, "rate_limit_exceeded", "rate_limit_error")
    assert error.value.headers["retry-after"] == "20"
    assert error.value.headers["x-ratelimit-remaining-requests"] == "0"
    limits.enter("a", access, 30.0)


def test_beyond_the_requests_at_one_time_too():
    limits, access = Limits(), Access(concurrent=1)
    limits.enter("a", access, 0.0)
    limits.enter("b", access, 0.0)
    with pytest.raises(ApiError) as error:
        limits.enter("a", access, 0.0)
    assert error.value.code == "concurrency_limit_exceeded"
    limits.leave("a")
    limits.enter("a", access, 0.0)


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 30))
def test_no_minute_has_more_than_twice_the_rate_and_refusals_cost_nothing(pauses, rate):
    limits, access, now, taken = Limits(), Access(requests_per_minute=rate, concurrent=1000), 0.0, []
    for pause in pauses:
        now += pause
        try:
            limits.enter("a", access, now)
        except ApiError as error:
            # Whoever waits for as long as it says is let in.
            waited = now + int(error.headers["retry-after"])
            limits.enter("a", access, waited)
            now = waited
        taken.append(now)
    assert all(sum(1 for other in taken if one <= other < one + 60) <= 2 * rate for one in taken)
