# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis drives a whole studio: two artists, workers that come and go, a hub that dies, a wire that loses.

What must hold at every moment: the logs have no gaps, a client has seen a prefix of each log and each event of it
once, a job has at most one effect. At the end everything is mended, and every job must come to its end.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from studio import Studio, alarmed

from protocol.specs import TextTo3DSpec
from protocol.updates import JobChanged, JobFailed, JobFinished

FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


class StudioMachine(RuleBasedStateMachine):
    """The rules are what people, networks and machines do to a studio."""

    def __init__(self):
        super().__init__()
        self.stack = contextlib.ExitStack()
        memory = Path("/dev/shm")
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None))
        self.stack.enter_context(alarmed())
        self.studio = Studio(Path(folder))
        self.studio.add_hand()
        self.artists = [self.studio.add_artist(), self.studio.add_artist()]
        self.jobs: list[tuple[int, str]] = []
        self.lossy = 0.0
        self.studio.fault = lambda route, kind, count: (
            0 if self.studio.rng.random() < self.lossy else 2 if self.studio.rng.random() < self.lossy else 1)
        self.crashes = 0

    def hands(self):
        return [one for one in self.studio.hands if not one.crashed]

    @rule(who=st.integers(0, 1), what=st.sampled_from(["a thing", "warn, a thing", "a large thing"]))
    def submit(self, who, what):
        job = f"{len(self.jobs) + 1:032x}"
        self.artists[who].session.submit(TextTo3DSpec(what, seed=len(self.jobs)), job, self.studio.now)
        self.jobs.append((who, job))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data):
        who, job = data.draw(st.sampled_from(self.jobs))
        self.artists[who].session.cancel(job, self.studio.now)

    @rule(turns=st.integers(1, 12), seconds=st.sampled_from([0.05, 0.05, 0.3, 2.0]))
    def wait(self, turns, seconds):
        for _ in range(turns):
            self.studio.turn(seconds)

    @rule(who=st.integers(0, 1), half_open=st.booleans())
    def cable_out(self, who, half_open):
        if self.artists[who].up:
            self.studio.unplug(self.artists[who], half_open)

    @rule(who=st.integers(0, 1))
    def cable_in(self, who):
        if not self.artists[who].up:
            self.studio.plug(self.artists[who])

    @precondition(lambda self: self.studio.hub is not None)
    @rule()
    def hub_dies(self):
        self.studio.kill_hub()

    @precondition(lambda self: self.studio.hub is None)
    @rule()
    def hub_starts(self):
        self.studio.start_hub()

    @precondition(lambda self: self.studio.hub is not None and self.hands() and self.crashes < 2)
    @rule()
    def worker_dies(self):
        self.crashes += 1  # twice at most: a job that loses three workers is poison, and rightly not tried again
        self.studio.crash(self.hands()[0])

    @precondition(lambda self: self.studio.hub is not None and len(self.hands()) < 2)
    @rule()
    def worker_comes(self):
        self.studio.add_hand()

    @rule(chance=st.sampled_from([0.0, 0.05, 0.2]))
    def weather(self, chance):
        self.lossy = chance

    @invariant()
    def nothing_is_lost_or_doubled(self):
        for who, job in self.jobs:
            artist = self.artists[who]
            numbers = [one.seq for one in artist.seen if isinstance(one, JobChanged) and one.job == job]
            assert numbers == sorted(set(numbers))
            assert sum(isinstance(one, (JobFinished, JobFailed)) and one.job == job for one in artist.seen) <= 1
            if self.studio.hub is not None:
                log = self.studio.hub.store.events_after(job, 0, 1000)
                assert [one.seq for one in log] == list(range(1, len(log) + 1))
                assert artist.session.jobs[job].seq <= len(log)
                ends = [one.seq for one in log if one.state in FINAL]
                assert ends in ([], [len(log)])

    def teardown(self):
        try:
            self.lossy = 0.0
            if self.studio.hub is None:
                self.studio.start_hub()
            for artist in self.artists:
                if not artist.up:
                    self.studio.plug(artist)
            if not self.hands():
                self.studio.add_hand()
            self.studio.until(
                lambda: all(self.artists[who].session.jobs[job].over for who, job in self.jobs), "every job's end"
            )
            for who, job in self.jobs:
                view = self.artists[who].session.jobs[job]
                assert view.error is None or view.cancel_asked, view.error
            self.nothing_is_lost_or_doubled()
            self.studio.kill_hub()
        finally:
            self.stack.close()


TestStudio = StudioMachine.TestCase
TestStudio.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
