"""What running suites costs: `evolve run` and our pytest items, promptfoo and plain pytest on the same tests.

`python benchmarks/runner.py [--promptfoo DIR] [--runs N]` prints Markdown tables. CPU seconds are user + system of the
command and the processes it waited for; peak memory is that of its largest process. The commands of a table take turns
and are compared within each round, because absolute seconds on a shared machine vary by half; medians are shown.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_TESTS = 5_000
_SLOW_TESTS = 200
_SLOW_S = 0.05
_AT_ONCE = 50
_PROMPTFOO_ENV = {
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
}
_PLAIN_TESTS = """\
import pytest

WORDS = [f"word{{number}}" for number in range({tests})]

@pytest.mark.parametrize("word", WORDS)
def test_echo(word):
    output = f"Please repeat {{word}}, nothing else."
    assert f"repeat {{word}}," in output
    assert output.startswith("Please")
"""


class Cost(NamedTuple):
    """What one run of a command took."""

    cpu_s: float
    wall_s: float
    peak_mb: float


class Contender(NamedTuple):
    """One command of a table."""

    name: str
    command: Sequence[str]
    good: str
    """What its output holds when all tests passed; a run without it is no measurement."""


class Rule(NamedTuple):
    """A target: the first contender's number divided by the second's is at most `limit`."""

    what: str
    ratio: Callable[[Mapping[str, Cost]], float]
    limit: float


# --- measuring


def measured(contender: Contender, folder: Path) -> Cost:
    """The cost of one run that said that all tests passed.

    On a busy machine promptfoo now and then ends before its results are printed; such a run is reported and repeated.

    Raises:
        SystemExit: no run of three said it; shows the end of the last output.
    """
    for _ in range(3):
        cost, said = _one_run(contender, folder)
        if contender.good in said:
            return cost
        print(f"  {contender.name}: not counted, it did not say {contender.good!r}", file=sys.stderr, flush=True)
    raise SystemExit(f"{shlex.join(contender.command)} did not say {contender.good!r}:\n{said[-2_000:]}")


def _one_run(contender: Contender, folder: Path) -> tuple[Cost, str]:
    with tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        process = subprocess.Popen(contender.command, cwd=folder, env=_env(folder), stdout=output, stderr=output)
        _, _, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun
        process.returncode = 0  # wait4 has reaped it
        output.seek(0)
        said = output.read().decode("utf-8", "replace")
    return Cost(usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1024), said


def _env(folder: Path) -> dict[str, str]:
    # PYTHON*: a setting that forbids byte code would count the compiler in every run.
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "EVOLVE_", "PYTHON"))}
    keys = {"OPENAI_API_KEY": "none", "EVOLVE_CACHE_DIR": str(folder / "cache"), "NO_COLOR": "1"}
    return ours | _PROMPTFOO_ENV | keys | {"PROMPTFOO_CONFIG_DIR": str(folder / "promptfoo")}


def in_turns(contenders: Sequence[Contender], folder: Path, runs: int) -> list[dict[str, Cost]]:
    """The costs of so many rounds, in which the contenders take turns."""
    return [_one_round(contenders, folder) for _ in range(runs)]


def _one_round(contenders: Sequence[Contender], folder: Path) -> dict[str, Cost]:
    costs = {}
    for contender in contenders:
        cost = costs[contender.name] = measured(contender, folder)
        print(f"  {contender.name}: {cost.cpu_s:.2f} CPU-s, {cost.wall_s:.1f} s", file=sys.stderr, flush=True)
    return costs


@contextmanager
def endpoint(delay_s: float = 0.0) -> Iterator[str]:
    """The URL of a loopback endpoint in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("endpoint.py")), str(delay_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.send_signal(signal.SIGKILL)


# --- what is run


def suite_text(tests: int, provider: object) -> str:
    """A suite whose tests have two assertions each; JSON in YAML's place would hide what reading YAML costs."""
    lines = [
        "prompts: ['Please repeat {{word}}, nothing else.']",
        f"providers: [{json.dumps(provider)}]",
        "tests:",
    ]
    for number in range(tests):
        lines += [
            f"- vars: {{word: word{number}}}",
            "  assert:",
            "  - type: contains",
            "    value: 'repeat {{word}},'",
            "  - type: regex",
            "    value: '^(said: )?Please'",
        ]
    return "\n".join(lines) + "\n"


def chat(url: str) -> object:
    """The provider of an OpenAI-compatible endpoint."""
    return {"id": "openai:chat:bench", "config": {"apiBaseUrl": url}}


def evolve_run(name: str, suite: Path, tests: int, *options: str) -> Contender:
    command = [sys.executable, "-m", "evolve", "run", str(suite), "--no-suite-cache", "-q", *options]
    return Contender(name, command, f"{tests} passed")


def pytest_on(name: str, file: Path, tests: int, *options: str) -> Contender:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file), *options]
    return Contender(name, command, f"{tests} passed")


