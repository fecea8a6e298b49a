# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's state machine against the hub's own back side, over a wire that loses, repeats and breaks."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from backend.hub.accounts import Accounts
from backend.hub.back import Back
from backend.hub.blobs import BlobStore
from backend.hub.desk import Desk
from backend.hub.executors import NoExecutor
from backend.hub.gate import Gate
from backend.hub.states import CancelAsked, ContinueAsked, PauseAsked
from backend.hub.store import Store
from backend.hub.wire import Received
from backend.worker import conversation
from backend.worker.conversation import Conversation
from protocol import framing
from protocol.arrays import describe
from protocol.errors import Cancelled, EmptySurface, NotAllowed, OutOfSpace
from protocol.messages import Rejected, Submit
from protocol.versions import OURS
from protocol.worker_messages import Lease, Stop, WorkerCancel, WorkerEphemeral

TOKEN = bytes(range(32))


class PortModel:
    """Stands for the hub's ROUTER: keeps what it is told to send."""

    def __init__(self):
        self.sent: list[tuple[bytes, object, bytes]] = []

    versions = OURS

    def speak(self, peer, major):
        """One version is all that is spoken here."""

    def try_send(self, peer, message, re=b""):
        self.sent.append((peer, message, re))
        return True

    def send(self, peer, message, re=b""):
        return self.try_send(peer, message, re)

    def tick(self):
        """Nobody is parted from."""


class Bench:
    """A worker's conversation, the hub's back with a real store and real blobs, and a wire between them."""

    def __init__(self, folder, seed=0, loss=0.0, repeat=0.0):
        self.rng, self.loss, self.repeat = random.Random(seed), loss, repeat
        self.now = 0.0
        self.free = 1 << 40
        self.store = Store(folder / "hub.sqlite", lambda: self.now)
        self.store._db.execute("PRAGMA synchronous=OFF")  # durability is tested elsewhere, thousands of commits here
        self.blobs = BlobStore(folder / "blobs", lambda folder: self.free)
        self.shown = []
        self.peer = b"1"
        self.start_hub()
        ids = itertools.count(1)
        self.talk = Conversation("w1", 1, TOKEN, lambda: next(ids).to_bytes(16, "big"))
        self.talk.state = "idle"
        self.talk.opened(self.now)

    def start_hub(self):
        """A (new) hub on the same store."""
        self.port = PortModel()
        self.desk = Desk(self.store, lambda: self.now)
        gate = Gate(Accounts(self.store, lambda: self.now), self.store, lambda: self.now)
        self.back = Back(self.port, self.desk, self.blobs, NoExecutor(), gate, lambda: self.now, TOKEN, 1)
        self.desk.on_ephemeral = self.shown.append
        self.back.attendance.expect_back(self.desk.recover())

    def submit(self, number=1):
        job = self.desk.submit("local", Submit(number.to_bytes(16, "big"), "text_to_3d", {"prompt": "x"})).id
        self.back.leases.dispatch()
        return job

    def times(self):
        return 0 if self.rng.random() < self.loss else 2 if self.rng.random() < self.repeat else 1

    def round(self, seconds=0.3):
        self.now += seconds
        self.talk.tick(self.now)
        self.desk.tick()
        self.back.tick()
        while self.talk.outbox:
            frames = [bytes(one) for one in self.talk.outbox.popleft()]
            for _ in range(self.times()):
                self.back.handle(Received(self.peer, framing.decode(frames)))
        sent, self.port.sent = self.port.sent, []
        for peer, message, re in sent:
            for _ in range(self.times()):
                if peer == self.peer:
                    self.talk.receive(framing.encode(message.to_envelope(re=re)), self.now)

    def rounds(self, count=20):
        for _ in range(count):
            self.round()

    def lease(self):
        """The next lease, begun."""
        held = self.talk.leases.popleft()
        assert self.talk.begin(held, self.now)
        return held

    def state(self, job):
        return self.store.job(job).life.state


