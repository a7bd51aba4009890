"""The agent's prompt as a function, so that pytest and `evolve run alerts.yaml` ask the agent as its file is now."""

from pathlib import Path
from typing import Any

from evolve.evaluation.agent_prompt import AGENT_FILE, agent_prompt

AGENT = Path(__file__).with_name("ALERT_AGENT.md")


def alert(context: dict[str, Any]) -> dict[str, Any]:
    """Return the prompt and the call settings of one test."""
    return agent_prompt({"vars": context["vars"], "config": {AGENT_FILE: str(AGENT)}})
