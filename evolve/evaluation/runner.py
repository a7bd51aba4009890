"""The suite loop: asks providers ahead, judges what they answer, and yields events. It never prints."""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, Protocol

from evolve.core.evaluation.judging import ErrorKind, Judge, Target, error_kind, target, worst_error
from evolve.core.evaluation.scoring import apply_comparison, merge_repeats
from evolve.core.evaluation.scratch import drop_scratch
from evolve.core.formats.json_text import json_or
from evolve.core.model.answers import Answer, Request, repeated_identity
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, EvolveError, InputError, Problem
from evolve.core.model.events import CaseFinished, CaseResult, Event, RunFinished, RunStarted
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Provider, Tools
from evolve.core.model.suite import Assertion, Evaluation, ProviderSpec, Suite
from evolve.core.model.verdicts import Verdict
from evolve.core.suites.units import Unit, repeats
from evolve.core.templating.templates import Templates, VarTemplateError
from evolve.core.user_code.prompt_functions import MadePrompt, make_prompt, make_var, prompt_context
from evolve.evaluation.time_limits import TimeLimits

DEFAULT_CONCURRENCY = 8
"""Questions in flight where neither the suite (`maxConcurrency`) nor the user sets a number."""

Status = Literal["pass", "fail", "error"]
RunScript = Callable[[str, str], Awaitable[str]]
OpenProvider = Callable[[ProviderSpec], Provider]


class Clock(Protocol):
    """The source of times."""

    def now_s(self) -> float:
        """Return seconds since the epoch."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds from any starting point; never goes back."""
        ...


class SystemClock:
    """The machine's clock."""

    now_s = staticmethod(time.time)
    monotonic_s = staticmethod(time.perf_counter)


class Closable(Protocol):
    """Something that holds connections or processes."""

    async def close(self) -> None:
        """Close them."""
        ...


class Hooks(Protocol):
    """Functions of the user around each evaluation."""

    async def before_each(self, evaluation: Evaluation) -> Evaluation:
        """Return the evaluation to be run in place of this one; raises CannotEvaluate or InputError."""
        ...

    async def after_each(self, result: CaseResult) -> None:
        """Show a result; raises CannotEvaluate or InputError."""
        ...


class _Done(NamedTuple):
    """One evaluation before its unit is merged; `target` is None where nothing could be judged."""

    result: CaseResult
    target: Target | None


