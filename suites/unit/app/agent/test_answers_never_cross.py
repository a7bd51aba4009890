"""Many sessions and requests at once, answered in any order: nobody ever gets a word of another."""

import asyncio
import re
from collections import Counter

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

pytest.importorskip("prometheus_client")

from evolve.core.model.errors import HttpFault
from fixtures.held_twin import HeldCalls, HeldModel, HeldToolbox
from pipecatapp.agent.metrics import AgentMetrics
from pipecatapp.agent.service import Busy, TwinService
from pipecatapp.agent.turns import TurnParts
from pipecatapp.core.approvals import UnknownApproval
from pipecatapp.core.ports import AgentRequest, BadArguments, ToolResult
from pipecatapp.wire.agent_events import ApprovalAsked, Hello, TurnEnded, TurnStarted, write_message

TOKEN = re.compile(r"<(\w+)-\d+>")
HELLO = Hello("", "", "", None, "", False, "", (), ())
SESSIONS = ["a", "b", "c"]


class Answers(RuleBasedStateMachine):
    """Owners are sessions and requests of the gateway; every text has its owner's token."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.calls = HeldCalls()
        self.toolbox = HeldToolbox(self.calls)
        parts = TurnParts(HeldModel(self.calls), self.toolbox, AgentMetrics(), 600.0)
        self.service = TwinService(parts, None)
        self.sessions = {id: self.run(self.service.session(id, f"key-{id}")) for id in SESSIONS}
        self.pages = {id: self.sessions[id].open_page(HELLO, 0.0) for id in SESSIONS}
        self.seen = {id: [] for id in SESSIONS}
        self.requests = {}
        self.replies = {}
        self.count = 0
        self.approved = []

    def run(self, work):
        return self.loop.run_until_complete(work)

    def do(self, work):
        """Call what needs the running loop."""

        async def inside():
            return work()

        return self.run(inside())

    def settle(self):
        """Let everything happen that waits for nobody."""

        async def rounds():
            for _ in range(15):
                await asyncio.sleep(0)

        self.run(rounds())
        for id, page in self.pages.items():
            while page._queue.qsize():
                self.seen[id].append(self.run(page.next()))
        for id, (queue, _) in self.requests.items():
            while queue.qsize():
                self.replies[id].append(queue.get_nowait())

    def words(self, owner):
        self.count += 1
        return f"<{owner}-{self.count}> please"

    @rule(id=st.sampled_from(SESSIONS))
    def say(self, id):
        session = self.sessions[id]
        if session.task is None:
            self.do(lambda: self.service.say(session, self.words(id)))
        else:
            with pytest.raises(Busy):
                self.do(lambda: self.service.say(session, self.words(id)))
        self.settle()

    @precondition(lambda self: len(self.requests) < 40)
    @rule()
    def ask_through_the_gateway(self):
        id = f"q{len(self.requests)}"
        queue = asyncio.Queue()
        messages = [{"role": "user", "content": self.words(id)}, {"role": "assistant", "content": self.words(id)}]
        request = AgentRequest(id, "alice", {"messages": [*messages, {"role": "user", "content": self.words(id)}]})
        self.replies[id] = []
        self.requests[id] = (queue, self.loop.create_task(self.service.answer(request, queue)))
        self.settle()

    @precondition(lambda self: self.calls.waiting)
    @rule(
        data=st.data(),
        choice=st.sampled_from(["none", "look", "strike", "look", "strike", "toaster"]),
        is_good=st.integers(0, 9),
    )
    def answer(self, data, choice, is_good):
        held = data.draw(st.sampled_from(self.calls.waiting))
        if is_good == 0:
            fault = BadArguments("bad") if held.kind == "arguments" else HttpFault("away", call="x")
            held.future.set_exception(fault)
        elif held.kind == "run":
            held.future.set_result(ToolResult(f"found for {held.call.arguments['token']}"))
        elif held.kind == "choose":
            held.future.set_result(choice)
        elif held.kind == "arguments":
            held.future.set_result({"token": held.question.request, "n": self.count})
        else:
            texts = [one.result.text for one in held.question.findings]
            held.future.set_result(data.draw(st.sampled_from([" ".join([held.question.request, *texts]), None])))
        self.settle()

    def open_approvals(self):
        asked = [(id, one.id) for id in SESSIONS for one in self.seen[id] if isinstance(one, ApprovalAsked)]
        return [pair for pair in asked if pair[1] in self.service.desk._waiting]

    @precondition(lambda self: self.open_approvals())
    @rule(data=st.data(), by=st.sampled_from(SESSIONS), is_approved=st.booleans())
    def decide(self, data, by, is_approved):
        owner, id = data.draw(st.sampled_from(self.open_approvals()))
        if by != owner:
            with pytest.raises(UnknownApproval):
                self.service.desk.decide(self.sessions[by], id, is_approved=is_approved)
        else:
            self.service.desk.decide(self.sessions[by], id, is_approved=is_approved)
            if is_approved:
                self.approved.append(owner)
        self.settle()

    @rule(id=st.sampled_from(SESSIONS), other=st.sampled_from(SESSIONS))
    def cancel(self, id, other):
        turn = self.sessions[other].turn_id
        was_running = self.sessions[id].task is not None and id == other
        assert self.service.cancel(self.sessions[id], turn) == was_running
        self.settle()

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def hang_up(self, data):
        _, task = self.requests[data.draw(st.sampled_from(sorted(self.requests)))]
        task.cancel()
        self.settle()

    @rule(id=st.sampled_from(SESSIONS))
    def reload_the_page(self, id):
        self.sessions[id].close_page(self.pages[id])
        self.pages[id] = self.sessions[id].open_page(HELLO, 0.0)
        self.settle()

    @invariant()
    def nobody_sees_words_of_another(self):
        for id in SESSIONS:
            owners = {owner for one in self.seen[id] for owner in TOKEN.findall(write_message(one))}
            assert owners <= {id}
            said = " ".join(one.text for one in self.sessions[id].conversation.messages)
            assert set(TOKEN.findall(said)) <= {id}
        for id, replies in self.replies.items():
            assert {owner for one in replies for owner in TOKEN.findall(one.text)} <= {id}
            assert {one.response_queue_id for one in replies} <= {id}

    @invariant()
    def the_model_is_asked_with_words_of_one_owner_only(self):
        for held in self.calls.waiting:
            text = str(held.question) + (str(held.call.arguments) if held.call else "")
            assert len(set(TOKEN.findall(text))) == 1
            if held.kind == "run" and not held.session_id.startswith("gateway:"):
                assert set(TOKEN.findall(text)) == {held.session_id}

    @invariant()
    def dangerous_calls_had_an_approval_each(self):
        struck = [session for call, session in self.toolbox.ran if call.tool == "strike"]
        assert Counter(struck) <= Counter(self.approved)
        assert not any(session.startswith("gateway:") for session in struck)

    def teardown(self):
        self.run(self.service.close())
        for _, task in self.requests.values():
            task.cancel()
        self.settle()
        for id in SESSIONS:
            started = {one.turn for one in self.seen[id] if isinstance(one, TurnStarted)}
            ended = [one.turn for one in self.seen[id] if isinstance(one, TurnEnded)]
            assert sorted(ended) == sorted(started), "each turn ends exactly once"
        assert self.calls.waiting == []
        assert self.service.running == 0
        assert all(task.done() for _, task in self.requests.values())
        self.loop.close()


TestAnswers = Answers.TestCase
# Not shrunk: with 300 steps that takes five minutes, and the failing text names its owners already.
TestAnswers.settings = settings(
    max_examples=6, stateful_step_count=300, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)