def promptfoo_on(name: str, suite: Path, folder: Path) -> Contender:
    program = folder / "node_modules/.bin/promptfoo"
    quiet = ["--no-cache", "--no-table", "--no-write", "--no-progress-bar"]
    command = [str(program), "eval", "-c", str(suite), "-j", str(_AT_ONCE), *quiet]
    return Contender(name, command, f"{_TESTS:,} passed")


# --- the tables


def at_once(folder: Path, runs: int, promptfoo: Path | None) -> None:
    """Table 1: an endpoint that answers at once."""
    with endpoint() as url:
        suite = _written(folder / "http.yaml", suite_text(_TESTS, chat(url)))
        ours = ["--suite-concurrency", str(_AT_ONCE)]
        contenders = [
            evolve_run("evolve run", suite, _TESTS, *ours),
            pytest_on("pytest items", suite, _TESTS, *ours, "--no-suite-cache"),
        ]
        rules = []
        if promptfoo is not None:
            contenders.insert(0, promptfoo_on("promptfoo", suite, promptfoo))
            rules = [
                _cpu("evolve run", "promptfoo", 1 / 10),
                _cpu("pytest items", "promptfoo", 1 / 5),
                _memory("evolve run", "promptfoo", 1 / 4),
                _memory("pytest items", "promptfoo", 1 / 4),
            ]
        rounds = in_turns(contenders, folder, runs)
    _table(f"{_TESTS} tests, two assertions each, an endpoint that answers at once, {_AT_ONCE} at once", rounds, rules)


def echoed(folder: Path, runs: int) -> None:
    """Table 2: echo compared with plain parametrized pytest tests."""
    suite = _written(folder / "echo.yaml", suite_text(_TESTS, "echo"))
    plain = _written(folder / "test_plain.py", _PLAIN_TESTS.format(tests=_TESTS))
    contenders = [
        pytest_on("plain pytest", plain, _TESTS),
        pytest_on("pytest items", suite, _TESTS),
        evolve_run("evolve run", suite, _TESTS),
    ]
    rules = [_cpu("pytest items", "plain pytest", 2.5), _cpu("evolve run", "plain pytest", 1.2)]
    _table(f"{_TESTS} tests, two assertions each, echo", in_turns(contenders, folder, runs), rules)


def waiting(folder: Path, runs: int) -> None:
    """Table 3: an endpoint that takes its time; start-up is what one test takes on an endpoint that does not."""
    ideal_s = _SLOW_TESTS / _AT_ONCE * _SLOW_S
    with endpoint(_SLOW_S) as url, endpoint() as fast_url:
        suite = _written(folder / "slow.yaml", suite_text(_SLOW_TESTS, chat(url)))
        one = _written(folder / "one.yaml", suite_text(1, chat(fast_url)))
        ours = ["--suite-concurrency", str(_AT_ONCE)]
        contenders = [
            evolve_run("evolve run, one test", one, 1),
            evolve_run("evolve run", suite, _SLOW_TESTS, *ours),
            pytest_on("pytest, one test", one, 1, "--no-suite-cache"),
            pytest_on("pytest items", suite, _SLOW_TESTS, *ours, "--no-suite-cache"),
        ]
        rounds = in_turns(contenders, folder, runs)
    rules = [
        Rule(f"wall of {name} / (start-up + ideal {ideal_s:g} s)", _waited(name, start, ideal_s), 1.5)
        for name, start in (("evolve run", "evolve run, one test"), ("pytest items", "pytest, one test"))
    ]
    _table(f"{_SLOW_TESTS} tests, an endpoint that answers in {_SLOW_S * 1000:g} ms, {_AT_ONCE} at once", rounds, rules)


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _cpu(ours: str, theirs: str, limit: float) -> Rule:
    return Rule(f"CPU of {ours} / {theirs}", lambda costs: costs[ours].cpu_s / costs[theirs].cpu_s, limit)