class SuiteRunner:
    """Evaluates one suite's evaluations.

    Args:
        open_provider: opens a provider of the suite; called once per provider, when it is first needed.
        concurrency: evaluations at once; None takes the suite's own number. Suites with a delay, a conversation or
            stored outputs run one by one, because their order matters.
        run_script: returns what a Python prompt file without a function prints, given its path and a JSON context.
        resources: objects that are closed with the runner.
        hooks: are called before and after each evaluation.
    """

    def __init__(
        self,
        suite: Suite,
        *,
        open_provider: OpenProvider,
        tools: Tools,
        templates: Templates,
        concurrency: int | None = None,
        clock: Clock | None = None,
        run_script: RunScript | None = None,
        resources: Sequence[Closable] = (),
        hooks: Hooks | None = None,
    ) -> None:
        self.suite = suite
        self._open_provider = open_provider
        self._tools = tools
        self._templates = templates
        self._clock = clock or SystemClock()
        self._resources = resources
        self._hooks = hooks
        self._run_script = run_script or _no_scripts
        self._judge = Judge(templates, tools)
        self._providers: dict[int, tuple[ProviderSpec, Provider]] = {}
        self._opened: dict[str, Provider] = {}
        self._conversations = _Conversations(suite)
        self._stores = any(test.options.store_output_as for test in suite.tests)
        self._stored: dict[str, JsonValue] = {}
        self._limits = TimeLimits(suite.timeout_ms, suite.max_time_ms)
        self.concurrency = self._allow(concurrency or suite.max_concurrency or DEFAULT_CONCURRENCY)

    def _allow(self, wanted: int) -> int:
        delays = self.suite.delay_ms or any(provider.delay_ms for provider in self.suite.providers)
        return 1 if delays or self._conversations.is_used or self._stores else wanted

    async def evaluate(self, evaluation: Evaluation) -> CaseResult:
        """Ask and judge one evaluation alone, without comparing assertions; faults are reported in the result."""
        return (await self._evaluate(evaluation)).result

    async def evaluate_unit(self, unit: Unit) -> tuple[CaseResult, ...]:
        """Return the results of one unit: one per evaluation, or with a pass rate one for all repeats."""
        done = [await self._evaluate(evaluation) for evaluation in unit.evaluations]
        if unit.comparisons:
            done = await self._compare_unit(unit, done)
        if unit.pass_rate is None:
            return tuple(item.result for item in done)
        by_id = {item.result.evaluation.id: item.result for item in done}
        groups = repeats(unit.evaluations)
        return tuple(_merge_repeats([by_id[member.id] for member in group], unit.pass_rate) for group in groups)

    async def results(self, units: Iterable[Unit]) -> AsyncIterator[tuple[CaseResult, ...]]:
        """Yield each unit's results as they arrive, with at most `concurrency` units at once."""
        pending = iter(units)
        finished: deque[tuple[CaseResult, ...]] = deque()
        news = asyncio.Event()

        async def work() -> None:
            for unit in pending:
                finished.append(await self.evaluate_unit(unit))
                news.set()

        workers = [asyncio.ensure_future(work()) for _ in range(self.concurrency)]
        for worker in workers:
            worker.add_done_callback(lambda _: news.set())
        try:
            running = True
            while running or finished:
                while finished:
                    yield finished.popleft()
                running = not all(worker.done() for worker in workers)
                _raise_first(workers)
                if running and not finished:
                    news.clear()
                    await news.wait()
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def close(self) -> None:
        """Close every provider that was opened, and the other resources."""
        opened, self._opened, self._providers = self._opened, {}, {}
        for resource in (*opened.values(), *self._resources):
            await resource.close()

    async def _compare_unit(self, unit: Unit, done: list[_Done]) -> list[_Done]:
        """The unit's results after its comparing assertions, applied to the members of each test index."""
        for assertion in unit.comparisons:
            for index in dict.fromkeys(item.result.evaluation.test_index for item in done):
                members = [at for at, item in enumerate(done) if item.result.evaluation.test_index == index]
                for at, item in zip(members, await self._compare(assertion, [done[at] for at in members]), strict=True):
                    done[at] = item
        return done

    async def _compare(self, assertion: Assertion, members: Sequence[_Done]) -> list[_Done]:
        targets = tuple(item.target or _empty_target(item.result) for item in members)
        verdicts = tuple(item.result.verdict for item in members)
        compared = await self._judge.compare(assertion, targets, verdicts)
        return [
            item._replace(result=_after(item.result, verdict)) for item, verdict in zip(members, compared, strict=True)
        ]

    # --- one evaluation

    async def _evaluate(self, evaluation: Evaluation) -> _Done:
        started_s, begun = self._clock.now_s(), self._clock.monotonic_s()
        asked = _Asked(evaluation)
        try:
            async with self._limits.one_evaluation(begun):
                if self._hooks is not None:
                    asked = _Asked(await self._hooks.before_each(evaluation))
                await self._ask(asked)
                done = await self._judge_answer(asked, started_s)
        except (CannotEvaluate, EnvironmentFault, InputError) as error:
            done = _Done(asked.error_result(error, started_s), None)
        if done.result.answer is None:
            measured = (self._clock.monotonic_s() - begun) * 1000
            done = _Done(replace(done.result, latency_ms=round(measured, 3)), done.target)
        return done if self._hooks is None else await self._show(self._hooks, done)

    async def _show(self, hooks: Hooks, done: _Done) -> _Done:
        try:
            await hooks.after_each(done.result)
        except (CannotEvaluate, InputError) as error:
            failed = replace(done.result, status="error", error=str(error), error_kind=error_kind(error))
            return done._replace(result=failed)
        return done

    async def _ask(self, asked: "_Asked") -> None:
        """Render the prompt and get an answer; fills `asked` step by step, so that an error keeps the steps before."""
        evaluation = asked.evaluation
        test, prompt = evaluation.test, evaluation.prompt
        config: Mapping[str, JsonValue] = (
            {**prompt.config, **test.options.config} if test.options.config else prompt.config
        )
        variables = {**evaluation.vars, **self._stored}
        if self._conversations.is_used:
            variables["_conversation"] = self._conversations.of(evaluation)
            if test.options.disable_conversation_var:
                variables["_conversation"] = []
        for name, script in test.var_scripts.items():
            variables[name] = await make_var(name, script, prompt.raw, variables, self._tools)
        made = MadePrompt(prompt.raw, config)
        if prompt.function is not None:
            made = await self._make_prompt(evaluation, variables, config)
        config = made.config
        asked.vars = self._templates.prepare_vars(variables)
        asked.prompt = made.text if made.is_finished else self._rendered(made.text, asked.vars, evaluation)
        if test.has_provider_output and test.provider_output not in (None, "", 0, False):
            asked.answer = Answer(test.provider_output, cost=0.0)
        else:
            provider = self._provider(evaluation.provider)
            request = Request(
                asked.prompt, asked.vars, config, prompt.raw, prompt.label, evaluation.repeat, test.metadata
            )
            asked.answer = await self._answer(provider, request)
            if made.scratch:
                asked.answer = replace(asked.answer, output=drop_scratch(asked.answer.output, made.scratch))
            await self._pause(evaluation.provider, asked.answer)
        if self._conversations.is_used:
            self._conversations.add(evaluation, asked.prompt, asked.answer)

    def _rendered(self, text: str, variables: Mapping[str, JsonValue], evaluation: Evaluation) -> str:
        try:
            return self._templates.render_prepared(text, variables)
        except VarTemplateError as error:
            place = evaluation.test.place
            where = place.inside("vars", error.name) if place else None
            hint = "texts of vars are templates too; {% raw %}...{% endraw %} keeps braces as text"
            raise CannotEvaluate(str(Problem(f"the var {error.name!r}: {error.reason}", where, hint))) from None

    async def _make_prompt(
        self, evaluation: Evaluation, variables: Mapping[str, JsonValue], config: Mapping[str, JsonValue]
    ) -> MadePrompt:
        ref = evaluation.prompt.function
        if ref is not None and ref.function is None and (ref.path.endswith(".py") or ref.path.startswith("exec:")):
            context = json.dumps(prompt_context(evaluation, variables, config))
            return MadePrompt(await self._run_script(ref.path, context), config)
        return await make_prompt(evaluation, variables, config, self._tools)

    async def _answer(self, provider: Provider, request: Request) -> Answer:
        identity = provider.identity(request) if self._tools.answers.remembers else None
        if identity is None:
            return await provider.answer(request)
        named = repeated_identity(identity, request.repeat)
        return await self._tools.answers.once(named, lambda: provider.answer(request))

    async def _pause(self, spec: ProviderSpec, answer: Answer) -> None:
        delay_ms = spec.delay_ms or self.suite.delay_ms
        if delay_ms and not answer.cached:
            await asyncio.sleep(delay_ms / 1000)

    async def _judge_answer(self, asked: "_Asked", started_s: float) -> _Done:
        answer, evaluation = asked.answer, asked.evaluation
        assert answer is not None
        if answer.error is not None:
            return _Done(asked.error_result(CannotEvaluate(answer.error), started_s), None)
        if answer.output is None:
            return _Done(asked.result("fail", Verdict(False, 0.0, "No output"), started_s, error="No output"), None)
        asked.output = answer.output
        asked.output = await self._transform(evaluation, asked)
        if evaluation.test.options.store_output_as and asked.output not in ("", 0, False):
            self._stored[evaluation.test.options.store_output_as] = asked.output
        given = target(asked.output, answer, evaluation, asked.vars, asked.prompt)
        verdict = await self._judge.verdict(given)
        return _Done(asked.result_of(verdict, started_s), given)

    async def _transform(self, evaluation: Evaluation, asked: "_Asked") -> JsonValue:
        output = asked.output
        provider_code, test_code = evaluation.provider.transform, evaluation.test.options.transform
        if not provider_code and not test_code:
            return output
        from evolve.core.user_code.transforms import apply_transform

        prompt: JsonValue = {"raw": evaluation.prompt.raw, "label": evaluation.prompt.label}
        context: dict[str, JsonValue] = {"vars": dict(asked.vars), "prompt": prompt}
        if provider_code:
            output = await apply_transform(provider_code, output, context, self._tools)
        if test_code:
            if asked.answer is not None and asked.answer.metadata:
                context["metadata"] = dict(asked.answer.metadata)
            output = await apply_transform(test_code, output, context, self._tools)
        if output is None:
            raise CannotEvaluate("the transform returned nothing; it must return the output")
        return output

    def _provider(self, spec: ProviderSpec) -> Provider:
        known = self._providers.get(id(spec))
        if known is not None:
            return known[1]
        # Tests with a provider of their own bring one spec each; equal ones share a connection.
        key = json.dumps([spec.id, dict(spec.config), dict(spec.env)], sort_keys=True, default=str)
        if key not in self._opened:
            self._opened[key] = self._open_provider(spec)
        self._providers[id(spec)] = (spec, self._opened[key])
        return self._opened[key]


