"""Calls people: the log always, and webhooks, ntfy topics and Alertmanagers that the user names."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal
from urllib.parse import urlsplit

from evolve.core.model.errors import EnvironmentFault, InputError, Problem
from evolve.core.model.healing import Incident
from evolve.core.model.json_value import JsonValue
from evolve.core.text.inert_text import clean_text
from evolve.system.credentials import safe_url
from evolve.system.http_client import HttpCall, HttpClient
from evolve.system.retry import RetryPolicy

Kind = Literal["webhook", "ntfy", "alertmanager"]
KINDS: tuple[Kind, ...] = ("webhook", "ntfy", "alertmanager")
_TIMEOUT_S = 5.0
"""A receiver that is slow must not hold the supervisor up."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is called."""

    kind: Kind
    url: str


def read_receiver(given: str) -> Receiver:
    """Return the receiver of `webhook:URL`, `ntfy:URL` or `alertmanager:URL`.

    Raises:
        InputError: it is none of them.
    """
    kind, _, url = given.partition(":")
    if kind not in KINDS or not _is_web_address(url):
        shown = safe_url(given)
        raise InputError(Problem(f"expected webhook:URL, ntfy:URL or alertmanager:URL, got {shown!r}"))
    return Receiver(next(one for one in KINDS if one == kind), url)


def _shown(receiver: Receiver) -> str:
    # The path of a webhook, and a topic's name, are as good as passwords.
    return f"{receiver.kind} at {urlsplit(receiver.url).hostname}"


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address, or a port that is no number
        return False


class Notices:
    """Sends notices. A receiver that does not answer is a line in the log and nothing else.

    Args:
        receivers: who is called.
        log: takes a line.
    """

    def __init__(self, receivers: Sequence[Receiver], log: Callable[[str], None]) -> None:
        self._receivers, self._log = receivers, log
        self._policy = RetryPolicy(deadline_s=_TIMEOUT_S, attempt_s=_TIMEOUT_S, max_retries=0)
        self._client = HttpClient(self._policy)

    async def send(self, incident: Incident | None, reason: str, lines: Sequence[str]) -> None:
        """Report an incident, or with None the cluster's state: the text is redacted already."""
        name = f"incident {incident.id} {incident.namespace}/{incident.job}" if incident is not None else "cluster"
        self._log(f"{name}: {reason}")
        for line in lines:
            self._log(f"  {line}")
        for receiver in self._receivers:
            call = _call(receiver, incident, reason, lines)
            try:
                reply = await self._policy.run(_shown(receiver), partial(self._client.send, call))
            except EnvironmentFault as fault:
                self._log(f"not sent: {fault}")
                continue
            if reply.status >= 300:
                self._log(f"not sent: {_shown(receiver)}: status {reply.status}")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _call(receiver: Receiver, incident: Incident | None, reason: str, lines: Sequence[str]) -> HttpCall:
    about: dict[str, JsonValue] = {"state": "alert"}
    if incident is not None:
        about = {
            "incident": incident.id,
            "namespace": incident.namespace,
            "job": incident.job,
            "group": incident.group,
            "task": incident.task,
            "state": incident.state,
        }
    text = "\n".join([reason, *lines, f"next: evolve incidents {about.get('incident', '')}".rstrip()])
    headers = {"Content-Type": "application/json"}
    if receiver.kind == "ntfy":
        # A header has no line ends, and Nomad allows them in the ID of a job.
        title = " ".join(clean_text(f"{about.get('job', 'cluster')}: {about['state']}").split())
        title = title.encode("ascii", "replace").decode()
        return HttpCall("POST", receiver.url, {"Title": title, "Tags": "warning"}, text.encode())
    if receiver.kind == "alertmanager":
        url = receiver.url.rstrip("/")
        url = url if url.endswith("/api/v2/alerts") else f"{url}/api/v2/alerts"
        labels: dict[str, JsonValue] = {"alertname": "AnnealIncident", "severity": "warning"}
        labels |= {name: about[name] for name in ("namespace", "job", "incident") if name in about}
        alert: JsonValue = {"labels": labels, "annotations": {"summary": reason, "description": text}}
        return HttpCall("POST", url, headers, json.dumps([alert]).encode())
    body: JsonValue = {**about, "reason": reason, "plan": [*lines]}
    return HttpCall("POST", receiver.url, headers, json.dumps(body).encode())
