"""The archive against a simple reference, between processes, and as a damaged file."""

import multiprocessing
import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from evolve.core.model.errors import EnvironmentFault, InputError
from evolve.core.model.evolution_events import (
    Account,
    CandidateInfo,
    Estimate,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
    Promoted,
    ProposalRejected,
)
from evolve.core.search.genome import Genome
from evolve.store.archive import Archive, Recorder

RUNS = ["agent-aa", "agent-ab", "other-aa"]
PROCESSES = 8


def started(run: str, at: float = 0.0) -> EvolutionStarted:
    info = CandidateInfo("c0", (), "incumbent", "", "text")
    return EvolutionStarted(run, "AGENT@1", "echo", 1, 40, (), info, Estimate(40, 1.0, 0.1, 0), at, command="evolve")


def finished(reason: str = "") -> EvolutionFinished:
    return EvolutionFinished("c0", "no-better", reason, Account())


def begun(archive: Archive, event: EvolutionStarted, folder: Path = Path("agents")) -> Recorder:
    return archive.begin(event, agent_file=folder / "A.md", winner_file=folder / "W.md")


@dataclass
class Attempt:
    """What the reference knows of one attempt, and the recorder that writes it."""

    recorder: Recorder
    events: list[EvolutionEvent] = field(default_factory=list)