def result(size=1000):
    rng = np.random.default_rng(size)
    return [describe(name, rng.random((size, 3), np.float32)) for name in ("vertices", "normals")] + [
        describe("report", np.frombuffer(b"{}", np.uint8))
    ]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_job_from_lease_to_result(bench):
    job = bench.submit()
    bench.rounds(3)
    held = bench.lease()
    bench.rounds(3)
    assert bench.state(job) == "RUNNING"
    bench.talk.warn(held, "careful", bench.now)
    bench.talk.show(held, WorkerEphemeral(job, fence=held.lease.fence, fraction=0.1))
    bench.talk.show(held, WorkerEphemeral(job, fence=held.lease.fence, fraction=0.2))
    arrays = result(300_000)  # several pieces each
    bench.rounds(3)
    assert [one.fraction for one in bench.shown] == [0.2]  # the newest wins
    bench.talk.deliver(held, arrays, bench.now)
    bench.rounds(30)
    assert bench.state(job) == "SUCCEEDED" and bench.talk.held is None and bench.talk.state == "idle"
    for one, data in arrays:
        with bench.blobs.open(one.hash) as file:
            assert file.read() == bytes(data)
    assert [one.text for one in bench.store.events_after(job, 0, 10) if one.kind == "warning"] == ["careful"]


@pytest.mark.parametrize("seed", range(15))
def test_faulty_wire_changes_nothing(tmp_path, seed):
    """Loss, repeats, new connections and restarts of the hub: each job runs once for each lease and ends rightly."""
    rng = random.Random(seed)
    bench = Bench(tmp_path, seed, loss=rng.choice([0.0, 0.1, 0.25]), repeat=0.2)
    jobs = [bench.submit(number) for number in range(1, 4)]
    runs, working, warned = [], None, dict.fromkeys(jobs, 0)
    for turn in range(3000):
        if working is None and bench.talk.leases:
            held = bench.talk.leases.popleft()
            if bench.talk.begin(held, bench.now):
                working = held
                runs.append((held.lease.job, held.lease.fence))
        elif working is not None and rng.random() < 0.2:
            if rng.random() < 0.3 and not working.stopped:
                bench.talk.warn(working, "w", bench.now)
                warned[working.lease.job] += 1
            elif working.stopped or rng.random() < 0.2:
                bench.talk.fail(working, Cancelled() if working.stopped else EmptySurface("no"), bench.now)
                working = None
            else:
                bench.talk.deliver(working, result(50_000), bench.now)
                working = None
        if turn < 400 and rng.random() < 0.02:
            bench.peer = b"%d" % turn
            bench.talk.opened(bench.now)
        if turn < 400 and rng.random() < 0.01:
            bench.start_hub()
        bench.round(rng.choice([0.1, 0.3, 1.0]))
        if all(bench.state(job) in ("SUCCEEDED", "FAILED") for job in jobs) and bench.talk.held is None:
            break
    assert len(set(runs)) == len(runs)  # no lease was run twice
    for job in jobs:
        row = bench.store.job(job)
        assert row.life.state in ("SUCCEEDED", "FAILED"), row
        assert [fence for name, fence in runs if name == job][-1] == row.life.fence
        events = bench.store.events_after(job, 0, 100)
        assert [one.seq for one in events] == list(range(1, row.last_seq + 1))
        if row.life.attempt == 1:
            assert sum(one.kind == "warning" for one in events) == warned[job]
        ends = [one for one in events if one.state in ("SUCCEEDED", "FAILED")]
        assert len(ends) == 1
        assert all(bench.blobs.has(one.hash) for one in ends[0].arrays)


def test_cancel_before_and_during_work(bench):
    first, second = bench.submit(1), bench.submit(2)
    bench.rounds(3)
    bench.desk.apply(bench.store.job(first), CancelAsked())
    bench.rounds(4)
    assert bench.state(first) == "CANCELLED"  # nobody had begun it; the conversation answered by itself
    held = bench.lease()
    assert held.lease.job == second
    bench.rounds(2)
    bench.desk.apply(bench.store.job(second), CancelAsked())
    bench.rounds(2)
    assert held.stopped and bench.state(second) == "CANCEL_REQ"
    bench.talk.fail(held, Cancelled(), bench.now)
    bench.rounds(3)
    assert bench.state(second) == "CANCELLED" and bench.talk.held is None


def test_old_leases_are_refused(bench):
    job = bench.submit()
    bench.rounds(3)
    held = bench.lease()
    bench.rounds(2)
    bench.loss = 1.0
    bench.rounds(60)  # silence for longer than a lease lives
    assert bench.state(job) in ("RETRY_WAIT", "QUEUED")
    bench.loss = 0.0
    bench.talk.deliver(held, result(), bench.now)
    bench.rounds(30)
    assert held.lost or held.stopped or bench.talk.held is not held
    again = bench.talk.leases.popleft() if bench.talk.leases else bench.talk.held
    assert again is not None and again is not held and again.lease.fence > held.lease.fence
    lease = held.lease
    bench.talk.receive(framing.encode(lease.to_envelope()), bench.now)  # a repeat of the past
    assert bench.talk.held is again


