"""Where a program listens, and what it says of that in Consul."""

import pytest

from pipecatapp.serving.listening import Listen


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        (Listen("127.0.0.1", 9102), "127.0.0.1:9102"),
        (Listen("10.0.0.5", 9102), "10.0.0.5:9102"),
        (Listen("fd00::5", 9102), "[fd00::5]:9102"),
        (Listen("0.0.0.0", 9102), ":9102"),
        (Listen("::", 9102), ":9102"),
    ],
)
def test_every_address_is_advertised_as_that_of_the_node(listen, expected):
    assert listen.advertised == expected