async def _no_scripts(path: str, _: str) -> str:
    raise CannotEvaluate(f"{path}: name the function that makes the prompt: file://{path}:FUNCTION")


class _Asked:
    """What is known of an evaluation so far, and the results that can be made of it."""

    __slots__ = ("answer", "evaluation", "output", "prompt", "vars")

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.vars: Mapping[str, JsonValue] = evaluation.vars
        self.prompt = ""
        self.answer: Answer | None = None
        self.output: JsonValue = None

    def result(
        self, status: Status, verdict: Verdict, started_s: float, *, error: str = "", kind: ErrorKind = ""
    ) -> CaseResult:
        """Return the result of the evaluation with this verdict.

        Args:
            status: whether it passed, failed, or could not be judged.
            verdict: what the assertions found.
            started_s: when it began, in seconds since the epoch.
            error: why it could not be judged, or why nothing was there to judge.
            kind: whose fault the error is; empty for none.
        """
        return CaseResult(
            evaluation=self.evaluation,
            status=status,
            verdict=verdict,
            prompt=self.prompt,
            vars=self.vars,
            answer=self.answer,
            output=self.output,
            error=error,
            error_kind=kind,
            named_scores=verdict.named_scores,
            latency_ms=self.answer.latency_ms if self.answer is not None else 0.0,
            started_s=started_s,
        )

    def result_of(self, verdict: Verdict, started_s: float) -> CaseResult:
        """Return the result that a verdict means."""
        if verdict.error:
            return self.result("error", verdict, started_s, error=verdict.error, kind=worst_error(verdict))
        return self.result("pass" if verdict.passed else "fail", verdict, started_s)

    def error_result(self, error: EvolveError, started_s: float) -> CaseResult:
        """Return the result of an evaluation that could not be judged."""
        verdict = Verdict(False, 0.0, str(error), error=str(error))
        return self.result("error", verdict, started_s, error=str(error), kind=error_kind(error))


