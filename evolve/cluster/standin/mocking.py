"""A client whose tasks are no processes: the mock driver, which runs for a time and ends with a code.

Its Config: `run_for`, the seconds that a task runs (0: until it is stopped), and `exit_code`. A task with `needs_mb`
above its memory limit is killed for it after a second; of a job with `fails_allocations`, so many allocations fail with
code 1 after a second, whatever their version.
"""

from __future__ import annotations

import heapq

from .canaries import is_canary
from .shapes import SECOND, Json, event, lasting_id, rfc3339, task_state
from .state import State
from .tasks import KEPT_EVENTS

_RESOURCES = {"Cpu": {"CpuShares": 10**7}, "Memory": {"MemoryMB": 4 * 2**20}, "Disk": {"DiskMB": 2**30}}
"""Room for any number of tasks, which use none of it."""


class MockClient:
    """A node that runs tasks of the driver `mock_driver` in the state's time; hold the state's lock."""

    def __init__(self, state: State, name: str = "mock-1") -> None:
        """Registers the node."""
        self._state = state
        self._due: list[tuple[int, str]] = []
        self._seen: set[str] = set()
        self.node_id = lasting_id(name)
        driver = {"Attributes": {}, "Detected": True, "HealthDescription": "Healthy", "Healthy": True}
        node = {
            "ID": self.node_id,
            "Name": name,
            "Address": "127.0.0.1",
            "Attributes": {},
            "Meta": {},
            "Datacenter": "dc1",
            "Drivers": {"mock_driver": driver},
            "HeardAt": state.clock.now_ns(),
            "SchedulingEligibility": "eligible",
            "Status": "ready",
        }
        node |= {"Drain": False, "HostVolumes": None, "LastDrain": None, "NodeClass": "", "NodePool": "default"}
        node |= {"StatusDescription": "", "Version": "", "NodeResources": _RESOURCES}
        node["CreateIndex"] = state.put("nodes", node, "NodeRegistration")

    def step(self) -> None:
        """Starts what is new, ends what is due or no longer wanted, and says that the node is alive."""
        now = self._state.clock.now_ns()
        self._state.nodes[self.node_id]["HeardAt"] = now
        for alloc_id in [*self._state.on_node(self.node_id)]:
            if alloc_id not in self._seen:
                self._seen.add(alloc_id)
                self._start(self._state.allocs[alloc_id], now)
        while self._due and self._due[0][0] <= now:
            at, alloc_id = heapq.heappop(self._due)
            alloc = self._state.allocs.get(alloc_id)
            if alloc is not None and alloc["ClientStatus"] in ("pending", "running"):
                self._move(alloc, at)
        for alloc_id in [*self._state.leaving(self.node_id)]:
            self._say(self._state.allocs[alloc_id], "complete", "dead")

    def _start(self, alloc: Json, now: int) -> None:
        names = alloc["TaskResources"]
        alloc["TaskStates"] = {name: {**task_state("running"), "StartedAt": rfc3339(now)} for name in names}
        if alloc["DeploymentID"]:
            alloc["DeploymentStatus"] = {
                "Canary": is_canary(alloc),
                "Healthy": True,
                "ModifyIndex": 0,
                "Timestamp": rfc3339(now),
            }
        self._say(alloc, "running", "running", "Started")
        self._plan_end(alloc, now)

    def _plan_end(self, alloc: Json, now: int) -> None:
        times = [task["Config"]["run_for"] for task in _tasks(alloc) if (task["Config"] or {}).get("run_for")]
        if self._lacks_memory(alloc) or self._fails_by_number(alloc):
            times.append(1)
        if times:
            heapq.heappush(self._due, (now + int(min(times) * SECOND), alloc["ID"]))

    def _lacks_memory(self, alloc: Json) -> bool:
        tasks = _tasks(alloc)
        return any((one["Config"] or {}).get("needs_mb", 0) > one["Resources"]["MemoryMB"] for one in tasks)

    def _fails_by_number(self, alloc: Json) -> bool:
        wanted = max((one["Config"] or {}).get("fails_allocations", 0) for one in _tasks(alloc))
        failed = sum(one["ClientStatus"] == "failed" for one in self._state.allocs_of(alloc["JobID"]))
        return bool(failed < wanted)

    def _move(self, alloc: Json, at: int) -> None:
        """Ends the tasks, or starts them again after the delay of their restart policy."""
        if alloc["ClientStatus"] == "pending":
            self._say(alloc, "running", "running", "Started")
            self._plan_end(alloc, at)
            return
        task = _tasks(alloc)[0]
        policy, state = task["RestartPolicy"], alloc["TaskStates"][task["Name"]]
        is_oom, by_number = self._lacks_memory(alloc), self._fails_by_number(alloc)
        code = 137 if is_oom else 1 if by_number else int((task["Config"] or {}).get("exit_code", 0))
        self._note_end(alloc, code, is_oom)
        if code == 0 and alloc["Job"]["Type"] == "batch":
            self._say(alloc, "complete", "dead")
        elif state["Restarts"] < policy["Attempts"]:
            for one in alloc["TaskStates"].values():
                one["Restarts"] += 1
            self._say(alloc, "pending", "pending", "Restarting")
            heapq.heappush(self._due, (at + policy["Delay"], alloc["ID"]))
        else:
            for one in alloc["TaskStates"].values():
                one["Failed"] = True
            self._say(alloc, "failed", "dead", "Not Restarting")

    def _note_end(self, alloc: Json, code: int, is_oom: bool) -> None:
        details = {"exit_code": str(code), "signal": "0", "oom_killed": "true" if is_oom else "false"}
        ended = {**event("Terminated", f"Exit Code: {code}"), "ExitCode": code, "Details": details}
        for one in alloc["TaskStates"].values():
            one["Events"] = [*one["Events"], {**ended, "Time": self._state.clock.now_ns()}][-KEPT_EVENTS:]

    def _say(self, alloc: Json, status: str, task_word: str, kind: str = "Killed") -> None:
        now = self._state.clock.now_ns()
        for one in (alloc["TaskStates"] or {}).values():
            one["State"] = task_word
            one["Events"] = [*one["Events"], {**event(kind, kind), "Time": now}][-KEPT_EVENTS:]
        alloc["ClientStatus"] = status
        self._state.put("allocs", alloc, "AllocationUpdated")


def _tasks(alloc: Json) -> list[Json]:
    group = next(one for one in alloc["Job"]["TaskGroups"] if one["Name"] == alloc["TaskGroup"])
    return list(group["Tasks"])
