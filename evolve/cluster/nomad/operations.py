"""Every call of Nomad's API that our client makes; suites/contract/test_recorded_calls.py has the recording of each."""

from evolve.cluster.fields import WrongShape
from evolve.cluster.nomad import allocations, cluster, deployments, evaluations, jobs
from evolve.cluster.operations import ApiReply, Operation, nothing, word

_LIST, _READ, _SUBMIT = "namespace: list-jobs", "namespace: read-job", "namespace: submit-job"
_LIFECYCLE = "namespace: alloc-lifecycle"


def log_bytes(reply: ApiReply) -> bytes:
    """Return a log's bytes."""
    if not reply.content_type.startswith("text/plain"):
        raise WrongShape(f"a log is expected, not {reply.content_type or 'an answer without a type'}")
    return reply.body


JOB_LIST = Operation("jobs.list", "GET", "/v1/jobs", jobs.job_stubs, _LIST)
JOB_READ = Operation("jobs.read", "GET", "/v1/job/{job}", jobs.job, _READ)
JOB_SUMMARY = Operation("jobs.summary", "GET", "/v1/job/{job}/summary", jobs.summary, _READ)
JOB_VERSIONS = Operation("jobs.versions", "GET", "/v1/job/{job}/versions", jobs.job_versions, _READ)
JOB_ALLOCATIONS = Operation("jobs.allocations", "GET", "/v1/job/{job}/allocations", allocations.allocations, _READ)
JOB_EVALUATIONS = Operation("jobs.evaluations", "GET", "/v1/job/{job}/evaluations", evaluations.evaluations, _READ)
JOB_DEPLOYMENTS = Operation("jobs.deployments", "GET", "/v1/job/{job}/deployments", deployments.deployments, _READ)
JOB_DEPLOYMENT = Operation("jobs.deployment", "GET", "/v1/job/{job}/deployment", deployments.latest_deployment, _READ)
JOB_SCALE_STATUS = Operation("jobs.scale_status", "GET", "/v1/job/{job}/scale", jobs.scale_status, _READ)
JOB_PLAN = Operation("jobs.plan", "POST", "/v1/job/{job}/plan", jobs.job_plan, _SUBMIT)
JOB_VALIDATE = Operation("jobs.validate", "POST", "/v1/validate/job", jobs.validation, _SUBMIT)
JOB_PARSE = Operation("jobs.parse", "POST", "/v1/jobs/parse", jobs.parsed_job, "namespace: parse-job")
JOB_REGISTER = Operation("jobs.register", "POST", "/v1/jobs", jobs.registered, _SUBMIT, writes=True)
JOB_REVERT = Operation("jobs.revert", "POST", "/v1/job/{job}/revert", jobs.registered, _SUBMIT, writes=True)
JOB_STOP = Operation("jobs.stop", "DELETE", "/v1/job/{job}", jobs.registered, _SUBMIT, writes=True)
JOB_DISPATCH = Operation(
    "jobs.dispatch", "POST", "/v1/job/{job}/dispatch", jobs.dispatched, "namespace: dispatch-job", writes=True
)
JOB_SCALE = Operation("jobs.scale", "POST", "/v1/job/{job}/scale", jobs.registered, _SUBMIT, writes=True)
JOB_EVALUATE = Operation("jobs.evaluate", "POST", "/v1/job/{job}/evaluate", jobs.registered, _SUBMIT, writes=True)
JOB_FORCE = Operation(
    "jobs.force_periodic", "POST", "/v1/job/{job}/periodic/force", jobs.registered, _SUBMIT, writes=True
)

ALLOCATION_LIST = Operation("allocations.list", "GET", "/v1/allocations", allocations.allocations, _READ)
ALLOCATION_READ = Operation("allocations.read", "GET", "/v1/allocation/{id}", allocations.allocation, _READ)
ALLOCATION_RESTART = Operation(
    "allocations.restart", "PUT", "/v1/client/allocation/{id}/restart", nothing, _LIFECYCLE, writes=True
)
ALLOCATION_STOP = Operation(
    "allocations.stop", "PUT", "/v1/allocation/{id}/stop", allocations.stopped, _LIFECYCLE, writes=True
)
ALLOCATION_CHECKS = Operation(
    "allocations.checks", "GET", "/v1/client/allocation/{id}/checks", allocations.check_results, _READ
)
ALLOCATION_LOGS = Operation("allocations.logs", "GET", "/v1/client/fs/logs/{id}", log_bytes, "namespace: read-logs")

EVALUATION_LIST = Operation("evaluations.list", "GET", "/v1/evaluations", evaluations.evaluations, _READ)
EVALUATION_READ = Operation("evaluations.read", "GET", "/v1/evaluation/{id}", evaluations.evaluation, _READ)
EVALUATION_ALLOCATIONS = Operation(
    "evaluations.allocations", "GET", "/v1/evaluation/{id}/allocations", allocations.allocations, _READ
)

DEPLOYMENT_LIST = Operation("deployments.list", "GET", "/v1/deployments", deployments.deployments, _READ)
DEPLOYMENT_READ = Operation("deployments.read", "GET", "/v1/deployment/{id}", deployments.deployment, _READ)
DEPLOYMENT_ALLOCATIONS = Operation(
    "deployments.allocations", "GET", "/v1/deployment/allocations/{id}", allocations.allocations, _READ
)
DEPLOYMENT_FAIL = Operation(
    "deployments.fail", "PUT", "/v1/deployment/fail/{id}", deployments.deployment_changed, _SUBMIT, writes=True
)
DEPLOYMENT_PROMOTE = Operation(
    "deployments.promote", "PUT", "/v1/deployment/promote/{id}", deployments.deployment_changed, _SUBMIT, writes=True
)

NODE_LIST = Operation("nodes.list", "GET", "/v1/nodes", cluster.nodes, "node: read")
NODE_READ = Operation("nodes.read", "GET", "/v1/node/{id}", cluster.node, "node: read")
NODE_ALLOCATIONS = Operation(
    "nodes.allocations", "GET", "/v1/node/{id}/allocations", allocations.allocations, f"node: read; {_READ}"
)

AGENT_SELF = Operation("agent.self", "GET", "/v1/agent/self", cluster.agent, "agent: read")
AGENT_MEMBERS = Operation("agent.members", "GET", "/v1/agent/members", cluster.servers, "node: read")
AGENT_HEALTH = Operation("agent.health", "GET", "/v1/agent/health", cluster.health)
AGENT_LEADER = Operation("agent.leader", "GET", "/v1/status/leader", word)
AGENT_TOKEN = Operation("agent.token", "GET", "/v1/acl/token/self", cluster.token)
AGENT_NAMESPACES = Operation("agent.namespaces", "GET", "/v1/namespaces", cluster.namespaces)

EVENT_STREAM = Operation(
    "events.stream", "GET", "/v1/event/stream", nothing, "namespace: read-job; topic Node: node: read"
)

OPERATIONS: tuple[Operation[object], ...] = tuple(
    value for value in list(vars().values()) if isinstance(value, Operation)
)
