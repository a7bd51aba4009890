"""A Docker engine on this machine: its HTTP API over its socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from .shapes import Json

USUAL = "unix:///var/run/docker.sock"
ANSWER_S = 60.0
PULL_S = 600.0
PROBE_S = 2.0
FRAME_HEADER = 8
STDERR = 2
FIRST_ERROR = 400


class EngineGone(Exception):
    """No engine answers."""


class EngineRefusal(Exception):
    """The engine does not do what it was asked for; the text is its own."""

    def __init__(self, status: int, text: str) -> None:
        """The answer's status and message."""
        super().__init__(f"Error response from daemon: {text}")
        self.status = status


class ContainerEngine:
    """The engine at a socket; every call has a connection of its own."""

    def __init__(self, address: str | None = None) -> None:
        """The engine of DOCKER_HOST, or the usual one. Only sockets of this machine are used: tasks share its files."""
        self._address = address or os.environ.get("DOCKER_HOST") or USUAL

    def version(self) -> str:
        """The engine's version; empty where none answers."""
        if not self._address.startswith("unix://"):
            return ""
        try:
            return str(self.call("GET", "/version", timeout_s=PROBE_S)["Version"])
        except (EngineGone, EngineRefusal):
            return ""

    def call(self, method: str, path: str, body: Json | None = None, *, timeout_s: float = ANSWER_S) -> Any:
        """What the engine answers; raises EngineGone or EngineRefusal.

        Args:
            method: GET, POST or DELETE.
            path: with its query.
            body: sent as JSON.
            timeout_s: how long each read may take.
        """
        with _Opened(self._address, method, path, body, timeout_s) as answer:
            text = answer.read()
        return json.loads(text) if text.strip() else None

    def pull(self, image: str) -> None:
        """Fetches an image; raises EngineGone or EngineRefusal."""
        name, tag = split_image(image)
        query = urlencode({"fromImage": name, **({"tag": tag} if tag else {})})
        with _Opened(self._address, "POST", f"/images/create?{query}", None, PULL_S) as answer:
            lines = [json.loads(line) for line in answer.read().splitlines() if line.strip()]
        wrong = [str(line["error"]) for line in lines if "error" in line]
        if wrong:
            raise EngineRefusal(500, wrong[0])

    def logs(self, container: str) -> Iterator[tuple[bool, bytes]]:
        """All that a container writes, from its start to its end: whether to stderr, and what; raises as `call`."""
        path = f"/containers/{container}/logs?follow=1&stdout=1&stderr=1"
        with _Opened(self._address, "GET", path, None, None) as answer:
            while len(head := answer.read(FRAME_HEADER)) == FRAME_HEADER:
                yield head[0] == STDERR, answer.read(int.from_bytes(head[4:], "big"))


def split_image(image: str) -> tuple[str, str]:
    """The name and the tag of an image; a digest stays in the name, without both the tag is `latest`."""
    if "@" in image:
        return image, ""
    name, colon, tag = image.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (image, "latest")


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _Opened:
    """One request and its answer, whose connection is closed at the end; faults of the wire are EngineGone."""

    def __init__(self, address: str, method: str, path: str, body: Json | None, timeout_s: float | None) -> None:
        self._connection = _SocketConnection(address[len("unix://") :], timeout_s)
        self._request = (method, path, json.dumps(body) if body is not None else None)

    def __enter__(self) -> http.client.HTTPResponse:
        method, path, body = self._request
        try:
            self._connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            refused = answer.read() if answer.status >= FIRST_ERROR else b""
        except (OSError, http.client.HTTPException) as fault:
            self._connection.close()
            raise EngineGone(f"no Docker engine answers: {fault}") from fault
        if answer.status >= FIRST_ERROR:
            self._connection.close()
            raise EngineRefusal(answer.status, _message(refused))
        return answer

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        self._connection.close()
        if isinstance(fault, (OSError, http.client.HTTPException, ValueError)):
            raise EngineGone(f"the Docker engine's answer broke off: {fault}") from fault


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text)["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return text.decode(errors="replace").strip()
