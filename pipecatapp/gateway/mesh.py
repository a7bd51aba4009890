"""The gateway in Consul's mesh: it has a certificate of its own, and speaks mutual TLS to the proxies of experts."""

import asyncio
import contextlib
import os
import ssl
from typing import Literal

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.consul.values import MeshLeaf, MeshRoots
from pipecatapp.core.routing import Instance
from pipecatapp.gateway.following import Following


class _NamedPeer(ssl.SSLObject):
    """A connection whose other side must carry one name of the mesh; the authority alone vouches for every service."""

    context: "_NamedContext"

    def do_handshake(self) -> None:
        super().do_handshake()
        names = (self.getpeercert() or {}).get("subjectAltName", ())
        if ("URI", self.context.peer) not in names:
            raise ssl.SSLCertVerificationError(1, f"expected {self.context.peer}, got {names}")


class _NamedContext(ssl.SSLContext):
    sslobject_class = _NamedPeer
    peer: str = ""


class Mesh:
    """Follows the gateway's certificate and the authorities, and makes what connections need of them."""

    def __init__(self, consul: ConsulClient, service: str) -> None:
        """Make an identity that is not known yet.

        Args:
            consul: the agent that signs.
            service: the gateway's name in the mesh, which intentions name as the source.
        """
        self._consul = consul
        self._service = service
        self._roots: MeshRoots | None = None
        self._leaf: MeshLeaf | None = None
        self._contexts: dict[str, _NamedContext] = {}
        self._is_known = asyncio.Event()
        self._following = Following()

    @property
    def problem(self) -> str:
        """Why there is no new certificate; empty while Consul answers."""
        return self._following.problem

    async def start(self) -> None:
        """Begin to follow Consul."""
        roots, leaf = self._consul.mesh.watch_roots(), self._consul.mesh.watch_leaf(self._service)

        async def follow_roots() -> None:
            found = await roots.next()
            self._renew(found or self._roots, self._leaf)

        async def follow_leaf() -> None:
            found = await leaf.next()
            self._renew(self._roots, found or self._leaf)

        self._following.start("roots", follow_roots)
        self._following.start("leaf", follow_leaf)

    async def stop(self) -> None:
        """End following."""
        await self._following.stop()

    def context(self, service: str) -> ssl.SSLContext | None:
        """Return what a connection to a service of the mesh needs; None as long as the gateway has no certificate.

        It is the same object until a certificate changes, so that connections can be kept.
        """
        if self._roots is None or self._leaf is None:
            return None
        if service not in self._contexts:
            self._contexts[service] = _context(self._roots, self._leaf, _peer(self._leaf, service))
        return self._contexts[service]

    def _renew(self, roots: MeshRoots | None, leaf: MeshLeaf | None) -> None:
        if (roots, leaf) == (self._roots, self._leaf):
            return
        self._roots, self._leaf = roots, leaf
        self._contexts.clear()
        if self._roots is not None and self._leaf is not None:
            self._is_known.set()

    async def wait(self, seconds: float) -> None:
        """Wait for the first certificate, which comes with the first answers of Consul."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_known.wait()


def tls_for(instance: Instance, mesh: Mesh | None) -> ssl.SSLContext | Literal[True] | None:
    """Return how a connection to an instance checks certificates; None where that cannot be done yet.

    True is the way of the system's authorities, and has no meaning for plain HTTP.
    """
    if not instance.mesh_service:
        return True
    return mesh.context(instance.mesh_service) if mesh is not None else None


def _peer(leaf: MeshLeaf, service: str) -> str:
    """Return the name that a service of the gateway's own datacentre carries."""
    return f"{leaf.uri.rpartition('/')[0]}/{service}"


def _context(roots: MeshRoots, leaf: MeshLeaf, peer: str) -> _NamedContext:
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    # Certificates of the mesh name services, not hosts; `_NamedPeer` checks that name.
    context.check_hostname = False
    context.load_verify_locations(cadata="\n".join(roots.certificates))
    # The library reads keys from files only; this one is in memory and has no name.
    handle = os.memfd_create("mesh-leaf")
    try:
        os.write(handle, f"{leaf.certificate}\n{leaf.key}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
    context.peer = peer
    return context
