"""The recordings of a real Nomad, asked again of the stand-in, one by one: a step answers alike, or DIFFERS says why.

Steps that our client does not make are not compared. A step that has become alike must leave the table.
"""

import contextlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fixtures.cluster_recordings import CONSUL_FILES, files
from fixtures.nomad_recordings import Stage, before, own_calls, prepare
from fixtures.nomad_replay import LATER_S, Replay, Step, steps
from fixtures.nomad_standins import Agent, agent, purge_all, until

AT_ONCE = 12
"""Recordings that are played at the same time, each on its own stand-in: they mostly wait for delays."""

ELSEWHERE = frozenset({"01", "02", "03", "04", "07", "26", "29", "31"})
"""Played by test_nomad_standin.py."""

WHOLE = {
    "05": "the stand-in reads no HCL",
    "24": "lines of a stream: suites/contract/test_recorded_streams.py reads them",
    "25": "requests that wait while others are sent: suites/contract/nomad has them for blocking queries",
    "28": "the stand-in has no ACLs",
    "30": "a client agent that is killed and drained: the stand-in's agent is server and client in one here",
    "33": "three servers, some killed: the stand-in has one",
    "39": "answers that a proxy broke: suites/contract/test_wire_faults.py breaks them",
    "40": "a mesh in a bridge, which a stand-in's node has not: test_mesh_recordings.py has what does not need it",
    "41": "a mesh, seen in Consul: test_mesh_recordings.py plays it with a real one",
    "44": "`/stable`, which our client must never call",
}
"""Recordings that are not played, with the reason."""

CUT = "the recording cut the request"
EARLIER = "the recording has evaluations of an earlier job of this ID, or of its end"
MORE_EVALS = "a real agent makes more evaluations"
DRIVER = "a driver that this stand-in has not: exec and mock never, docker only where suites/infra gives it an engine"
TEMPLATE = "the stand-in writes plain templates only, and fetches no artifacts"
CHECKED = "the stand-in reads only what it needs of a driver's configuration"
CANARY = "asked before the canary is healthy: suites/contract/nomad/test_canaries.py waits for that"
NO_CONSUL = "this stand-in has no Consul next to it; suites/integration/test_demo_cluster.py has"
NOMAD_CHECKS = "the stand-in runs no checks of its own"
ONE_ADDRESS = "the recorded node had a second address, on which the port was free"
PYTHON = "the words of another Python"
RESTARTED = "the restarts of the recording came at other moments"
ONE_NAMESPACE = "the stand-in has one namespace"
OTHER_PAST = "the recorded agent had jobs of other recordings"
WORDS = "the place of a syntax error"
MOMENT = "the state of one moment, which may be over"

DIFFERS: dict[str, dict[int, str]] = {
    "06": {},
    "08": {10: CUT},
    "09": {},
    "10": {},
    "11": {3: EARLIER, 7: MOMENT, 9: EARLIER},
    "12": dict.fromkeys(range(7, 13), DRIVER),
    "13": dict.fromkeys(range(2, 8), DRIVER),
    "14": dict.fromkeys((3, 4, 6), DRIVER),
    "15": {6: DRIVER, 7: DRIVER, 8: DRIVER, 10: CHECKED},
    "16": dict.fromkeys(range(7, 14), TEMPLATE),
    "17": {**dict.fromkeys(range(8, 13), EARLIER), 17: ONE_ADDRESS, 19: ONE_ADDRESS, 22: PYTHON},
    "18": {**dict.fromkeys((5, 6, 7, 8, 10, 11, 16, 18, 19), MOMENT), **dict.fromkeys(range(12, 16), CANARY)},
    "19": {**dict.fromkeys((2, 3, 4, 5, 6), TEMPLATE)},
    "20": {**dict.fromkeys(range(1, 8), NO_CONSUL), 11: NOMAD_CHECKS},
    "21": {},
    "22": {**dict.fromkeys((5, 9, 15, 16), RESTARTED), 17: MORE_EVALS},
    "23": {},
    "27": {
        **dict.fromkeys((0, 1, 5, 9), ONE_NAMESPACE),
        **dict.fromkeys((3, 19, 25, 26, 27, 28), OTHER_PAST),
        21: WORDS,
    },
    "32": {},
    "38": {7: EARLIER, 15: EARLIER, 23: EARLIER, 32: MORE_EVALS},
    "43": {},
    "45": {20: RESTARTED},
}
MAY_BE_ALIKE = frozenset({CANARY, MOMENT, TEMPLATE, RESTARTED})
"""Reasons of steps that are alike at some moments."""


def test_every_recording_is_played_or_has_a_reason() -> None:
    named = {file.name[:2] for file in files()} - CONSUL_FILES
    assert named == ELSEWHERE | {*WHOLE} | {*DIFFERS}


def test_recordings_answer_as_they_were_recorded(tmp_path: Path) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        # The longest first.
        names = sorted(DIFFERS, key=lambda name: -len(steps(name)))
        found = dict(zip(names, threads.map(lambda name: played(name, tmp_path / name), names), strict=True))
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def played(name: str, folder: Path) -> list[str]:
    """What a stand-in of its own answers otherwise than recorded."""
    folder.mkdir()
    with held_port(name), agent(folder) as nomad:
        try:
            return list(differences(name, nomad))
        finally:
            purge_all(nomad)


@contextlib.contextmanager
def held_port(name: str) -> Iterator[None]:
    """Hold the port that a program outside Nomad held when recording 17 was made; it may be held already."""
    if name != "17":
        yield
        return
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            held.enter_context(socket.create_server(("127.0.0.1", 8500)))
        yield


def differences(name: str, nomad: Agent) -> Iterator[str]:
    recorded, ours = steps(name), own_calls(name)
    replay = Replay(nomad.url, recorded)
    stage = Stage(nomad.read, lambda method, path, body: nomad.write(path, body, method), until, nomad.folder)
    prepare(name, stage)
    for step in recorded:
        whole = before(name, step, stage)
        if step.number in ours:
            yield from wrong_in(name, whole, replay)
        elif step.method != "GET":
            replay.ask(whole)


def wrong_in(name: str, step: Step, replay: Replay) -> Iterator[str]:
    reason = DIFFERS[name].get(step.number)
    found = replay.differences(step, later_s=0 if reason else LATER_S)
    where = f"step {step.number} {step.method} {step.path} ({step.note})"
    if reason is None and found:
        yield f"{where}: {'; '.join(found)}"
    if reason is not None and not found and reason not in MAY_BE_ALIKE:
        yield f"{where}: no difference, but DIFFERS says: {reason}"


@pytest.mark.parametrize("name", sorted(DIFFERS))
def test_a_reason_stands_at_a_call_of_ours(name: str) -> None:
    assert {*DIFFERS[name]} <= own_calls(name)
