from evolve.cluster.address import ClusterAddress
from evolve.cluster.caller import NOMAD as NOMAD_HEADERS
from evolve.cluster.caller import Caller
from evolve.cluster.faults import NoLeader, Unreachable
from evolve.cluster.nomad.operations import ALLOCATION_LIST
from evolve.supervision.fault_log import FaultLog
from evolve.supervision.metrics import Metrics

NOMAD = "http://127.0.0.1:4646"
ALLOCATIONS = f"GET {NOMAD}/v1/allocations"


def test_a_fault_is_said_once_a_minute_without_its_query_and_counted_each_time():
    metrics, lines, now = Metrics(), [], [0.0]
    log = FaultLog(metrics, lines.append, lambda: now[0])
    asked = Caller(ClusterAddress(NOMAD), NOMAD_HEADERS)
    for second in range(0, 130, 5):
        now[0] = second
        call = asked.call(ALLOCATION_LIST, query={"filter": "a b"}).name
        log.note(Unreachable(f"{call}: cannot connect, try {second}", call=call))
    assert lines == [f"{ALLOCATIONS}: cannot connect, try {second}" for second in (0, 60, 120)]
    assert metrics.faults == {"Unreachable": 26}


def test_the_end_of_a_fault_is_said_once_and_only_of_the_server_that_had_it():
    lines: list[str] = []
    log = FaultLog(Metrics(), lines.append, lambda: 0.0)
    log.note(NoLeader("no leader", call=f"PUT {NOMAD}/v1/jobs"))
    log.end("Consul", "http://127.0.0.1:8500")
    log.end("Nomad", NOMAD)
    log.end("Nomad", NOMAD)
    assert lines[1:] == ["Nomad answers again"]
