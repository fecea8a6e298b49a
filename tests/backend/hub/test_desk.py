# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs at the desk: pausing, own order, time to live, accounts, restarts and jumps of the clock."""

from __future__ import annotations

import itertools

import pytest

from backend.hub.desk import INPUT_SECONDS, Desk
from backend.hub.scheduler import HALF_LIFE, Place
from backend.hub.shelf import Shelf
from backend.hub.states import (
    SPACE_SECONDS,
    CancelAsked,
    ContinueAsked,
    Done,
    Failure,
    GivenBack,
    PauseAsked,
    Paused,
    Started,
    WorkerLost,
)
from backend.hub.store import Store
from protocol.errors import NotAllowed, OutOfMemory, OutOfSpace, WorkerCrashed
from protocol.messages import Reprioritise, Submit

CRASH = WorkerCrashed("The worker was ended by signal 9.")


class Office:
    """A desk with both clocks in our hands; `again` is a restart of the hub."""

    def __init__(self, folder):
        self.path, self.steady, self.wall = folder / "hub.sqlite", 1000.0, 1e9
        self.names = (f"{number:032x}" for number in itertools.count(1))
        self.sent = []
        self.open()

    def open(self):
        self.store = Store(self.path, lambda: self.wall)
        self.desk = Desk(self.store, lambda: self.steady)
        self.held = self.desk.recover()
        self.desk.send_lease = lambda job: self.sent.append(("lease", job.id))
        self.desk.send_pause = lambda job: self.sent.append(("pause", job.id))
        self.desk.send_cancel = lambda job: self.sent.append(("cancel", job.id))

    def again(self, away=0.0):
        self.store.close()
        self.pass_time(away)
        self.open()

    def pass_time(self, seconds):
        self.steady += seconds
        self.wall += seconds
        self.desk.tick()

    def submit(self, user="ann", **values):
        name = next(self.names)
        self.desk.submit(user, Submit(bytes.fromhex(name), "text_to_3d", {"prompt": "a chair"}, **values))
        return name

    def state(self, job):
        return self.store.job(job).life.state

    def apply(self, job, event):
        return self.desk.apply(self.store.job(job), event)

    def next(self, *workers):
        found = self.desk.next([Place(one, one) for one in workers or ("w",)], lambda worker, devices: True)
        return None if found is None else found[0].id

    def run(self, worker="w"):
        """Lease the next job to a worker and let it begin."""
        job, place = self.desk.next([Place(worker, worker)], lambda worker, devices: True)
        self.desk.lease(job, place.worker, place.slot)
        self.apply(job.id, Started())
        return job.id


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    yield made
    made.store.close()


def test_pause_and_continue(office):
    job = office.submit()
    office.apply(job, PauseAsked())
    assert office.state(job) == "PAUSED" and office.next() is None
    office.again()
    assert office.state(job) == "PAUSED" and office.next() is None
    office.apply(job, ContinueAsked())
    assert office.run() == job
    office.apply(job, PauseAsked())
    assert office.state(job) == "PAUSE_REQ" and office.sent[-1] == ("pause", job)
    office.apply(job, Paused())
    assert office.state(job) == "PAUSED" and office.desk.scheduler.running_by_user() == {}
    office.apply(job, ContinueAsked())
    assert office.run("w") == job  # even on the same worker: nothing went wrong there
    office.apply(job, Done())
    assert [one.state for one in office.store.events_after(job, 0, 20)] == [
        "QUEUED", "PAUSED", "QUEUED", "LEASED", "RUNNING", "PAUSE_REQ", "PAUSED", "QUEUED", "LEASED", "RUNNING",
        "SUCCEEDED",
    ]


def test_the_log_tells_what_ran_where_and_how_it_ended(office, caplog):
    caplog.set_level("INFO", "maquette.hub")
    job = office.submit()
    office.run("gpu0")
    office.apply(job, Failure(WorkerCrashed("It ended\nby signal 9.")))
    office.apply(job, CancelAsked())
    told = [one.getMessage() for one in caplog.records]
    assert told == [
        f"job {job} of ann: submitted, text_to_3d", f"job {job} of ann: leased to gpu0",
        f"job {job} of ann: retry wait: It ended by signal 9.", f"job {job} of ann: cancelled: The job was cancelled.",
    ]
    assert not any("a chair" in one for one in told)  # prompts are nobody's business


