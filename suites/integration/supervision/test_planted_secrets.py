"""Secrets of failing jobs, wherever they are: in nothing that the supervisor writes, asks, shows or sends."""

import asyncio
import copy
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import pytest

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.consul.values import KeyValue
from evolve.cluster.standin.answers import Answer, Request
from evolve.core.adaptation.failures import QueuedRequest
from evolve.core.cases.redaction import Redactor
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.json_value import JsonValue
from evolve.evaluation.agent_client import open_agent_client
from evolve.store.adaptation_queue import AdaptationQueue
from evolve.store.case_files import CaseFolder
from evolve.supervision.learning import CaseLearner
from evolve.supervision.notices import Receiver
from evolve.supervision.proposing import AgentProposer, Proposed
from evolve.supervision.records import StoredRecords
from fixtures.loopback_server import serving
from fixtures.planted_secrets import KINDS, survives
from fixtures.supervised_cluster import ANYTHING, ScriptedProposer, VirtualCluster, mock_job, supervised

PLACES = ("stdout", "stderr", "event", "env", "template", "meta", "arguments", "image", "node", "deployment")
MODEL = '''\
"""Keeps each prompt. It heals nothing, repeats what it was shown, or gives it to a person."""
import json
from pathlib import Path

asked = 0


def call_api(prompt, options, context):
    global asked
    asked += 1
    shown = json.loads(prompt)[-1]["content"].rpartition("Report:")[2]
    with Path("prompts.txt").open("a") as file:
        file.write(shown + "\\n")
    call_a_person = json.dumps({"action": "escalate", "reason": shown[-800:]})
    answers = [call_a_person, "I see this: " + shown, '{"action": "restart"}']
    return {"output": answers[asked % 3], "tokenUsage": {"total": 2, "prompt": 1, "completion": 1}}
'''


@dataclass(frozen=True, slots=True)
class Planted:
    """Secrets in a text, and where the text is."""

    job: str
    place: str
    secrets: tuple[str, ...]
    text: str


