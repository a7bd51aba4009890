"""Graders, web hooks, the runner of pytest tests, and the doctor."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from evolve.cli import doctor
from evolve.core.model.answers import Request
from evolve.core.model.errors import EnvironmentFault, InputError
from evolve.core.model.suite import ProviderSpec
from evolve.providers.graders import SuiteGraders
from evolve.providers.pytest_tests import PytestTests
from evolve.providers.web_hooks import WebHooks
from fixtures.faulty_server import Drip, FaultyServer, Ok, Status
from fixtures.opened_providers import OpenedProviders, run


def graders(providers: OpenedProviders, *own: ProviderSpec, **env: str) -> SuiteGraders:
    return SuiteGraders(own, lambda spec: providers.open(spec.id, spec.config), env)


def use(made: Any, go: Callable[[Any], Awaitable[Any]]) -> Any:
    async def visit() -> Any:
        try:
            return await go(made)
        finally:
            await made.close()

    return run(visit())


@pytest.mark.parametrize(
    ("spec", "id_"),
    [
        ("echo", "echo"),
        ({"id": "echo"}, "echo"),
        ({"text": "echo", "embedding": "openai:embedding:e"}, "echo"),
        ({"text": {"id": "echo", "config": {}}}, "echo"),
        ({"echo": {"config": {}}}, "echo"),
        ("mine", "openai:chat:m"),
        (ProviderSpec("echo"), "echo"),
        (None, "openai:chat:default"),
        ({"embedding": "x"}, "openai:chat:default"),
    ],
)
def test_a_grader_is_named_in_many_ways(providers: OpenedProviders, spec: Any, id_: str) -> None:
    providers.env["EVOLVE_BASE_URL"] = "http://127.0.0.1:1/v1"
    own = ProviderSpec("openai:chat:m", label="mine")
    made = graders(providers, own, EVOLVE_GRADER="openai:chat:default")
    assert use(made, lambda it: it.text(spec)).id == id_


def test_a_grader_is_opened_once(providers: OpenedProviders) -> None:
    async def twice(made: SuiteGraders) -> bool:
        return await made.text("echo") is await made.text({"id": "echo"})

    assert use(graders(providers), twice)


def test_without_a_grader_the_fault_says_how_to_set_one(providers: OpenedProviders) -> None:
    with pytest.raises(EnvironmentFault, match=r"no text grader is set.*defaultTest\.options\.provider.*EVOLVE_GRADER"):
        use(graders(providers), lambda it: it.text(None))


def test_with_a_key_openai_grades(providers: OpenedProviders) -> None:
    providers.env["OPENAI_API_KEY"] = "sk-0123456789"
    assert use(graders(providers, OPENAI_API_KEY="sk-0123456789"), lambda it: it.text(None)).id.startswith(
        "openai:chat:gpt"
    )


@pytest.mark.parametrize("spec", [5, {"config": {}}, {"id": 5}, {"id": "echo", "config": []}])
def test_a_malformed_grader_is_a_mistake(providers: OpenedProviders, spec: Any) -> None:
    with pytest.raises(InputError, match="expected an id, or a mapping"):
        use(graders(providers), lambda it: it.text(spec))


def test_only_some_providers_make_embeddings(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    providers.env["EVOLVE_BASE_URL"] = f"{faulty_server.url}/v1"
    vector = use(graders(providers, EVOLVE_EMBEDDER="openai:embedding:e"), _embedded)
    assert vector == (0.5, -0.5, 1.0)
    with pytest.raises(InputError, match="'echo' makes no embeddings"):
        use(graders(providers), lambda it: it.embedding("echo"))


async def _embedded(made: SuiteGraders) -> tuple[float, ...]:
    return (await (await made.embedding(None)).embed("x")).vector


# --- web hooks


def test_a_hook_gets_json_and_answers_it(providers: OpenedProviders, faulty_server: FaultyServer) -> None:
    faulty_server.plan(Ok(body='{"pass": true}'), Status(500, body="oh"), Status(404, body='{"a": 1}'))

    async def three(hooks: WebHooks) -> list[Any]:
        return [await hooks.post_json(faulty_server.url, {"output": "ä"}, 5.0) for _ in range(3)]

    assert use(WebHooks(providers.settings), three) == [(200, {"pass": True}), (500, "oh"), (404, {"a": 1})]
    assert faulty_server.requests[0].json == {"output": "ä"}


def test_a_hook_that_gives_no_answer_is_a_fault_after_one_try(
    providers: OpenedProviders, faulty_server: FaultyServer
) -> None:
    faulty_server.plan(then=Drip())
    with pytest.raises(EnvironmentFault, match=r"no complete answer within 0.2 s; 1 try"):
        use(WebHooks(providers.settings), lambda hooks: hooks.post_json(faulty_server.url, {}, 0.2))
    assert len(faulty_server.requests) == 1


# --- pytest tests

TESTS = """
import os

