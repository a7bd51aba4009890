"""Units of `evolve_beyond.py`: one task, target, arm and seed each. A unit that was killed continues where it was."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from beyond_other_arms import OTHER_ARMS
from beyond_own_arms import by_hand, demos, lookup, ours, ours_with_by_hand, plain, shipped, think
from beyond_places import Place, UnitFound, client_cpu_s, keep_found, known_found
from beyond_recorded import RecordedModel, process_cpu_s
from beyond_tasks import BenchmarkTask
from evolve_meter import REFLECTOR, Channel, Meter
from evolve_splits import Outcome

from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Provider
from evolve.core.model.suite import ProviderSpec
from evolve.core.search.tasks import Task
from evolve.core.templating.templates import Templates
from evolve.providers import ProviderSettings, open_provider
from evolve.providers.llamacpp import LlamaCpp
from evolve.store.files import LocalFiles
from evolve.store.scripts import LocalScripts

ARMS: Mapping[str, Callable[[Place], UnitFound]] = {
    "plain": plain,
    "lookup": lookup,
    "think": think,
    "demos": demos,
    "by-hand": by_hand,
    "shipped": shipped,
    **OTHER_ARMS,
    "gepa+reflector": OTHER_ARMS["gepa"],
    "ours": ours,
    "ours+reflector": ours,
    "ours+by-hand": ours_with_by_hand,
}
"""In the order of the tables."""
_WITH_REFLECTOR = "+reflector"
"""The end of the names of arms whose proposals another model writes."""
TARGETS: Mapping[str, str] = {
    "135m": "llamacpp:smollm2-135m",
    "1.5b": "llamacpp:qwen2.5-coder-1.5b",
}
"""Short names of models; any other provider id is a target, too."""
_KEEP_SERVER_S = "3600"
"""A search that thinks long must not cost a new start of the model."""
_CONTEXT = 8192
"""Tokens: proposals with several failures are long."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is measured, and kept, at once."""

    task: str
    target: str
    arm: str
    seed: int

    @property
    def name(self) -> str:
        """The unit as the name of its folder."""
        target = "".join(char if char.isalnum() or char in ".-" else "-" for char in self.target)
        return f"{self.task}_{target}_{self.arm}_{self.seed}"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much each unit may spend, and who judges."""

    budget: int
    """Tokens of a search, read and written."""
    cases: int | None
    """Held-out cases; None for all."""
    may_ask: bool = True
    """Whether the model may be asked; if not, only recorded answers are given."""
    reflector: str = ""
    """Provider of the model that writes proposals, for the arms `...+reflector`."""


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What an arm reached and spent."""

    unit: Unit
    cases: tuple[str, ...]
    """Ids of the held-out cases, in order."""
    outcomes: tuple[Outcome, ...]
    note: str
    search: Mapping[str, JsonValue]
    """Answers, tokens and seconds of the search."""
    judging: Mapping[str, JsonValue]
    """Of the answers to the held-out cases."""


def kept(unit: Unit, effort: Effort, task: BenchmarkTask, folder: Path, into: Path) -> UnitResult:
    """Copy what is needed to judge a complete unit again without a model, and return the result of doing that.

    Args:
        unit: what was measured.
        effort: as it was measured, or with fewer cases.
        task: the unit's task.
        folder: of all units.
        into: gets the copies.

    Raises:
        EnvironmentFault: the unit is not complete.
    """
    source, copy = folder / unit.name, into / unit.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("work", "result.json"))
    return measured(unit, replace(effort, may_ask=False), task, into, folder, keeps_used=True)


def measured(
    unit: Unit, effort: Effort, task: BenchmarkTask, folder: Path, venvs: Path, *, keeps_used: bool = False
) -> UnitResult:
    """Return a unit's result: that of an earlier call, or measured now, with all answers that earlier calls got.

    Args:
        unit: what is measured.
        effort: budget and cases.
        task: the unit's task.
        folder: of all units.
        venvs: environments of other libraries.
        keeps_used: whether to remove all answers but those that judge from the unit's file.

    Raises:
        EnvironmentFault: the model or another library failed; the next call continues.
    """
    own = folder / unit.name
    held_out = task.first(task.held_out, effort.cases)
    known = _known_result(own / "result.json", unit, [case.id for case in held_out])
    if known is not None:
        return known
    if not effort.may_ask and known_found(own) is None:
        # A search without a model would try for long: each library meets the refusals in its own way.
        raise EnvironmentFault(f"{own} holds no complete search, and no model may be asked")
    own.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        model = RecordedModel(own / "ledger.jsonl", *_opened(unit.target, effort))
        reflector = _reflector(unit, effort, own)
        place = _place(held, unit, effort, task, held_out, model, reflector, own, venvs)
        found, spent = known_found(own) or _searched(unit, place, model)
        result = _judged(unit, place, model, found, spent)
    if keeps_used:
        model.keep_used()
    (own / "result.json").write_text(json.dumps(asdict(result), indent=1, ensure_ascii=False), encoding="utf-8")
    return result