class _Conversations:
    """Earlier exchanges, for suites whose prompts use `_conversation`: one thread per column and conversation id."""

    def __init__(self, suite: Suite) -> None:
        self.is_used = any("_conversation" in prompt.raw for prompt in suite.prompts)
        self._exchanges: dict[tuple[int, str], list[JsonValue]] = {}

    def of(self, evaluation: Evaluation) -> list[JsonValue]:
        """Return the exchanges so far, the oldest first."""
        return list(self._exchanges.get(self._key(evaluation), ()))

    def add(self, evaluation: Evaluation, prompt: str, answer: Answer) -> None:
        """Add one more exchange."""
        messages = json_or(prompt, None)
        last = messages[-1] if isinstance(messages, list) and messages else None
        content = last.get("content") if isinstance(last, dict) else None
        exchange: JsonValue = {
            "prompt": messages or prompt,
            "input": content or last or messages or prompt,
            "output": answer.output or "",
            "metadata": dict(answer.metadata),
        }
        self._exchanges.setdefault(self._key(evaluation), []).append(exchange)

    @staticmethod
    def _key(evaluation: Evaluation) -> tuple[int, str]:
        return evaluation.prompt_index, str(evaluation.test.metadata.get("conversationId", ""))


def _empty_target(result: CaseResult) -> Target:
    return target("", Answer(""), result.evaluation, result.vars, result.prompt)


