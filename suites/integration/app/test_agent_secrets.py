"""Secrets that people and tools mention stay out of the agent's log, metrics and database."""

import asyncio
import logging
import random
import string

import pytest

pytest.importorskip("prometheus_client")

from prometheus_client import generate_latest

from fixtures.running_agents import WordTools, page_of, running_agent
from fixtures.scripted_twin import scripted_twin
from pipecatapp.agent.config import AgentConfig, MemoryConfig, ModelConfig
from pipecatapp.wire.agent_events import ApprovalAsked, Approve, Say, TurnEnded

_FORMS = ("my password is {}", "export API_TOKEN={}", "Authorization: Bearer {}", "the key sk-{} is new")
_COUNT = 200


def planted():
    rng = random.Random(19)
    letters = string.ascii_letters + string.digits
    return ["".join(rng.choices(letters, k=32)) for _ in range(_COUNT)]


def test_200_planted_secrets_are_in_no_log_metric_or_database(tmp_path, caplog, capfd):
    secrets = planted()
    caplog.set_level(logging.DEBUG)

    async def talk(agent):
        async with page_of(agent, agent.log_in()) as page:
            for number in range(0, _COUNT, 10):
                lines = [_FORMS[at % 4].format(secrets[at]) for at in range(number, number + 9)]
                await page.turn(Say("\n".join(lines)))
                # A dangerous call, whose arguments the audit keeps; and words that fail.
                call = f'[use strike] [with {{"word": "password={secrets[number + 9]}"}}]'
                await page.send(Say(call))
                await page.send(Approve((await page.until(ApprovalAsked)).id))
                await page.until(TurnEnded)
            await page.turn(Say(f"[break] {_FORMS[1].format(secrets[0])}"))

    with scripted_twin() as model:
        config = AgentConfig(ModelConfig(model.url), memory=MemoryConfig(tmp_path / "memory.sqlite"))
        with running_agent(config, WordTools()) as agent:
            asyncio.run(talk(agent))
            agent.ask("/v1/turns", {"response_queue_id": "q", "key_name": "k", "request": {"messages": [
                {"role": "user", "content": _FORMS[0].format(secrets[1])}]}})  # fmt: skip
            metrics = generate_latest(agent.agent.metrics.registry).decode()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir()).decode("utf-8", "replace")
    assert kept.count("You said: ") >= _COUNT // 10, "the words themselves are kept"
    output = capfd.readouterr()
    for place in (kept, metrics, caplog.text, output.out, output.err):
        assert [secret for secret in secrets if secret in place] == []
