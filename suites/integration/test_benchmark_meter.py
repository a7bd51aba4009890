import asyncio
import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.evolve_meter import BudgetSpent, Channel, Meter
from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue


class Parrot:
    """Says the last message again, in a chat reply."""

    id = "parrot"

    def identity(self, _: Request) -> JsonValue:
        return None

    async def answer(self, request: Request) -> Answer:
        await asyncio.sleep(0)
        said = json.loads(request.prompt)[-1]["content"]
        if said == "too long":
            raise CannotEvaluate("the prompt is too long for the model")
        reply: JsonValue = {"choices": [{"message": {"role": "assistant", "content": said}}]}
        return Answer(said, raw=reply, tokens=TokenUsage(12, 10, 2, 4, 1))

    async def close(self) -> None: ...


def message(text: str) -> list[dict[str, JsonValue]]:
    return [{"role": "user", "content": text}]


def post(url: str, text: str) -> tuple[int, dict[str, JsonValue]]:
    data = json.dumps({"model": "any", "messages": message(text)}).encode()
    request = urllib.request.Request(f"{url}/chat/completions", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_answer_over_the_budget_is_refused() -> None:
    with Meter(Parrot()) as meter:
        channel = meter.channel("search", 2)
        assert [meter.ask(channel, message(text), {}) for text in ("a", "b")] == ["a", "b"]
        with pytest.raises(BudgetSpent, match=r"the budget is spent \(2 answers"):
            meter.ask(channel, message("c"), {})
    assert (channel.answers, channel.refused, channel.is_spent) == (2, 1, True)
    assert (channel.tokens.total, channel.tokens.cached) == (24, 8)
    assert channel.ended is not None


def test_the_answer_that_reaches_the_limit_of_tokens_is_the_last() -> None:
    with Meter(Parrot()) as meter:
        channel = meter.channel("search", token_limit=30)
        for text in "abc":
            meter.ask(channel, message(text), {})
        assert (channel.tokens.total, channel.is_spent) == (36, True)
        with pytest.raises(BudgetSpent, match="36 tokens"):
            meter.ask(channel, message("d"), {})


def test_outputs_are_judged_for_other_processes() -> None:
    async def judge(case: str, output: JsonValue) -> JsonValue:
        return {"pass": (case, output) == ("one", "right")}

    def judged(body: object) -> object:
        request = urllib.request.Request(meter.judge_url, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)["pass"]

    with Meter(Parrot(), judge) as meter:
        assert judged({"case": "one", "output": "right"}) is True
        assert judged({"case": "one", "output": "wrong"}) is False
        assert judged({"context": {"vars": {"case_id": "one"}}, "output": "right"}) is True, "as promptfoo asks"


def test_many_clients_at_once_buy_no_answer_too_many() -> None:
    with Meter(Parrot()) as meter, ThreadPoolExecutor(16) as pool:
        channel = meter.channel("search", 10)
        url = meter.url(channel)
        statuses = list(pool.map(lambda number: post(url, str(number))[0], range(40)))
    assert (statuses.count(200), statuses.count(403)) == (10, 30)
    assert (channel.answers, channel.refused) == (10, 30)


def test_over_http_it_speaks_the_protocol() -> None:
    with Meter(Parrot()) as meter:
        status, reply = post(meter.url(meter.channel("test")), "hello")
        assert (status, reply["choices"]) == (200, [{"message": {"role": "assistant", "content": "hello"}}])
        assert post(meter.url(Channel("unknown")), "hello")[0] == 404


def test_a_prompt_that_does_not_fit_is_no_answer() -> None:
    with Meter(Parrot()) as meter:
        channel = meter.channel("search", 1)
        with pytest.raises(CannotEvaluate):
            meter.ask(channel, message("too long"), {})
        assert post(meter.url(channel), "too long")[0] == 400
        assert (channel.answers, channel.unfit, channel.is_spent) == (0, 2, False)


def test_channels_are_counted_alone() -> None:
    with Meter(Parrot()) as meter:
        first, second = meter.channel("first"), meter.channel("second")
        meter.ask(first, message("a"), {})
        assert (first.answers, second.answers) == (1, 0)
