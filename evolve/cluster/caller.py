"""Sends operations to one agent: the token in a header, one deadline, tries for reads only, faults by their class."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from evolve.cluster.address import ClusterAddress
from evolve.cluster.classify import fault_class
from evolve.cluster.faults import ClusterFault, Garbled, NoAnswer, NoLeader, NotTrusted, TooManyRequests, Unreachable
from evolve.cluster.fields import WrongShape
from evolve.cluster.operations import ApiReply, Operation
from evolve.core.model.errors import HttpFault
from evolve.core.model.json_value import JsonValue
from evolve.system.http_client import HttpCall, HttpClient, HttpReply, HttpStream
from evolve.system.retry import RetryPolicy, Transient, retry_after_s

T = TypeVar("T")
Query = Mapping[str, str | tuple[str, ...]]
_AGAIN = (Unreachable, NoAnswer, NoLeader, TooManyRequests)
"""Faults after which a read is tried again: they may pass, and a read changes nothing."""
_SHOWN = 400
"""Characters of an error's text in a message; the rest of a long one repeats itself."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may take. Connecting has a limit of its own: a host that is down should be noticed soon."""

    connect_s: float = 3.0
    read_s: float = 10.0
    """One try, from connecting to the last byte; above the 5 s that a server without a leader takes to say so."""
    read_tries: int = 3
    first_pause_s: float = 0.5
    margin_s: float = 5.0
    """What a blocking query may take beyond its own wait and the sixteenth that the server adds."""


class ApiHeaders(NamedTuple):
    """What an API calls its headers."""

    token: str
    state_index: str
    page: str


NOMAD = ApiHeaders("X-Nomad-Token", "X-Nomad-Index", "X-Nomad-NextToken")
CONSUL = ApiHeaders("X-Consul-Token", "X-Consul-Index", "")


