"""The map of a folder of code: what is in it, and nothing from outside of it."""

import os
from pathlib import Path

import pytest

from fixtures.tool_calls import call_tool, reason_of
from pipecatapp.core.ports import ToolReason
from pipecatapp.tools.config import ToolsConfig
from pipecatapp.tools.project_mapper import project_mapper


@pytest.fixture
def shop(tmp_path: Path) -> ToolsConfig:
    root = tmp_path / "shop"
    (root / "core").mkdir(parents=True)
    (root / "core" / "basket.py").write_text("import os\nfrom ..x import y\n\nclass Basket:\n    def add(self): ...\n")
    (root / "core" / "broken.py").write_text("def (")
    (root / "main.go").write_text('package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("func notOne") }\n')
    (root / "app.js").write_text("// function notThis\nfunction start() {}\nclass Page {}\n")
    (root / "notes.md").write_text("# Notes\n")
    (root / ".env").write_text("TOKEN=hunter2")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("[core]")
    (root / "node_modules").mkdir()
    (root / "node_modules" / "left.js").write_text("function left() {}")
    (tmp_path / "outside.py").write_text("class Outside: ...")
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    (root / "away").symlink_to(tmp_path)
    os.mkfifo(root / "pipe.py")
    return ToolsConfig(projects={"shop": root})


def test_the_map_has_files_symbols_imports_and_sizes(shop):
    assert call_tool(project_mapper, shop).text.splitlines() == [
        "shop: 5 files, 204 bytes (2 .py, 1 .js, 1 .go, 1 .md)",
        "app.js (3 lines)",
        "  function start:2, class Page:3",
        "main.go (5 lines)",
        "  imports fmt",
        "  func main:5",
        "notes.md (1 lines)",
        "core/basket.py (5 lines)",
        "  imports os, ..x",
        "  class Basket:4, def Basket.add:5",
        "core/broken.py (1 lines, no valid Python (line 1))",
    ]


def test_one_part_and_one_name(shop):
    assert "main.go" not in call_tool(project_mapper, shop, path="core").text
    assert call_tool(project_mapper, shop, project="shop", find="ADD").text == "core/basket.py:5 def Basket.add"
    assert call_tool(project_mapper, shop, find="nowhere").text == "nothing in shop has 'nowhere' in its name"
    assert call_tool(project_mapper, shop, find="basket.py").text.startswith("core/basket.py (5 lines)")


@pytest.mark.parametrize(
    ("arguments", "reason", "text"),
    [
        ({"path": "../"}, ToolReason.REFUSED, "../ is outside of the folder"),
        ({"path": "/etc"}, ToolReason.REFUSED, "/etc is outside of the folder"),
        ({"path": "away"}, ToolReason.REFUSED, "away is outside of the folder"),
        ({"path": "nowhere"}, ToolReason.FAILED, "there is no nowhere"),
        ({"path": "a\0b"}, ToolReason.REFUSED, "no path can hold a null character"),
        ({"project": "shpo"}, ToolReason.REFUSED, "no project 'shpo' is configured (did you mean 'shop'?)"),
        ({"project": 1}, ToolReason.BAD_ARGUMENTS, "project: expected text"),
    ],
)
def test_what_is_refused(shop, arguments, reason, text):
    result = call_tool(project_mapper, shop, **arguments)
    assert reason_of(result) is reason
    assert text in result.text


def test_without_a_folder_it_is_not_configured():
    result = call_tool(project_mapper)
    assert reason_of(result) is ToolReason.NOT_CONFIGURED
    assert "tools.project_mapper" in result.text


def test_a_call_that_takes_too_long_is_ended(shop):
    folder = shop.projects["shop"]
    for number in range(200):
        (folder / f"f{number}.py").write_text("x = 1\n" * 2000)
    assert reason_of(call_tool(project_mapper, shop, timeout_s=0.01)) is ToolReason.TIMEOUT


def test_hostile_files_are_text_only(tmp_path):
    (tmp_path / b"bad\xff\x1b[31m\nname.py".decode("utf-8", "surrogateescape")).write_bytes(b"class A\xff: ...")
    (tmp_path / "deep.py").write_text("(" * 5000)
    (tmp_path / "null.py").write_bytes(b"\0" * 100)
    (tmp_path / "huge.py").write_text("x = 1\n" * 200_000)
    (tmp_path / "many.py").write_text("".join(f"def f{n}(): ...\n" for n in range(3000)))
    said = call_tool(project_mapper, ToolsConfig(projects={"x": tmp_path})).text
    assert "\x1b" not in said
    assert "huge.py (1,200,000 bytes)" in said
    assert "def f11:12 and 2988 more" in said
