"""What can go wrong between us and a cluster. Each class asks its caller for another reaction.

ClusterFault
├── Unreachable      nothing was sent: anything may be sent again, later or to another address
├── NotTrusted       the certificate is wrong: nothing was sent, and only a person can help
├── NoAnswer         sent, but no complete answer: a write may have been done, so read before repeating it
├── Garbled          something answered, but not the API: as NoAnswer, and the address may be wrong
├── NoLeader         the servers cannot serve now: wait, and read before repeating a write
├── TooManyRequests  wait for as long as it says, then send again
├── Denied           the token lacks the right, or is none
├── NotFound         the thing does not exist
├── NodeGone         the thing exists, and the node that has it does not answer
├── NotYet           not possible in this state: wait for the task to start, or for the deployment to end
├── LostRace         somebody else changed the thing: read it, and decide again
└── Rejected         the request is wrong: the same request fails for ever
"""

from evolve.core.model.errors import HttpFault


class ClusterFault(HttpFault):
    """A call to Nomad or Consul failed; the class says what to do."""

    may_be_done = False
    """Whether a write that failed like this may have been done all the same."""

    def __init__(
        self, message: str, *, call: str, status: int | None = None, hint: str = "", retry_after_s: float | None = None
    ) -> None:
        """Describe a failed call.

        Args:
            message: what happened, without credentials.
            call: method and URL.
            status: of the answer; None without one.
            hint: what to do next.
            retry_after_s: how long the server asks to wait.
        """
        super().__init__(message, call=call, status=status, hint=hint)
        self.retry_after_s = retry_after_s
        self.index = 0
        """The state's index as of the answer; 0 without one. A missing thing has one too, and can be waited for."""


class Unreachable(ClusterFault):
    """No connection came about; nothing was sent."""


class NotTrusted(ClusterFault):
    """The server's certificate is not trusted; nothing was sent."""


class NoAnswer(ClusterFault):
    """The request was sent, and no complete answer came."""

    may_be_done = True


class Garbled(ClusterFault):
    """An answer came that is not the API's: no JSON, half of it, or another shape."""

    may_be_done = True


class NoLeader(ClusterFault):
    """The servers have no leader, or the one that was asked lost it."""

    may_be_done = True


class TooManyRequests(ClusterFault):
    """The server limits its callers."""


class Denied(ClusterFault):
    """The token lacks the right for this, or there is none."""


class NotFound(ClusterFault):
    """The job, allocation, key or other thing does not exist."""


class NodeGone(ClusterFault):
    """The node of an allocation does not answer its servers."""


class NotYet(ClusterFault):
    """The state does not allow it yet: the task has not started, or a deployment is active."""


class LostRace(ClusterFault):
    """A check-and-set failed: the thing is not as it was when it was read."""


class Rejected(ClusterFault):
    """The request is wrong, and will be rejected each time."""