class ArchiveAndReference(RuleBasedStateMachine):
    """Attempts of several runs, interleaved, some killed, in one file that is opened again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.archives = [Archive(self.folder)]
        self.attempts: dict[str, list[Attempt]] = {run: [] for run in RUNS}
        self.genomes: dict[tuple[str, str], Genome] = {}
        self.order: dict[str, float] = {}
        self.clock = 0.0

    @property
    def archive(self) -> Archive:
        return self.archives[-1]

    @rule(run=st.sampled_from(RUNS))
    def begin(self, run: str) -> None:
        self.clock += 1
        event = started(run, self.clock)
        attempt = Attempt(begun(self.archive, event))
        attempt.recorder.event(event)
        attempt.events.append(event)
        self.attempts[run].append(attempt)
        self.order[run] = self.clock  # the newest is the one that ran last

    @precondition(lambda self: any(self.attempts.values()))
    @rule(data=st.data(), text=st.text(max_size=8), ends=st.booleans())
    def tell(self, data: st.DataObject, text: str, ends: bool) -> None:
        run = data.draw(st.sampled_from([run for run in RUNS if self.attempts[run]]))
        attempt = data.draw(st.sampled_from(self.attempts[run]))
        if isinstance(attempt.events[-1], EvolutionFinished):
            return
        event: EvolutionEvent = finished(text) if ends else ProposalRejected("an operator", text)
        attempt.recorder.event(event)
        attempt.events.append(event)

    @precondition(lambda self: any(self.attempts.values()))
    @rule(data=st.data(), text=st.text(max_size=8), demos=st.none() | st.just(("0", "1")))
    def propose(self, data: st.DataObject, text: str, demos: tuple[str, ...] | None) -> None:
        run = data.draw(st.sampled_from([run for run in RUNS if self.attempts[run]]))
        genome = Genome((), rules=(text,), demo_ids=demos, sampling={"temperature": 0.5})
        self.attempts[run][-1].recorder.candidate(genome, ("c0",), "an operator", text)
        self.genomes[run, genome.id] = genome

    @rule()
    def open_again(self) -> None:
        """As another process does; the recorders of earlier ones go on."""
        self.archives.append(Archive(self.folder))

    @invariant()
    def the_file_says_what_the_reference_says(self) -> None:
        for run in RUNS:
            attempts = [attempt.events for attempt in self.attempts[run]]
            ended = [events for events in attempts if isinstance(events[-1], EvolutionFinished)]
            assert self.archive.knows(run) == bool(attempts)
            assert list(self.archive.events(run)) == (ended or attempts or [[]])[-1]
        newest_first = sorted(self.order, key=lambda run: -self.order[run])
        assert [record.run for record in self.archive.runs()] == newest_first
        for (run, name), genome in self.genomes.items():
            assert self.archive.genome(run, name) == genome

    def teardown(self) -> None:
        for archive in self.archives:
            archive.close()
        shutil.rmtree(self.folder)


TestArchive = ArchiveAndReference.TestCase
TestArchive.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@pytest.fixture
def archive(tmp_path: Path) -> Any:
    with closing(Archive(tmp_path)) as opened:
        yield opened


def test_a_run_is_found_by_the_beginning_of_its_name(archive):
    for number, run in enumerate(RUNS):
        begun(archive, started(run, number))
    assert archive.find("other").run == "other-aa"
    assert archive.find("agent-ab").run == "agent-ab"
    assert archive.find(None).run == "other-aa", "the newest"
    with pytest.raises(InputError, match=r"2 runs begin with 'agent' \(the newest are other-aa, agent-ab, agent-aa\)"):
        archive.find("agent")
    with pytest.raises(InputError, match="no run begins with 'none'"):
        archive.find("none")


def test_an_empty_archive_says_what_makes_a_run(archive):
    with pytest.raises(InputError, match=r"no run is archived yet \(`evolve --test-case FILE` makes one\)"):
        archive.find(None)
    assert archive.runs() == []
    assert not archive.knows("a run")
    assert list(archive.events("a run")) == []


def test_an_unknown_candidate_is_named(archive):
    begun(archive, started("a run"))
    with pytest.raises(InputError, match="run a run has no candidate 'abc'"):
        archive.genome("a run", "abc")


def test_a_candidate_that_is_proposed_again_stays_as_it_was(archive):
    genome = Genome((), rules=("one",))
    recorder = begun(archive, started("a run"))
    recorder.candidate(genome, ("c0",), "first", "")
    recorder.candidate(genome, ("c1",), "second", "")
    assert archive.genome("a run", genome.id) == genome


def test_what_happens_after_a_run_is_reported_with_the_attempt_that_ended(archive):
    ended = begun(archive, started("a run"))
    for event in (started("a run"), finished()):
        ended.event(event)
    begun(archive, started("a run")).event(started("a run"))
    promoted = Promoted("AGENT@2", "A.md", "c1", "proven")
    archive.append("a run", [promoted, promoted])
    assert list(archive.events("a run")) == [started("a run"), finished(), promoted, promoted]


def test_a_run_tells_where_its_command_was_given(archive):
    begun(archive, started("a run"))
    assert Path(archive.find(None).folder) == Path.cwd()
    archive._file.do("DELETE FROM folders")  # as an earlier version wrote it
    assert archive.find(None).folder == ""


def _attempt(folder: str, number: int) -> None:
    with closing(Archive(Path(folder))) as archive:
        recorder = begun(archive, started("a run"))
        recorder.event(started("a run"))
        for step in range(30):
            recorder.event(ProposalRejected(f"process {number}", str(step)))
        recorder.event(finished(str(number)))


def test_processes_that_begin_one_run_at_once_keep_their_events_apart(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_attempt, args=(str(tmp_path), number)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    with closing(Archive(tmp_path)) as archive:
        _, *reported, end = archive.events("a run")
        assert isinstance(end, EvolutionFinished)
        assert reported == [ProposalRejected(f"process {end.reason}", str(step)) for step in range(30)]


def test_a_folder_that_cannot_be_written_is_the_environments_fault(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(EnvironmentFault, match=r"the archive .*EVOLVE_CACHE_DIR"):
        Archive(tmp_path / "file" / "cache")


def test_a_file_that_is_no_database_is_the_environments_fault_and_stays_as_it_is(tmp_path):
    (tmp_path / "archive.sqlite").write_text("no database at all, but a text of some length")
    with pytest.raises(EnvironmentFault, match=r"the archive .*archive\.sqlite: file is not a database"):
        Archive(tmp_path)
    assert (tmp_path / "archive.sqlite").read_text().startswith("no database")


def test_a_file_of_another_version_is_refused(tmp_path):
    with closing(Archive(tmp_path)) as archive:
        archive._file.do("PRAGMA user_version = 99")
    with pytest.raises(EnvironmentFault, match="has format 99"):
        Archive(tmp_path)
