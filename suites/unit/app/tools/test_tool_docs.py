"""docs/tools.md: its part about each tool is the registry's, and its example is a configuration that fits."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pipecatapp
from evolve.core.formats.yaml12 import read_document
from pipecatapp.serving.config_files import ConfigReader
from pipecatapp.tools.all_tools import ALL_TOOLS
from pipecatapp.tools.config_reading import read_tools, tools_schema
from pipecatapp.tools.docs_page import tool_sections

PAGE = (Path(pipecatapp.__file__).parents[1] / "docs" / "tools.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```yaml\n(.*?)```", PAGE, re.S)


def example(folder: Path) -> ConfigReader:
    assert EXAMPLE is not None
    return ConfigReader(read_document(EXAMPLE[1], "docs/tools.md"), folder)


def test_the_part_about_each_tool_is_the_registrys():
    assert tool_sections([tool.spec for tool in ALL_TOOLS]) in PAGE  # else: pipecatapp tools


def test_the_example_needs_files_only(tmp_path):
    reader = example(tmp_path)
    read_tools(reader, {})
    assert [one.message for one in reader.problems if "cannot be read" not in one.message] in (
        [f"{name} is no folder" for name in ("~/src/anneal", "~/notes")],
        [],
    )


def keys_of(schema: dict[str, Any]) -> Iterator[str]:
    for name, part in schema.get("properties", {}).items():
        yield name
        yield from keys_of(part)
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        yield from keys_of(others)


def test_the_example_has_every_setting():
    assert EXAMPLE is not None
    assert [key for key in keys_of(tools_schema()) if not re.search(rf"\b{key}:", EXAMPLE[1])] == []