def planted(count: int) -> list[Planted]:
    """Each kind in turn, in each place in turn."""
    made = []
    for number in range(count):
        kind = [*KINDS][number % len(KINDS)]
        secrets, text = KINDS[kind](Random(f"{kind} {number}"))
        # As many kinds as places would put each kind into one place for ever.
        place = PLACES[(number + number // len(KINDS)) % len(PLACES)]
        made.append(Planted(f"job-{number}", place, tuple(secrets), text))
    return made


def failing(one: Planted) -> dict[str, Any]:
    """The job's version that fails; what changed since the last good one is what a diagnosis shows."""
    spec = mock_job(one.job, run_for=1, exit_code=1)
    group = spec["TaskGroups"][0]
    task = dict(group["Tasks"][0])
    if one.place == "env":
        task["Env"] = {"SETTING": one.text}
    elif one.place == "template":
        task["Templates"] = [{"EmbeddedTmpl": one.text, "DestPath": "local/x"}]
    elif one.place == "arguments":
        task["Config"] = {**task["Config"], "args": [one.text], "command": one.text}
    elif one.place == "image":
        task["Config"] = {**task["Config"], "image": one.text, "auth": {"password": one.secrets[0]}}
    elif one.place == "meta":
        spec["Meta"] = {"note": one.text}
        task["Meta"] = {"note": one.text}
    return {**spec, "TaskGroups": [{**group, "Tasks": [task]}]}


def plant(cluster: VirtualCluster, all_of_them: list[Planted]) -> Callable[[Request], Answer | None]:
    """Answers of the cluster with the secrets that no job's specification has."""
    by_job = {one.job: one for one in all_of_them}
    on_nodes = "\n".join(one.text for one in all_of_them if one.place == "node")

    def answer(request: Request) -> Answer | None:
        if "/fs/logs/" in request.path:
            job = cluster.state.allocs[request.path.rpartition("/")[2]]["JobID"]
            one = by_job[job]
            is_there = one.place == request.query.get("type")
            return Answer(200, f"began\n{one.text if is_there else 'nothing'}\nended\n".encode())
        found = by_job.get(request.path.split("/")[3]) if request.path.startswith("/v1/job/") else None
        if request.method != "GET" or not (found or request.path.startswith("/v1/node/")):
            return None
        real = cluster.api.answer(request)
        body = copy.deepcopy(real.body)
        if found is not None and found.place == "event" and request.path.endswith("/allocations"):
            for state in (state for alloc in body for state in (alloc["TaskStates"] or {}).values()):
                for event in state["Events"]:
                    event["DisplayMessage"] = found.text
        elif found is not None and found.place == "deployment" and request.path.endswith("/deployment") and body:
            body["StatusDescription"] = found.text
        elif request.path.startswith("/v1/node/"):
            body |= {"StatusDescription": on_nodes, "Meta": {"note": on_nodes}, "Attributes": {"x": on_nodes}}
        return replace(real, body=body)

    return answer


class Inbox(ThreadingHTTPServer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        super().__init__(("127.0.0.1", 0), _Mail)


class _Mail(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:
        self.server.mails.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A receiver of notices."""
    server = Inbox()
    with serving(server):
        yield server


class AskedAgent(ScriptedProposer):
    """The real agent's way of being asked; what it is shown is kept too."""

    def __init__(self, agent: AgentProposer) -> None:
        super().__init__(lambda _: None)
        self._agent = agent

    async def propose(self, diagnostics: Any) -> Proposed:
        """Ask the agent."""
        self.seen.append(diagnostics)
        return await self._agent.propose(diagnostics)


def play(folder: Path, cluster: VirtualCluster, consul_at: ClusterAddress, inbox: Inbox, count: int) -> dict[str, str]:
    """Let that many jobs fail; returns all that was written, by where."""
    secrets = planted(count)
    for one in secrets:
        cluster.register(mock_job(one.job))
    for _ in range(3):
        cluster.second()
    for one in secrets:
        cluster.register(failing(one))
    cluster.before = plant(cluster, secrets)
    (folder / "model.py").write_text(MODEL)
    redactor = Redactor(key=b"k" * 32)
    log: list[str] = []
    seen: list[JsonValue] = []
    keys: list[KeyValue] = []

    async def go(records: StoredRecords, queue: AdaptationQueue) -> None:
        client = open_agent_client("REFLECTION_AGENT", "python:model.py")
        queued = QueuedRequest(EvolutionRequest(agent=str(client.file)), str(folder / "cases"), str(folder))
        learner = CaseLearner(
            client,
            queued,
            queue,
            CaseFolder(folder / "cases"),
            redactor,
            may_write=lambda _: True,
            start=lambda: None,
            report=log.append,
        )
        limits = replace(ANYTHING.limits, common_cause_jobs=10_000, per_hour=1000, attempts=1)
        proposer = AskedAgent(AgentProposer(client, redactor))
        receivers = (Receiver("webhook", f"http://127.0.0.1:{inbox.server_port}/"),)
        async with ConsulClient(consul_at) as consul:
            await consul.keys.delete("anneal/", below=True)
            policy = replace(ANYTHING, limits=limits)
            made = supervised(cluster, records, proposer, consul, policy=policy, learner=learner, receivers=receivers)
            async with made as one:
                await one.run(48, every=12)
                log.extend(one.log)
                seen.extend(dict(report) for report in proposer.seen)
                assert one.claims is not None
                keys.extend(await consul.keys.read_all("anneal/"))
                await one.claims.release()
        await client.close()

    with (
        closing(StoredRecords(folder / "state", redactor)) as records,
        closing(AdaptationQueue(folder / "queue")) as queue,
    ):
        asyncio.run(asyncio.wait_for(go(records, queue), 600))
        assert {found.job for found in records.incidents.list()} == {one.job for one in secrets}
    database = sqlite3.connect(folder / "state" / "incidents.sqlite")
    with closing(database):
        written = {"incidents": "\n".join(database.iterdump())}
    files = {path: path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file()}
    written |= {str(path): text for path, text in files.items() if "nomad" not in path.relative_to(folder).parts}
    claims = "\n".join(f"{one.key} {one.value.decode()}" for one in keys)
    shown = {"console": "\n".join(log), "reports": json.dumps(seen), "notices": "\n".join(inbox.mails)}
    return {**written, **shown, "claims": claims}


def check(written: dict[str, str], count: int) -> None:
    kinds = ("audit-", "prompts.txt", "cases/", "queue/", "incidents")
    assert all(any(kind in name for name in written) for kind in kinds), [*written]
    assert written["notices"]
    assert "begun" in written["claims"]
    assert "ended" in written["reports"], "logs were shown at all"
    leaks = [
        f"{one.place}: {secret!r} in {name}"
        for one in planted(count)
        for secret in one.secrets
        for name, text in written.items()
        if survives(secret, text)
    ]
    assert leaks == []


def test_forty_planted_secrets_are_nowhere(
    tmp_path: Path,
    cluster: VirtualCluster,
    consul_address: ClusterAddress,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    check(play(tmp_path, cluster, consul_address, inbox, 40), 40)


@pytest.mark.nightly
def test_two_hundred_planted_secrets_are_nowhere(
    tmp_path: Path,
    cluster: VirtualCluster,
    consul_address: ClusterAddress,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    check(play(tmp_path, cluster, consul_address, inbox, 200), 200)
