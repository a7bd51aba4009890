"""All gates of a project, in a file that only grows and is committed with the agents: `gate_log.jsonl`.

A gate is opened first, which spends its level; its decision is recorded later. So two runs at once have two numbers, a
run that was killed in its gate finds it again, and an abandoned gate still costs its level.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from evolve.core.model.errors import InputError, Location, Problem, StoreFault
from evolve.core.model.gate import GateDecision, Lane
from evolve.core.search.alpha import next_alpha
from evolve.core.search.gate_history import GateRecord
from evolve.store.gate_lines import line_of_decision, line_of_opening, parse_lines
from evolve.system.disk_faults import store_fault
from evolve.system.locks import take_lock


class GateLog:
    """A project's gate log; without the file there are no gates. Many processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def gates(self) -> list[GateRecord]:
        """Return all gates, in order. A last line that a crash cut off is left out.

        Raises:
            InputError: a line is not a record or was renumbered; with every such line.
            StoreFault: the file cannot be read.
        """
        try:
            content = self._path.read_bytes() if self._path.exists() else b""
        except OSError as error:
            raise self._fault(error) from error
        return self._parse(_whole_lines(content))

    def next_alpha(self, lane: Lane = "better") -> float:
        """Return the level of the gate that is opened next in this lane; raise what `gates` raises."""
        return _level(self.gates(), lane)

    def open(self, run: str, *, agent: str, parent: str, date: str, lane: Lane = "better") -> GateRecord:
        """Return the gate of this run: opened now, or the one that it has opened before.

        Args:
            run: the id of the run.
            agent: the name of the agent, without version.
            parent: NAME@VERSION of the incumbent.
            date: today, ISO 8601.
            lane: which levels it spends.

        Raises:
            InputError: the log is damaged.
            StoreFault: it cannot be written.
        """
        with self._lock() as file:
            gates = self._cut_torn_line(file)
            known = next((gate for gate in gates if gate.run == run), None)
            if known is not None:
                return known
            gate = GateRecord(len(gates) + 1, run, agent, parent, date, _level(gates, lane), lane=lane)
            _append(file, line_of_opening(gate))
        return gate

    def record(
        self, run: str, candidate: str, decision: GateDecision, families: Sequence[str], *, date: str
    ) -> GateRecord:
        """Record the decision of the run's gate and return the gate; a decision that was recorded before stays.

        Args:
            run: the id of the run.
            candidate: the id of the candidate.
            decision: what the gate decided.
            families: the families of its cases.
            date: today, ISO 8601.

        Raises:
            ValueError: the run has not opened a gate, or the decision has another level than the gate.
            InputError, StoreFault: as in `open`.
        """
        with self._lock() as file:
            gate = next((gate for gate in self._cut_torn_line(file) if gate.run == run), None)
            if gate is None or gate.alpha != decision.alpha:
                raise ValueError(f"run {run} has opened no gate at the level {decision.alpha}")
            if gate.word is not None:
                return gate
            decided = _with_word(gate, candidate, decision, families, date)
            _append(file, line_of_decision(decided))
        return decided

    @contextmanager
    def _lock(self) -> Iterator[BinaryIO]:
        """Open the file for this process alone."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as file:
                take_lock(file.fileno())
                yield file
        except OSError as error:
            raise self._fault(error) from error

    def _cut_torn_line(self, file: BinaryIO) -> list[GateRecord]:
        """Return the gates; cut off a line that a crash left incomplete, so that the next one starts on a new line."""
        file.seek(0)
        content = file.read()
        whole = _whole_lines(content)
        gates = self._parse(whole)
        if len(whole) < len(content):
            file.truncate(len(whole))
        elif content and not content.endswith(b"\n"):
            _append(file, "\n")
        return gates

    def _parse(self, content: bytes) -> list[GateRecord]:
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            problem = Problem("not UTF-8", Location(str(self._path), line), "restore the line from git")
            raise InputError(problem) from error
        return parse_lines(text, str(self._path))

    def _fault(self, error: OSError) -> StoreFault:
        hint = "it is next to the agents and must be writable: no gate is decided without a record"
        return store_fault(f"the gate log {self._path} cannot be used", self._path, error, hint=hint)


@dataclass(frozen=True, slots=True)
class AgentGates:
    """The gates of one agent, for the evolution engine."""

    log: GateLog
    agent: str
    """Name, without version."""
    parent: str
    """NAME@VERSION of the incumbent."""
    today: Callable[[], str]
    """The date, ISO 8601."""
    lane: Lane = "better"

    def level(self, run: str) -> tuple[float, bool]:
        """Return the level of the run's gate, and whether the run has opened it already; see `GateLog.gates`."""
        gates = self.log.gates()
        known = next((gate for gate in gates if gate.run == run), None)
        return (known.alpha, True) if known else (_level(gates, self.lane), False)

    def open(self, run: str) -> tuple[int, float]:
        """Return the number and the level of the run's gate; see `GateLog.open`."""
        gate = self.log.open(run, agent=self.agent, parent=self.parent, date=self.today(), lane=self.lane)
        return gate.number, gate.alpha

    def record(self, run: str, candidate: str, decision: GateDecision, families: Sequence[str]) -> None:
        """Record the decision of the run's gate.

        Args:
            run: the id of the run.
            candidate: the id of the candidate.
            decision: what the gate decided.
            families: the families of its cases.
        """
        self.log.record(run, candidate, decision, families, date=self.today())


def _level(gates: Sequence[GateRecord], lane: Lane) -> float:
    """The next level of a lane: gates of the other one spend nothing of it."""
    return next_alpha([gate.word == "proven" for gate in gates if gate.lane == lane])


def _with_word(
    gate: GateRecord, candidate: str, decision: GateDecision, families: Sequence[str], date: str
) -> GateRecord:
    return replace(
        gate,
        decided=date,
        candidate=candidate,
        word=decision.word,
        p_value=decision.p_value,
        gain=decision.gain,
        cases=decision.cases,
        families=tuple(sorted(set(families))),
        new_harm=decision.new_harm,
    )


def _append(file: BinaryIO, text: str) -> None:
    """Append to the file; the text is on the disk when this returns."""
    file.write(text.encode())
    file.flush()
    os.fsync(file.fileno())


def _whole_lines(content: bytes) -> bytes:
    """Return the content without an incomplete last line: one that has no newline and is not JSON."""
    end = content.rfind(b"\n") + 1
    try:
        json.loads(content[end:] or b"null")
    except ValueError:
        return content[:end]
    return content