def test_good():
    assert os.environ["OUTPUT"] == "yes"

def test_bad():
    assert os.environ["OUTPUT"] == "no", "the output is wrong"
"""


def outcome(folder: Path, node: str, **more: Any) -> tuple[bool, str]:
    (folder / "test_user.py").write_text(TESTS, encoding="utf-8")
    tests = PytestTests(str(folder), {"PATH": "/usr/bin:/bin", "PYTEST_ADDOPTS": "--nonsense"}, **more)
    return asyncio.run(tests.run(node, {"OUTPUT": "yes"}))


def test_a_tests_pass_is_the_answer(tmp_path: Path) -> None:
    assert outcome(tmp_path, "test_user.py::test_good")[0]
    passed, tail = outcome(tmp_path, "test_user.py::test_bad")
    assert not passed
    assert "the output is wrong" in tail


@pytest.mark.parametrize("node", ["test_user.py::test_none", "no_file.py::test_x"])
def test_a_test_that_is_not_there_is_a_fault(tmp_path: Path, node: str) -> None:
    with pytest.raises(EnvironmentFault, match=r"cannot run.*\(exit code [45]\)"):
        outcome(tmp_path, node)


def test_a_test_that_hangs_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import time\ntime.sleep(3600)\n", encoding="utf-8")
    with pytest.raises(EnvironmentFault, match=r"ran longer than 0\.3 s"):
        outcome(tmp_path, "test_user.py::test_good", timeout_s=0.3)


# --- doctor


def lines(**env: str) -> dict[str, doctor.Diagnosis]:
    return {finding.name: finding for finding in doctor.examine(env)}


def test_the_doctor_knows_python_and_the_cache(tmp_path: Path) -> None:
    found = lines(EVOLVE_CACHE_DIR=str(tmp_path / "cache"))
    assert sys.executable in found["Python"].detail
    assert found["cache"].state == "ok"
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_doctor_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    found = lines(EVOLVE_CACHE_DIR=str(tmp_path / "file" / "x"))
    assert found["cache"].state == "missing"
    assert "EVOLVE_CACHE_DIR" in found["cache"].detail
    assert "EVOLVE_BASE_URL" in found["endpoint"].detail
    assert "EVOLVE_GRADER" in found["grader"].detail


def test_the_doctor_asks_the_endpoint_and_hides_credentials(tmp_path: Path, faulty_server: FaultyServer) -> None:
    env = {"EVOLVE_CACHE_DIR": str(tmp_path), "EVOLVE_API_KEY": "sk-doctor-doctor", "EVOLVE_GRADER": "openai:chat:m"}
    url = faulty_server.url.replace("//", "//me:hunter22@")
    faulty_server.models = None
    faulty_server.plan(Ok(body="{}"), Status(401))
    good, bad = (lines(**env, EVOLVE_BASE_URL=f"{url}/v1")["endpoint"] for _ in range(2))
    gone = lines(**env, EVOLVE_BASE_URL=faulty_server.refusing_url)["endpoint"]
    assert (good.state, bad.state, gone.state) == ("ok", "missing", "missing")
    assert "hunter22" not in json.dumps([str(good), str(bad), str(gone)])
    assert faulty_server.requests[0].headers["authorization"] == "Bearer sk-doctor-doctor"


def test_a_request_reaches_the_grader(providers: OpenedProviders) -> None:
    async def ask(made: SuiteGraders) -> Any:
        return (await (await made.text("echo")).answer(Request("x"))).output

    assert use(graders(providers), ask) == "x"
