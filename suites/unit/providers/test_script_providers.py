"""Python functions, JavaScript files and commands as providers."""

import asyncio
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, InputError, ProcessFault
from fixtures.opened_providers import OpenedProviders
from fixtures.processes import is_running

FIELDS = """
def call_api(prompt, options, context):
    return {
        "output": {"list": (1, 2.5)},
        "cost": 0.5,
        "latencyMs": 50,
        "finishReason": "stop",
        "logProbs": [-1.0, -2],
        "tokenUsage": {"total": 7, "prompt": 4, "completion": 3, "cached": 1},
        "guardrails": {"flagged": True},
        "metadata": {"a": 1},
        "cached": True,
    }
"""


def write(providers: OpenedProviders, name: str, text: str) -> Path:
    path = providers.folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_python_answer_has_all_of_promptfoos_fields(providers: OpenedProviders) -> None:
    write(providers, "p.py", FIELDS)
    assert providers.ask("file://p.py", "x") == Answer(
        {"list": [1, 2.5]},
        latency_ms=50,
        cost=0.5,
        tokens=TokenUsage(7, 4, 3, 1, 1),
        finish_reason="stop",
        guardrails={"flagged": True},
        log_probs=(-1.0, -2.0),
        metadata={"a": 1},
        cached=True,
    )


def test_a_python_function_sees_options_and_context(providers: OpenedProviders) -> None:
    write(
        providers,
        "p.py",
        "def ask(prompt, options, context):\n"
        "    config, test = options['config'], context['test']\n"
        "    return {'output': [prompt, config['greeting'], config['basePath'], context['vars'], test['metadata'],\n"
        "                       context['prompt']['raw']]}\n",
    )
    request = Request("hi bob", vars={"who": "bob"}, raw_prompt="hi {{who}}", metadata={"case": 1})
    output = providers.ask("python:p.py:ask", request, greeting="Hello").output
    assert output == ["hi bob", "Hello", str(providers.folder), {"who": "bob"}, {"case": 1}, "hi {{who}}"]


def test_an_error_of_a_python_provider_is_its_answer(providers: OpenedProviders) -> None:
    write(providers, "p.py", "def call_api(*_):\n    return {'error': 'the model is away'}\n")
    assert providers.ask("file://p.py", "x").error == "the model is away"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return {'text': 1}", "must return a mapping with `output` or `error`"),
        ("return 'text'", "must return a mapping"),
        ("raise RuntimeError('broken')", r"raised RuntimeError: broken \(line 2\)"),
        ("return {'output': object()}", "that JSON can hold"),
    ],
)
def test_a_python_provider_that_goes_wrong_is_named(providers: OpenedProviders, body: str, said: str) -> None:
    write(providers, "p.py", f"def call_api(prompt, options, context):\n    {body}\n")
    with pytest.raises(CannotEvaluate, match=said):
        providers.ask("file://p.py", "x")


def test_a_missing_function_is_said_when_the_suite_is_read(providers: OpenedProviders) -> None:
    write(providers, "p.py", "def call_apy(*_): ...\n")
    with pytest.raises(InputError, match="call_api"):
        providers.open("file://p.py")


def test_a_python_file_may_only_make_vectors(providers: OpenedProviders) -> None:
    write(providers, "p.py", "def call_embedding_api(prompt, options):\n    return {'embedding': [len(prompt), 0.5]}\n")
    embedding = providers.use("file://p.py", {}, lambda provider: provider.embed("abc"))
    assert embedding.vector == (3.0, 0.5)


def test_a_python_function_that_hangs_is_given_up(providers: OpenedProviders) -> None:
    write(providers, "p.py", "import asyncio\nasync def call_api(*_):\n    await asyncio.sleep(3600)\n")
    with pytest.raises(CannotEvaluate, match=r"took longer than 0\.05 s"):
        providers.ask("file://p.py", "x", timeout=50)


def test_plain_python_functions_run_one_at_a_time(providers: OpenedProviders) -> None:
    write(
        providers,
        "p.py",
        "import time\nrunning = []\n"
        "def call_api(*_):\n    running.append(1)\n    time.sleep(0.01)\n    many = len(running)\n    running.pop()\n"
        "    return {'output': many}\n",
    )

    async def four(provider) -> list[object]:  # type: ignore[no-untyped-def]
        import asyncio

        return [answer.output for answer in await asyncio.gather(*(provider.answer(Request("x")) for _ in range(4)))]

    assert providers.use("file://p.py", {}, four) == [1, 1, 1, 1]


