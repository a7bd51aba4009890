"""The gateway against its own OpenAPI document: schemathesis makes requests that fit it, and requests that do not."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS

from fixtures.running_gateways import SHORT, experts_at, running_gateway
from fixtures.scripted_expert import scripted_expert
from pipecatapp.gateway.app import inner_app
from pipecatapp.gateway.config import Access, GatewayConfig
from pipecatapp.gateway.gateway import Gateway
from pipecatapp.gateway.keys import make_key

pytestmark = pytest.mark.filterwarnings("ignore")

IN_CI, AT_NIGHT = 200, 2_000


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A gateway with keys, and an expert by script behind it."""
    key = make_key("tester")
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(key.line)
    with scripted_expert() as expert:
        config = GatewayConfig(
            experts=experts_at(expert.url),
            keys_file=keys,
            timeouts=SHORT,
            access={"default": Access(requests_per_minute=10**7)},
        )
        with running_gateway(config) as gateway:
            yield gateway, key.key


def document():
    """Return the document, with a model that there is in half of the requests: the others end at `model_not_found`."""
    found = inner_app(Gateway(GatewayConfig())).openapi()
    model = {"anyOf": [{"const": "expert-main"}, {"type": "string", "minLength": 1, "maxLength": 256}]}
    for name, schema in found["components"]["schemas"].items():
        if name.endswith("Request"):
            schema["properties"]["model"] = model
    return found


DOCUMENT = document()
OPERATIONS = sum(len(operations) for operations in DOCUMENT["paths"].values())
schema = schemathesis.openapi.from_dict(DOCUMENT)


def options(cases):
    # No deadline and no shrinking of what is slow: this machine may be busy.
    return settings(
        max_examples=-(-cases // OPERATIONS),
        deadline=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        derandomize=cases == IN_CI,
    )


@schema.parametrize()
@options(IN_CI)
def test_every_answer_is_as_documented(case, served):
    gateway, key = served
    case.call_and_validate(base_url=gateway.url, headers={"Authorization": f"Bearer {key}"})


@pytest.mark.nightly
@schema.parametrize()
@options(AT_NIGHT)
def test_every_answer_is_as_documented_all_night(case, served):
    gateway, key = served
    case.call_and_validate(base_url=gateway.url, headers={"Authorization": f"Bearer {key}"})


def test_the_checks_are_those_that_matter():
    names = {check.__name__ for check in CHECKS.get_all()}
    assert names >= {
        "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
        "negative_data_rejection", "positive_data_acceptance", "ignored_auth", "unsupported_method",
    }  # fmt: skip
