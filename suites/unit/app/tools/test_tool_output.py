"""Cuts of outputs keep whole characters, and a note says that something is missing."""

from hypothesis import given
from hypothesis import strategies as st

from pipecatapp.tools.output import OutputFilter, cap, cut_bytes


def test_a_short_text_stays():
    assert cap("a\nb", max_bytes=10, max_lines=2) == "a\nb"


def test_lines_and_bytes_are_cut():
    assert cap("a\nb\nc", max_bytes=10, max_lines=2) == "a\nb\n[cut: only the first 3 bytes are shown]"
    assert cap("abcdef", max_bytes=4, max_lines=2) == "abcd\n[cut: only the first 4 bytes are shown]"
    assert cap("ab", max_bytes=4, max_lines=2, cut_before=True) == "ab\n[cut: only the first 2 bytes are shown]"


@given(st.text(max_size=60), st.integers(0, 40))
def test_a_cut_is_a_beginning_of_whole_characters(text, limit):
    text = text.encode("utf-8", "replace").decode()
    cut = cut_bytes(text, limit)
    assert text.startswith(cut)
    assert len(cut.encode()) <= limit
    assert cut == text or len(text[: len(cut) + 1].encode()) > limit


def test_the_environments_secrets_are_masked():
    masked = OutputFilter({"DEPLOY_TOKEN": "Zx81kQpL0vTn4RbW"}).apply("it is Zx81kQpL0vTn4RbW")
    assert "Zx81kQpL0vTn4RbW" not in masked
    assert masked.startswith("it is <secret:")


def test_of_a_page_of_blanks_the_beginning_of_each_row_is_kept():
    shown = OutputFilter({}).apply("a" + " \t" * 30_000 + "b\n\n" + " " * 200 + "c")
    assert shown == "a" + " \t" * 100 + "b\n\n" + " " * 200 + "c"
