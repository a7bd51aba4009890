"""Which addresses may be reached: no notation of a private one passes."""

import asyncio
import socket
from ipaddress import ip_address, ip_network

import pytest

from pipecatapp.core.ports import ToolReason
from pipecatapp.tools.registry import ToolProblem
from pipecatapp.tools.web_addresses import AllowedAddresses, RefusedAddress, check_url, is_allowed

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
    "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1", "::127.0.0.1",
    "2001:db8::1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "64:ff9b:1::1", "fec0::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address):
    assert not is_allowed(ip_address(address), ())


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9", "64:ff9b::909:909", "2002:909:909::"])
def test_public_addresses(address):
    assert is_allowed(ip_address(address), ())


def test_a_network_that_is_allowed():
    networks = (ip_network("10.0.0.0/24"),)
    assert is_allowed(ip_address("10.0.0.7"), networks)
    assert is_allowed(ip_address("::ffff:10.0.0.7"), networks)
    assert not is_allowed(ip_address("10.0.1.7"), networks)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1/", ToolReason.REFUSED),
        ("http://127.1/", ToolReason.REFUSED),
        ("http://2130706433/", ToolReason.REFUSED),
        ("http://0177.0.0.1/", ToolReason.REFUSED),
        ("http://１２７.0.0.1/", ToolReason.REFUSED),  # noqa: RUF001 - digits that become ASCII ones
        ("http://①②⑦.⓪.⓪.①/", ToolReason.REFUSED),
        ("http://[::1]/", ToolReason.REFUSED),
        ("http://[::ffff:7f00:1]:8080/", ToolReason.REFUSED),
        ("http://[fe80::1%25eth0]/", ToolReason.REFUSED),
        ("http://user:pw@example.org/", ToolReason.REFUSED),
        ("http://example.org@127.0.0.1/", ToolReason.REFUSED),
        ("file:///etc/passwd", ToolReason.REFUSED),
        ("ftp://example.org/", ToolReason.REFUSED),
        ("gopher://example.org/", ToolReason.REFUSED),
        ("javascript:alert(1)", ToolReason.REFUSED),
        ("//example.org/", ToolReason.REFUSED),
        ("example.org", ToolReason.REFUSED),
        ("", ToolReason.REFUSED),
        ("http:///path", ToolReason.REFUSED),
        ("http://example.org:99999/", ToolReason.BAD_ARGUMENTS),
        ("http://[::1/", ToolReason.BAD_ARGUMENTS),
    ],
)
def test_urls_that_are_refused_before_anybody_is_asked(url, reason):
    with pytest.raises(ToolProblem) as caught:
        check_url(url, ())
    assert caught.value.reason is reason


@pytest.mark.parametrize("url", ["https://example.org/a?b=c", "http://9.9.9.9/", "http://bücher.example/"])
def test_urls_that_pass(url):
    check_url(url, ())


@pytest.mark.parametrize("name", ["localhost", "0x7f.1", "0x7f000001", "127.0.0.1.", "LOCALHOST"])
def test_a_name_that_leads_to_a_private_address_is_refused(name):
    """The system's own resolver reads some of them as addresses."""
    with pytest.raises(OSError) as caught:  # noqa: PT011 - a resolver may know no such name, which is fine, too
        asyncio.run(AllowedAddresses(()).resolve(name, 80, socket.AF_UNSPEC))
    assert isinstance(caught.value, RefusedAddress | socket.gaierror)


def test_localhost_is_refused_by_its_address():
    with pytest.raises(RefusedAddress):
        asyncio.run(AllowedAddresses(()).resolve("localhost", 80, socket.AF_INET))


def test_a_name_in_a_network_that_is_allowed():
    allowed = AllowedAddresses((ip_network("127.0.0.0/8"),))
    found = asyncio.run(allowed.resolve("localhost", 80, socket.AF_INET))
    assert {one["host"] for one in found} == {"127.0.0.1"}
