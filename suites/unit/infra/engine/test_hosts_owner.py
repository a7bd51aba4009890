import dataclasses
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.infra.engine.owner import Life, Owner

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
    code = (
        "import sys; from evolve.infra.engine.owner import Owner; print(Owner.current(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as child:
        assert child.stdout is not None
        owner = Owner.parse(child.stdout.readline().strip())
        assert owner is not None
        assert owner.life() is Life.LIVES
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert owner.life() is Life.ENDED
    assert owner.life() is Life.ENDED


@given(st.builds(Owner, st.integers(1, 2**22), WORD, WORD, WORD))
def test_a_label_names_its_owner(owner: Owner):
    assert Owner.parse(str(owner)) == owner


@given(st.text().filter(lambda text: text.count(":") != 3))
def test_a_strangers_label_names_nobody(text: str):
    assert Owner.parse(text) is None
