import asyncio
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolve.core.cases.redaction import Redactor
from evolve.core.model.errors import InputError, StoreFault
from pipecatapp.agent.memory import DecidedApproval, Memory, MemoryEntry, StoredLogin, read_export


def entry(session="s", turn="t1", role="user", text="hello", at=100.0):
    return MemoryEntry(session, turn, role, text, at)


def run(tmp_path, work, redactor=None):
    async def all_of_it():
        memory = Memory(tmp_path / "memory.sqlite", redactor or Redactor())
        try:
            return await work(memory)
        finally:
            await memory.close()

    return asyncio.run(all_of_it())


def test_what_was_said_is_there_after_a_restart_and_in_order(tmp_path):
    said = [entry(turn=f"t{n}", role=role, text=f"{role} {n}") for n in range(3) for role in ("user", "assistant")]
    assert run(tmp_path, lambda memory: memory.add("alice", said)) == 6
    assert run(tmp_path, lambda memory: memory.history("s", 10)) == said
    assert run(tmp_path, lambda memory: memory.history("s", 2)) == said[-2:]


def test_a_search_finds_all_words_and_only_the_own_sessions(tmp_path):
    async def work(memory):
        await memory.add("alice", [entry(text="the lamp in the kitchen"), entry(turn="t2", text="the lamp upstairs")])
        await memory.add("bob", [entry("of-bob", text="the lamp of bob in the kitchen")])
        return [[one.text for one in await memory.search("alice", words)] for words in ("kitchen lamp", "LAMP", "bob")]

    first, second, third = run(tmp_path, work)
    assert first == ["the lamp in the kitchen"]
    assert sorted(second) == ["the lamp in the kitchen", "the lamp upstairs"]
    assert third == []


@given(words=st.text(max_size=30))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_searched_for_is_no_operator(tmp_path, words):
    clean = words.encode("utf-8", "ignore").decode()
    run(tmp_path, lambda memory: memory.search("alice", clean))


def test_secrets_are_not_in_the_file(tmp_path):
    secret = "sk-anneal-" + "Zx81kq0Pw7" * 4

    async def work(memory):
        await memory.add("alice", [entry(text=f"my key is {secret}"), entry(turn="t2", text="the word is hunter2-own")])
        arguments = f'{{"token": "{secret}"}}'
        await memory.note_approval(DecidedApproval(1.0, "s", "alice", "ssh", arguments, "d", "approved"))
        return await memory.approvals("alice")

    (approval,) = run(tmp_path, work, Redactor(["hunter2-own"]))
    assert approval.outcome == "approved"
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert secret.encode() not in content
    assert b"hunter2-own" not in content


def test_a_text_that_cannot_be_searched_is_not_kept(tmp_path):
    text = "word " * 1_000_000
    run(tmp_path, lambda memory: memory.add("alice", [entry(text=text)]))
    (kept,) = run(tmp_path, lambda memory: memory.history("s", 1))
    assert kept.text == "[not kept: the text could not be searched for secrets]"


def test_an_export_is_imported_once_and_never_into_a_foreign_session(tmp_path):
    async def work(memory):
        await memory.add("alice", [entry(), entry(role="assistant", text="line\nbreak")])
        text = await memory.export("alice")
        again = await memory.add("alice", read_export(text, "x"))
        foreign = await memory.add("bob", read_export(text, "x"))
        await memory.forget("alice")
        empty = await memory.export("alice")
        back = await memory.add("alice", read_export(text, "x"))
        return text, again, foreign, empty, back, await memory.export("alice")

    text, again, foreign, empty, back, after = run(tmp_path, work)
    assert (again, foreign, empty, back) == (0, 0, "", 2)
    assert after == text


def test_every_wrong_line_of_an_export_is_named():
    good = '{"session": "s", "turn": "t", "role": "user", "text": "x", "at": 1.0}'
    bad = good.replace('"user"', '"root"')
    with pytest.raises(InputError) as error:
        read_export(f"{good}\nnonsense\n\n{bad}\n{{}}\n", "export.jsonl")
    found = [str(problem) for problem in error.value.problems]
    assert found[0] == "export.jsonl:2: expected a line of JSON"
    assert found[1] == "export.jsonl:4: expected the role user or assistant, got 'root'"
    assert found[2].startswith("export.jsonl:5: MemoryEntry: the field 'session' is missing")


@pytest.mark.parametrize("change", [('"s"', '"\\ud800"'), ("1.0", '"NaN"'), ("1.0", "1e999")])
def test_what_no_file_takes_is_refused_in_an_export(change):
    line = '{"session": "s", "turn": "t", "role": "user", "text": "x", "at": 1.0}'
    with pytest.raises(InputError, match="expected a time, and ids that are text"):
        read_export(line.replace(*change), "x")


def test_half_of_a_surrogate_pair_is_kept_as_a_question_mark(tmp_path):
    run(tmp_path, lambda memory: memory.add("alice", [entry(text="a\ud83db")]))
    assert run(tmp_path, lambda memory: memory.history("s", 1))[0].text == "a?b"


def test_old_words_go_and_with_them_what_finds_them(tmp_path):
    async def work(memory):
        await memory.add("alice", [entry(turn=f"t{n}", text=f"word{n}", at=float(n)) for n in range(10)])
        await memory.add("alice", [entry("empty", text="old", at=0.5)])
        count = await memory.prune(3.0, 4)
        return count, await memory.history("s", 100), await memory.search("alice", "word1")

    count, left, found = run(tmp_path, work)
    assert count == 7
    assert [one.text for one in left] == ["word6", "word7", "word8", "word9"]
    assert found == []
    with sqlite3.connect(tmp_path / "memory.sqlite") as database:
        assert database.execute("SELECT id FROM sessions").fetchall() == [("s",)]
        database.execute("INSERT INTO words(words) VALUES ('integrity-check')")


def test_logins_are_kept_until_they_end(tmp_path):
    first, second = StoredLogin("h1", "s", "alice", 50.0), StoredLogin("h2", "s2", "bob", 200.0)

    async def work(memory):
        await memory.keep_login(first)
        await memory.keep_login(second)
        before = await memory.logins(10.0)
        return before, await memory.logins(100.0)

    assert run(tmp_path, work) == ([first, second], [second])
    run(tmp_path, lambda memory: memory.drop_login("h2"))
    assert run(tmp_path, lambda memory: memory.logins(10.0)) == []


def test_a_file_that_is_no_database_is_refused_with_a_hint(tmp_path):
    (tmp_path / "memory.sqlite").write_text("no database " * 100)
    with pytest.raises(StoreFault, match=r"set memory.file to another file"):
        Memory(tmp_path / "memory.sqlite", Redactor())


def test_the_file_is_for_its_owner_only(tmp_path):
    run(tmp_path, lambda memory: memory.add("alice", [entry()]))
    assert (tmp_path / "memory.sqlite").stat().st_mode & 0o077 == 0