def _after(result: CaseResult, comparison: Verdict) -> CaseResult:
    """A result with the verdict of a comparing assertion added; its named scores do not change, as in promptfoo."""
    verdict = apply_comparison(result.verdict, comparison)
    if result.status == "error":
        return replace(result, verdict=verdict)
    if verdict.error:
        return replace(result, verdict=verdict, status="error", error=verdict.error, error_kind=worst_error(verdict))
    return replace(result, verdict=verdict, status="pass" if verdict.passed else "fail")


def _merge_repeats(results: Sequence[CaseResult], pass_rate: float) -> CaseResult:
    """One result for all repeats; its output is that of the last repeat that did not pass."""
    verdict = merge_repeats([result.verdict for result in results], pass_rate)
    shown = next((result for result in reversed(results) if result.status != "pass"), results[-1])
    errors = [result for result in results if result.status == "error"]
    status: Status = "error" if errors else "pass" if verdict.passed else "fail"
    return replace(
        shown,
        evaluation=results[0].evaluation,
        status=status,
        verdict=verdict,
        error=errors[0].error if errors else "",
        error_kind=errors[0].error_kind if errors else "",
        named_scores=verdict.named_scores,
        latency_ms=sum(result.latency_ms for result in results) / len(results),
        started_s=results[0].started_s,
    )


def _raise_first(workers: Iterable["asyncio.Future[None]"]) -> None:
    """Raise what escaped from a worker: a bug of ours, or an interruption."""
    for worker in workers:
        if worker.done() and not worker.cancelled():
            worker.result()


async def run_suites(
    runners: Sequence[tuple["SuiteRunner", Sequence[Unit]]], clock: Clock | None = None
) -> AsyncGenerator[Event, None]:
    """Run suites one after the other and yield events; ends with `RunFinished`, results in the order of the files."""
    clock = clock or SystemClock()
    started_s, begun = clock.now_s(), clock.monotonic_s()
    total = sum(len(unit.ids) for _, units in runners for unit in units)
    suites = tuple(runner.suite for runner, _ in runners)
    yield RunStarted(suites, total, started_s)
    done = 0
    everything: list[tuple[Suite, tuple[CaseResult, ...]]] = []
    for runner, units in runners:
        finished: list[CaseResult] = []
        async for results in runner.results(units):
            for result in results:
                done += 1
                finished.append(result)
                yield CaseFinished(runner.suite, result, done, total)
        everything.append((runner.suite, in_order(finished)))
    yield RunFinished(suites, tuple(everything), clock.monotonic_s() - begun, started_s)


def in_order(results: Iterable[CaseResult]) -> tuple[CaseResult, ...]:
    """Return the results in the suite's order: by test, then by column."""
    return tuple(sorted(results, key=lambda result: (result.evaluation.test_index, result.evaluation.prompt_index)))