def test_the_wait_for_a_thread_is_no_latency(providers: OpenedProviders, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ModuleType("clock_of_the_test")
    clock.now = 0.0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, clock.__name__, clock)
    write(
        providers,
        "p.py",
        "import clock_of_the_test as clock\ndef call_api(*_):\n    clock.now += 1\n    return {'output': 'x'}\n",
    )

    async def four(provider: Any) -> list[float]:
        return [
            answer.latency_ms for answer in await asyncio.gather(*(provider.answer(Request("x")) for _ in range(4)))
        ]

    slow = providers.with_settings(clock=lambda: clock.now)
    assert slow.use("file://p.py", {}, four) == [1000.0] * 4


@pytest.mark.parametrize(
    "source",
    [
        "module.exports = async (prompt) => ({output: `js ${prompt}`})",
        "export default function (prompt) { return `js ${prompt}` }",
        "export default class { id() { return 'x' } async callApi(prompt) { return {output: `js ${prompt}`} } }",
        "module.exports = class { callApi(prompt, context) { return {output: `js ${context.vars.x}`} } }",
        "module.exports = { callApi: (prompt) => ({output: 'js ' + prompt}) }",
    ],
)
def test_javascript_may_be_a_class_a_function_or_an_object(providers: OpenedProviders, source: str) -> None:
    write(providers, "p.js", source)
    assert providers.ask("file://p.js", Request("x", vars={"x": "x"})).output == "js x"


def test_a_path_of_javascript_needs_no_prefix(providers: OpenedProviders) -> None:
    write(providers, "p.js", "module.exports = { named: (prompt) => 'js ' + prompt };")
    assert providers.ask("p.js:named", "x").output == "js x"
    assert providers.ask("./p.js:named", "x").output == "js x"


def test_javascript_that_needs_node_runs_there_as_one_object_for_all_calls(providers: OpenedProviders) -> None:
    write(
        providers,
        "p.js",
        "const path = require('path');\n"
        "module.exports = class {\n"
        "  constructor(options) { this.config = options.config; this.count = 0; }\n"
        "  async callApi(prompt, context) {\n"
        "    return {output: path.join(this.config.folder, prompt, context.vars.x, String(++this.count)),"
        " tokenUsage: {total: 2}};\n"
        "  }\n"
        "};\n",
    )
    request = Request("a", vars={"x": "b"})
    outputs = [providers.ask("file://p.js", request, folder="/top").output for _ in range(2)]
    assert outputs == ["/top/a/b/1", "/top/a/b/2"]


def test_typescript_with_a_type_error_runs_and_with_an_enum_is_refused_when_it_is_opened(
    providers: OpenedProviders,
) -> None:
    write(providers, "p.ts", "export default async (prompt: string) => { const n: number = 'ts'; return n + prompt; };")
    assert providers.ask("file://p.ts", "x").output == "tsx"
    write(providers, "q.ts", "enum Mood { Good }\nexport default () => Mood.Good;")
    with pytest.raises(InputError, match=r"q\.ts:1:1: TypeScript enum is not supported.*npm install tsx"):
        providers.open("file://q.ts")


def test_a_file_that_takes_too_long_in_node_is_stopped(providers: OpenedProviders) -> None:
    write(providers, "p.ts", "export default () => { for (;;); };")
    with pytest.raises(CannotEvaluate, match=r"longer than 0\.2 s and was stopped: .*p\.ts"):
        providers.ask("file://p.ts", "x", timeoutMs=200)


def test_javascript_may_make_vectors(providers: OpenedProviders) -> None:
    for name, line in (("a.js", ""), ("b.js", "require('fs');")):
        write(
            providers, name, line + "module.exports = class { callEmbeddingApi(t) { return {embedding: [t.length]} } }"
        )

        async def vector(provider: Any) -> Any:
            return await provider.embed("four")

        assert providers.use(f"file://{name}", {}, vector).vector == (4.0,)


