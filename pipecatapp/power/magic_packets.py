"""Wake-on-LAN: six bytes of ones and sixteen times the MAC address, by UDP."""

import socket

from pipecatapp.power.config import LanWake
from pipecatapp.power.wakers import WakeFailed


class MagicPackets:
    """Wakes one node. A packet may get lost, so that it is sent again and again."""

    again_s = 1.0
    """Seconds from one packet to the next."""

    def __init__(self, lan: LanWake) -> None:
        self._lan = lan

    async def wake(self) -> frozenset[str]:
        """Send one packet; no instance is named.

        Raises:
            WakeFailed: the network refuses it.
        """
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sender.sendto(magic_packet(self._lan.mac), (self._lan.broadcast, self._lan.port))
        except OSError as exc:
            text = f"no magic packet for {self._lan.mac} to {self._lan.broadcast}: {exc.strerror or exc}"
            raise WakeFailed(text) from exc
        return frozenset()


def magic_packet(mac: str) -> bytes:
    """Return the packet that wakes a MAC address."""
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) * 16
