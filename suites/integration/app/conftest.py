from collections.abc import Iterator

import pytest

from fixtures.running_gateways import SHORT, RunningGateway, experts_at, running_gateway
from fixtures.scripted_expert import ScriptedExpert, scripted_expert
from pipecatapp.gateway.config import GatewayConfig


@pytest.fixture
def expert() -> Iterator[ScriptedExpert]:
    with scripted_expert() as found:
        yield found


@pytest.fixture
def second() -> Iterator[ScriptedExpert]:
    with scripted_expert("second") as found:
        yield found


@pytest.fixture
def gateway(expert: ScriptedExpert) -> Iterator[RunningGateway]:
    config = GatewayConfig(experts=experts_at(expert.url), timeouts=SHORT, moe_fallback="expert-main")
    with running_gateway(config) as found:
        yield found
