"""An agent as the prompt of any suite: the function that `evolve run --agent` puts in place of the suite's prompts."""

from functools import cache
from pathlib import Path

from evolve.core.evaluation.agent_prompts import DemoBank, render_agent
from evolve.core.model.agents import Agent
from evolve.core.model.json_value import JsonValue
from evolve.core.templating.templates import Templates
from evolve.core.user_code.prompt_functions import IS_FINISHED, SCRATCH
from evolve.store.agents import load_agent, load_bank

AGENT_FILE = "agent_file"
"""The key of the prompt's config that names the agent's file."""

_render = Templates("strict").render


def agent_prompt(context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """Return the agent's prompt and call settings for one test; no demo is of the test's own family.

    The prompt is finished: the text of a section, a demo or a case reaches the model unchanged, the same as in
    `evolve reflect`, in the search and in the gate.
    """
    agent, bank = _load(str(context["config"][AGENT_FILE]))
    made = render_agent(agent, context["vars"], bank, _render, leave_family_out=True)
    scratch: JsonValue = list(agent.scratch)
    return {"prompt": made.text, "config": dict(made.config), IS_FINISHED: True, SCRATCH: scratch}


@cache
def _load(file: str) -> tuple[Agent, DemoBank | None]:
    path = Path(file)
    agent = load_agent(path)
    return agent, load_bank(agent, path, _render)