class Caller:
    """One agent, asked through one pool of connections. Close it at the end."""

    def __init__(self, address: ClusterAddress, dialect: ApiHeaders, patience: Patience | None = None) -> None:
        self.address = address
        self.patience = patience or Patience()
        self._dialect = dialect
        limits = self.patience
        self._policy = RetryPolicy(
            deadline_s=limits.read_s * limits.read_tries + 30 * limits.first_pause_s,
            attempt_s=limits.read_s,
            max_retries=limits.read_tries - 1,
            first_pause_s=limits.first_pause_s,
        )
        # No proxies: an agent is on one's own network, and a proxy would see the token.
        self._client = HttpClient(self._policy, trust=address.trust(), connect_s=limits.connect_s)

    def __repr__(self) -> str:
        return f"Caller({self.address.url})"

    async def close(self) -> None:
        """Close the connections; the caller may be used again."""
        await self._client.close()

    async def ask(
        self,
        operation: Operation[T],
        names: Mapping[str, str] | None = None,
        *,
        query: Query | None = None,
        body: JsonValue | bytes = None,
        wait_s: float = 0.0,
    ) -> tuple[T, ApiReply]:
        """Return what the operation makes of the answer, and the answer.

        Args:
            operation: what to ask for.
            names: the arguments of its path.
            query: parameters after the `?`; never a token.
            body: JSON, or bytes as they are.
            wait_s: how long the server may hold the answer back.

        Raises:
            ClusterFault: no acceptable answer; its class says what to do. A write was sent once at most.
        """
        call = self.call(operation, names, query=query, body=body)
        held_s = wait_s * 17 / 16 + self.patience.margin_s if wait_s else 0.0
        policy = replace(
            self._policy,
            max_retries=0 if operation.writes or wait_s else self._policy.max_retries,
            attempt_s=self._policy.attempt_s + held_s,
            deadline_s=self._policy.deadline_s + held_s,
        )

        async def attempt() -> tuple[T, ApiReply]:
            try:
                return self._read(operation, call, await self._send(call))
            except _AGAIN as fault:
                raise Transient(
                    fault.message.removeprefix(f"{call.name}: "),
                    status=fault.status,
                    retry_after_s=fault.retry_after_s,
                    hint=fault.hint,
                ) from fault

        try:
            return await policy.run(call.name, attempt)
        except ClusterFault:
            raise
        except HttpFault as exc:
            raise _last_fault(exc, call) from exc

    @asynccontextmanager
    async def stream(self, operation: Operation[T], query: Query) -> AsyncIterator[AsyncIterator[bytes]]:
        """Return the body of an answer that has no end; raise ClusterFault for an error instead of it."""
        call = self.call(operation, None, query=query)
        try:
            async with self._client.stream(call) as response:
                if not 200 <= response.status < 300:
                    raise await self._stream_fault(call, response)
                yield response.chunks
        except Transient as exc:
            raise _of_transport(exc, call) from exc
        except ClusterFault:
            raise
        except HttpFault as exc:
            raise NotTrusted(exc.message, call=call.name, hint=exc.hint) from exc

    def call(
        self,
        operation: Operation[T],
        names: Mapping[str, str] | None = None,
        *,
        query: Query | None = None,
        body: JsonValue | bytes = None,
    ) -> HttpCall:
        """Return the request as it is sent."""
        token = self.address.token
        headers = {self._dialect.token: token} if token else {}
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if content is not None and not isinstance(body, bytes):
            headers["Content-Type"] = "application/json"
        path = operation.path_for(names or {})
        asked = urlencode(query or {}, doseq=True, quote_via=quote)
        url = f"{self.address.url}{path}" + (f"?{asked}" if asked else "")
        # A redirect is an answer like any other: followed to another host, it would take the token along.
        return HttpCall(
            operation.method, url, headers, content, (token,) if token else (), follows=False, shows_query=False
        )

    async def _send(self, call: HttpCall) -> HttpReply:
        try:
            return await self._client.send(call)
        except Transient as exc:
            raise _of_transport(exc, call) from exc
        except HttpFault as exc:
            kind = NotTrusted if exc.status is None else Garbled
            raise kind(exc.message, call=call.name, status=exc.status, hint=exc.hint) from exc

    def _read(self, operation: Operation[T], call: HttpCall, reply: HttpReply) -> tuple[T, ApiReply]:
        index = _index(reply.headers.get(self._dialect.state_index, ""))
        if reply.status not in operation.statuses:
            raise _of_status(call, reply.status, reply.text, reply.headers, index)
        page = reply.headers.get(self._dialect.page, "") if self._dialect.page else ""
        answer = ApiReply(reply.status, reply.body, index, page, reply.headers.get("Content-Type", ""))
        try:
            return operation.parse(answer), answer
        except WrongShape as exc:
            raise Garbled(
                f"{call.name}: not an answer of this API: {exc}", call=call.name, status=reply.status
            ) from exc

    async def _stream_fault(self, call: HttpCall, response: HttpStream) -> ClusterFault:
        begins = b""
        async for chunk in response.chunks:
            begins += chunk
            if len(begins) > _SHOWN:
                break
        return _of_status(call, response.status, begins.decode("utf-8", "replace"), response.headers, 0)


def _index(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _of_status(call: HttpCall, status: int, text: str, headers: Mapping[str, str], index: int) -> ClusterFault:
    said = " ".join(call.scrub(text).split())[:_SHOWN]
    if 200 <= status < 400:
        return Garbled(f"{call.name}: status {status} is no answer of this API", call=call.name, status=status)
    fault = fault_class(status, text.strip())(
        f"{call.name}: status {status}" + (f": {said}" if said else ""),
        call=call.name,
        status=status,
        hint=_HINTS.get(status, ""),
        retry_after_s=retry_after_s(headers, _now()) if status == 429 else None,
    )
    fault.index = index
    return fault


def _of_transport(exc: Transient, call: HttpCall) -> ClusterFault:
    kind = NoAnswer if exc.was_sent else Unreachable
    return kind(f"{call.name}: {exc.reason}", call=call.name, hint=exc.hint)


def _last_fault(exc: HttpFault, call: HttpCall) -> ClusterFault:
    """Return the fault of the last try, with the message that counts the tries."""
    transient = exc.__cause__
    last = transient.__cause__ if transient is not None else None
    kind = type(last) if isinstance(last, ClusterFault) else NoAnswer
    wait_s = last.retry_after_s if isinstance(last, ClusterFault) else None
    return kind(exc.message, call=call.name, status=exc.status, hint=exc.hint, retry_after_s=wait_s)


def _now() -> float:
    import time

    return time.time()


_HINTS = {403: "the token lacks the right for this; docs/cluster-rights.md lists what each call needs"}
