"""From an answer to the class of its fault: a table of statuses and texts, in the order in which they are tried.

Errors are plain text, and one status has several causes that only the text distinguishes: an unknown job is 404 for a
read and 500 for most writes, and 500 also means that a check-and-set failed or that there is no leader.
"""

import re
from dataclasses import dataclass

from evolve.cluster.faults import (
    ClusterFault,
    Denied,
    LostRace,
    NodeGone,
    NoLeader,
    NotFound,
    NotYet,
    Rejected,
    TooManyRequests,
)

_SERVER_ERRORS = (500, 501, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Answers with one of the statuses and a text that matches are faults of one class."""

    fault: type[ClusterFault]
    statuses: tuple[int, ...]
    text: str = ""
    """A regular expression that is searched in the text; empty matches every text."""
    is_recorded: bool = True
    """False for what a proxy or gateway before the cluster says, which no recording of the cluster can show."""

    def matches(self, status: int, text: str) -> bool:
        """Return whether the answer is one of this rule's."""
        return status in self.statuses and re.search(self.text, text) is not None


RULES: tuple[FaultRule, ...] = (
    FaultRule(NodeGone, (404, 500), r"No path to node"),
    FaultRule(NotYet, (404,), r"not started yet"),
    FaultRule(NotYet, (400,), r"blocked due to active deployment"),
    FaultRule(Rejected, (401,), r"^ACL support disabled"),
    FaultRule(Denied, (403,)),
    FaultRule(Denied, (401,), is_recorded=False),
    FaultRule(LostRace, (500,), r"^Enforcing job modify index"),
    FaultRule(LostRace, (500,), r"^Current job has version \d+; enforcing version"),
    FaultRule(NoLeader, (500,), r"No cluster leader|^rpc error"),
    FaultRule(NotFound, (404,)),
    FaultRule(NotFound, (500,), r"(?i)not found|non-existent intention"),
    FaultRule(TooManyRequests, (429,), is_recorded=False),
    FaultRule(NoLeader, (502, 503, 504), is_recorded=False),
    FaultRule(Rejected, (400, 405, 409, 413, *_SERVER_ERRORS)),
)


def fault_class(status: int, text: str) -> type[ClusterFault]:
    """Return the class of fault for an answer that is no success; Rejected where no rule knows it."""
    return next((rule.fault for rule in RULES if rule.matches(status, text)), Rejected)