def _place(
    held: ExitStack,
    unit: Unit,
    effort: Effort,
    task: BenchmarkTask,
    held_out: Sequence[Task],
    model: RecordedModel,
    reflector: RecordedModel | None,
    own: Path,
    venvs: Path,
) -> Place:
    """Open the meter and return the arm's place.

    Args:
        held: closes the meter.
        unit: what is measured.
        effort: its budget.
        task: its task.
        held_out: the cases that judge.
        model: who answers.
        reflector: who writes proposals; None for the same model.
        own: the unit's folder.
        venvs: environments of other libraries.
    """
    by_id = {case.id: case for case in task.train} | {case.id: case for case in task.val}

    async def judge(case: str, output: JsonValue) -> JsonValue:
        found = await task.judged(by_id[case], output)
        return {"pass": found.passed, "passed": found.passed, "score": found.score, "reason": found.reason}

    meter = held.enter_context(Meter(model, judge, reflector))
    search = meter.channel("search", token_limit=effort.budget)
    judging, proposer = meter.channel("judging"), REFLECTOR if reflector else "target"
    return Place(task, held_out, meter, search, judging, own, unit.seed, effort.budget, venvs, proposer)


def _reflector(unit: Unit, effort: Effort, own: Path) -> RecordedModel | None:
    if not unit.arm.endswith(_WITH_REFLECTOR):
        return None
    return RecordedModel(own / "proposals.jsonl", _open_model(effort.reflector) if effort.may_ask else None)


def _searched(unit: Unit, place: Place, model: RecordedModel) -> tuple[UnitFound, Mapping[str, JsonValue]]:
    """Run the arm's search from its start; answers of an attempt that was killed come from the file."""
    shutil.rmtree(place.work, ignore_errors=True)
    place.work.mkdir(parents=True)
    begun, cpu = time.monotonic(), client_cpu_s()
    found = ARMS[unit.arm](place)
    spent = {
        **_bill(place.search, model),
        "client_cpu_s": round(client_cpu_s() - cpu, 1),
        "last_attempt_s": round(time.monotonic() - begun, 1),
    }
    keep_found(place.folder, found, spent)
    return found, spent


def _judged(
    unit: Unit, place: Place, model: RecordedModel, found: UnitFound, spent: Mapping[str, JsonValue]
) -> UnitResult:
    """Have the held-out cases answered.

    Args:
        unit: what is measured.
        place: its place.
        model: who answers.
        found: what the arm found.
        spent: by its search.
    """
    model.cpu_s = model.busy_s = 0.0
    note = found.note
    if found.outputs is None:
        outcomes = place.agent_outcomes()
    else:
        best, outcomes = place.best_outcomes(found.outputs)
        note = f"{best}; {note}" if len(found.outputs) > 1 else note
    ids = tuple(case.id for case in place.held_out)
    return UnitResult(unit, ids, tuple(outcomes), note, spent, _bill(place.judging, model))


def _bill(channel: Channel, model: RecordedModel) -> dict[str, JsonValue]:
    tokens = channel.tokens
    return {
        "answers": channel.answers,
        "refused": channel.refused,
        "unfit": channel.unfit,
        "tokens": tokens.total,
        "prompt_tokens": tokens.prompt,
        "cached_tokens": tokens.cached,
        "written_tokens": tokens.completion,
        "model_cpu_s": round(model.cpu_s, 1),
        "busy_s": round(model.busy_s, 1),
    }


def _known_result(path: Path, unit: Unit, cases: Sequence[str]) -> UnitResult | None:
    """Return the result that a file holds; None where it was measured on other cases."""
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    if data["cases"] != list(cases):
        return None
    outcomes = tuple(Outcome(**outcome) for outcome in data["outcomes"])
    return UnitResult(unit, tuple(cases), outcomes, data["note"], data["search"], data["judging"])


def _opened(target: str, effort: Effort) -> tuple[Provider | None, Callable[[], "asyncio.Future[float]"] | None]:
    if not effort.may_ask:
        return None, None
    name = TARGETS.get(target, target)
    provider = _open_model(name)
    if not isinstance(provider, LlamaCpp):
        return provider, None

    async def cpu() -> float:
        return process_cpu_s((await provider.server()).pid)

    return provider, cpu  # type: ignore[return-value]  # a coroutine function is what is wanted


def _open_model(name: str) -> Provider:
    import os

    env = {"EVOLVE_IDLE_S": _KEEP_SERVER_S, "EVOLVE_DEADLINE_S": "1800", "EVOLVE_ATTEMPT_S": "1800", **os.environ}
    config: dict[str, JsonValue] = {"n_ctx": _CONTEXT} if name.startswith("llamacpp:") else {}
    return open_provider(
        ProviderSpec(name, config=config),
        base_dir=".",
        files=LocalFiles("."),
        env=env,
        scripts=LocalScripts(env),
        templates=Templates("strict"),
        settings=ProviderSettings.from_environment(env),
    )
