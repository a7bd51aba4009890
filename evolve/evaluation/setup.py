"""Puts a run together: suites from files, their providers and tools, and the runner that evaluates them."""

import asyncio
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from evolve.core.evaluation.evidence import Evidence, evidence_path, parse_evidence
from evolve.core.model.agents import Agent
from evolve.core.model.errors import (
    CannotEvaluate,
    EnvironmentFault,
    EvolveError,
    InputError,
    Location,
    MissingKeyFault,
    Problem,
)
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import AnswerStore, Provider, Tools
from evolve.core.model.provider_id import provider_id
from evolve.core.model.strictness import UndefinedNames, UnknownKeys
from evolve.core.model.suite import Evaluation, Prompt, ProviderSpec, ScriptRef, Suite
from evolve.core.suites.expand import MAX_EVALUATIONS, TransformVars, expand, own_provider
from evolve.core.suites.safe_mode import unsafe_parts
from evolve.core.suites.suite_format import grouped_texts
from evolve.core.suites.units import Unit, units
from evolve.core.suites.visible_env import visible_env
from evolve.core.templating.templates import Templates
from evolve.core.user_code.transforms import transform_vars
from evolve.evaluation import agent_prompt
from evolve.evaluation.hooks import SuiteHooks
from evolve.evaluation.labels import judge_by_labels
from evolve.evaluation.named_graders import named_graders
from evolve.evaluation.node_files import node_problems
from evolve.evaluation.runner import Closable, SuiteRunner
from evolve.executors.opening import Distributor, Opening, distributed
from evolve.providers import ProviderSettings, open_provider
from evolve.providers.config import place_of
from evolve.providers.context import Checkable
from evolve.providers.graders import SuiteGraders
from evolve.providers.pytest_tests import PytestTests
from evolve.providers.web_hooks import WebHooks
from evolve.store.agents import find_agent, load_agent, load_bank
from evolve.store.answers import NoAnswers, SqliteAnswers
from evolve.store.files import LocalFiles
from evolve.store.read_options import ReadOptions
from evolve.store.scripts import LocalScripts, RefusingScripts
from evolve.store.suites import load_merged, load_suite
from evolve.system.cache_folder import cache_folder

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OWN_FILES = frozenset({str(Path(agent_prompt.__file__).resolve())})
_SCRIPT_S = 60.0
"""Seconds for a Python prompt script; one that waits for ever must not stop the whole run."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How suites are read and run; the same for `evolve run` and pytest."""

    undefined: UndefinedNames = "typos"
    unknown_keys: UnknownKeys = "typos"
    concurrency: int | None = None
    use_cache: bool = True
    repeat: int | None = None
    is_safe: bool = False
    """Refuse suites that run code, start programs or call addresses of their own."""
    max_evaluations: int = MAX_EVALUATIONS
    """Of one suite; more are refused before the first question."""
    providers: tuple[str, ...] = ()
    """Ids that replace the suites' own providers."""
    agent: str | None = None
    """Name or file of the agent whose prompt replaces the suites' own prompts."""
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    runs_hooks: bool = True
    """Whether loading a suite calls the hook `beforeAll` of its extensions; not where nothing is run afterwards."""
    distributor: Distributor | None = None
    """Asks the providers on other machines; None asks them from this process."""

    @property
    def cache_dir(self) -> Path:
        """The folder for answers and for what failed in the last run."""
        return cache_folder(self.env)


@dataclass(frozen=True, slots=True)
class LoadedSuite:
    """A suite and everything that a run of it evaluates."""

    suite: Suite
    evaluations: tuple[Evaluation, ...]
    units: tuple[Unit, ...]
    templates: Templates
    scripts: LocalScripts
    files: LocalFiles


def load(path: str, settings: Settings, *, needs_prompts: bool = True, agent: Agent | None = None) -> LoadedSuite:
    """Return one suite, read, expanded, and with its providers opened once to check them.

    A suite whose prompts an agent replaces, now or later (`needs_prompts=False`), needs none of its own.

    Args:
        path: the suite's file.
        settings: how suites are read and run.
        needs_prompts: whether a suite without prompts is an error.
        agent: whose answers the tests' labels are; None for the agent of the settings, else the one that each test's
            metadata names.

    Raises:
        InputError: every problem of the suite and its files.
    """
    return _load(partial(load_suite, path), settings, agent, needs_prompts=needs_prompts and not settings.agent)


