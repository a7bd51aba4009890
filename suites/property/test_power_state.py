"""The power agent's decisions in a small world: a job, its allocations, and a Consul that is late."""

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipecatapp.power.state import Action, Phase, PowerRules, PowerState

RULES = PowerRules(idle_s=10.0, retry_s=5.0, max_waiting=4, quiet_s=3.0)


class PowerWorld(RuleBasedStateMachine):
    """What is true, what Consul shows of it, and what the state decides."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.state = PowerState(RULES, self.now)
        self.numbers = itertools.count()
        self.count = 0
        self.running, self.starting, self.stopping = set(), set(), set()
        """Allocations: those that serve, those that will, and those that were stopped and may still pass."""
        self.todo = set()
        self.is_writing = False
        self.arrived, self.ended = set(), set()

    def do(self, actions):
        assert not (Action.RETIRE in actions and self.is_writing)
        self.todo.update(actions)
        self.serve()

    def serve(self):
        """As the activator: all that wait and may connect do; a stopped instance would cut it."""
        for client in sorted(self.state.waiting):
            if (id := self.state.choose(self.now)) is not None:
                assert id not in self.stopping, "a client was sent to an instance that is being stopped"
                self.todo.update(self.state.begin(client, id, self.now))
                if id not in self.running:
                    self.todo.update(self.state.lose(client, self.now, waits=True))

    def stop_all(self):
        self.count = 0
        self.stopping |= self.running
        self.running, self.starting = set(), set()

    @initialize(is_idle=st.booleans())
    def it_runs(self, is_idle):
        """Most of what can go wrong begins with a service that runs and is idle: chance alone seldom comes that far."""
        self.count, self.running = 1, {f"alloc-{next(self.numbers)}"}
        self.consul_shows_what_passes(with_dying=False)
        if is_idle:
            self.time_passes(10.0)

    @rule()
    def a_client_comes(self):
        client = next(self.numbers)
        if self.state.refuses(self.now) is None:
            self.arrived.add(client)
            self.do(self.state.arrive(client, self.now))

    @precondition(lambda self: self.arrived - self.ended)
    @rule(data=st.data())
    def a_client_goes(self, data):
        client = data.draw(st.sampled_from(sorted(self.arrived - self.ended)))
        self.ended.add(client)
        self.do(self.state.leave(client, self.now))
        self.do(self.state.leave(client, self.now))

    @precondition(lambda self: self.arrived - self.ended)
    @rule()
    def all_go_and_it_is_idle(self):
        for client in sorted(self.arrived - self.ended):
            self.ended.add(client)
            self.do(self.state.leave(client, self.now))
        self.time_passes(10.0)

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 10.0]))
    def time_passes(self, seconds):
        self.now += seconds
        self.do(self.state.tick(self.now))

    @rule(with_dying=st.booleans())
    def consul_shows_what_passes(self, with_dying):
        self.shown = sorted(self.running | (self.stopping if with_dying else set()))
        self.do(self.state.see(self.shown, self.now))

    @rule()
    def consul_forgets_what_was_stopped(self):
        self.stopping = set()
        self.consul_shows_what_passes(with_dying=False)

    @precondition(lambda self: self.starting)
    @rule()
    def an_instance_starts(self):
        self.running.add(self.starting.pop())

    @precondition(lambda self: self.running)
    @rule()
    def an_instance_crashes(self):
        crashed = self.running.pop()
        for client in [client for client, id in self.state.served.items() if id == crashed]:
            self.ended.add(client)
            self.do(self.state.leave(client, self.now))
        self.starting.add(f"alloc-{next(self.numbers)}")

    @precondition(lambda self: Action.WAKE in self.todo)
    @rule(revives=st.booleans(), starts=st.booleans())
    def the_wake_is_written(self, revives, starts):
        self.todo.remove(Action.WAKE)
        if self.count == 0:
            self.count = 1
            # One scheduler's decision for both writes: the old allocation was never stopped.
            if revives and self.stopping:
                self.running.add(self.stopping.pop())
            else:
                self.starting.add(f"alloc-{next(self.numbers)}")
        if starts:
            self.running, self.starting = self.running | self.starting, set()
        self.do(self.state.woke(self.running | self.starting, self.now))

    @precondition(lambda self: Action.WAKE in self.todo)
    @rule()
    def the_wake_fails(self):
        self.todo.remove(Action.WAKE)
        self.arrived -= self.state.waiting if self.state.phase is Phase.WAKING else set()
        self.do(self.state.fail("no", self.now))

    @precondition(lambda self: Action.RETIRE in self.todo)
    @rule()
    def the_write_is_sent(self):
        self.todo.remove(Action.RETIRE)
        usable = self.state.usable(self.now)
        if self.state.commit():
            assert not self.state.served
            assert not self.state.waiting
            self.is_writing, self.usable_before = True, usable
        else:
            self.do(self.state.keep(self.now))

    @precondition(lambda self: self.is_writing)
    @rule(succeeds=st.booleans())
    def the_write_ends(self, succeeds):
        self.is_writing = False
        if succeeds:
            assert not self.state.served, "a client has a connection that the sleep cuts"
            doomed = self.running | self.starting
            self.stop_all()
            self.do(self.state.retired(doomed, self.now))
        else:
            self.do(self.state.keep(self.now))
            assert set(self.usable_before) & set(self.shown) <= set(self.state.usable(self.now))

    @precondition(lambda self: Action.RETIRE in self.todo and not self.is_writing)
    @rule(before=st.booleans(), during=st.booleans(), starts=st.booleans(), succeeds=st.booleans())
    def a_sleep_from_decision_to_result(self, before, during, starts, succeeds):
        """The races at the idle edge in one step."""
        if before:
            self.a_client_comes()
        self.the_write_is_sent()
        if during:
            self.a_client_comes()
        if starts:
            self.running, self.starting = self.running | self.starting, set()
            self.consul_shows_what_passes(with_dying=True)
        if self.is_writing:
            self.the_write_ends(succeeds=succeeds)

    @precondition(lambda self: not self.is_writing)
    @rule()
    def somebody_else_scales_it_up(self):
        if self.count == 0:
            self.count = 1
            self.starting.add(f"alloc-{next(self.numbers)}")

    @invariant()
    def nobody_waits_without_a_wake(self):
        if self.state.waiting and not self.is_writing:
            assert self.state.phase is not Phase.ASLEEP
        if self.state.phase is Phase.RETIRING and not self.is_writing:
            assert Action.RETIRE in self.todo
            assert not self.state.waiting
            assert not self.state.served

    @invariant()
    def nobody_is_lost(self):
        assert self.state.waiting | self.state.served.keys() == self.arrived - self.ended

    @invariant()
    def the_decision_is_idle(self):
        if self.state.is_committed:
            assert not self.state.served

    def teardown(self):
        """Whatever happened: once the world does its part, all who wait are served."""
        for _ in range(12):
            if self.is_writing:
                self.the_write_ends(succeeds=True)
            if Action.RETIRE in self.todo:
                self.the_write_is_sent()
            while Action.WAKE in self.todo:
                self.the_wake_is_written(revives=False, starts=False)
            # A wake reads the allocations again and again, as long as it lasts.
            if self.state.phase is Phase.WAKING:
                if self.count == 0:
                    self.count = 1
                    self.starting.add(f"alloc-{next(self.numbers)}")
                self.do(self.state.woke(self.running | self.starting, self.now))
            self.running |= self.starting
            self.starting = set()
            self.consul_forgets_what_was_stopped()
            self.now += 1.0
            self.do(self.state.tick(self.now))
            if not self.state.waiting:
                return
        raise AssertionError(f"still waiting: {self.state.waiting}, {self.state.phase}")


PowerWorld.TestCase.settings = settings(max_examples=150, stateful_step_count=30)
TestPowerWorld = PowerWorld.TestCase
