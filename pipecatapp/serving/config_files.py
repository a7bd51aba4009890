"""Reads a program's configuration: one YAML file that fits a schema, and the files with secrets that it names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evolve.cluster.address import ClusterAddress
from evolve.core.formats.schema_check import Check
from evolve.core.formats.yaml12 import Document, read_document
from evolve.core.model.errors import InputError, Problem
from pipecatapp.serving.listening import Listen


def read_config(path: Path, check: Check, parts: Mapping[str, Check] | None = None) -> Document:
    """Return a document that fits a schema.

    Args:
        path: of the YAML file.
        check: the schema.
        parts: the schemas of values that have one of their own, by key. Who reads a part checks it; here they are only
            for a document that is refused, so that its wrong keys come all at once.

    Raises:
        InputError: every problem of the file, with its place.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(Problem(f"{path}: cannot be read: {getattr(exc, 'strerror', None) or exc}")) from exc
    reader = ConfigReader(read_document(text, str(path)), path.parent)
    reader.check(check, {} if reader.document.value is None else reader.document.value)
    if reader.problems:
        for key, part in (parts or {}).items():
            if reader.value.get(key) is not None:
                reader.check(part, reader.value[key], key)
        raise InputError(reader.problems)
    return reader.document


class ConfigReader:
    """Makes values of a document that fits its schema, and collects what the schema cannot say."""

    def __init__(self, document: Document, folder: Path) -> None:
        """Read nothing yet.

        Args:
            document: that fits the schema.
            folder: where relative paths start.
        """
        self.document = document
        self.folder = folder
        self.problems: list[Problem] = []
        self.value: dict[str, Any] = document.value if isinstance(document.value, dict) else {}

    def report(self, message: str, *place: str | int, hint: str = "") -> None:
        """Collect a problem of the value at a place."""
        self.problems.append(Problem(message, self.document.locate(*place), hint))

    def check(self, check: Check, value: object, *root: str | int) -> None:
        """Collect what does not fit a schema.

        Args:
            check: the schema.
            value: the document's value at `root`.
            root: place of the value.
        """

        def report(path: tuple[str | int, ...], message: str, hint: str = "", kind: str = "value") -> None:
            locate = self.document.locate if kind == "value" else self.document.locate_key
            self.problems.append(Problem(message, locate(*root, *path), hint))

        check(value, (), report)

    def listen(self, *place: str | int, text: str) -> Listen:
        """Return an address that is written as HOST:PORT."""
        host, _, port = text.rpartition(":")
        if int(port) > 65535:
            self.report(f"port {port} is above 65535", *place)
        return Listen(host.strip("[]"), int(port))

    def cluster(self, key: str) -> ClusterAddress | None:
        """Return the agent of Nomad or Consul that a key describes; None without that key."""
        given: Mapping[str, Any] | None = self.value.get(key)
        if given is None:
            return None
        ca_file = given.get("ca_file")
        return ClusterAddress(
            given["url"].rstrip("/"),
            self.token(key, "token_file", path=given.get("token_file")),
            given.get("namespace", ""),
            ca_file=str(self.existing(key, "ca_file", path=ca_file)) if ca_file else "",
        )

    def secret(self, *place: str | int, path: str | None) -> str:
        """Return the text of a file, without the line's end; empty where none is named."""
        if path is None:
            return ""
        file = self.existing(*place, path=path)
        try:
            secret = file.read_text(encoding="utf-8").strip()
        except OSError:
            return ""  # reported by `existing`
        except UnicodeDecodeError:
            self.report(f"{path} is not UTF-8 text", *place)
            return ""
        if not secret:
            self.report(f"{path} is empty", *place)
        return secret

    def token(self, *place: str | int, path: str | None) -> str:
        """Return the secret of a file that goes into a header: one line of ASCII; empty where no file is named."""
        found = self.secret(*place, path=path)
        if not (found.isascii() and found.isprintable()):
            self.report(f"expected one line of ASCII in {path}", *place)
        return found

    def existing(self, *place: str | int, path: str) -> Path:
        """Return a file that can be read; otherwise it is a problem."""
        file = self.path(*place, path=path)
        try:
            with file.open("rb"):
                pass
        except OSError as exc:
            self.report(f"{path} cannot be read: {exc.strerror}", *place)
        return file

    def path(self, *place: str | int, path: str) -> Path:
        """Return a path; a relative one starts at the configuration's folder. An unknown `~user` is a problem."""
        try:
            return self.folder / Path(path.replace("\0", "\ufffd")).expanduser()
        except RuntimeError:
            self.report(f"{path} begins with a user that this machine does not have", *place)
            return self.folder / path
