"""A download fails because of the host only when the host does not reach the server."""

import json
from typing import NamedTuple

import pytest

from evolve.infra.hosts.unreachable import find_unreachable


class Output(NamedTuple):
    stdout: str


class Recorded:
    """A host that reaches nothing, or everything."""

    def __init__(self, *failed: str) -> None:
        self._failed = failed
        self.asked = 0

    def run(self, *argv: str, input: str | None = None) -> Output:  # noqa: A002 - the port's word
        self.asked += 1
        assert argv[0] == "python3"
        tried = str(input).partition("\n")[0]
        return Output(json.dumps({name: "Name or service not known" for name in self._failed if name[:-4] in tried}))


@pytest.mark.parametrize(
    "message",
    [
        "Request failed: <urlopen error [Errno -3] Temporary failure in name resolution>\nurl: https://github.com/x.tgz",
        "fatal: unable to access 'https://github.com/a/b/': Could not resolve host: github.com",
        "curl: (6) Could not resolve host: github.com",
        "HTTPSConnectionPool(host='github.com', port=443): Max retries exceeded: NewConnectionError",
    ],
)
def test_a_server_that_is_out_of_reach_is_named(message: str) -> None:
    found = find_unreachable(Recorded("github.com:443"), message)
    assert found is not None
    assert "github.com:443" in found.what
    assert find_unreachable(Recorded(), message) is None


@pytest.mark.parametrize(
    "message",
    [
        "Connection refused: http://127.0.0.1:8080/",
        "timed out: http://broker:1883/",
        "Could not resolve host: backend",
        "Request failed: HTTP Error 404: Not Found\nurl: https://github.com/x.tgz",
    ],
)
def test_what_is_not_on_the_internet_or_answers_is_not_tried(message: str) -> None:
    host = Recorded("github.com:443")
    assert find_unreachable(host, message, inside=("broker",)) is None
    assert host.asked == 0
