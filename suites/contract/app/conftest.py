from collections.abc import Iterator

import pytest

from fixtures.running_gateways import SHORT, RunningGateway, experts_at, running_gateway
from fixtures.scripted_expert import ScriptedExpert, scripted_expert
from pipecatapp.gateway.config import Access, GatewayConfig


@pytest.fixture(scope="module")
def _expert() -> Iterator[ScriptedExpert]:
    with scripted_expert() as found:
        yield found


@pytest.fixture
def expert(_expert: ScriptedExpert) -> ScriptedExpert:
    """The module's expert, with its script at the beginning."""
    _expert.plan()
    return _expert


@pytest.fixture(scope="module")
def gateway(_expert: ScriptedExpert) -> Iterator[RunningGateway]:
    config = GatewayConfig(
        experts=experts_at(_expert.url),
        timeouts=SHORT,
        access={"default": Access(requests_per_minute=10**6)},
    )
    with running_gateway(config) as found:
        yield found
