"""The gateway's libraries come with the part `gateway`: where they are missing, the tests' own imports skip them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fixtures.running_gateways import RunningGateway
    from fixtures.scripted_expert import ScriptedExpert


@pytest.fixture
def expert() -> "Iterator[ScriptedExpert]":
    from fixtures.scripted_expert import scripted_expert

    with scripted_expert() as found:
        yield found


@pytest.fixture
def second() -> "Iterator[ScriptedExpert]":
    from fixtures.scripted_expert import scripted_expert

    with scripted_expert("second") as found:
        yield found


@pytest.fixture
def gateway(expert: "ScriptedExpert") -> "Iterator[RunningGateway]":
    from fixtures.running_gateways import SHORT, experts_at, running_gateway
    from pipecatapp.gateway.config import GatewayConfig

    config = GatewayConfig(experts=experts_at(expert.url), timeouts=SHORT, moe_fallback="expert-main")
    with running_gateway(config) as found:
        yield found
