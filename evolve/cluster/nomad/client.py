"""The client of one Nomad agent. Each method is one call; what it needs and returns is in `operations.py`."""

from collections.abc import AsyncIterator
from dataclasses import replace

from evolve.cluster.address import ClusterAddress
from evolve.cluster.blocking import Rate, Watch
from evolve.cluster.caller import NOMAD, Caller, Patience
from evolve.cluster.nomad import operations as ops
from evolve.cluster.nomad.allocation_calls import Allocations
from evolve.cluster.nomad.allocations import NomadAllocation
from evolve.cluster.nomad.cluster import AgentHealth, NomadAgent, NomadNode, NomadServer, NomadToken
from evolve.cluster.nomad.deployments import Deployment, DeploymentChanged
from evolve.cluster.nomad.documents import Documents
from evolve.cluster.nomad.evaluations import NomadEvaluation
from evolve.cluster.nomad.events import EventFeed, StreamLimits
from evolve.cluster.nomad.job_calls import Jobs
from evolve.cluster.nomad.part import NomadPart


class Evaluations(NomadPart):
    """Evaluations."""

    def list(self, *, expression: str = "") -> AsyncIterator[NomadEvaluation]:
        """Yield all evaluations, page by page."""
        return self._pages(ops.EVALUATION_LIST, {"filter": expression} if expression else {})

    async def read(self, id: str) -> NomadEvaluation:
        """Return one evaluation."""
        return await self._ask(ops.EVALUATION_READ, id=id)

    async def allocations(self, id: str) -> tuple[NomadAllocation, ...]:
        """Return the allocations that an evaluation placed or stopped."""
        return await self._ask(ops.EVALUATION_ALLOCATIONS, id=id)


class Deployments(NomadPart):
    """Deployments."""

    def list(self) -> AsyncIterator[Deployment]:
        """Yield all deployments, page by page."""
        return self._pages(ops.DEPLOYMENT_LIST, {})

    async def read(self, id: str) -> Deployment:
        """Return one deployment."""
        return await self._ask(ops.DEPLOYMENT_READ, id=id)

    def watch(self, id: str, *, wait_s: float = 60.0, rate: Rate | None = None) -> Watch[Deployment]:
        """Return a watch on one deployment."""
        return self._watch(ops.DEPLOYMENT_READ, {"id": id}, wait_s, rate)

    async def allocations(self, id: str) -> tuple[NomadAllocation, ...]:
        """Return the allocations of a deployment."""
        return await self._ask(ops.DEPLOYMENT_ALLOCATIONS, id=id)

    async def fail(self, id: str) -> DeploymentChanged:
        """Fail a running deployment, which may revert the job."""
        return await self._ask(ops.DEPLOYMENT_FAIL, body={"DeploymentID": id}, id=id)

    async def promote(self, id: str) -> DeploymentChanged:
        """Promote the canaries of a deployment; Rejected before they are healthy."""
        return await self._ask(ops.DEPLOYMENT_PROMOTE, body={"DeploymentID": id, "All": True}, id=id)


class Nodes(NomadPart):
    """Nodes."""

    async def list(self) -> tuple[NomadNode, ...]:
        """Return all nodes."""
        return await self._ask(ops.NODE_LIST)

    async def read(self, id: str) -> NomadNode:
        """Return one node."""
        return await self._ask(ops.NODE_READ, id=id)

    async def allocations(self, id: str) -> tuple[NomadAllocation, ...]:
        """Return a node's allocations, also those that ended; only of namespaces that the token may read."""
        return await self._ask(ops.NODE_ALLOCATIONS, id=id)


class AgentCalls(NomadPart):
    """The agent itself, and what the token may do."""

    async def self(self) -> NomadAgent:
        """Return what the agent says of itself."""
        return await self._ask(ops.AGENT_SELF)

    async def members(self) -> tuple[NomadServer, ...]:
        """Return the servers."""
        return await self._ask(ops.AGENT_MEMBERS)

    async def health(self) -> AgentHealth:
        """Return the agent's health; needs no token."""
        return await self._ask(ops.AGENT_HEALTH)

    async def leader(self) -> str:
        """Return the leader's address; needs no token. Raise NoLeader where there is none."""
        return await self._ask(ops.AGENT_LEADER)

    async def token(self) -> NomadToken:
        """Return the token that asks, without its secret."""
        return await self._ask(ops.AGENT_TOKEN)

    async def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces that the token may see."""
        return await self._ask(ops.AGENT_NAMESPACES)


class Events(NomadPart):
    """The event stream."""

    def feed(self, *topics: str, limits: StreamLimits | None = None) -> EventFeed:
        """Return a feed of the topics, such as `Job:*`; it reconnects and resumes by itself."""
        return EventFeed(
            lambda query: self._caller.stream(ops.EVENT_STREAM, self._query(query)), topics or ("*:*",), limits
        )


class NomadClient:
    """One Nomad agent. Use it as a context manager, or close it at the end."""

    def __init__(self, address: ClusterAddress, patience: Patience | None = None) -> None:
        self._caller = Caller(address, NOMAD, patience)
        self._use(address.namespace)

    def _use(self, namespace: str) -> None:
        parts = (self._caller, namespace)
        self.jobs = Jobs(*parts)
        self.allocations = Allocations(*parts)
        self.evaluations = Evaluations(*parts)
        self.deployments = Deployments(*parts)
        self.nodes = Nodes(*parts)
        self.agent = AgentCalls(*parts)
        self.events = Events(*parts)
        self.documents = Documents(*parts)

    def __repr__(self) -> str:
        return f"NomadClient({self._caller.address.url})"

    def within(self, namespace: str) -> "NomadClient":
        """Return the same agent, with connections of its own, asked about another namespace; `*` is for lists only."""
        return NomadClient(replace(self._caller.address, namespace=namespace), self._caller.patience)

    async def __aenter__(self) -> "NomadClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.close()