def load_as_one(paths: Sequence[str], settings: Settings) -> LoadedSuite:
    """Return several configs merged into one suite, as promptfoo merges several `-c`; raises as `load` does."""
    return _load(partial(load_merged, paths), settings, needs_prompts=not settings.agent)


def _load(
    read: Callable[[ReadOptions], Suite], settings: Settings, agent: Agent | None = None, *, needs_prompts: bool
) -> LoadedSuite:
    scripts = RefusingScripts(_OWN_FILES) if settings.is_safe else LocalScripts(settings.env)
    preparation = _Preparation(settings, agent, scripts)
    suite = read(
        ReadOptions(
            undefined=settings.undefined,
            unknown_keys=settings.unknown_keys,
            env=settings.env,
            default_providers=settings.providers or (provider_id(None, None, settings.env),),
            scripts=scripts,
            needs_prompts=needs_prompts,
            inspect=preparation.problems_of,
            may_fetch=not settings.is_safe,
            runs_hooks=settings.runs_hooks,
        )
    )
    assert preparation.loaded is not None, suite.path
    return preparation.loaded


@dataclass(slots=True)
class _Preparation:
    """Makes a loaded suite of a read one, or finds all its problems; what is read may be incomplete."""

    settings: Settings
    agent: Agent | None
    scripts: LocalScripts
    loaded: LoadedSuite | None = None

    def problems_of(self, suite: Suite) -> list[Problem]:
        problems: list[Problem] = []
        with _collect(problems):
            suite = _overridden(suite, self.settings)
            loaded = self._without_evaluations(suite)
            if self.settings.is_safe:
                problems += unsafe_parts(suite, _OWN_FILES)
            found, ignored = _provider_problems(loaded, self.settings)
            problems += found
            suite = replace(suite, warnings=(*suite.warnings, *grouped_texts(ignored)))
            problems += node_problems(suite, loaded.files, self.scripts.node)
            with _collect(problems):
                suite = judge_by_labels(suite, self.agent or _agent_of_settings(self.settings))
            evaluations = expand(
                suite,
                loaded.templates,
                transform_vars=self._transform_in(loaded.files),
                max_evaluations=self.settings.max_evaluations,
            )
            self.loaded = replace(loaded, suite=suite, evaluations=evaluations, units=units(evaluations))
        return problems

    def _without_evaluations(self, suite: Suite) -> LoadedSuite:
        self.scripts.node.use_env({**self.settings.env, **suite.env})
        env = {**visible_env(self.settings.env, suite.path, suite.config), **suite.env}
        files = LocalFiles(suite.base_dir, also=(agent_prompt.__file__,) if self.settings.agent else ())
        return LoadedSuite(suite, (), (), Templates(self.settings.undefined, env), self.scripts, files)

    def _transform_in(self, files: LocalFiles) -> TransformVars:
        def transform(code: str, variables: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
            return transform_vars(code, variables, {}, files, self.scripts)

        return transform


@contextmanager
def _collect(problems: list[Problem]) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        problems += error.problems


def _overridden(suite: Suite, settings: Settings) -> Suite:
    if settings.agent:
        suite = _of_agent(suite, find_agent(settings.agent))
    if settings.providers:
        suite = replace(suite, providers=tuple(ProviderSpec(name) for name in settings.providers))
    return replace(suite, repeat=settings.repeat) if settings.repeat else suite


def _agent_of_settings(settings: Settings) -> Agent | None:
    return load_agent(find_agent(settings.agent)) if settings.agent else None


def _of_agent(suite: Suite, path: Path) -> Suite:
    """The suite with an agent's prompt in place of its own; its tests say which agent they tried."""
    agent = load_agent(path)
    load_bank(agent, path, Templates("strict").render)  # its mistakes are reported before the first question
    function = ScriptRef(str(Path(agent_prompt.__file__).resolve()), "agent_prompt")
    prompt = Prompt("", agent.title, {agent_prompt.AGENT_FILE: str(path.resolve())}, function)
    # Evidence of another agent does not apply here.
    tests = tuple(
        replace(test, prompts=None, metadata=_without_evidence(test.metadata) | {"agent": agent.name})
        for test in suite.tests
    )
    return replace(suite, prompts=(prompt,), tests=tests)


def _without_evidence(metadata: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {key: value for key, value in metadata.items() if key != "evidence"}


def load_all(paths: Iterable[str], settings: Settings) -> tuple[LoadedSuite, ...]:
    """Return several suites, read; the problems of all of them are raised together."""
    loaded: list[LoadedSuite] = []
    problems: list[Problem] = []
    warnings: list[str] = []
    for path in paths:
        try:
            loaded.append(load(path, settings))
        except InputError as error:
            problems.extend(error.problems)
            warnings.extend(error.warnings)
    if problems:
        raise InputError(dict.fromkeys(problems), warnings)  # several suites may report the same agent
    return tuple(loaded)


def open_answers(settings: Settings) -> SqliteAnswers | NoAnswers:
    """Return the store of answers that were paid for before, or one that stores nothing."""
    return SqliteAnswers(settings.cache_dir / "answers.sqlite") if settings.use_cache else NoAnswers()


def runner_for(loaded: LoadedSuite, settings: Settings, answers: AnswerStore) -> SuiteRunner:
    """Return the runner of one suite; it opens providers and graders when they are first asked."""
    stored = answers if _may_reuse_answers(loaded.suite) else NoAnswers()
    tools, resources = tools_for(loaded, settings, stored)
    hooks = SuiteHooks(loaded.suite, loaded.files, loaded.scripts) if loaded.suite.extensions else None
    return SuiteRunner(
        loaded.suite,
        open_provider=_distributing_opener(loaded, settings),
        tools=tools,
        templates=loaded.templates,
        concurrency=settings.concurrency,
        run_script=partial(_run_prompt_script, folder=loaded.suite.base_dir, env={**settings.env, **loaded.suite.env}),
        resources=(*resources, hooks) if hooks else resources,
        hooks=hooks,
    )


def check_keys(loaded: LoadedSuite, settings: Settings) -> None:
    """Check that every provider that the suite's units ask has its API key, and that a pool's experts agree.

    Raises:
        MissingKeyFault: naming those that have none; noticed in the middle of a run, it would waste paid answers.
        InputError: the experts of a pool serve different models.
    """
    open_spec = _opener(loaded, settings)
    asked = (one for unit in loaded.units for one in unit.evaluations if not one.test.has_provider_output)
    missing: dict[str, str] = {}
    for spec in {id(one.provider): one.provider for one in asked}.values():
        try:
            opened = open_spec(spec)
        except MissingKeyFault as fault:
            missing.setdefault(fault.message, fault.hint)
            continue
        except EvolveError:
            continue  # its rows report it
        if isinstance(opened, Checkable):
            with suppress(EnvironmentFault):  # its rows report it
                opened.check()
    if missing:
        # The fault adds the hint of its last line itself.
        *others, (message, hint) = missing.items()
        lines = [f"{text} ({what})" for text, what in others]
        raise MissingKeyFault("\n".join([*lines, message]), hint=hint)


def tools_for(loaded: LoadedSuite, settings: Settings, answers: AnswerStore) -> tuple[Tools, tuple[Closable, ...]]:
    """Return the tools that a suite's assertions may use, and those of them that must be closed."""
    suite = loaded.suite
    env = {**settings.env, **suite.env}
    graders = SuiteGraders(suite.providers, _opener(loaded, settings), env)
    hooks = WebHooks(_provider_settings(settings), env)
    tests = PytestTests(suite.base_dir, env)
    tools = Tools(loaded.files, loaded.scripts, graders, hooks, tests, answers, loaded.templates)
    return tools, (graders, hooks)


def _may_reuse_answers(suite: Suite) -> bool:
    """Whether the suite allows stored answers: `cache: false` among its options forbids them."""
    config = suite.config if isinstance(suite.config, dict) else {}
    options = [config.get(key) for key in ("evaluateOptions", "commandLineOptions")]
    return not any(isinstance(part, dict) and part.get("cache") is False for part in options)


def _opener(
    loaded: LoadedSuite, settings: Settings, provider_settings: ProviderSettings | None = None
) -> Callable[[ProviderSpec], Provider]:
    suite, provider_settings = loaded.suite, provider_settings or _provider_settings(settings)
    env = {**settings.env, **suite.env}

    def open_spec(spec: ProviderSpec) -> Provider:
        return open_provider(
            spec,
            base_dir=suite.base_dir,
            env=env,
            scripts=loaded.scripts,
            files=loaded.files,
            templates=loaded.templates,
            settings=provider_settings,
        )

    return open_spec


def _distributing_opener(loaded: LoadedSuite, settings: Settings) -> Callable[[ProviderSpec], Provider]:
    """Open the providers that answer a suite's prompts, perhaps on other machines. Graders are asked from here."""
    open_here, suite = _opener(loaded, settings), loaded.suite

    def open_spec(spec: ProviderSpec) -> Provider:
        known = replace(spec, env={**suite.env, **spec.env})
        opening = Opening.of(known, suite.base_dir, settings.env, settings.undefined)
        return distributed(open_here(spec), opening, settings.distributor)

    return open_spec


def open_provider_by_id(name: str, settings: Settings, templates: Templates) -> Provider:
    """Return the provider of an id, without a suite; its files are found from the working folder.

    Raises:
        InputError: there is no such provider.
        EnvironmentFault: it cannot be opened here.
    """
    folder = os.getcwd()
    opened = open_provider(
        ProviderSpec(name),
        base_dir=folder,
        env=settings.env,
        scripts=LocalScripts(settings.env),
        files=LocalFiles(folder),
        templates=templates,
        settings=_provider_settings(settings),
    )
    opening = Opening.of(ProviderSpec(name), folder, settings.env, settings.undefined)
    return distributed(opened, opening, settings.distributor)


def _provider_settings(settings: Settings) -> ProviderSettings:
    return ProviderSettings.from_environment(settings.env, unknown_keys=settings.unknown_keys)


def _provider_problems(loaded: LoadedSuite, settings: Settings) -> tuple[list[Problem], list[Problem]]:
    """Open each provider of the suite once: a wrong id or setting is reported before the first question.

    Returns problems, and warnings about settings that are ignored.

    What is missing on this machine is reported when it is asked; nothing is connected or started here.
    """
    problems: list[Problem] = []
    warnings: list[Problem] = []
    collecting = replace(_provider_settings(settings), warn=warnings.append, report=problems.append)
    open_spec = _opener(loaded, settings, collecting)
    suite = loaded.suite
    graders: list[ProviderSpec] = []
    with _collect(problems):
        graders.extend(named_graders(suite))
    for spec in [*suite.providers, *_own_providers(suite), *graders]:
        try:
            open_spec(spec)
        except InputError as error:
            problems.extend(replace(item, where=item.where or place_of(spec)) for item in error.problems)
        except EnvironmentFault:
            continue
    return list(dict.fromkeys(problems)), warnings


def _own_providers(suite: Suite) -> list[ProviderSpec]:
    """Return the providers that tests have in place of the suite's; equal ones once, with the first test's place."""
    found: dict[str, ProviderSpec] = {}
    for test in suite.tests:
        if test.provider is not None:
            key = json.dumps(test.provider, sort_keys=True, default=str)
            found.setdefault(key, own_provider(test, ProviderSpec("", label="")))
    return list(found.values())


async def _run_prompt_script(path: str, context: str, *, folder: str, env: Mapping[str, str]) -> str:
    """What a Python prompt file or a program prints, which promptfoo runs with the context as its last argument."""
    is_program = path.startswith("exec:")
    words = shlex.split(path.removeprefix("exec:")) if is_program else [sys.executable, path]
    try:
        process = await _start([*words, context], folder if is_program else None, env if is_program else None)
    except OSError as error:
        raise CannotEvaluate(f"the prompt script {path} cannot be started: {error.strerror}") from error
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _SCRIPT_S)
    except TimeoutError as error:
        raise CannotEvaluate(f"the prompt script {path} ran longer than {_SCRIPT_S:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode or (is_program and errors and not output.strip()):
        # The end of what it printed: a traceback names its error there.
        raise CannotEvaluate(f"the prompt script {path} failed: {errors.decode('utf-8', 'replace').strip()[-500:]}")
    text = output.decode("utf-8", "replace")
    return _COLOURS.sub("", text).strip() if is_program else text.removesuffix("\n")


async def _start(words: Sequence[str], folder: str | None, env: Mapping[str, str] | None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def evidence_of(suite: Suite) -> Evidence | None:
    """Return the recorded scores that a suite is compared with: those of its provider, where it has one.

    None when the suite names no agent file, or the file records nothing of that provider.

    Raises:
        InputError: the agent file cannot be read, or its evidence is malformed.
    """
    path = evidence_path(suite)
    if path is None:
        return None
    try:
        ids = {provider.id for provider in suite.providers}
        model = ids.pop() if len(ids) == 1 else None
        return parse_evidence(LocalFiles(suite.base_dir).read_text(path), path, model)
    except InputError as error:
        where = Location(suite.path, path="defaultTest.metadata.evidence")
        raise InputError([Problem(item.message, item.where or where, item.hint) for item in error.problems]) from None
