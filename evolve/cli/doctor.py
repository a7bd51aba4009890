"""`evolve doctor`: what this machine has, what it lacks, and the command that installs it."""

import asyncio
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from evolve.cli._cluster_diagnosis import consul_diagnosis, nomad_diagnosis
from evolve.cli._diagnosis import Diagnosis
from evolve.cli._parser import CommandParser, Example
from evolve.core.model.errors import EnvironmentFault, EvolveError, ExitCode
from evolve.core.model.extras import install_command
from evolve.core.model.suite import ProviderSpec
from evolve.providers.embedded_models import SHIPPED, engine_version, find_model
from evolve.providers.model_catalog import fetchable_models
from evolve.system.cache_folder import cache_folder
from evolve.system.credentials import safe_url, scrub
from evolve.system.http_client import HttpCall, HttpClient, HttpReply
from evolve.system.node_program import TYPESCRIPT_VERSION, find_node
from evolve.system.retry import RetryPolicy

_ENDPOINT_TIMEOUT_S = 5.0
"""A question for the list of models is answered at once; a longer wait means that nothing answers there."""


def examine(env: Mapping[str, str]) -> tuple[Diagnosis, ...]:
    """Return all findings about this machine, in the order in which one would fix them."""
    checks: Sequence[Callable[[Mapping[str, str]], Diagnosis]] = (
        _python,
        _cache,
        _engine,
        _model,
        _larger_models,
        _formats,
        _node,
        _pytest,
        _hosts,
        _endpoint,
        _grader,
        nomad_diagnosis,
        consul_diagnosis,
    )
    return tuple(check(env) for check in checks)


def _python(_: Mapping[str, str]) -> Diagnosis:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Diagnosis("Python", "ok" if sys.version_info >= (3, 11) else "missing", f"{version}, {sys.executable}")


def _cache(env: Mapping[str, str]) -> Diagnosis:
    folder = cache_folder(env)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".doctor-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as exc:
        return Diagnosis(
            "cache", "missing", f"{folder}: {exc.strerror}; set EVOLVE_CACHE_DIR to a folder that can be written"
        )
    return Diagnosis("cache", "ok", str(folder))


def _engine(_: Mapping[str, str]) -> Diagnosis:
    return _or_what_to_type("embedded engine", engine_version)


def _model(env: Mapping[str, str]) -> Diagnosis:
    name = next(iter(SHIPPED))
    spec = ProviderSpec(f"llamacpp:{name}")
    return _or_what_to_type("embedded model", lambda: find_model(spec, name, ".", cache_folder(env)).content_id)


def _larger_models(env: Mapping[str, str]) -> Diagnosis:
    models = fetchable_models()
    here = [model.name for model in models if model.place(cache_folder(env)).is_file()]
    if here:
        return Diagnosis("larger embedded models", "ok", ", ".join(here))
    detail = "; ".join(f"{model.name} is not fetched; type: {model.fetch_command}" for model in models)
    return Diagnosis("larger embedded models", "absent", detail)


