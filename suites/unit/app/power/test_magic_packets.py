import asyncio

import pytest

from pipecatapp.power.config import LanWake
from pipecatapp.power.magic_packets import MagicPackets, magic_packet
from pipecatapp.power.wakers import WakeFailed


def test_a_packet_is_six_ones_and_sixteen_addresses():
    packet = magic_packet("02:00:5E:10:00:01")
    assert packet == b"\xff" * 6 + bytes.fromhex("02005e100001") * 16
    assert len(packet) == 102


def test_a_network_that_refuses_the_packet_is_a_reason():
    with pytest.raises(WakeFailed, match=r"no magic packet for 02:00:5e:10:00:01 to nowhere\.invalid"):
        asyncio.run(MagicPackets(LanWake("02:00:5e:10:00:01", "nowhere.invalid")).wake())
