"""`$ref`: a part of a config that is elsewhere in it, or in another file."""

import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from evolve.core.formats.yaml12 import Document, Path, read_document
from evolve.core.model.errors import InputError, Problem
from evolve.core.text.did_you_mean import did_you_mean
from evolve.store.files import LocalFiles

_FOREIGN = frozenset(("parameters", "schema", "value", "config"))
"""Below these keys a `$ref` may belong to a JSON Schema: one that points at nothing here is not an error."""


def resolve_references(document: Document, files: LocalFiles, own_keys: set[str], problems: list[Problem]) -> Any:
    """Return the document's value with every `$ref` replaced by what it points at; keys next to it win.

    The top-level keys that references point into are added to `own_keys`: they are the user's, not unknown keys.

    A reference that points at nothing, at itself or outside the root is left as it is, and noted in `document.broken`.

    Args:
        document: the file.
        files: reads other files.
        own_keys: gets the keys.
        problems: gets what is wrong with references.
    """
    if "$ref" not in document.text:
        return document.value
    resolver = _Resolver(document, files, own_keys)
    value = resolver.resolve(document.value, (), frozenset())
    problems.extend(resolver.problems)
    return value


@dataclass(slots=True)
class _Resolver:
    document: Document
    files: LocalFiles
    own_keys: set[str]
    problems: list[Problem] = field(default_factory=list)
    _documents: dict[str, Document] = field(default_factory=dict)

    def resolve(self, value: Any, path: Path, seen: AbstractSet[str]) -> Any:
        if isinstance(value, list):
            return [self.resolve(part, (*path, index), seen) for index, part in enumerate(value)]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if isinstance(reference, str):
            return self._target(reference, value, path, seen)
        return {key: self.resolve(part, (*path, key), seen) for key, part in value.items()}

    def _target(self, reference: str, value: Mapping[str, Any], path: Path, seen: AbstractSet[str]) -> Any:
        if reference in seen:
            return self._problem(value, path, f"$ref {reference} leads back to itself")
        try:
            found = self._find(reference)
        except InputError as error:
            self.problems += [
                Problem(part.message, part.where or self.document.locate(*path, "$ref"), part.hint)
                for part in error.problems
            ]
            return self._broken(value, path)
        except KeyError as error:
            if _FOREIGN & {*path}:
                return value
            self._keep_similar(reference)
            return self._problem(value, path, f"$ref {reference} points at nothing", did_you_mean(*error.args))
        found = self.resolve(found, path, {*seen, reference})
        others = {key: self.resolve(part, (*path, key), seen) for key, part in value.items() if key != "$ref"}
        return {**found, **others} if others and isinstance(found, dict) else found

    def _problem(self, value: Any, path: Path, message: str, hint: str = "") -> Any:
        self.problems.append(Problem(message, self.document.locate(*path, "$ref"), hint))
        return self._broken(value, path)

    def _broken(self, value: Any, path: Path) -> Any:
        self.document.broken.append(path)
        return value

    def _keep_similar(self, reference: str) -> None:
        """A key that the reference was probably meant to name is the user's: it is no unknown key as well."""
        file, _, pointer = reference.partition("#")
        name = pointer.strip("/").partition("/")[0]
        if not file and isinstance(self.document.value, dict):
            self.own_keys.update(get_close_matches(name, self.document.value, 1))

    def _find(self, reference: str) -> Any:
        file, _, pointer = reference.partition("#")
        value = self._file(file) if file else self.document.value
        parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.strip("/").split("/") if part]
        if not file and parts:
            self.own_keys.add(parts[0])
        for part in parts:
            value = (
                value[int(part)]
                if isinstance(value, list) and part.isdigit() and int(part) < len(value)
                else _member(value, part)
            )
        return value

    def _file(self, name: str) -> Any:
        if name.startswith(("http:", "https:")):
            raise InputError(Problem(f"not supported by Anneal: $ref to {name}", hint="save it as a file"))
        path = self.files.resolve(name.removeprefix("file://"))
        if path not in self._documents:
            self._documents[path] = read_document(
                self.files.read_text(path), os.path.relpath(path, self.files.base_dir)
            )
        return self._documents[path].value


def _member(value: Any, name: str) -> Any:
    known = value if isinstance(value, dict) else {}
    if name not in known:
        raise KeyError(name, tuple(known))
    return known[name]
