"""Code of a suite that judges or transforms: javascript, python, webhook, pytest, transform, transformVars."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from evolve.core.assertions import find_type
from evolve.core.model.answers import Answer
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, InputError
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Tools
from evolve.core.model.suite import Assertion, Evaluation, Prompt, ProviderSpec, Test
from evolve.core.model.verdicts import AssertionInput, Verdict
from evolve.core.user_code.transforms import apply_transform, transform_vars
from evolve.evaluation.setup import Settings, runner_for
from evolve.evaluation.setup import load as load_whole
from evolve.store.answers import NoAnswers
from evolve.store.files import LocalFiles
from evolve.store.scripts import LocalScripts

FILES = {
    "judge.js": "module.exports = (output, context) => ({pass: output === 'hi', score: 0.4, reason: context.vars.who})",
    "broken.js": "module.exports = () => { throw new Error('bad') }",
    "named.cjs": "module.exports = {yes: () => true, up: (o) => o.toUpperCase()}",
    "judge.py": "def get_assert(output, context):\n"
    "    return {'pass_': True, 'score': 0.4, 'reason': context['vars']['who'],"
    " 'named_scores': {'tone': 1}, 'component_results': [{'pass_': False, 'score': 0, 'reason': 'part'}]}\n"
    "def boom(output, context):\n    raise ValueError('bad')\n"
    "async def later(output, context):\n    return output == 'hi'\n",
    "change.py": "def get_transform(output, context):\n    return output + '!'\n"
    "def with_vars(vars, context):\n    return {'added': len(vars)}\n"
    "def nothing(output, context):\n    return None\n"
    "async def later(output, context):\n    return output.upper()\n",
}


class StandInHttp:
    """Answers every call alike, and keeps what it was sent."""

    def __init__(self, status: int, body: JsonValue) -> None:
        self.answer = (status, body)
        self.sent: list[JsonValue] = []

    async def post_json(self, url: str, body: JsonValue, timeout_s: float) -> tuple[int, JsonValue]:  # noqa: ARG002
        self.sent.append(body)
        return self.answer


class StandInTests:
    """A test that passes when the output says so."""

    async def run(self, node_id: str, environment: Mapping[str, str]) -> tuple[bool, str]:  # noqa: ARG002
        return environment["EVOLVE_OUTPUT"] == "hi", f"{environment['EVOLVE_PROMPT']} {environment['EVOLVE_VARS']}"


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    nothing: Any = None
    http = StandInHttp(200, {"pass": True, "score": 0.7})
    return Tools(LocalFiles(str(tmp_path), str(tmp_path)), LocalScripts(), nothing, http, StandInTests(), nothing)


@pytest.fixture
def judge(tools: Tools) -> Callable[..., Verdict]:
    def run(kind: str, value: str, output: JsonValue = "hi", http: StandInHttp | None = None, **more: Any) -> Verdict:
        found = find_type(kind)
        assert found is not None
        mine = Tools(tools.files, tools.scripts, tools.graders, http or tools.http, tools.tests, tools.answers)
        variables: dict[str, JsonValue] = {"who": "Bob"}
        test = Test(variables, (), metadata={"family": "f"})
        evaluation = Evaluation("id", test, variables, Prompt("p", "p"), ProviderSpec("echo"), 0, 0)
        text = output if isinstance(output, str) else str(output)
        check = AssertionInput(
            Assertion(kind, value=value, **more),
            output,
            text,
            Answer(output, metadata={"m": 1}),
            evaluation,
            variables,
            "ask",
            mine,
        )
        answered = found.evaluate(check)
        return answered if isinstance(answered, Verdict) else asyncio.run(_awaited(answered))

    return run


async def _awaited(answered: Awaitable[Verdict]) -> Verdict:
    return await answered


@pytest.mark.parametrize(
    ("value", "passed", "score"),
    [
        ("output === 'hi'", True, 1.0),
        ("output === 'no'", False, 0.0),
        ("output.length", True, 2.0),
        ("0", False, 0.0),
        ("-1.5", False, -1.5),
        ("NaN", False, 0.0),
        ("output.length > 1\n", True, 1.0),
        ("const n = 1; n === 1", True, 1.0),
        ("if (output) {\n  return false;\n}\nreturn true;", False, 0.0),
        ("({pass: true, score: 0.3, reason: ''})", True, 0.3),
        ("({pass: false, score: 3, reason: 'no'})", False, 3.0),
        ("({pass: true, score: 1})", False, 0.0),
        ("({pass: 'yes', score: 1, reason: ''})", False, 0.0),
        ("'true'", False, 0.0),
        ("5n", False, 0.0),
        ("null", False, 0.0),
        ("output\n+ 1", False, 0.0),
        ("() => true", False, 0.0),
        ("nope()", False, 0.0),
        ("Promise.resolve(true)", True, 1.0),
        ("Promise.reject(new Error('x'))", False, 0.0),
        ("context.vars.who === 'Bob' && context.prompt === 'ask' && context.metadata.m === 1", True, 1.0),
        ("context.providerResponse.output === output && context.providerResponse.tokenUsage.total === 0", True, 1.0),
        ("context.provider.id === 'echo' && context.test.metadata.family === 'f'", True, 1.0),
        ("file://judge.js", True, 0.4),
        ("file://named.cjs:yes", True, 1.0),
        ("file://judge.py:later", True, 1.0),
    ],
)
def test_javascript_judges(judge: Callable[..., Verdict], value: str, passed: bool, score: float) -> None:
    verdict = judge("javascript", value)
    assert (verdict.passed, verdict.score) == (passed, score)


@pytest.mark.parametrize(
    ("value", "more", "passed", "score"),
    [
        ("0.4", {"threshold": 0.5}, False, 0.4),
        ("0.5", {"threshold": 0.5}, True, 0.5),
        ("0", {"threshold": 0}, True, 0.0),
        ("0.4", {"negated": True}, False, 0.4),
        ("0.4", {"negated": True, "threshold": 0.5}, True, 0.4),
        ("true", {"negated": True}, False, 0.0),
        ("false", {"negated": True}, True, 1.0),
        ("({pass: true, score: 0.4, reason: 'r'})", {"threshold": 0.5}, True, 0.4),
        ("({pass: true, score: 0.4, reason: 'r'})", {"negated": True}, False, 0.4),
        ("nope()", {"negated": True}, False, 0.0),
    ],
)
def test_javascript_keeps_promptfoos_thresholds_and_negation(
    judge: Callable[..., Verdict], value: str, more: dict[str, Any], passed: bool, score: float
) -> None:
    verdict = judge("javascript", value, **more)
    assert (verdict.passed, verdict.score) == (passed, score)


def test_javascript_sees_structured_output_and_config(judge: Callable[..., Verdict]) -> None:
    code = "output.items.length === context.config.wanted"
    assert judge("javascript", code, {"items": [1, 2]}, config={"wanted": 2}).passed


def test_inline_code_that_needs_node_runs_there(judge: Callable[..., Verdict]) -> None:
    assert judge("javascript", "process.mainModule.require('path').basename(output) === 'b.txt'", "a/b.txt").passed
    failed = judge("javascript", "process.nothing.here", "x")
    assert "require is not defined" in judge("javascript", "require('path').sep", "x").reason  # as in promptfoo
    assert not failed.passed
    assert "TypeError" in failed.reason


@pytest.mark.parametrize(
    ("value", "message"),
    [("file://broken.js", "bad"), ("(() => { for (;;) {} })()", "longer")],
)
def test_what_cannot_run_makes_the_assertion_an_error(judge: Callable[..., Verdict], value: str, message: str) -> None:
    with pytest.raises(CannotEvaluate, match=message):
        judge("javascript", value)


@pytest.mark.parametrize(
    ("value", "passed", "score"),
    [
        ("output == 'hi'", True, 1.0),
        ("len(output)", True, 2.0),
        ("len(output) > 1\n", False, 0.0),
        ("x = len(output)\nreturn x > 1", True, 1.0),
        ("'TRUE'", True, 1.0),
        ("'false'", False, 0.0),
        ("'0.7 of 1'", True, 0.7),
        ("'nothing'", False, 0.0),
        ("None", False, 0.0),
        ("1 / 0", False, 0.0),
        ("not python", False, 0.0),
        ("{'pass': True, 'score': 0.3, 'reason': 'r'}", True, 0.3),
        ("{'pass_': True, 'score': 0.3, 'reason': 'r'}", True, 0.3),
        ('\'{"pass": true, "score": 0.3, "reason": "r"}\'', True, 0.3),
        ("'{broken'", False, 0.0),
        ("{'score': 1}", False, 0.0),
        ("[1]", False, 0.0),
        ("object()", False, 0.0),
        ("json.loads('1')", True, 1.0),
        ("context['vars']['who'] == 'Bob'", True, 1.0),
        ("file://judge.py", True, 0.4),
        ("file://judge.py:later", True, 1.0),
        ("file://judge.py:boom", False, 0.0),
        ("file://named.cjs:yes", True, 1.0),
    ],
)
def test_python_judges(judge: Callable[..., Verdict], value: str, passed: bool, score: float) -> None:
    verdict = judge("python", value)
    assert (verdict.passed, verdict.score) == (passed, score)


def test_a_python_result_keeps_its_parts(judge: Callable[..., Verdict]) -> None:
    verdict = judge("python", "file://judge.py")
    assert (verdict.reason, dict(verdict.named_scores)) == ("Bob", {"tone": 1.0})
    assert [(part.passed, part.reason) for part in verdict.components] == [(False, "part")]


def test_a_python_result_below_the_threshold_fails(judge: Callable[..., Verdict]) -> None:
    verdict = judge("python", "file://judge.py", threshold=0.5)
    assert (verdict.passed, verdict.reason) == (False, "Python score 0.4 is less than threshold 0.5: Bob")


def test_a_missing_file_or_function_is_the_users_mistake(judge: Callable[..., Verdict]) -> None:
    for value in ("file://nope.py", "file://nope.js", "file://judge.py:nope", "file://../outside.py"):
        with pytest.raises(InputError):
            judge("python", value)


@pytest.mark.parametrize(
    ("body", "negated", "passed", "score"),
    [
        ({"pass": True}, False, True, 1.0),
        ({"pass": False, "score": 0.2, "reason": "no"}, False, False, 0.2),
        ({"pass": True, "score": 0.2}, True, False, 0.8),
        ({"pass": False}, True, True, 1.0),
    ],
)
def test_a_web_hook_judges(
    judge: Callable[..., Verdict], body: JsonValue, negated: bool, passed: bool, score: float
) -> None:
    http = StandInHttp(200, body)
    verdict = judge("webhook", "http://hook", http=http, negated=negated)
    assert (verdict.passed, verdict.score) == (passed, score)
    assert http.sent == [{"output": "hi", "context": {"prompt": "ask", "vars": {"who": "Bob"}}}]


@pytest.mark.parametrize(
    ("status", "body", "error"), [(500, {}, EnvironmentFault), (404, None, EnvironmentFault), (200, [], CannotEvaluate)]
)
def test_a_web_hook_that_does_not_judge_is_no_verdict(
    judge: Callable[..., Verdict], status: int, body: JsonValue, error: type[Exception]
) -> None:
    with pytest.raises(error):
        judge("webhook", "http://hook", http=StandInHttp(status, body))


def test_a_test_of_the_users_own_judges(judge: Callable[..., Verdict]) -> None:
    assert judge("pytest", "t.py::test_x").score == 1.0
    failing = judge("pytest", "t.py::test_x", "no")
    assert (failing.passed, failing.score) == (False, 0.0)
    assert 'ask {"who":"Bob"}' in failing.reason
    assert judge("pytest", "t.py::test_x", "no", negated=True).passed


def test_an_output_that_no_environment_holds_is_refused(judge: Callable[..., Verdict]) -> None:
    for output in ("x" * 130_000, "a\0b"):
        with pytest.raises(CannotEvaluate, match="EVOLVE_OUTPUT"):
            judge("pytest", "t.py::test_x", output)


@pytest.mark.parametrize(
    ("code", "output", "expected"),
    [
        ("output.toUpperCase()", "a", "A"),
        ("JSON.parse(output).a", '{"a": [1]}', [1]),
        ("const x = output;\nreturn x + context.vars.who;", "a", "aBob"),
        ("output.answer", {"answer": "x"}, "x"),
        ("''", "a", ""),
        ("file://change.py", "a", "a!"),
        ("file://change.py:later", "a", "A"),
        ("file://named.cjs:up", "a", "A"),
    ],
)
def test_a_transform_changes_the_output(tools: Tools, code: str, output: JsonValue, expected: JsonValue) -> None:
    assert asyncio.run(apply_transform(code, output, {"vars": {"who": "Bob"}}, tools)) == expected


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("JSON.parse(output)", "failed: JavaScript: SyntaxError"),
        ("undefined", "returned no value"),
        ("output.trim()\n", "needs `return`"),
        ("() => output", "nothing calls"),
        ("file://change.py:nothing", "returned no value"),
        ("file://change.txt", "a .js or .py file"),
        ("require('x')", "require is not defined.*process.mainModule.require"),
    ],
)
def test_a_transform_that_gives_no_output_is_an_error(tools: Tools, code: str, message: str) -> None:
    with pytest.raises(CannotEvaluate, match=message):
        asyncio.run(apply_transform(code, "a", {}, tools))


def test_variables_can_be_transformed(tools: Tools) -> None:
    def changed(code: str) -> Mapping[str, JsonValue]:
        return transform_vars(code, {"a": 1}, {"prompt": {}}, tools.files, tools.scripts)

    assert changed("({...vars, b: vars.a + 1})") == {"a": 1, "b": 2}
    assert changed("file://change.py:with_vars") == {"added": 1}
    for code, message in (
        ("vars.a", "expected a mapping of variables"),
        ("file://change.py:later", "expected a plain function"),
    ):
        with pytest.raises(CannotEvaluate, match=message):
            changed(code)


@pytest.mark.parametrize(
    ("answer", "passed", "score", "reason"),
    [
        ("{pass: named.a > 0, score: named.a / 2, reason: 'half'}", True, 0.5, "half"),
        ("{pass: context.componentResults.length === 1, score: context.threshold, reason: 'r'}", True, 0.75, "r"),
        ("true", False, 0.0, "expected {pass, score, reason}"),
        ("(() => { throw new Error('boom') })()", False, 0.0, "boom"),
    ],
)
def test_a_scoring_function_makes_the_verdict(tmp_path, answer, passed, score, reason):
    (tmp_path / "score.js").write_text(f"module.exports = (named, context) => ({answer});\n")
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "prompts: [x]\nproviders: [echo]\ntests:\n  - {threshold: 0.75, assertScoringFunction: file://score.js,\n"
        "     assert: [{type: contains, value: x, metric: a}]}\n"
    )
    loaded = load_whole(str(suite), Settings())
    runner = runner_for(loaded, Settings(), NoAnswers())
    result = asyncio.run(runner.evaluate(loaded.units[0].evaluations[0]))
    assert (result.verdict.passed, result.verdict.score) == (passed, score)
    assert reason in result.verdict.reason
    assert result.named_scores == {"a": 1.0}
