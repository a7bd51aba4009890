"""What the machine that asks does with blocks, and what a node does with one; the real Ray is a nightly test."""

import asyncio
import importlib.util
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evolve import __version__
from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault
from evolve.core.model.suite import ProviderSpec
from evolve.executors.distributors import opened_distributor
from evolve.executors.opening import Opening, distributed
from evolve.executors.ray_cluster import RayCluster, RayProvider, answer_block, block_size
from fixtures.opened_providers import OpenedProviders

PROVIDER = """
def call_api(prompt, options, context):
    if prompt == "bad":
        raise ValueError("no such thing")
    return {"output": "echo: " + prompt}
"""


class LocalNodes(RayCluster):
    """Nodes in this process; each loss is a node that dies after so many answers of its block."""

    def __init__(self, slots: int, losses: Sequence[int] = ()) -> None:
        self._count = slots
        self.losses = list(losses)
        self.blocks: list[int] = []
        self.paid: list[str] = []

    @property
    def slots(self) -> int:
        return self._count

    async def run(self, opening: Opening, block: Any) -> None:
        self.blocks.append(len(block))
        left = self.losses.pop(0) if self.losses else len(block)
        requests = [asked.request for asked in block]
        answers = await asyncio.to_thread(lambda: list(answer_block(pickled(opening), __version__, requests)))
        for number, result in answers[:left]:
            self.paid.append(requests[number].prompt)
            block[number].arrive(result)
        for asked in block:
            asked.lose("NodeDiedError: the node is gone")


def pickled(opening: Opening) -> Opening:
    found: Opening = pickle.loads(pickle.dumps(opening))
    return found


def opening_of(folder: Path, name: str = "python:p.py", **env: str) -> Opening:
    (folder / "p.py").write_text(PROVIDER)
    return Opening.of(ProviderSpec(name), str(folder), env, "strict")


def ask(providers: OpenedProviders, nodes: LocalNodes, *prompts: str) -> list[Any]:
    opening = opening_of(providers.folder)

    async def all_of_them() -> list[Any]:
        provider = nodes.distribute(providers.open("python:p.py"), opening)
        try:
            return await asyncio.gather(*(provider.answer(Request(text)) for text in prompts), return_exceptions=True)
        finally:
            await provider.close()

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(
    ("waiting", "slots", "size"), [(1, 4, 1), (4, 4, 1), (5, 4, 2), (16, 4, 4), (100, 4, 8), (3, 0, 3)]
)
def test_each_slot_gets_a_block_first_and_no_block_is_long(waiting: int, slots: int, size: int) -> None:
    assert block_size(waiting, slots) == size


def test_requests_that_come_together_are_sent_as_blocks(providers: OpenedProviders) -> None:
    nodes = LocalNodes(slots=2)
    answers = ask(providers, nodes, *(str(number) for number in range(6)))
    assert [answer.output for answer in answers] == [f"echo: {number}" for number in range(6)]
    assert nodes.blocks == [3, 3]


def test_what_a_dead_node_had_not_answered_goes_to_another_and_nothing_is_paid_twice(
    providers: OpenedProviders,
) -> None:
    nodes = LocalNodes(slots=2, losses=[1, 2, 0])
    answers = ask(providers, nodes, *(str(number) for number in range(8)))
    assert [answer.output for answer in answers] == [f"echo: {number}" for number in range(8)]
    assert sorted(nodes.paid) == [str(number) for number in range(8)]


def test_a_request_under_which_every_node_dies_is_a_fault(providers: OpenedProviders) -> None:
    (answer,) = ask(providers, LocalNodes(slots=2, losses=[0] * 9), "hello")
    assert isinstance(answer, EnvironmentFault)
    assert "5 nodes of the Ray cluster died, the last: NodeDiedError" in str(answer)


def test_an_error_of_the_users_code_arrives_as_the_same_error(providers: OpenedProviders) -> None:
    good, bad = ask(providers, LocalNodes(slots=1), "good", "bad")
    assert isinstance(good, Answer)
    assert isinstance(bad, CannotEvaluate)
    assert "no such thing" in str(bad)


def test_identities_are_those_of_the_provider_here(providers: OpenedProviders) -> None:
    opening = opening_of(providers.folder)
    local = providers.open("python:p.py")
    far = LocalNodes(1).distribute(local, opening)
    assert isinstance(far, RayProvider)
    assert far.identity(Request("a")) == local.identity(Request("a"))
    assert far.id == "python:p.py"


def test_a_node_with_another_version_answers_nothing(tmp_path: Path) -> None:
    ((number, fault),) = answer_block(opening_of(tmp_path), "0.0.1", [Request("hello")])
    assert number == 0
    assert isinstance(fault, EnvironmentFault)
    assert "the machine that asks has 0.0.1" in str(fault)


def test_a_node_that_cannot_open_the_provider_says_why_for_each_request(tmp_path: Path) -> None:
    results = dict(answer_block(opening_of(tmp_path, "python:missing.py"), __version__, [Request("a"), Request("b")]))
    assert len(results) == 2
    assert all("missing.py" in str(error) for error in results.values())


def test_credentials_and_this_machines_folders_do_not_travel(tmp_path: Path) -> None:
    env = {"EVOLVE_API_KEY": "k" * 20, "OPENAI_API_KEY": "k" * 20, "EVOLVE_CACHE_DIR": "/here", "HOME": "/root"}
    opening = opening_of(tmp_path, EVOLVE_DEADLINE_S="7", **env)
    assert dict(opening.env) == {"EVOLVE_DEADLINE_S": "7"}
    assert "EVOLVE_DEADLINE_S" not in repr(opening)


def test_a_python_provider_is_distributed_and_an_echo_is_not(providers: OpenedProviders) -> None:
    nodes, opening = LocalNodes(1), opening_of(providers.folder)
    assert isinstance(distributed(providers.open("python:p.py"), opening, nodes), RayProvider)
    echo = providers.open("echo")
    assert distributed(echo, Opening.of(ProviderSpec("echo"), "/", {}, "strict"), nodes) is echo
    assert distributed(echo, opening, None) is echo


def test_without_ray_the_command_that_installs_it_is_named() -> None:
    if importlib.util.find_spec("ray") is not None:
        pytest.skip("Ray is installed here")
    with pytest.raises(EnvironmentFault, match=r"--executor ray needs Ray \(\S+pip install -e '\.\[ray\]'\)"):
        opened_distributor("ray").__enter__()


def test_no_executor_is_this_process() -> None:
    with opened_distributor(None) as nobody:
        assert nobody is None
