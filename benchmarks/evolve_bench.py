"""One method's place in `evolve_embedded.py`: its cases, its folder, and the model through its own channels."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve_meter import Channel, Meter
from evolve_splits import Case, Splits, held_out_families, read_cases, sample_by_family, split_cases, without_families

from evolve.core.evaluation.agent_prompts import render_agent, render_case
from evolve.core.formats.yaml12 import dump_yaml, parse_yaml
from evolve.core.incidents.proposal import read_proposal
from evolve.core.model.actions import Proposal
from evolve.core.model.agents import Agent
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Provider
from evolve.core.model.suite import ProviderSpec
from evolve.core.templating.templates import Templates
from evolve.providers import ProviderSettings, open_provider
from evolve.store.agents import find_agent, load_agent
from evolve.store.files import LocalFiles
from evolve.store.scripts import LocalScripts

ROOT = Path(__file__).resolve().parent.parent
SUITE = ROOT / "suites/agents/reflection.yaml"
AGENT = "REFLECTION_AGENT_PLAIN"
RENDER = Templates("strict").render
_KEEP_SERVER_S = "3600"
"""A reflection that writes long, or a search that thinks long, must not cost a new start of the model."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One method's place: the cases, the ancestor, and the model with this method's channels."""

    splits: Splits
    sample: tuple[Case, ...]
    """Cases of val that optimizers compare candidates on; all of val would eat the budget."""
    agent: Agent
    """The plain ancestor, where every search begins."""
    agent_file: Path
    suite: Path
    """The suite without the held-out families."""
    meter: Meter
    search: Channel
    """Limited to the budget."""
    reflection: Channel
    """Calls that write prompts; counted, not limited by the budget."""
    held_out: Channel
    """Calls that judge the result."""
    folder: Path
    """Where the method may write."""
    seed: int

    def shown(self, case: Case) -> str:
        """The case as the ancestor's prompt shows it; the same text for every method."""
        return render_case(self.agent, case.vars, RENDER)

    def ask(self, channel: Channel, instructions: str, case: Case) -> str | None:
        """The action that the model names under these instructions; None when it names none.

        Raises:
            BudgetSpent: the channel's limit is reached.
            EnvironmentFault: the model failed.
        """
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": self.shown(case)}]
        return self.read(channel, messages, self.settings)

    def read(self, channel: Channel, messages: list[dict[str, str]], settings: Mapping[str, JsonValue]) -> str | None:
        """The action in the model's answer to these messages; None for none, or a prompt that does not fit."""
        try:
            found = read_proposal(self.meter.ask(channel, messages, settings))
            action = found.action if isinstance(found, Proposal) else None
        except CannotEvaluate:
            return None
        return None if action is None else str(action)

    @property
    def instructions(self) -> str:
        """The ancestor's system message."""
        return render_agent(self.agent, {"diagnostics": {}}, None, RENDER).messages[0]["content"]

    @property
    def settings(self) -> Mapping[str, JsonValue]:
        """The ancestor's sampling, and the JSON Schema that constrains its answers."""
        return render_agent(self.agent, {"diagnostics": {}}, None, RENDER).config

    @property
    def actions(self) -> tuple[str, ...]:
        """The answers there are, as the ancestor's schema lists them."""
        properties = self.agent.output["properties"]
        assert isinstance(properties, dict)
        action = properties["action"]
        assert isinstance(action, dict)
        names = action["enum"]
        assert isinstance(names, list)
        return tuple(str(name) for name in names)


def open_bench(name: str, meter: Meter, folder: Path, *, budget: int, seed: int, sample: int) -> Bench:
    """A method's place, in which nothing is bought yet.

    Args:
        folder: empty; gets the suite that the method may see.
        sample: how many cases of val optimizers compare candidates on.
    """
    splits = split_cases(read_cases(SUITE))
    return Bench(
        splits,
        sample_by_family(splits.val, sample, seed),
        load_agent(find_agent(AGENT)),
        find_agent(AGENT),
        _suite_without_held_out(folder),
        meter,
        search=meter.channel(f"{name}-search", budget),
        reflection=meter.channel(f"{name}-reflection"),
        held_out=meter.channel(f"{name}-held-out"),
        folder=folder,
        seed=seed,
    )


def _suite_without_held_out(folder: Path) -> Path:
    """A copy of the suite, and of what it names, in which the held-out families are not."""
    suite = parse_yaml(SUITE.read_text(encoding="utf-8"), str(SUITE))
    kept = without_families(suite, held_out_families(read_cases(SUITE)))
    _without_evidence(kept)
    path = folder / SUITE.name
    path.write_text(dump_yaml(kept), encoding="utf-8")
    shutil.copy(SUITE.with_name("prompts.py"), folder)
    return path


def _without_evidence(suite: Mapping[str, JsonValue]) -> None:
    """Takes out the path of the shipped agent's record: it is relative to the suite's own place."""
    default = suite.get("defaultTest")
    metadata = default.get("metadata") if isinstance(default, dict) else None
    if isinstance(metadata, dict):
        metadata.pop("evidence", None)


def open_model(model: str) -> Provider:
    """The provider of that id; raises as `open_provider` does."""
    here, templates = str(ROOT), Templates("strict")
    env = {"EVOLVE_IDLE_S": _KEEP_SERVER_S, **os.environ}
    return open_provider(
        ProviderSpec(model),
        base_dir=here,
        files=LocalFiles(here),
        env=env,
        scripts=LocalScripts(),
        templates=templates,
        settings=ProviderSettings.from_environment(env),
    )
