"""How many public promptfoo configurations load and run unchanged, and whether their rows equal promptfoo's.

`python benchmarks/public_suites.py DIR [--promptfoo FOLDER]`: DIR holds one folder for each repository. A configuration
*loads* when `evolve check` accepts it with dummy keys, and is *usable* when all its rows run against one loopback
server that speaks each protocol. With promptfoo both tools run it against that server and their rows are compared.

This runs the code that the configurations name (Python, JavaScript, commands), as promptfoo would: give it only
repositories that you would run. Each configuration's result is written to `--results` when it is known; the same
command goes on where it was.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from public_pointing import point
from public_server import serve

from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.errors import InputError
from evolve.system.atomic_files import write_whole

_LIMIT_S = 180
"""For one command on one configuration; the slowest of them waits for a program that is not installed."""
_KEYS = (
    "OPENAI ANTHROPIC GOOGLE GEMINI AZURE AZURE_OPENAI GROQ OPENROUTER MISTRAL XAI PERPLEXITY DEEPSEEK TOGETHER "
    "CEREBRAS FIREWORKS LITELLM COHERE HF VERTEX PALM"
)
_ENV = {f"{name}_API_KEY": "dummy" for name in _KEYS.split()} | {
    "GITHUB_TOKEN": "dummy", "HF_API_TOKEN": "dummy", "HF_TOKEN": "dummy",
    "AWS_ACCESS_KEY_ID": "dummy", "AWS_SECRET_ACCESS_KEY": "dummy", "AWS_REGION": "us-east-1",
    "VERTEX_PROJECT_ID": "dummy", "GOOGLE_CLOUD_PROJECT": "dummy", "VERTEX_API_KEY": "dummy",
    "PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    "NO_COLOR": "1",
}  # fmt: skip
_ADDRESSES = {
    "OPENAI_BASE_URL": "/v1",
    "OPENAI_API_BASE_URL": "/v1",
    "ANTHROPIC_BASE_URL": "",
    "OLLAMA_BASE_URL": "",
    "GOOGLE_API_BASE_URL": "",
    "AZURE_API_BASE_URL": "",
    "MISTRAL_API_BASE_URL": "/v1",
}
"""For providers that a configuration does not name itself: default graders, and those in files of their own."""
_TOP = re.compile(r"^(providers|targets)\s*:", re.M)
_REST = re.compile(r"^(tests|prompts|defaultTest|scenarios|redteam)\s*:", re.M)
_SUMMARY = re.compile(r"(evolve: )?warning:|hint:|FAIL|PASS|next:|\d+ suites?: ")
_TRIES = re.compile(r"; \d+ tries in [\d.]+ s")
"""Differs from row to row."""
_OURS, _THEIRS, _POINTED = "anneal_rows.json", "promptfoo_rows.json", "pointed_at_loopback.yaml"


@dataclass
class Outcome:
    """What is known of one configuration."""

    file: str
    loads: bool = False
    problems: list[str] = field(default_factory=list)
    usable: bool | None = None
    """None: it was not run, because it does not load."""
    rows: int = 0
    errors: list[str] = field(default_factory=list)
    compared: int = 0
    equal: int = 0
    differences: list[str] = field(default_factory=list)


def find_configurations(folder: Path) -> list[Path]:
    """Return the promptfoo configurations under a folder: files with providers, and prompts, tests or redteam."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".yaml", ".yml", ".json") and "node_modules" not in path.parts and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if _is_configuration(text, path):
                found.append(path)
    return found


def _is_configuration(text: str, path: Path) -> bool:
    if path.suffix != ".json":
        return bool(_TOP.search(text) and _REST.search(text))
    return path.name.startswith("promptfooconfig") and '"providers"' in text


# --- one configuration


def examine(config: Path, url: str, promptfoo: Path | None) -> Outcome:
    """Return what is known of one configuration; its folder gets two files, so it must be a copy."""
    outcome = Outcome(str(config))
    checked = _run([sys.executable, "-m", "evolve", "check", config.name], config.parent, url)
    outcome.loads = checked.returncode == 0
    if not outcome.loads:
        outcome.problems = _problems(checked.stdout + checked.stderr)
        return outcome
    _write_pointed(config, url)
    ours = _our_rows(config.parent, outcome, url)
    if promptfoo is not None and ours:
        _compare(ours, _their_rows(config.parent, promptfoo, url), outcome)
    return outcome


def _write_pointed(config: Path, url: str) -> None:
    parsed = parse_yaml(config.read_text(encoding="utf-8"), config.name)
    pointed = point(parsed, url) if isinstance(parsed, dict) else parsed
    (config.parent / _POINTED).write_text(json.dumps(pointed, ensure_ascii=False), encoding="utf-8")


def _our_rows(folder: Path, outcome: Outcome, url: str) -> dict[tuple[int, int], Any]:
    command = [sys.executable, "-m", "evolve", "run", _POINTED, "-q", "--no-cache", "-o", _OURS]
    done = _run(command, folder, url)
    rows = _rows_of(folder / _OURS)
    outcome.rows = len(rows)
    outcome.errors = sorted(
        {_TRIES.sub("", str(row.get("error", "")))[:200] for row in rows.values() if row["failureReason"] == 2}
    )
    if done.returncode not in (0, 1) or not rows:
        outcome.errors = outcome.errors or _problems(done.stdout + done.stderr)
    outcome.usable = bool(rows) and not outcome.errors
    return rows