def test_full_disk_waits_and_goes_on(bench):
    job = bench.submit()
    bench.rounds(3)
    held = bench.lease()
    bench.rounds(2)
    bench.free = 1000
    bench.talk.deliver(held, result(), bench.now)
    bench.rounds(30)
    assert bench.state(job) == "RUNNING"
    (warning,) = [one.text for one in bench.store.events_after(job, 0, 10) if one.kind == "warning"]
    assert "almost full" in warning
    bench.free = 1 << 40
    bench.rounds(30)
    assert bench.state(job) == "SUCCEEDED"


def test_full_disk_for_long_gives_the_worker_back_and_the_job_waits(bench):
    job = bench.submit()
    bench.rounds(3)
    held = bench.lease()
    bench.free = 1000
    bench.talk.deliver(held, result(), bench.now)
    bench.rounds(300)
    assert bench.state(job) == "RETRY_WAIT" and bench.talk.held is None
    error = bench.store.events_after(job, 0, 20)[-1].error
    assert isinstance(error, OutOfSpace) and error.hint
    assert bench.submit(2) and not bench.rounds(3) and not bench.talk.leases  # it would only fill the disk as well
    bench.free = 1 << 40
    bench.rounds(3)
    assert bench.talk.leases  # the queue goes on


def test_stop_gives_the_job_back(bench):
    job = bench.submit()
    bench.rounds(3)
    held = bench.lease()
    bench.rounds(2)
    bench.talk.receive(framing.encode(Stop(True).to_envelope()), bench.now)
    assert held.stopped and bench.talk.stop_asked
    bench.talk.leave("told to", bench.now)
    bench.rounds(3)
    assert bench.talk.left
    assert (bench.state(job), bench.store.job(job).life.attempt) == ("QUEUED", 0)


def test_stop_of_an_idle_worker_needs_nobody_else(bench):
    bench.rounds(3)
    bench.talk.receive(framing.encode(Stop(True).to_envelope()), bench.now)
    bench.rounds(3)
    assert bench.talk.left and bench.back.workers == []


def test_refused_and_nonsense(bench):
    bench.talk.receive(framing.encode(Rejected(NotAllowed("no")).to_envelope()), 0.0)
    assert bench.talk.refused.message == "no"
    for frames in ([b"junk"], framing.encode(WorkerCancel("ab" * 16, 3).to_envelope())):
        bench.talk.receive(frames, 0.0)
    bench.talk.receive(framing.encode(Lease("ab" * 16, 1, 5, 10.0, "text_to_3d", {}).to_envelope()), 0.0)
    bench.talk.receive(framing.encode(Lease("cd" * 16, 1, 6, 10.0, "text_to_3d", {}).to_envelope()), 0.0)
    assert len(bench.talk.leases) == 1 and bench.talk.held.lease.fence == 5


def test_wrong_secret(tmp_path):
    bench = Bench(tmp_path)
    bench.talk.token = bytes(32)
    bench.talk.opened(0.0)
    bench.rounds(2)
    assert isinstance(bench.talk.refused, NotAllowed) and bench.back.workers == []


def test_a_hub_that_stood_still_hears_its_workers_before_it_judges(bench):
    job = bench.submit()
    bench.rounds(3)
    bench.lease()
    bench.rounds(3)
    bench.now += 500.0  # the lid was closed
    bench.back.tick()
    bench.rounds(10)
    assert bench.state(job) == "RUNNING" and bench.store.job(job).life.attempt == 1


def test_a_worker_of_another_version_is_replaced(tmp_path, monkeypatch):
    bench = Bench(tmp_path)
    monkeypatch.setattr(bench.back.executor, "alive", lambda name: True, raising=False)
    monkeypatch.setattr(conversation, "__version__", "0.0.1")
    bench.talk.opened(bench.now)
    job = bench.submit()
    bench.rounds(4)
    assert bench.talk.stop_asked and bench.talk.left
    assert bench.state(job) == "QUEUED" and bench.back.workers == []


def checkpoint(text=b"state", size=0):
    return describe("checkpoint", np.frombuffer(text + bytes(size), np.uint8))


def stored(bench, job):
    """The checkpoint that the hub has of a job."""
    digest, _ = bench.back.shelf.checkpoint(job)
    if not digest:
        return None
    with bench.blobs.open(digest) as file:
        return file.read()