def test_a_command_gets_prompt_options_and_context(providers: OpenedProviders) -> None:
    write(providers, "c.py", "import json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    output = providers.ask("exec:python3 c.py loud 'two words'", Request("hi", vars={"x": 1}), any="thing").output
    *words, prompt, options, context = json.loads(str(output))
    assert words == ["loud", "two words"]
    assert prompt == "hi"
    assert json.loads(options)["config"]["any"] == "thing"
    assert json.loads(context)["vars"] == {"x": 1}


def test_output_of_a_command_has_no_colours_or_outer_space(providers: OpenedProviders) -> None:
    write(providers, "c.py", "print('  \\x1b[31mred\\x1b[0m text \\n\\n')\n")
    assert providers.ask("exec:python3 c.py", "x").output == "red text"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("sys.exit('no answer')", "ended with code 1: no answer"),
        ("print('oh', file=sys.stderr)", "nothing but errors: oh"),
    ],
)
def test_a_failed_command_is_no_answer(providers: OpenedProviders, code: str, said: str) -> None:
    write(providers, "c.py", f"import sys\n{code}\n")
    with pytest.raises(CannotEvaluate, match=said):
        providers.ask("exec:python3 c.py", "x")


def test_a_command_that_is_not_there_is_the_environments(providers: OpenedProviders) -> None:
    with pytest.raises(ProcessFault, match="'no-such-program' does not start") as caught:
        providers.ask("exec:no-such-program", "x")
    assert (caught.value.command, caught.value.code) == ("no-such-program", None)


def test_a_command_that_hangs_ends_with_its_children(providers: OpenedProviders) -> None:
    write(providers, "c.sh", "sleep 3600 &\necho $! > child\nwait\n")
    with pytest.raises(EnvironmentFault, match=r"no answer within 0\.5 s"):
        providers.ask("exec:sh c.sh", "x", timeoutMs=500)
    child = int((providers.folder / "child").read_text())
    deadline = time.monotonic() + 5
    while is_running(child):
        assert time.monotonic() < deadline


def test_a_prompt_too_long_for_an_argument_is_said(providers: OpenedProviders) -> None:
    with pytest.raises(CannotEvaluate, match="longer than an argument may be"):
        providers.ask("exec:true", "x" * 200_000)


def test_a_changed_script_has_another_identity(providers: OpenedProviders) -> None:
    names = {"p.py": "file://p.py", "p.js": "file://p.js", "c.py": "exec:python3 c.py"}
    for file, name in names.items():
        write(
            providers, file, "def call_api(*_): return {'output': 1}" if file != "p.js" else "module.exports = x => '1'"
        )
        before = providers.open(name).identity(Request("x"))
        write(
            providers, file, "def call_api(*_): return {'output': 2}" if file != "p.js" else "module.exports = x => '2'"
        )
        assert before is not None
        assert providers.open(name).identity(Request("x")) != before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ecko", "unknown provider 'ecko'.*did you mean 'echo'"),
        ("cohere:x", "unknown provider"),
        ("lmstudio:x", "use openai:chat:MODEL with apiBaseUrl"),
        ("retry:x", "unknown provider"),
        ("../echo", "unknown provider"),
        ("", "unknown provider"),
        ("file://x.rb", "expected file://NAME.py, file://NAME.js or file://NAME.ts"),
        ("exec:", "expected exec:COMMAND"),
        ("llamacpp:gpt-5", "no embedded model 'gpt-5': expected smollm2-135m, qwen2.5-coder-1.5b or PATH.gguf"),
        ("llamacpp:no.gguf", "no such file"),
        ("file://no.py", "no.py"),
    ],
)
def test_an_unknown_id_is_a_mistake(providers: OpenedProviders, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        providers.open(name)


def test_a_command_that_prints_for_ever_is_stopped(providers: OpenedProviders) -> None:
    with pytest.raises(CannotEvaluate, match="'yes' printed more than 16 MiB and was stopped"):
        providers.ask("exec:yes", "y")


def test_a_secret_that_a_command_prints_is_in_no_message(providers: OpenedProviders) -> None:
    providers.env["SOME_TOKEN"] = "correct-horse-battery"
    write(providers, "p.py", "import os, sys; sys.exit('bad token ' + os.environ['SOME_TOKEN'])")
    with pytest.raises(CannotEvaluate, match=r"bad token \*\*\*$"):
        providers.ask("exec:python3 p.py", "x")


@pytest.mark.parametrize(("config", "is_stored"), [({}, True), ({"cache": True}, True), ({"cache": False}, False)])
def test_a_python_function_may_ask_what_runs_each_time(
    providers: OpenedProviders, config: dict[str, Any], is_stored: bool
) -> None:
    write(providers, "p.py", FIELDS)

    async def identity(provider: Any) -> Any:
        return provider.identity(Request("x"))

    assert (providers.use("file://p.py", config, identity) is not None) is is_stored
