"""API_USAGE.md: its examples are run, its table of routes is the document's, and no code of an error is missing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.system.node_program import find_node
from fixtures.readme_blocks import blocks_of
from fixtures.running_gateways import experts_at, running_gateway
from fixtures.scripted_expert import scripted_expert
from pipecatapp.gateway.app import inner_app
from pipecatapp.gateway.config import Access, GatewayConfig
from pipecatapp.gateway.gateway import Gateway
from pipecatapp.gateway.keys import make_key
from pipecatapp.gateway.openapi import route_table

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "API_USAGE.md"
BLOCKS = blocks_of(PAGE.read_text(), PAGE.name)
EXAMPLES = [block for block in BLOCKS if block.kind == "runnable"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    key = make_key("reader")
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(key.line)
    with scripted_expert() as expert:
        config = GatewayConfig(experts=experts_at(expert.url), keys_file=keys, moe_fallback="expert-main")
        with running_gateway(config) as gateway:
            yield gateway, key.key


def command_of(block, folder):
    if block.language == "sh":
        return ["bash", "-euc", block.text]
    if block.language == "python":
        return [sys.executable, "-c", block.text]
    (folder / "example.mjs").write_text(block.text)
    return [find_node(os.environ).path, str(folder / "example.mjs")]


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: f"{block.language}:{block.line}")
def test_every_example_runs(block, served, tmp_path):
    gateway, key = served
    env = {**os.environ, "MOE_URL": f"{gateway.url}/v1", "MOE_KEY": key}
    done = subprocess.run(
        command_of(block, tmp_path), env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    if '"stream": true' in block.text or "stream=True" in block.text or "stream: true" in block.text:
        assert "t0 " in done.stdout


def test_every_block_of_code_is_run_or_says_why_not():
    assert {block.language for block in EXAMPLES} == {"sh", "python", "javascript"}
    assert [
        block.line for block in BLOCKS if block.language != "json" and block.kind not in ("runnable", "not run")
    ] == []


def test_the_table_of_routes_is_that_of_the_document():
    table = PAGE.read_text().partition("<!-- routes -->\n")[2]
    document = inner_app(Gateway(GatewayConfig())).openapi()
    assert table == route_table(document), "type: moe-gateway openapi --table"


def test_every_code_of_an_error_is_in_the_page():
    sources = "\n".join(path.read_text() for path in (ROOT / "pipecatapp").rglob("*.py"))
    codes = set(re.findall(r'code="([a-z_]+)"', sources)) | {"context_length_exceeded", "rate_limit_exceeded"}
    codes |= {"concurrency_limit_exceeded", "not_found", "method_not_allowed"}
    shown = set(re.findall(r"`([a-z_]+)`", PAGE.read_text().partition("## Errors")[2].partition("## Limits")[0]))
    assert codes <= shown
    assert shown - codes <= {"param", "model", "allow"}


def test_the_error_that_it_shows_is_the_one_that_comes(served):
    gateway, key = served
    (block,) = [block for block in BLOCKS if block.language == "json"]
    reply = gateway.chat(key=key, model="gpt-5")
    assert (reply.status, reply.json) == (404, json.loads(block.text))


def test_the_limits_that_it_names_are_the_defaults():
    limits = PAGE.read_text().partition("## Limits")[2]
    assert f"{Access().requests_per_minute} and {Access().concurrent} unless" in limits
    assert f"{GatewayConfig().timeouts.total_s:g} s, and {GatewayConfig().timeouts.idle_s:g} s" in limits
