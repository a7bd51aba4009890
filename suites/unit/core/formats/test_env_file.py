"""Env files are read as dotenv reads them."""

import pytest

from evolve.core.formats.env_file import parse_env_file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=b", {"A": "b"}),
        ("# note\n\nA = b # note\r\nexport C=d\n", {"A": "b", "C": "d"}),
        ("A='one # two'\nB=\"x\\ny\"\nC=`q`", {"A": "one # two", "B": "x\ny", "C": "q"}),
        ("A='x\\ny'", {"A": "x\\ny"}),
        ('KEY="-----BEGIN\nbody\n-----END"\nB=1', {"KEY": "-----BEGIN\nbody\n-----END", "B": "1"}),
        ("A=\nB: c\nnothing here\nA=2", {"A": "2", "B": "c"}),
        ("A=it's\nB=2", {"A": "it's", "B": "2"}),
        ("A='open\nB=2", {"A": "'open", "B": "2"}),
        ("", {}),
        # What follows a quote is part of the value, unless it is a comment.
        ("A = 'q' tail\nB=\"x\" # note", {"A": "'q' tail", "B": "x"}),
        ('A="1"B=2', {"A": '"1"B=2'}),
        ("A='a' 'b'", {"A": "a' 'b"}),
        # Where python-dotenv reads something else than the npm package.
        ("A=b#c\nB=# x", {"A": "b", "B": ""}),
        ('A="a\\tb"\nB=\'it\\\'s\'\nC="a\\"b"', {"A": "a\\tb", "B": "it\\'s", "C": 'a\\"b'}),
        ("A=`a'b\"c`\nB=${HOME}x\nC", {"A": "a'b\"c", "B": "${HOME}x"}),
    ],
)
def test_an_env_file_is_read(text: str, expected: dict[str, str]) -> None:
    assert parse_env_file(text) == expected
