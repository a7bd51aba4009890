import pytest

from evolve.core.text.inert_text import clean_tail


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]52;c;c2VjcmV0\x07after", "after"),
        ("\x1b]0;title\x1b\\after", "after"),
        ("10 %\r20 %\rdone\r\nnext", "done\nnext"),
        ("a\x00b\x08c\x7f", "abc"),
        ("user\u202egnp.exe\u2066x\u2069", "usergnp.exex"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\x1b[?1049h\x1b[2Jcleared", "cleared"),
        ("cut \x1b]8;;http://x", "cut "),
        ("", ""),
    ],
)
def test_what_steers_a_terminal_or_hides_text_is_removed(written, shown):
    assert clean_tail(written) == shown


def test_the_end_is_kept():
    assert clean_tail("a" * 100 + "b" * 10, limit=12) == "aabbbbbbbbbb"
    assert len(clean_tail("\x1b[31mx\n" * 100_000, limit=50)) == 50
