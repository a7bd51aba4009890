"""The job runs and serves: its programs answer, the fallback model is served, and what is killed comes back."""

import json
import time

CONSUL = "http://127.0.0.1:8500"
JOB = "http://127.0.0.1:4646/v1/job/llamacpp-rpc"
READ = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"


def read(host, url):
    return json.loads(host.check_output("python3 -c %s %s", READ, url))


def running(host):
    found = read(host, f"{JOB}/allocations")
    return [one for one in found if (one["DesiredStatus"], one["ClientStatus"]) == ("run", "running")]


def until(condition, what, deadline_s=40):
    deadline = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {deadline_s} s: {what}"
        time.sleep(0.3)
    return found


def test_every_allocation_runs_and_is_healthy(host):
    found = running(host)
    assert sorted(one["TaskGroup"] for one in found) == ["main", "rpc"]
    assert all(one["DeploymentStatus"]["Healthy"] for one in found)


def test_the_main_expert_answers_with_the_model_that_is_there(host):
    assert read(host, "http://127.0.0.1:8080/health") == {"status": "ok"}
    assert [one["id"] for one in read(host, "http://127.0.0.1:8080/v1/models")["data"]] == ["small"]


def test_consul_has_the_name_of_the_served_model(host):
    (found,) = until(lambda: read(host, f"{CONSUL}/v1/health/service/expert-main?passing=true"), "the expert passes")
    assert {check["Name"]: check["Notes"] for check in found["Checks"]}["model"] == "small"


def test_the_main_expert_knows_its_worker(host):
    assert read(host, "http://127.0.0.1:8080/props") == {"rpc": "127.0.0.1:50052"}
    assert host.socket("tcp://0.0.0.0:50052").is_listening


def proxies(host):
    return read(host, f"{CONSUL}/v1/health/connect/expert-main?passing=true")


def test_the_expert_is_in_the_mesh_with_its_tags_and_model(host):
    (found,) = until(lambda: proxies(host), "its proxy passes")
    service = found["Service"]
    assert (service["Kind"], service["Tags"], service["Meta"]) == ("connect-proxy", ["expert"], {"model": "small"})
    assert host.socket(f"tcp://{service['Address']}:{service['Port']}").is_listening


def test_its_own_port_is_for_this_host_only(host):
    assert host.socket("tcp://127.0.0.1:8080").is_listening
    assert [one for one in host.socket.get_listening_sockets() if one.endswith(":8080")] == ["tcp://127.0.0.1:8080"]


def test_the_gateway_alone_may_connect(host):
    found = read(host, f"{CONSUL}/v1/connect/intentions")
    pairs = {(one["SourceName"], one["DestinationName"]): one["Action"] for one in found}
    assert pairs == {("moe-gateway", "expert-main"): "allow", ("*", "expert-main"): "deny"}


def test_the_job_was_registered_once(host):
    assert read(host, JOB)["Version"] == 0


def test_a_killed_expert_is_brought_back(host):
    before = {one["ID"] for one in running(host)}
    host.check_output("pkill -9 -x llama-server")
    until(lambda: not host.socket("tcp://127.0.0.1:8080").is_listening or len(running(host)) < 2, "it is gone")
    listens = host.socket("tcp://127.0.0.1:8080")
    until(lambda: listens.is_listening and {one["ID"] for one in running(host)} == before, "it is back")
    until(lambda: proxies(host), "its proxy passes again")


def test_evolutions_are_a_parameterized_job_below_all_others(host):
    job = read(host, "http://127.0.0.1:4646/v1/job/evolve-run")
    assert (job["Type"], job["Priority"], job["Version"]) == ("batch", 20, 0)
    assert job["ParameterizedJob"] == {"Payload": "required", "MetaRequired": ["folder"], "MetaOptional": ["flags"]}
