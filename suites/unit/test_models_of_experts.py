"""group_vars/models.yaml: every expert ends with the small model, and the page shows what the file has."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
VALUES = yaml.safe_load((ROOT / "group_vars/models.yaml").read_text())
EXPERTS = yaml.safe_load((ROOT / "group_vars/all.yaml").read_text())["experts"]


def resolve(entry: Any) -> dict[str, Any]:
    return dict(VALUES[entry.strip("{} ")] if isinstance(entry, str) else entry)


LISTS = {name: [resolve(one) for one in entries] for name, entries in VALUES["models_of_experts"].items()}


MODELS = list({one["name"]: one for entries in LISTS.values() for one in entries}.values())


def test_every_expert_has_a_list_and_a_port_of_its_own():
    assert {"main", *EXPERTS} == set(LISTS)
    ports = [one["port"] for one in EXPERTS.values()]
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("expert", LISTS)
def test_the_last_model_is_the_small_one_and_needs_the_least_memory(expert):
    assert LISTS[expert][-1] == VALUES["models_small_fallback"]
    assert LISTS[expert][-1]["memory_mb"] == min(one["memory_mb"] for one in LISTS[expert])


@pytest.mark.parametrize("model", MODELS, ids=lambda one: one["name"])
def test_a_model_can_be_fetched_and_is_the_same_tomorrow(model):
    url = re.fullmatch(r"https://huggingface\.co/[\w.-]+/[\w.-]+/resolve/(main|[0-9a-f]{40})/(.+)", model["url"])
    assert url is not None
    assert url[2] == model["file"]
    # A checksum of a file that may change would be wrong some day.
    assert ("sha256" in model) == (url[1] != "main")
    assert re.fullmatch(r"[0-9a-f]{64}", model.get("sha256", "0" * 64))
    assert model["memory_mb"] > model["size_mb"]


@pytest.mark.parametrize("model", MODELS, ids=lambda one: one["name"])
def test_the_page_has_its_row(model):
    checksum = "published" if "sha256" in model else "at the first fetch"
    row = f"| `{model['name']}` | {model['size_mb']} MB | {model['memory_mb']} MB | {checksum} | {model['licence']} |"
    assert row in (ROOT / "docs/models.md").read_text()


def test_the_page_says_what_the_playbook_fetches():
    gigabytes = sum(one["size_mb"] for one in LISTS["main"]) / 1000
    for page in ("models.md", "cluster.md"):
        assert f"{gigabytes:.1f} GB" in (ROOT / "docs" / page).read_text()


@pytest.mark.parametrize("playbook", ["playbook.yaml", "heal_cluster.yaml", "deploy_expert.yaml"])
def test_every_host_knows_the_models_before_a_role_needs_them(playbook):
    # group_vars/models.yaml is of a group that plays make: a host that no play has put there has no models.
    informed: set[str] = set()
    for play in yaml.safe_load((ROOT / playbook).read_text()):
        if "ansible.builtin.group_by" in str(play):
            informed |= {"all"} if play["hosts"] == "all" else set(play["hosts"].split(":"))
        roles = {one["role"] if isinstance(one, dict) else one for one in play.get("roles", [])}
        if roles & {"llama_cpp", "bootstrap_agent"}:
            assert "all" in informed or informed >= set(play["hosts"].split(":")), play["name"]