def test_own_order_and_classes(office):
    jobs = [office.submit() for _ in range(4)]
    move = office.desk.move
    move("ann", office.store.job(jobs[3]), Reprioritise(jobs[3], place="first"))
    move("ann", office.store.job(jobs[0]), Reprioritise(jobs[0], place="last"))
    move("ann", office.store.job(jobs[2]), Reprioritise(jobs[2], priority="batch"))
    lines = office.desk.summaries([office.store.job(one) for one in jobs])
    assert [(one.ahead, one.priority) for one in lines] == [(2, "normal"), (1, "normal"), (3, "batch"), (0, "normal")]
    office.again()  # the order is not forgotten
    assert [office.run() for _ in jobs] == [jobs[3], jobs[1], jobs[0], jobs[2]]
    office.desk.check_priority = lambda user, priority: (_ for _ in ()).throw(NotAllowed("no"))
    with pytest.raises(NotAllowed):
        office.desk.move("ann", office.store.job(jobs[2]), Reprioritise(jobs[2], priority="interactive"))
    with pytest.raises(NotAllowed):
        office.submit(priority="interactive")
    assert office.store.job(jobs[2]).priority == "batch"


def test_time_to_live_survives_restarts_and_jumps_of_the_clock(office):
    job, for_ever, running = office.submit(ttl=100.0), office.submit(), office.submit(ttl=10.0)
    office.desk.move("ann", office.store.job(running), Reprioritise(running, place="first"))
    assert office.run() == running
    office.wall += 3600.0  # somebody sets the clock
    office.pass_time(50.0)
    assert office.state(job) == "QUEUED" and office.state(running) == "RUNNING"
    office.wall -= 7200.0
    office.again(30.0)
    assert office.state(job) == "QUEUED"
    office.pass_time(101.0)
    assert office.state(job) == "EXPIRED" and office.state(for_ever) == "QUEUED"
    (error,) = [one.error for one in office.store.events_after(job, 0, 9) if one.state == "EXPIRED"]
    assert error.code == "expired" and error.hint
    assert office.next() == for_ever


def test_retries_wait_and_find_another_worker(office):
    job = office.submit()
    office.run("w1")
    office.apply(job, WorkerLost(CRASH))
    assert office.state(job) == "RETRY_WAIT" and office.next("w2") is None
    office.pass_time(1.1)
    assert office.state(job) == "QUEUED"
    pool = [Place("w1", "w1"), Place("w2", "w2", idle=False)]
    assert office.desk.next(pool, lambda worker, devices: True) is None
    assert office.run("w2") == job
    office.apply(job, Failure(OutOfSpace("The disk is full.")))
    office.pass_time(SPACE_SECONDS[0])
    assert office.state(job) == "RETRY_WAIT"
    office.again()  # after a restart it is tried at once, and what it failed on is not forgotten
    assert office.state(job) == "QUEUED" and office.desk.next(
        [Place("w1", "w1"), Place("w3", "w3", idle=False)], lambda worker, devices: True) is None


def test_memory_is_halved_and_a_larger_device_is_sought(office):
    job = office.submit()
    office.run("small")
    office.desk.outgrew(job, 8 << 30)
    office.apply(job, Failure(OutOfMemory("too small")))
    office.pass_time(1.1)
    row, place = office.desk.next(
        [Place("w1", "w1", free=8 << 30), Place("w2", "w2", free=24 << 30, worked=9.0)], lambda worker, devices: True)
    assert place.worker == "w2" and row.life.lowered == 1


def test_accounts_are_written_with_the_end_of_each_attempt(office):
    first, second = office.submit("ann"), office.submit("ben")
    assert office.run() == first
    office.pass_time(100.0)
    office.apply(first, GivenBack())
    assert {user: round(total) for user, _, _, total in office.store.usage()} == {"ann": 100}
    assert office.next() == second
    office.again(HALF_LIFE)
    assert 45 < office.desk.scheduler.used("ann", office.steady) < 50
    assert office.run() == second
    office.pass_time(30.0)
    office.again(30.0)  # the hub was away while the job ran on
    assert [one.id for one in office.held] == [second]
    office.apply(second, Done())
    assert {user: round(total) for user, _, _, total in office.store.usage()} == {"ann": 100, "ben": 60}


def test_checkpoints_belong_to_the_newest_attempt_and_go_with_the_job(office):
    shelf, job = Shelf(office.store), office.submit()
    assert shelf.checkpoint(job) == (b"", 0)
    for fence, number, digest in ((1, 1, b"a"), (1, 2, b"b"), (1, 1, b"c"), (2, 1, b"d"), (1, 9, b"e")):
        shelf.keep_checkpoint(job, fence, number, digest * 32, 10)
    assert shelf.checkpoint(job) == (b"d" * 32, 10)
    office.run()
    office.apply(job, CancelAsked())
    assert shelf.checkpoint(job) == (b"d" * 32, 10)
    office.apply(job, WorkerLost(CRASH))
    assert office.state(job) == "CANCELLED" and shelf.checkpoint(job) == (b"", 0)


def test_a_repeat_of_a_submission_is_one_job_with_one_place(office):
    job = office.submit()
    office.desk.submit("ann", Submit(bytes.fromhex(job), "text_to_3d", {"prompt": "a chair"}))
    assert office.run() == job and office.next() is None
    office.desk.submit("ann", Submit(bytes.fromhex(job), "text_to_3d", {"prompt": "a chair"}))
    assert office.next() is None and INPUT_SECONDS > 3600
