"""Names of items that pytest leaves as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.pytest_plugin.suites.node_names import NodeNames


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("plain", "plain"),
        ("a[echo][prompt 1]", "a[echo][prompt 1]"),
        ("[smoke] log in[echo]", "[smoke] log in[echo]"),
        ("[smoke] log in", "(smoke) log in"),
        ("a [b", "a (b"),
        ("a ]b", "a ]b"),
        ("a[echo]#2", "a#2[echo]"),
        ("a[echo][prompt 1]#12", "a#12[echo][prompt 1]"),
        ("a [b]c#2", "a (b)c#2"),
    ],
)
def test_a_name_ends_with_its_bracket_or_has_none(id, name):
    assert NodeNames().of(id) == name


@given(st.lists(st.text("a[]#12", max_size=6)))
def test_names_are_distinct_and_pytest_can_read_them_back(ids):
    names = NodeNames()
    made = [names.of(id) for id in ids]
    assert len(set(made)) == len(made)
    assert all(name.endswith("]") for name in made if "[" in name)
