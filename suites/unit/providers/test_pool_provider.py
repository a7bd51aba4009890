"""The pool's provider: ids and configs, faults of its experts, mixed models, experts that leave and come back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evolve.core.model.answers import Request
from evolve.core.model.errors import EnvironmentFault, HttpFault, InputError
from evolve.providers.pool import Pool
from evolve.providers.pool_members import ConsulMembers, ListedMembers
from evolve.providers.pool_names import PoolNames
from fixtures.expert_endpoint import ExpertProcess, end, start_expert, started_experts
from fixtures.faulty_server import FaultyServer, Reset, Status
from fixtures.opened_providers import OpenedProviders

URLS = ["http://a:1/v1", "http://b:2/v1"]


@pytest.fixture
def second_server() -> Iterator[FaultyServer]:
    server = FaultyServer()
    yield server
    server.close()


@pytest.fixture
def four(tmp_path: Path) -> Iterator[list[ExpertProcess]]:
    with started_experts(tmp_path, 4, delay_s=0.3) as experts:
        yield experts


def names_of(providers: OpenedProviders, name: str, **config: Any) -> PoolNames:
    opened = providers.open(name, config)
    assert isinstance(opened, Pool)
    return opened._names


# --- ids and configs


def test_urls_come_from_the_id_or_the_config(providers: OpenedProviders) -> None:
    in_id = names_of(providers, f"pool:{','.join(URLS)}/?model=qwen&slots=4")
    assert in_id == PoolNames(ListedMembers(tuple(URLS)), "qwen", 4)
    assert names_of(providers, "pool:qwen", urls=URLS, slots=4) == in_id
    assert names_of(providers, "pool:", urls=[*URLS, *URLS], model="qwen", slots=4) == in_id


def test_a_service_of_consul_has_tags_and_an_address(providers: OpenedProviders) -> None:
    providers.env["CONSUL_HTTP_ADDR"] = "10.0.0.5:8501"
    found = names_of(providers, "pool:consul:experts?tag=main&tag=fast&path=openai/v1&scheme=https").members
    assert isinstance(found, ConsulMembers)
    assert (found.address.url, found.service, found.tags) == (
        "http://10.0.0.5:8501", "experts", frozenset({"main", "fast"}),
    )  # fmt: skip
    assert (found.scheme, found.path) == ("https", "/openai/v1")


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("pool:", {}, "no experts: expected pool:URL,URL or pool:consul:SERVICE"),
        ("pool:qwen", {"urls": []}, "no experts"),
        ("pool:qwen", {"urls": "http://a/v1"}, "urls=.*expected a list of URLs"),
        ("pool:qwen", {"urls": ["a:1"]}, "'a:1': expected http://HOST:PORT/v1"),
        ("pool:http://a/v1", {"urls": URLS}, "URLs in the id and in `urls`: use one"),
        ("pool:consul:", {}, "no service"),
        ("pool:consul:x", {"urls": URLS}, "`urls` and a service of Consul: use one"),
        ("pool:qwen", {"urls": ["http:///v1"]}, "'http:///v1': expected http://HOST:PORT/v1"),
        ("pool:qwen", {"urls": ["http://[::1/v1"]}, "expected http://HOST:PORT/v1"),
        ("pool:http://a:99999/v1", {}, "pool:http://a:99999/v1': .*expected http://HOST:PORT/v1"),
        ("pool:qwen", {"urls": URLS, "slots": 0}, "slots=0: expected a positive integer"),
        ("pool:qwen", {"urls": URLS, "slots": 1.5}, "slots=1.5: expected a positive integer"),
        ("pool:http://a/v1?slots=" + "9" * 5000, {}, "expected a positive integer"),
        ("pool:consul:x?tga=y", {}, "unknown option 'tga' .did you mean 'tag'"),
        ("pool:http://a/v1?tag=y", {}, "unknown option 'tag' .known: model, slots"),
        ("pool:http://a/v1?slots=0", {}, "slots='0': expected a positive integer"),
        ("pool:consul:x?scheme=ftp", {}, "scheme='ftp': expected http or https"),
        ("pool:http://me:hunter22@a/v1", {}, "a URL in its id carries a login .put the URLs into the config"),
        ("pool:qwen", {"urls": URLS, "apiBaseUrl": "http://c/v1"}, "unknown config key 'apiBaseUrl'"),
    ],
)
def test_a_wrong_id_or_config_is_the_users_mistake(
    providers: OpenedProviders, name: str, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        providers.with_settings(unknown_keys="error").open(name, config)
    assert "hunter22" not in str(caught.value)


def test_an_identity_has_the_model_and_not_the_experts(providers: OpenedProviders) -> None:
    one = providers.open("pool:qwen", {"urls": URLS[:1]}).identity(Request("a"))
    assert one == providers.open("pool:qwen", {"urls": URLS[1:]}).identity(Request("a"))
    assert one != providers.open("pool:other", {"urls": URLS[1:]}).identity(Request("a"))


def test_a_found_model_gives_the_identity_of_a_named_one(
    providers: OpenedProviders, faulty_server: FaultyServer
) -> None:
    found = providers.open(f"pool:{faulty_server.url}/v1").identity(Request("a"))
    assert found == providers.open("pool:some-model", {"urls": URLS}).identity(Request("a"))


# --- the users' mistakes that only experts can show


def test_mixed_models_are_refused_before_any_question(
    providers: OpenedProviders, faulty_server: FaultyServer, second_server: FaultyServer
) -> None:
    second_server.models = ("another-model",)
    urls = f"{faulty_server.url}/v1,{second_server.url}/v1"
    for name in (f"pool:{urls}", f"pool:{urls}?model=some-model"):
        with pytest.raises(InputError, match=r"a pool of mixed models is refused.*serves some-model.*another-model"):
            providers.ask(name, "hello")
    assert not faulty_server.requests
    assert not second_server.requests


def test_nobody_there_is_a_fault_that_names_each_expert(
    providers: OpenedProviders, faulty_server: FaultyServer
) -> None:
    with pytest.raises(EnvironmentFault, match=r"no expert answers: http://\S+: cannot connect"):
        providers.ask(f"pool:{faulty_server.refusing_url}/v1?model=m", "hello")


# --- faults


@pytest.mark.parametrize("fault", [Reset(), Status(503), Status(500), Status(429, retry_after="1")], ids=str)
def test_a_request_that_fails_goes_to_the_other_expert(
    providers: OpenedProviders, faulty_server: FaultyServer, second_server: FaultyServer, fault: Any
) -> None:
    faulty_server.plan(then=fault)

    async def six(provider: Pool) -> list[Any]:
        return [(await provider.answer(Request(f"say {n}", raw_prompt=str(n)))).output for n in range(6)]

    urls = [f"{server.url}/v1" for server in (faulty_server, second_server)]
    answers = providers.use("pool:some-model", {"urls": urls, "maxRetries": 8}, six)
    assert answers == [f"echo: say {n}" for n in range(6)]
    assert len(second_server.requests) == 6


def test_a_busy_expert_is_left_alone_while_another_answers(
    providers: OpenedProviders, faulty_server: FaultyServer, second_server: FaultyServer
) -> None:
    faulty_server.plan(then=Status(429, retry_after="3600"))
    urls = [f"{server.url}/v1" for server in (faulty_server, second_server)]

    async def asked(pool: Pool) -> float:
        for number in range(6):
            await pool.answer(Request(f"say {number}", raw_prompt=str(number)))
        assert pool._experts is not None
        return pool._experts._by_url[urls[0]].rest_s

    assert providers.use("pool:some-model", {"urls": urls}, asked) > 3000
    assert len(faulty_server.requests) == 1


def test_a_refusal_is_reported_at_once_and_keeps_the_key_secret(
    providers: OpenedProviders, faulty_server: FaultyServer
) -> None:
    secret = "sk-verysecretkey-0123456789abcdef"
    faulty_server.plan(then=Status(401, f"unknown key {secret}"))
    providers.env["EVOLVE_API_KEY"] = secret
    with pytest.raises(HttpFault, match=r"status 401.*it comes from environment variable EVOLVE_API_KEY") as caught:
        providers.ask("pool:some-model", "hello", urls=[f"{faulty_server.url}/v1"])
    assert secret not in str(caught.value)
    assert len(faulty_server.requests) == 1
    assert faulty_server.requests[0].headers["authorization"] == f"Bearer {secret}"


def test_equal_requests_have_the_same_idempotency_key(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    for text in ("a", "a", "b"):
        providers.ask("pool:some-model", text, urls=[f"{faulty_server.url}/v1"])
        # Each of these is a pool of its own, so that nothing but the request decides.
    keys = [request.headers["idempotency-key"] for request in faulty_server.requests]
    assert keys[0] == keys[1] != keys[2]


# --- experts that die


async def ask_all(pool: Pool, count: int, at_once: int) -> list[Any]:
    slots = asyncio.Semaphore(at_once)

    async def one(number: int) -> Any:
        async with slots:
            return (await pool.answer(Request(f"thing {number}", raw_prompt=f"{number % 5}"))).output

    return await asyncio.gather(*(one(number) for number in range(count)))


async def until(condition: Any, limit_s: float = 20.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.01)


def patient(providers: OpenedProviders) -> OpenedProviders:
    return providers.with_settings(deadline_s=60.0, attempt_s=30.0, max_retries=4, first_pause_s=0.2)


def test_a_killed_expert_costs_no_answer_and_no_second_payment(
    providers: OpenedProviders, four: list[ExpertProcess]
) -> None:
    async def with_a_kill(pool: Pool) -> list[Any]:
        asking = asyncio.ensure_future(ask_all(pool, 40, 4))
        await until(lambda: four[2].keys("done"))
        four[2].kill()
        return await asking

    answers = patient(providers).use("pool:", {"urls": [expert.url for expert in four]}, with_a_kill)
    assert len(answers) == 40
    assert all(answers)
    done = [key for expert in four for key in expert.keys("done")]
    assert len(done) == len(set(done))
    # The killed one may have sent an answer that it had not noted yet.
    assert 40 - len(done) in (0, 1)


def test_a_hanging_expert_that_refuses_connections_frees_its_requests(
    providers: OpenedProviders, tmp_path: Path
) -> None:
    """The connection stays open, as on a network that was cut: only probes can notice it."""
    slow = start_expert(tmp_path, "slow", delay_s=3600)
    quick = start_expert(tmp_path, "quick")
    front = _Front(slow.port)

    async def asked(pool: Pool) -> list[Any]:
        port = await front.open()
        urls = [f"http://127.0.0.1:{port}/v1", quick.url]
        pool._names = PoolNames(ListedMembers(tuple(urls)), "colours", 1)
        asking = asyncio.ensure_future(ask_all(pool, 8, 8))
        await until(lambda: slow.keys("asked"))
        front.refuse()
        return await asking

    try:
        answers = patient(providers).use("pool:colours", {"urls": [quick.url]}, asked)
    finally:
        end(slow, quick)
    assert len(answers) == 8
    assert len(quick.keys("done")) == 8


def test_an_expert_that_comes_back_gets_requests_again(providers: OpenedProviders, tmp_path: Path) -> None:
    first, second = (start_expert(tmp_path, name, delay_s=0.05) for name in ("first", "second"))
    again: list[ExpertProcess] = []

    async def asked(pool: Pool) -> None:
        await ask_all(pool, 8, 4)
        first.kill()
        await ask_all(pool, 8, 4)
        before = len(first.keys("done"))
        again.append(start_expert(tmp_path, "again", delay_s=0.05, port=first.port))
        async with asyncio.timeout(20):
            while not again[0].keys("done"):
                await ask_all(pool, 4, 4)
        assert len(first.keys("done")) == before

    try:
        patient(providers).use("pool:", {"urls": [first.url, second.url]}, asked)
    finally:
        end(first, second, *again)


def test_an_expert_that_comes_back_with_another_model_is_never_asked(
    providers: OpenedProviders, tmp_path: Path
) -> None:
    first, second = (start_expert(tmp_path, name, delay_s=0.02) for name in ("first", "second"))
    again: list[ExpertProcess] = []

    async def asked(pool: Pool) -> None:
        await ask_all(pool, 8, 4)
        first.kill()
        await ask_all(pool, 4, 4)
        again.append(start_expert(tmp_path, "again", model="other", port=first.port))
        experts = pool._experts
        assert experts is not None
        left = experts._by_url[first.url]
        await until(lambda: "it serves other" in left.away)
        await ask_all(pool, 8, 4)

    try:
        patient(providers).use("pool:", {"urls": [first.url, second.url]}, asked)
    finally:
        end(first, second, *again)
    assert not again[0].keys("asked")


class _Front:
    """Passes connections on to a port, until it refuses new ones; those that are open stay open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def refuse(self) -> None:
        self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.ensure_future(_pass_on(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    except ConnectionError:
        pass
    finally:
        target.close()
