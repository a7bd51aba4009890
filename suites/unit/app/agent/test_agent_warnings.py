"""What an agent warns of: it serves, and somebody should look at it."""

import pytest

pytest.importorskip("prometheus_client")

from pipecatapp.agent.app import AgentApp
from pipecatapp.agent.config import AgentConfig, ModelConfig

MODEL = ModelConfig("http://127.0.0.1:1")


def test_a_proxy_in_front_of_an_agent_without_keys(tmp_path):
    assert AgentApp(AgentConfig(MODEL)).warnings() == []
    (warning,) = AgentApp(AgentConfig(MODEL, has_proxy=True)).warnings()
    assert "set keys_file" in warning
    (tmp_path / "keys").touch()
    assert AgentApp(AgentConfig(MODEL, has_proxy=True, keys_file=tmp_path / "keys")).warnings() == []