def _or_what_to_type(name: str, look: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(name, "ok", look())
    except EvolveError as exc:
        return Diagnosis(name, "missing", str(exc))


def _formats(_: Mapping[str, str]) -> Diagnosis:
    modules = ("html5lib", "sqlglot", "rapidfuzz", "snowballstemmer")
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        detail = f"without {', '.join(missing)}; type: {install_command('formats')}"
        return Diagnosis("XML, HTML, SQL and text metrics", "absent", detail)
    return Diagnosis("XML, HTML, SQL and text metrics", "ok", ", ".join(modules))


def _node(env: Mapping[str, str]) -> Diagnosis:
    name = "Node.js for TypeScript and npm packages"
    try:
        return Diagnosis(name, "ok", str(find_node(env, TYPESCRIPT_VERSION)))
    except EnvironmentFault as fault:
        detail = f"{fault.message}; {fault.hint}"
    try:
        return Diagnosis(name, "absent", f"JavaScript runs with {find_node(env)}, TypeScript does not: {detail}")
    except EnvironmentFault:
        return Diagnosis(name, "absent", detail)


def _pytest(_: Mapping[str, str]) -> Diagnosis:
    try:
        return Diagnosis("pytest", "ok", importlib.metadata.version("pytest"))
    except importlib.metadata.PackageNotFoundError:
        return Diagnosis("pytest", "absent", f"type: {install_command('pytest')}")


def _hosts(env: Mapping[str, str]) -> Diagnosis:
    modules = ("ansible", "docker", "testinfra")
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        return Diagnosis("hosts for roles", "absent", f"without {', '.join(missing)}; type: {install_command('infra')}")
    from evolve.infra.engine import docker_engine

    try:
        engine = docker_engine.find(env)
    except EvolveError as exc:
        return Diagnosis("hosts for roles", "absent", " ".join(str(exc).split()))
    engine.client.close()
    unheeded = engine.ignored_docker_host(env)
    detail = f"Docker engine {engine.url} (cgroup v{engine.cgroup_version})" + (f"; {unheeded}" if unheeded else "")
    return Diagnosis("hosts for roles", "ok", detail)


def _endpoint(env: Mapping[str, str]) -> Diagnosis:
    names = ("EVOLVE_BASE_URL", "OPENAI_API_BASE_URL", "OPENAI_BASE_URL")
    base = next((env[name] for name in names if env.get(name)), None)
    if base is None:
        return Diagnosis("endpoint", "absent", "not set; EVOLVE_BASE_URL names an OpenAI-compatible one")
    key = env.get("EVOLVE_API_KEY") or env.get("OPENAI_API_KEY") or ""
    try:
        return asyncio.run(_reach(base, key, env))
    except EvolveError as exc:
        return Diagnosis("endpoint", "missing", scrub(str(exc), (key,) if key else ()))


async def _reach(base: str, key: str, env: Mapping[str, str]) -> Diagnosis:
    policy = RetryPolicy(deadline_s=_ENDPOINT_TIMEOUT_S, attempt_s=_ENDPOINT_TIMEOUT_S, max_retries=0)
    client = HttpClient(policy, env)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        status = await client.call(HttpCall("GET", base.rstrip("/") + "/models", headers), _status)
    finally:
        await client.close()
    # A server without /models may still answer prompts; one that refuses the key will not.
    if status in (401, 403):  # unauthorized, forbidden
        return Diagnosis(
            "endpoint", "missing", f"{safe_url(base)} refuses the API key (status {status}); set EVOLVE_API_KEY"
        )
    return Diagnosis("endpoint", "ok", f"{safe_url(base)} answers (status {status})")


def _status(_: HttpCall, reply: HttpReply) -> int:
    return reply.status


def _grader(env: Mapping[str, str]) -> Diagnosis:
    if env.get("EVOLVE_GRADER"):
        return Diagnosis("grader", "ok", scrub(env["EVOLVE_GRADER"]))
    if env.get("OPENAI_API_KEY"):
        return Diagnosis("grader", "ok", "OpenAI's default, by OPENAI_API_KEY")
    return Diagnosis("grader", "absent", "not set; EVOLVE_GRADER=openai:chat:MODEL is for model-graded assertions")


def parser() -> CommandParser:
    """Return the command's parser."""
    return CommandParser(
        prog="evolve doctor",
        description="Show what Anneal can use on this machine, what is missing, and how to install it.",
        examples=(Example("evolve doctor", "look at this machine"),),
        notes="exit codes: 0 everything that is needed is here, 4 something is missing.",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for each finding; return 0, or 4 when something that is needed is missing."""
    parser().parse_args(arguments)
    findings = examine(os.environ)
    for finding in findings:
        print(finding)
    needed = any(finding.state == "missing" for finding in findings)
    return int(ExitCode.ENVIRONMENT if needed else ExitCode.DONE)


if __name__ == "__main__":
    sys.exit(main())