def _memory(ours: str, theirs: str, limit: float) -> Rule:
    return Rule(f"memory of {ours} / {theirs}", lambda costs: costs[ours].peak_mb / costs[theirs].peak_mb, limit)


def _waited(name: str, start: str, ideal_s: float) -> Callable[[Mapping[str, Cost]], float]:
    return lambda costs: costs[name].wall_s / (costs[start].wall_s + ideal_s)


def _table(title: str, rounds: Sequence[Mapping[str, Cost]], rules: Sequence[Rule]) -> None:
    """Prints medians of costs, and of the ratios within each round."""
    print(f"\n### {title}\n\n| | CPU s | wall s | peak MB |\n|---|---:|---:|---:|")
    for name in rounds[0]:
        cost = Cost(*map(statistics.median, zip(*(costs[name] for costs in rounds), strict=True)))
        print(f"| {name} | {cost.cpu_s:.2f} | {cost.wall_s:.2f} | {cost.peak_mb:.0f} |")
    if rules:
        print("\n| ratio | measured | target | |\n|---|---:|---:|---|")
    for rule in rules:
        ratio = statistics.median(rule.ratio(costs) for costs in rounds)
        print(
            f"| {rule.what} | {ratio:.3f} | {rule.limit:g} | {'met' if ratio <= rule.limit else 'MISSED'} |", flush=True
        )


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def _versions(promptfoo: Path | None) -> str:
    names = {"anneal-harness": "anneal-harness", "pytest": "pytest", "aiohttp": "aiohttp"}
    said = [f"Python {platform.python_version()}", *(f"{name} {importlib.metadata.version(name)}" for name in names)]
    if promptfoo is not None:
        about = json.loads((promptfoo / "node_modules/promptfoo/package.json").read_text(encoding="utf-8"))
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        said += [f"promptfoo {about['version']}", f"Node {node}"]
    return ", ".join(said)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What running suites costs, compared with promptfoo and plain pytest.")
    parser.add_argument("--promptfoo", type=Path, metavar="DIR", help="a folder in which promptfoo is installed by npm")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="rounds per table; promptfoo's takes minutes")
    parser.add_argument("--only", choices=("at-once", "echo", "waiting"), help="one table")
    return parser.parse_args()


def main() -> None:
    options = _options()
    promptfoo = options.promptfoo.resolve() if options.promptfoo else None
    if promptfoo is not None and not (promptfoo / "node_modules/.bin/promptfoo").exists():
        raise SystemExit(
            f"--promptfoo {options.promptfoo}: no node_modules/.bin/promptfoo there; npm install promptfoo"
        )
    date = datetime.datetime.now(datetime.UTC).date()
    print(f"{date}; {_machine()}; {_versions(promptfoo)}; medians of {options.runs}")
    if promptfoo is None:
        print("promptfoo was not measured: name the folder where it is installed with --promptfoo DIR")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _written(folder / "pytest.ini", "[pytest]\n")
        if options.only in (None, "at-once"):
            at_once(folder, options.runs, promptfoo)
        if options.only in (None, "echo"):
            echoed(folder, options.runs)
        if options.only in (None, "waiting"):
            waiting(folder, options.runs)


if __name__ == "__main__":
    main()
