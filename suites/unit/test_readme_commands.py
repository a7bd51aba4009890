"""What the marks of README.md and docs/ say, and when an output is what a document shows."""

import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.readme_blocks import blocks_of, documents, missing_lines, mistakes

ROOT = Path(__file__).parents[2]
DOCUMENT = """\
# Title
<!-- file: greet.txt -->
```yaml
hello: 1
```

<!-- runnable -->
```
cat greet.txt
```
<!-- output -->
```
hello: ...
```
- in a list
  <!-- runnable: exit 1 -->
  ```sh
  false
  ```
```python
no = "mark needed"
```
"""


def test_every_block_of_commands_says_what_ci_does_with_it():
    found = [
        problem
        for path in documents(ROOT)
        for problem in mistakes(blocks_of(path.read_text("utf-8"), path.relative_to(ROOT).as_posix()))
    ]
    assert found == []


def test_the_main_job_is_run_once_and_nowhere_else_in_ci():
    runs = [
        block.place
        for path in documents(ROOT)
        for block in blocks_of(path.read_text("utf-8"), path.name)
        if block.kind == "runnable" and "./bootstrap.sh" in block.text.splitlines()
    ]
    assert len(runs) == 1
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert [line for line in lines if line.endswith("./bootstrap.sh")] == []


def test_blocks_carry_their_marks_place_and_text():
    found = blocks_of(DOCUMENT, "a.md")
    assert [(block.kind, block.detail, block.line) for block in found] == [
        ("file", "greet.txt", 3), ("runnable", "", 8), ("output", "", 12), ("runnable", "exit 1", 17), ("", "", 20)
    ]  # fmt: skip
    assert [block.exit_code for block in found if block.kind == "runnable"] == [0, 1]
    assert found[3].text == "false\n"
    assert mistakes(found) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```\nls\n```", "a.md:1: a block of commands without a mark"),
        ("```console\n$ ls\n```", "a.md:1: a block of commands without a mark"),
        ("<!-- runnable: sometimes -->\n```\nls\n```", "a.md:2: expected `runnable` or `runnable: exit N`"),
        ("<!-- not run -->\n```\nls\n```", "a.md:2: `not run` needs more"),
        ("<!-- elsewhere: -->\n```\nls\n```", "a.md:2: `elsewhere` needs more"),
        ("<!-- output -->\n```\nls\n```", "a.md:2: `output` follows no runnable block"),
        ("<!-- runable -->\n```\nls\n```", "a.md:2: a block of commands without a mark"),
    ],
)
def test_a_mark_that_says_too_little_is_reported(text: str, message: str):
    (found,) = mistakes(blocks_of(text, "a.md"))
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("PASS: 2 passed; 0.4 s", "noise\n  PASS: 2 passed; 12.3 s  \nmore"),
        ("PASS", "\x1b[32mPASS\x1b[0m"),
        ("a\n...\nd", "a\nb\nc\nd"),
        ("...\na\n...", "a"),
        ("rootdir: ...", "rootdir: /tmp/x"),
        ("=== 1 failed in 1.2s ===", "======== 1 failed in 10.35s ======"),
        ("a (b) [c*", "a (b) [c*"),
    ],
)
def test_an_output_may_differ_in_seconds_colours_and_dots(shown: str, printed: str):
    assert missing_lines(shown, printed) == []


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        ("PASS: 2 passed", "PASS: 1 passed", ["PASS: 2 passed"]),
        ("a\nb", "b\na", ["b"]),
        ("a\na", "a", ["a"]),
        ("a\nx\nb", "a\nb", ["x"]),
    ],
)
def test_a_line_that_was_not_printed_in_its_order_is_missing(shown: str, printed: str, missing: list[str]):
    assert missing_lines(shown, printed) == missing


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one document, and these scripts."""
    folder = tmp_path / "checkout"
    (folder / "fixtures").mkdir(parents=True)
    for name in ("__init__.py", "readme_blocks.py", "readme_commands.py"):
        (folder / "fixtures" / name).write_bytes((ROOT / "fixtures" / name).read_bytes())
    (folder / "README.md").write_text(DOCUMENT)
    return folder


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    command = [sys.executable, "-m", "fixtures.readme_commands"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_commands_run_in_a_clone_that_has_nothing_beside_it(checkout: Path):
    (checkout / "README.md").write_text(
        DOCUMENT + "<!-- runnable -->\n```\nls -A ..\nls -A ~\necho ${EVOLVE_REQUIRE-unset}\n```\n"
        "<!-- output -->\n```\nanneal\nunset\n```\n"
    )
    done = run(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all did what the documents say" in done.stdout
    assert "README.md:8: cat greet.txt" in done.stdout


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("cat greet.txt", "cat greeting.txt", "FAILED README.md:8: exit 1, expected 0"),
        ("cat greet.txt", "false; cat greet.txt", "FAILED README.md:8: exit 1, expected 0"),
        ("hello: ...", "bye: ...", "FAILED README.md:12: not printed: bye: ..."),
        ("runnable: exit 1", "runnable: exit 2", "FAILED README.md:17: exit 1, expected 2"),
    ],
)
def test_what_a_document_says_wrongly_fails(checkout: Path, before: str, after: str, message: str):
    (checkout / "README.md").write_text(DOCUMENT.replace(before, after))
    done = run(checkout)
    assert done.returncode == 1
    assert message in done.stdout.splitlines()
