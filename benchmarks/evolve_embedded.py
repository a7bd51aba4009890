"""What our engine makes of a plain agent, compared with other optimizers: same model, cases and budget of answers.

`python benchmarks/evolve_embedded.py [--methods ancestor,vote,gepa,dspy,anneal] [--budget 300] [--seed 1]` evolves the
plain reflection agent on the embedded SmolLM2-135M and prints how often each result is right on families that no method
saw. A method's result is kept as it ends: the same command goes on with those that are missing.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from evolve_anneal import anneal
from evolve_baselines import Found, ancestor, vote
from evolve_bench import AGENT, ROOT, SUITE, Bench, open_bench, open_model
from evolve_dspy import dspy
from evolve_gepa import gepa
from evolve_meter import Meter
from evolve_results import Result, load, notes, save, table, targets
from evolve_splits import Case, Splits, judge, read_cases, sample_by_family, split_cases

from evolve.cli._guard import run_guarded
from evolve.core.model.errors import EnvironmentFault, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.store.agents import find_agent, load_agent

METHODS: Mapping[str, Callable[[Bench], Found]] = {
    "ancestor": ancestor,
    "vote": vote,
    "gepa": gepa,
    "dspy": dspy,
    "dspy-chat": partial(dspy, adapter="chat"),
    "anneal": anneal,
}
_DEFAULT = "ancestor,vote,gepa,dspy,anneal"
_LIBRARIES = {"gepa": "gepa", "dspy": "dspy", "dspy-chat": "dspy"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    methods: tuple[str, ...]
    budget: int
    seed: int
    sample: int
    held_out: int | None
    """Held-out cases that judge; None for all."""
    model: str
    results: Path
    logs: Path | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures the methods that the results file does not hold, and prints all."""
    plan = _plan(arguments)
    about = _about(plan)
    results = load(plan.results, about)
    print(f"{datetime.datetime.now(datetime.UTC).date()}; {_machine()}; {_versions()}")
    print(f"python benchmarks/evolve_embedded.py {shlex.join(arguments or sys.argv[1:])}", flush=True)
    with Meter(open_model(plan.model)) as meter:
        for name in plan.methods:
            if name not in results:
                results[name] = _measured(name, plan, meter)
                save(plan.results, about, results)
    shown = {name: results[name] for name in METHODS if name in results}
    print(f"\n{about['cases']}\n\n{table(shown)}\n\n{targets(shown)}\n\n{notes(shown)}\n\nresults: {plan.results}")
    return 0


def _measured(name: str, plan: Plan, meter: Meter) -> Result:
    with _folder(name, plan) as folder:
        bench = open_bench(name, meter, folder, budget=plan.budget, seed=plan.seed, sample=plan.sample)
        begun = time.monotonic()
        found = METHODS[name](bench)
        # Where there are answers, the last one ends the search: DSPy goes on for a while with calls that are refused.
        seconds = (bench.search.ended or time.monotonic()) - begun
        _say(f"{name}: {bench.search.answers} answers in {seconds:.0f} s; {found.note}")
        outcomes = tuple(judge(case, found.answer(case)) for case in _judging(bench.splits, plan))
    channels = (bench.search, bench.reflection, bench.held_out)
    if any(channel.faults for channel in channels):
        raise EnvironmentFault(f"{name}: the model failed {sum(channel.faults for channel in channels)} times")
    return Result(
        outcomes,
        answers=bench.search.answers,
        reflections=bench.reflection.answers,
        tokens=bench.search.tokens + bench.reflection.tokens,
        busy_s=round(bench.search.busy_s + bench.reflection.busy_s, 1),
        seconds=round(seconds, 1),
        text=found.text,
        note=found.note,
        date=str(datetime.datetime.now(datetime.UTC).date()),
    )


def _judging(splits: Splits, plan: Plan) -> tuple[Case, ...]:
    return splits.held_out if plan.held_out is None else sample_by_family(splits.held_out, plan.held_out, plan.seed)


@contextmanager
def _folder(name: str, plan: Plan) -> Iterator[Path]:
    """The method's folder: a temporary one, or one below --logs that is kept."""
    if plan.logs is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    kept = plan.logs / name
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    yield kept


def _about(plan: Plan) -> dict[str, JsonValue]:
    """What decides the numbers; results are only kept together when all of it is the same."""
    splits = split_cases(read_cases(SUITE))
    sizes = {
        "train": splits.train,
        f"val (optimizers compare on {plan.sample})": splits.val,
        "gate": splits.gate,
        "held out": _judging(splits, plan),
    }
    cases = [
        f"{name} {len(part)} cases of {len({case.family for case in part})} families" for name, part in sizes.items()
    ]
    return {
        "suite": hashlib.sha256(SUITE.read_bytes()).hexdigest(),
        "cases": "; ".join(cases),
        "agent": load_agent(find_agent(AGENT)).title,
        "model": plan.model,
        "budget": plan.budget,
        "seed": plan.seed,
        "machine": _machine(),
    }


def _plan(arguments: Sequence[str] | None) -> Plan:
    parser = argparse.ArgumentParser(description="Our engine compared with other optimizers, on the embedded model.")
    parser.add_argument("--methods", default=_DEFAULT, metavar="A,B", help=f"of {', '.join(METHODS)}; {_DEFAULT}")
    parser.add_argument("--budget", type=int, default=300, metavar="N", help="answers that each method may buy; 300")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="1")
    parser.add_argument("--sample", type=int, default=32, metavar="N", help="val cases that optimizers compare on; 32")
    parser.add_argument("--held-out", type=int, metavar="N", help="judge on N cases only, for a trial; all")
    parser.add_argument("--model", default="llamacpp:smollm2-135m", metavar="ID", help="llamacpp:smollm2-135m")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the results; reports/evolve_embedded-SEED.json")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep what the methods write; its subfolders go first")
    options = parser.parse_args(arguments)
    methods = tuple(name for name in options.methods.split(",") if name)
    _check(methods)
    results = options.json or ROOT / f"reports/evolve_embedded-{options.seed}.json"
    logs = options.logs.resolve() if options.logs else None
    return Plan(methods, options.budget, options.seed, options.sample, options.held_out, options.model, results, logs)


def _check(methods: Sequence[str]) -> None:
    """Raises InputError for unknown methods and for libraries that are not installed, before anything is bought."""
    problems = [
        Problem(f"no method {name!r}", None, f"known: {', '.join(METHODS)}") for name in methods if name not in METHODS
    ]
    missing = {
        library for name in methods if (library := _LIBRARIES.get(name)) and not importlib.util.find_spec(library)
    }
    problems += [
        Problem(f"the package {name!r} is not installed", None, f"pip install {name}") for name in sorted(missing)
    ]
    if problems:
        raise InputError(problems)


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def _versions() -> str:
    names = ("anneal-harness", "xllamacpp", "gepa", "dspy")
    installed = {dist.metadata["Name"] for dist in importlib.metadata.distributions()}
    said = [f"{name} {importlib.metadata.version(name)}" for name in names if name in installed]
    return ", ".join([f"Python {platform.python_version()}", *said])


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
