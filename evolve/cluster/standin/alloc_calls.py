"""Calls about one allocation beyond reading it: restart, signal, stop, logs; and an evaluation's allocations."""

from __future__ import annotations

import urllib.error
import urllib.request
from urllib.parse import urlencode

from .answers import READ, WRITE, Answer, Refused, Request, Route, whole_uuid
from .config import Config
from .logs import check, read_log
from .scheduling import evaluate
from .shapes import Json, allocation_stub
from .state import State

NODE_TIMEOUT_S = 5.0


class AllocCalls:
    """What is done to allocations, by their clients."""

    def __init__(self, config: Config, state: State) -> None:
        """Serves one server's state; logs are read here, or asked of the allocation's node."""
        self._config = config
        self._state = state

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            (r"/v1/client/allocation/([^/]+)/restart", {"POST": self.restart}),
            (r"/v1/client/allocation/([^/]+)/signal", {"POST": self.signal}),
            (r"/v1/client/allocation/([^/]+)/checks", {"GET": self.checks}),
            (r"/v1/client/fs/logs/([^/]+)", {"GET": self.logs}),
            (r"/v1/allocation/([^/]+)/stop", {"POST": self.stop}),
            (r"/v1/evaluation/([^/]+)/allocations", {"GET": self.of_evaluation}),
        ]

    def _alloc(self, request: Request) -> Json:
        alloc_id = whole_uuid(request.match[0], "alloc")
        if alloc_id not in self._state.allocs:
            raise Refused(404, f'Unknown allocation "{alloc_id}"')
        return self._state.allocs[alloc_id]  # type: ignore[no-any-return]

    def checks(self, request: Request) -> Answer:
        """None of Nomad's own: the stand-in has checks in Consul only."""
        self._alloc(request)
        return Answer(200)

    def restart(self, request: Request) -> Answer:
        """Restarts one task or all; answers before anything happened."""
        alloc, given = self._alloc(request), request.json() if request.body else {}
        if alloc["DesiredStatus"] != "run" or alloc["ClientStatus"] not in ("pending", "running"):
            raise Refused(500, "restart of an alloc that should not run")
        return self._act(
            alloc, {"Do": "restart", "Task": given.get("TaskName") or "", "All": given.get("AllTasks") is True}
        )

    def signal(self, request: Request) -> Answer:
        """Sends a signal to one task or all."""
        alloc, given = self._alloc(request), request.json()
        task = given.get("TaskName") or ""
        if alloc["ClientStatus"] != "running":
            first = task or next(iter(alloc["TaskResources"]))
            why = f"Failed to signal task: {first}, err: Task not running"
            raise Refused(500, f"1 error occurred:\n\t* {why}\n\n")
        return self._act(alloc, {"Do": "signal", "Task": task, "Signal": given.get("Signal") or ""})

    def _act(self, alloc: Json, action: Json) -> Answer:
        if action["Task"] and action["Task"] not in alloc["TaskResources"]:
            raise Refused(500, f"Could not find task runner for task: {action['Task']}")
        self._node_of(alloc)
        self._state.actions.setdefault(alloc["ID"], []).append(action)
        return Answer(200, {"Index": 0})

    def _node_of(self, alloc: Json) -> Json:
        node = self._state.nodes.get(alloc["NodeID"])
        if node is None or node["Status"] != "ready":
            raise Refused(404, "No path to node")
        return node  # type: ignore[no-any-return]

    def stop(self, request: Request) -> Answer:
        """Ends an allocation, which is replaced."""
        alloc = self._state.allocs.get(whole_uuid(request.match[0], "alloc"))
        if alloc is None:
            raise Refused(404, "allocation not found")
        if alloc["DesiredStatus"] == "run" and alloc["ClientStatus"] in ("pending", "running"):
            alloc.update(DesiredStatus="stop", DesiredDescription="alloc is being migrated")
            self._state.put("allocs", alloc, "AllocationUpdateDesiredStatus")
        record = evaluate(self._state, self._state.jobs[alloc["JobID"]], "alloc-stop")
        return Answer(200, {"EvalID": record["ID"], "Index": record["CreateIndex"]}, WRITE, record["CreateIndex"])

    def of_evaluation(self, request: Request) -> Answer:
        """The allocations that an evaluation placed."""
        found = [one for one in self._state.allocs.values() if one["EvalID"] == request.match[0]]
        return Answer(200, [allocation_stub(one) for one in found], READ, self._state.tables["allocs"])

    def logs(self, request: Request) -> Answer:
        """A task's log, from this agent's disk or from the allocation's node."""
        alloc = self._alloc(request)
        check(request.query, alloc)
        if (self._config.data_dir / "alloc" / alloc["ID"]).is_dir():
            return read_log(self._config.data_dir, alloc["ID"], request.query)
        node = self._node_of(alloc)
        if "HTTPAddr" not in node:
            return Answer(200, b"")  # a mock task writes nothing
        url = f"http://{node['HTTPAddr']}{request.path}?{urlencode(request.query)}"
        try:
            with urllib.request.urlopen(url, timeout=NODE_TIMEOUT_S) as answer:
                return Answer(200, answer.read())
        except urllib.error.HTTPError as fault:
            raise Refused(fault.code, fault.read().decode()) from fault
        except OSError as fault:
            raise Refused(404, "No path to node") from fault
