"""Calls about the cluster itself: namespaces, tokens, the event stream."""

from __future__ import annotations

from .answers import PLAIN, READ, STREAM, Answer, Refused, Request, Route
from .config import Config
from .events import check, stream
from .shapes import Json, lasting_id
from .state import State


class ClusterCalls:
    """The stand-in has the namespace `default` and no ACL system."""

    def __init__(self, config: Config, state: State) -> None:
        """Serves one server's state."""
        self._config = config
        self._state = state

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            (r"/v1/namespaces", {"GET": lambda _: Answer(200, [self.namespace()], READ, 1)}),
            (r"/v1/acl/token/self", {"GET": self.token}),
            (r"/v1/event/stream", {"GET": self.events}),
        ]

    @staticmethod
    def namespace() -> Json:
        """The one namespace."""
        empty = ("Capabilities", "ConsulConfiguration", "Meta", "NodePoolConfiguration", "VaultConfiguration")
        text = {"Description": "Default shared namespace", "Hash": lasting_id("default"), "Name": "default"}
        return {**dict.fromkeys(empty), **text, "CreateIndex": 1, "ModifyIndex": 1, "Quota": ""}

    @staticmethod
    def token(_: Request) -> Answer:
        """Refuses, as an agent without ACLs does."""
        raise Refused(400, "ACL support disabled", PLAIN)

    def events(self, request: Request) -> Answer:
        """The changes, as they happen."""
        text = request.query.get("index") or "0"
        if not text.isdigit():
            raise Refused(400, f'Unable to parse index: strconv.Atoi: parsing "{text}": invalid syntax')
        check(request.topics)
        return Answer(200, stream(self._state, request.topics, int(text)), STREAM)