def _their_rows(folder: Path, promptfoo: Path, url: str) -> dict[tuple[int, int], Any]:
    program = str(promptfoo / "node_modules/.bin/promptfoo")
    quiet = ["--no-cache", "--no-table", "--no-write", "--no-progress-bar"]
    _run([program, "eval", "-c", _POINTED, "-o", _THEIRS, "-j", "4", *quiet], folder, url)
    return _rows_of(folder / _THEIRS)


def _rows_of(file: Path) -> dict[tuple[int, int], Any]:
    if not file.exists():
        return {}
    results = json.loads(file.read_text(encoding="utf-8"))["results"]["results"]
    return {(row["testIdx"], row["promptIdx"]): row for row in results}


def _compare(ours: dict[tuple[int, int], Any], theirs: dict[tuple[int, int], Any], outcome: Outcome) -> None:
    for spot in sorted(ours.keys() | theirs.keys()):
        outcome.compared += 1
        mine, other = _verdict_of(ours.get(spot)), _verdict_of(theirs.get(spot))
        if mine == other:
            outcome.equal += 1
        else:
            outcome.differences.append(f"row {spot[0]},{spot[1]}: {mine} here, {other} in promptfoo")


def _verdict_of(row: Any) -> str:
    if row is None:
        return "no row"
    if row["failureReason"] == 2:
        return "error"
    return f"{'pass' if row['success'] else 'fail'} {row['score']:.4f}"


def _run(command: Sequence[str], folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(Path(part).resolve()) for part in sys.path if part)
    addresses = {name: url + end for name, end in _ADDRESSES.items()}
    env = {**os.environ, **_ENV, **addresses, "PYTHONPATH": path}
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no end within {_LIMIT_S} s")


def _problems(text: str) -> list[str]:
    """Return the problems in a command's output without their places, so that equal ones can be counted."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    stripped = [re.sub(r"^\S+?\.\w+(:\d+){0,2}: ", "", line) for line in lines]
    return [line[:160] for line in stripped if not _SUMMARY.match(line)][:20]


# --- all of them


def examine_all(folder: Path, options: argparse.Namespace) -> list[Outcome]:
    """Return one outcome for each configuration, those of an earlier, interrupted run among them."""
    known = _read_known(options.results)
    outcomes = []
    with tempfile.TemporaryDirectory() as name, serve() as url:
        copy = Path(name) / "copy"
        shutil.copytree(folder, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        files = find_configurations(copy)
        for number, file in enumerate(files, 1):
            relative = str(file.relative_to(copy))
            if relative not in known:
                outcome = examine(file, url, options.promptfoo)
                outcome.file = relative
                known[relative] = outcome
                _write_known(options.results, known)
            outcomes.append(known[relative])
            print(f"  {number} of {len(files)}: {relative}: {_in_words(known[relative])}", file=sys.stderr, flush=True)
    return outcomes


def _in_words(outcome: Outcome) -> str:
    if not outcome.loads:
        return f"refused: {outcome.problems[0] if outcome.problems else 'no reason given'}"
    ran = "usable" if outcome.usable else f"not usable: {outcome.errors[0] if outcome.errors else 'no rows'}"
    return f"loads, {ran}, {outcome.equal} of {outcome.compared} rows equal" if outcome.compared else f"loads, {ran}"


def _read_known(file: Path) -> dict[str, Outcome]:
    if not file.exists():
        return {}
    return {item["file"]: Outcome(**item) for item in json.loads(file.read_text(encoding="utf-8"))}


def _write_known(file: Path, known: dict[str, Outcome]) -> None:
    write_whole(file, json.dumps([asdict(outcome) for outcome in known.values()], indent=1))


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the lines of the Markdown tables."""
    repositories = {outcome.file.partition("/")[0] for outcome in outcomes}
    yield f"{len(outcomes)} configurations of {len(repositories)} repositories"
    yield ""
    yield "| | configurations | share |"
    yield "|---|---:|---:|"
    yield _share("load", sum(outcome.loads for outcome in outcomes), len(outcomes))
    yield _share("usable", sum(bool(outcome.usable) for outcome in outcomes), len(outcomes))
    compared = sum(outcome.compared for outcome in outcomes)
    if compared:
        yield _share("rows equal to promptfoo's", sum(outcome.equal for outcome in outcomes), compared)
    yield from _reasons("why it does not load", [outcome.problems for outcome in outcomes])
    yield from _reasons("why it is not usable", [outcome.errors for outcome in outcomes])
    yield from ("", *(f"- {outcome.file}: {text}" for outcome in outcomes for text in outcome.differences[:5]))


def _share(what: str, part: int, whole: int) -> str:
    return f"| {what} | {part} of {whole} | {part / whole:.1%} |" if whole else f"| {what} | 0 | |"


def _reasons(title: str, lists: Sequence[Sequence[str]]) -> Iterator[str]:
    counts = Counter(reason for reasons in lists for reason in dict.fromkeys(reasons))
    if counts:
        yield from ("", f"| {title} | configurations |", "|---|---:|")
        yield from (f"| {reason.replace('|', '/')} | {count} |" for reason, count in counts.most_common(40))


def main() -> None:
    parser = argparse.ArgumentParser(description="How many public promptfoo configurations load and run unchanged.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder with one folder for each repository")
    parser.add_argument(
        "--promptfoo", type=Path, metavar="FOLDER", help="compare rows with the promptfoo installed there"
    )
    parser.add_argument("--results", type=Path, default=Path("public_suites.json"), metavar="FILE")
    options = parser.parse_args()
    options.promptfoo = options.promptfoo.resolve() if options.promptfoo else None
    try:
        print("\n".join(table(examine_all(options.folder.resolve(), options))))
    except InputError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