def test_checkpoints_reach_the_hub_beside_the_work_and_the_newest_wins(bench):
    job = bench.submit()
    bench.rounds(3)
    held = bench.lease()
    bench.talk.keep(held, *checkpoint(b"one", 3 << 20), bench.now)
    for text in (b"two", b"three"):  # while the first is on its way
        bench.talk.keep(held, *checkpoint(text), bench.now)
    assert bench.talk.computing
    bench.rounds(20)
    assert stored(bench, job) == b"three" and held.checkpoints == 2
    bench.talk.deliver(held, result(), bench.now)
    bench.rounds(20)
    assert bench.state(job) == "SUCCEEDED"


def test_pause_waits_for_the_checkpoint_and_another_attempt_gets_it(bench):
    job = bench.submit()
    bench.rounds(3)
    held = bench.lease()
    bench.rounds(2)
    bench.desk.apply(bench.store.job(job), PauseAsked())
    bench.rounds(2)
    assert held.pausing and not held.stopped and bench.state(job) == "PAUSE_REQ"
    bench.talk.keep(held, *checkpoint(b"half way", 2 << 20), bench.now)
    held.stopped = True
    bench.talk.let_go(held, bench.now)
    bench.rounds(20)
    assert bench.state(job) == "PAUSED" and bench.talk.held is None and bench.talk.state == "idle"
    bench.desk.apply(bench.store.job(job), ContinueAsked())
    bench.rounds(3)
    again = bench.lease()
    assert again.lease.fence > held.lease.fence and again.lease.checkpoint_size == 8 + (2 << 20)
    bench.talk.fetch_checkpoint(again, bench.now)
    for _ in range(20):
        bench.round()
        bench.back.pump()
    assert bytes(again.checkpoint) == b"half way" + bytes(2 << 20)


def test_pause_before_the_job_has_begun(bench):
    job = bench.submit()
    bench.rounds(2)
    bench.desk.apply(bench.store.job(job), PauseAsked())
    bench.rounds(3)
    assert bench.state(job) == "PAUSED"
    assert not bench.talk.begin(bench.talk.leases.popleft(), bench.now) if bench.talk.leases else True
    assert bench.talk.held is None


def test_cancel_while_the_last_checkpoint_of_a_pause_is_on_its_way(bench):
    job = bench.submit()
    bench.rounds(3)
    held = bench.lease()
    bench.rounds(2)
    bench.desk.apply(bench.store.job(job), PauseAsked())
    bench.rounds(2)
    bench.talk.keep(held, *checkpoint(b"late", 1 << 20), bench.now)
    bench.talk.let_go(held, bench.now)
    bench.desk.apply(bench.store.job(job), CancelAsked())
    bench.rounds(20)
    assert bench.state(job) == "CANCELLED" and bench.talk.held is None


def test_a_full_disk_costs_checkpoints_not_the_job(bench):
    job = bench.submit()
    bench.rounds(3)
    held = bench.lease()
    bench.free = 1000
    bench.talk.keep(held, *checkpoint(b"lost", 1 << 20), bench.now)
    bench.rounds(5)
    assert bench.talk.computing and stored(bench, job) is None
    bench.free = 1 << 40
    bench.talk.keep(held, *checkpoint(b"kept"), bench.now)
    bench.rounds(10)
    assert stored(bench, job) == b"kept"


def test_alive_but_stuck_is_seen_and_ended_after_a_limit(bench):
    job = bench.submit()
    bench.rounds(3)
    held = bench.lease()

    def beat(seconds):
        while seconds > 0:
            bench.round(1.9)
            seconds -= 1.9

    for _ in range(10):  # slow, but it moves
        bench.talk.progress += 1
        beat(200.0)
    assert bench.state(job) == "RUNNING" and not held.stopped
    beat(680.0)
    assert bench.state(job) == "RUNNING"
    beat(40.0)
    assert held.stopped
    (text,) = [one.text for one in bench.store.events_after(job, 0, 50) if one.state == "RETRY_WAIT"]
    assert "no step for 15 minutes" in text


def test_a_worker_says_what_it_keeps_loaded(bench):
    bench.talk.warm, bench.talk.device_free = ("prior embedded", "prior sd"), 5 << 30
    bench.talk.beat_soon()
    bench.rounds(3)
    (worker,) = bench.back.workers
    assert worker.caps["warm"] == ["prior embedded", "prior sd"] and worker.caps["device_free"] == 5 << 30
