"""Agent files and the banks of their demos, as they are read."""

from pathlib import Path

import pytest

from evolve.core.model.errors import InputError
from evolve.store.agents import load_agent, load_demos

AGENT = """\
---
name: A_AGENT
version: 1
description: Answers.
inputs: {{x: {{}}}}
output: {{type: string}}
model: echo
sampling: {{temperature: 0}}
demos: {{bank: {bank}, select: nearest, k: 1}}
---
## Case
{{{{ x }}}}
"""
BANK = "- {vars: {x: one}, output: two, family: f, key: k}\n"


def agent_in(folder: Path, bank: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "A_AGENT.md"
    file.write_text(AGENT.format(bank=bank), encoding="utf-8")
    return file


def test_a_bank_below_the_agents_folder_is_read(tmp_path: Path) -> None:
    file = agent_in(tmp_path / "agents", "demos/a.yaml")
    (file.parent / "demos").mkdir()
    (file.parent / "demos" / "a.yaml").write_text(BANK, encoding="utf-8")
    assert [demo.output for demo in load_demos(load_agent(file), file)] == ["two"]


@pytest.mark.parametrize("bank", ["../bank.yaml", "/etc/hostname", "link.yaml", "demos/../../bank.yaml"])
def test_a_bank_outside_the_agents_folder_is_refused(tmp_path: Path, bank: str) -> None:
    (tmp_path / "bank.yaml").write_text(BANK, encoding="utf-8")
    file = agent_in(tmp_path / "agents", bank)
    (file.parent / "link.yaml").symlink_to(tmp_path / "bank.yaml")
    with pytest.raises(InputError, match=r"demos\.bank: .* is outside the agent's folder"):
        load_demos(load_agent(file), file)
