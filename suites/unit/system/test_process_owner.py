import dataclasses
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.system.process_owner import Life, Owner

WORD = st.text("0123456789abcdef-", min_size=1, max_size=40)


def test_a_running_process_lives():
    assert Owner.current().life() is Life.LIVES


def test_a_later_process_of_the_same_number_is_another_owner():
    assert dataclasses.replace(Owner.current(), start="1").life() is Life.ENDED


@pytest.mark.parametrize("field", ["boot", "namespace"])
def test_an_owner_of_another_boot_or_namespace_cannot_be_seen(field: str):
    assert dataclasses.replace(Owner.current(), **{field: "another"}).life() is Life.UNSEEN


def test_an_owner_whose_boot_is_unknown_cannot_be_seen():
    assert dataclasses.replace(Owner.current(), boot="").life() is Life.UNSEEN


def test_a_process_that_ended_is_seen_to_have_ended_also_before_it_is_waited_for():
    code = "from evolve.system.process_owner import Owner; print(Owner.current(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as child:
        assert child.stdout is not None
        owner = Owner.parse(child.stdout.readline().strip())
        assert owner is not None
        assert owner.life() is Life.LIVES
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert owner.life() is Life.ENDED
    assert owner.life() is Life.ENDED


def test_a_machine_that_was_started_again_has_ended_its_processes():
    earlier = dataclasses.replace(Owner.current(), boot="another")
    assert earlier.is_gone
    assert earlier.life() is Life.UNSEEN, "what it left is not removed: machines may share a name"


@pytest.mark.parametrize(
    "other",
    [{"boot": "another", "machine": "another"}, {"boot": "another", "namespace": "another"}, {"boot": ""}],
    ids=["another machine", "another namespace", "an unknown boot"],
)
def test_of_what_cannot_be_seen_nothing_is_certain(other: dict[str, str]):
    assert not dataclasses.replace(Owner.current(), **other).is_gone


def test_who_lives_is_not_gone_and_who_ended_is():
    assert not Owner.current().is_gone
    assert dataclasses.replace(Owner.current(), start="1").is_gone


@given(st.builds(Owner, st.integers(1, 2**22), WORD, WORD, WORD, st.text(max_size=40)))
def test_an_owner_is_recognised_after_it_was_written_down(owner: Owner):
    assert Owner.parse(str(owner)) == owner


def test_a_label_of_an_older_version_names_its_owner():
    assert Owner.parse("7:12:boot:4026531836") == Owner(7, "12", "boot", "4026531836")


@given(st.text().filter(lambda text: text.count(":") < 3 or not text.partition(":")[0].isdecimal()))
def test_a_strangers_words_name_nobody(text: str):
    assert Owner.parse(text) is None


def test_a_claim_of_an_older_version_names_nobody():
    assert Owner.parse("host/pid:[4026531836]:12:345") is None
