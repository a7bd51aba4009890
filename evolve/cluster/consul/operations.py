"""Every call of Consul's API that our client makes: suites/contract/test_recorded_calls.py has its recording."""

from evolve.cluster.consul import values
from evolve.cluster.operations import Operation, nothing, truth, word

_KEY_READ, _KEY_WRITE = 'key "…": read', 'key "…": write'
_SERVICE_READ, _SERVICE_WRITE = 'service "…": read, node "…": read', 'service "…": write'
_SESSION_READ, _SESSION_WRITE = 'session "…": read', 'session "…": write'
_INTENTION_READ, _INTENTION_WRITE = 'service "…": intentions = read', 'service "…": intentions = write'

HEALTH_SERVICE = Operation("health.service", "GET", "/v1/health/service/{service}", values.instances, _SERVICE_READ)
HEALTH_CHECKS = Operation("health.checks", "GET", "/v1/health/checks/{service}", values.checks, _SERVICE_READ)
HEALTH_STATE = Operation("health.state", "GET", "/v1/health/state/{state}", values.checks, _SERVICE_READ)
HEALTH_CONNECT = Operation("health.connect", "GET", "/v1/health/connect/{service}", values.instances, _SERVICE_READ)

KEY_READ = Operation("keys.read", "GET", "/v1/kv/{key}", values.key_values, _KEY_READ)
KEY_LIST = Operation("keys.list", "GET", "/v1/kv/{key}", values.keys, 'key "…": list or read')
KEY_WRITE = Operation("keys.write", "PUT", "/v1/kv/{key}", truth, _KEY_WRITE, writes=True)
KEY_DELETE = Operation("keys.delete", "DELETE", "/v1/kv/{key}", truth, _KEY_WRITE, writes=True)

SESSION_CREATE = Operation(
    "sessions.create", "PUT", "/v1/session/create", values.created_id, _SESSION_WRITE, writes=True
)
SESSION_RENEW = Operation(
    "sessions.renew", "PUT", "/v1/session/renew/{id}", values.sessions, _SESSION_WRITE, writes=True
)
SESSION_DESTROY = Operation("sessions.destroy", "PUT", "/v1/session/destroy/{id}", truth, _SESSION_WRITE, writes=True)
SESSION_READ = Operation("sessions.read", "GET", "/v1/session/info/{id}", values.sessions, _SESSION_READ)
SESSION_LIST = Operation("sessions.list", "GET", "/v1/session/list", values.sessions, _SESSION_READ)

CATALOG_SERVICES = Operation("catalog.services", "GET", "/v1/catalog/services", values.service_tags, _SERVICE_READ)
CATALOG_SERVICE = Operation(
    "catalog.service", "GET", "/v1/catalog/service/{service}", values.catalog_instances, _SERVICE_READ
)

SERVICE_REGISTER = Operation(
    "services.register", "PUT", "/v1/agent/service/register", nothing, _SERVICE_WRITE, writes=True
)
SERVICE_DEREGISTER = Operation(
    "services.deregister", "PUT", "/v1/agent/service/deregister/{id}", nothing, _SERVICE_WRITE, writes=True
)
SERVICE_LIST = Operation("services.list", "GET", "/v1/agent/services", values.agent_instances, _SERVICE_READ)
SERVICE_CHECKS = Operation("services.checks", "GET", "/v1/agent/checks", values.agent_checks, _SERVICE_READ)
SERVICE_PASS = Operation(
    "services.pass_check", "PUT", "/v1/agent/check/pass/{id}", nothing, _SERVICE_WRITE, writes=True
)

INTENTION_LIST = Operation("intentions.list", "GET", "/v1/connect/intentions", values.intentions, _INTENTION_READ)
INTENTION_CREATE = Operation(
    "intentions.create", "POST", "/v1/connect/intentions", values.created_id, _INTENTION_WRITE, writes=True
)
INTENTION_UPDATE = Operation(
    "intentions.update", "PUT", "/v1/connect/intentions/{id}", values.created_id, _INTENTION_WRITE, writes=True
)
INTENTION_DELETE = Operation(
    "intentions.delete", "DELETE", "/v1/connect/intentions/{id}", truth, _INTENTION_WRITE, writes=True
)
INTENTION_CHECK = Operation(
    "intentions.check", "GET", "/v1/connect/intentions/check", values.is_allowed, _INTENTION_READ
)
INTENTION_MATCH = Operation(
    "intentions.match", "GET", "/v1/connect/intentions/match", values.matching_intentions, _INTENTION_READ
)

MESH_ROOTS = Operation("mesh.roots", "GET", "/v1/agent/connect/ca/roots", values.mesh_roots)
MESH_LEAF = Operation("mesh.leaf", "GET", "/v1/agent/connect/ca/leaf/{service}", values.mesh_leaf, 'service "…": write')

AGENT_SELF = Operation("agent.self", "GET", "/v1/agent/self", values.consul_agent, 'agent "…": read')
AGENT_LEADER = Operation("agent.leader", "GET", "/v1/status/leader", word)
AGENT_TOKEN = Operation("agent.token", "GET", "/v1/acl/token/self", values.consul_token)

OPERATIONS: tuple[Operation[object], ...] = tuple(
    value for value in list(vars().values()) if isinstance(value, Operation)
)
