# SPDX-License-Identifier: GPL-3.0-or-later
"""What those who are let in cannot do: take another's session, see or touch another's jobs, exceed their quotas.

Another user's job and a job that does not exist get the same answer, word for word.
"""

from __future__ import annotations

import numpy as np
import pytest
import zmq

from backend.hub import audit, front, gate
from backend.hub.accounts import Accounts
from protocol import framing
from protocol.arrays import describe, inline
from protocol.client import new_job_id
from protocol.errors import Cancelled, NotAllowed, QuotaExceeded, TooFast, UnknownBlob, UnknownJob, UnknownSession
from protocol.fields import read
from protocol.keys import KeyPair
from protocol.manage import Manage, Managed
from protocol.messages import (
    Accepted,
    Ack,
    BlobGet,
    BlobOk,
    BlobPut,
    Cancel,
    Chunk,
    Continue,
    Error,
    Event,
    Get,
    Hello,
    Jobs,
    List,
    Pause,
    Ping,
    Pong,
    Rejected,
    Reprioritise,
    Resume,
    Submit,
    TextTo3DSpec,
    Watch,
    Welcome,
)
from protocol.updates import ConnectionState, JobWarning
from protocol.worker_messages import HUB_TO_WORKER, Lease, Ready, Result, WorkerEphemeral, WorkerEvent

SPEC = TextTo3DSpec("a chair")


@pytest.fixture
def ann_job(bench):
    """A job of ann's, with its result."""
    ann = bench.person("ann")
    job = ann.submit(SPEC)
    bench.until(lambda: ann.jobs[job].seq == 1)
    arrays = bench.run_job(job, 1000)
    bench.until(lambda: ann.jobs[job].over)
    return job, describe("x", arrays["vertices"])[0].hash


def answers(raw, message, channel="ctl"):
    """What comes back, events aside."""
    return [one for one in raw.ask(channel, message) if not isinstance(one, Event)]


@pytest.mark.parametrize("ask", [Get, Cancel, Watch, Pause, Continue, lambda job: Reprioritise(job, place="first")])
def test_another_users_job_is_no_job(bench, raw_as, ann_job, ask):
    job, _ = ann_job
    ben = raw_as(bench.enrol("ben"))
    (mine,), (nobodys,) = answers(ben, ask(job)), answers(ben, ask(new_job_id()))
    assert type(mine.error) is type(nobodys.error) is UnknownJob
    assert mine.error.message.split()[:5] == nobodys.error.message.split()[:5] and mine.error.hint == nobodys.error.hint
    assert mine.error.detail == nobodys.error.detail
    assert bench.hub.store.job(job).life.state == "SUCCEEDED"
    refusals = [one for one in audit.read(bench.hub.store.db, 20) if one.what == "refused job"]
    assert [(one.user, one.job) for one in refusals] == [("ben", job)] and refusals[0].key


def test_resume_list_and_submit_show_nothing_of_others(bench, raw_as, ann_job):
    job, _ = ann_job
    ben = raw_as(bench.enrol("ben"))
    own = new_job_id()
    ben.ask("ctl", Submit(bytes.fromhex(own), SPEC.kind, SPEC.to_map()))
    found = ben.ask("ctl", Resume({job: 0, own: 0}))
    assert [type(one.error) for one in found if isinstance(one, Error)] == [UnknownJob]
    assert [one.job for message in found if isinstance(message, Jobs) for one in message.jobs] == [own]
    assert {one.job for one in found if isinstance(one, Event)} == {own}
    (listed,) = answers(ben, List(50))
    assert [one.job for one in listed.jobs] == [own]
    (conflict,) = answers(ben, Submit(bytes.fromhex(job), SPEC.kind, SPEC.to_map()))  # the very same request
    assert type(conflict) is Rejected and conflict.error.code == "key_conflict"


def test_another_users_bytes_are_unknown(bench, raw_as, ann_job):
    job, digest = ann_job
    ben = raw_as(bench.enrol("ben"))
    (known,), (unknown,) = (ben.ask("blk", BlobGet(one, 0, 1, 1000)) for one in (digest, bytes(32)))
    assert type(known.error) is type(unknown.error) is UnknownBlob and known.error.message == unknown.error.message
    ann = raw_as(bench.enrol("ann"))
    (chunk,) = ann.ask("blk", BlobGet(digest, 0, 1, 1000))
    assert type(chunk) is Chunk


def test_another_users_preview_is_unknown(bench, raw_as):
    ann = bench.person("ann")
    job = ann.submit(SPEC)
    bench.until(lambda: ann.jobs[job].seq == 1)
    bench.hub.desk.lease(bench.hub.store.job(job), "w")
    picture = np.zeros(300_000, np.uint8)  # too large for the control connection, so it is fetched like a blob
    descriptors, payload = inline({"image": picture})
    bench.hub.front.sessions.ephemeral(WorkerEphemeral(
        job, kind="preview_image", fraction=0.1, arrays=descriptors, payload=payload, fence=1
    ))
    ben, anns = raw_as(bench.enrol("ben")), raw_as(bench.enrol("ann"))
    (refused,) = ben.ask("blk", BlobGet(descriptors[0].hash, 0, 1, 1000))
    assert type(refused.error) is UnknownBlob
    (chunk,) = anns.ask("blk", BlobGet(descriptors[0].hash, 0, 1, 1000))
    assert type(chunk) is Chunk


def test_a_stolen_session_id_opens_nothing(bench, raw_as, ann_job):
    ann, ben = raw_as(bench.enrol("ann")), raw_as(bench.enrol("ben"))
    second = bench.enrol("ann")  # another machine of the same user is another key
    for thief in (ben, raw_as(second)):
        (refused,) = thief.ask("blk", Hello(1, 1, "thief", "blk", sid=ann.welcome.sid))
        assert isinstance(refused, (Error, Rejected)) and type(refused.error) is UnknownSession
    (chunk,) = ann.ask("blk", BlobGet(ann_job[1], 0, 1, 1000))  # the owner did not lose it either
    assert type(chunk) is Chunk


def test_a_stolen_routing_id_opens_nothing(bench, raw_as):
    """Should libzmq ever give a peer another's id: the key of each message decides, not the id."""
    ann, ben = raw_as(bench.enrol("ann")), raw_as(bench.enrol("ben"))
    sessions = {one.user: one for one in bench.hub.front.sessions}
    stolen = sessions["ann"].ctl
    received = []
    bench.hub.front.port.send = lambda peer, message, re=b"": received.append((peer, message)) or True
    ping = framing.Envelope("PING", id=bytes(16))
    from backend.hub.wire import Received

    bench.hub.front.handle(Received(stolen, ping, sessions["ben"].key))
    assert [type(one.error) for _, one in received] == [UnknownSession]
    received.clear()
    bench.hub.front.handle(Received(stolen, ping, sessions["ann"].key))
    assert [type(one) for _, one in received] == [Pong]
    assert ann is not ben


def test_a_lead_sees_and_ends_everybodys_jobs(bench, raw_as):
    ann = bench.person("ann")
    job = ann.submit(SPEC)
    bench.until(lambda: ann.jobs[job].seq == 1)
    lea = raw_as(bench.enrol("lea", "lead"))
    (jobs,) = answers(lea, Get(job))
    assert type(jobs) is Jobs and jobs.jobs[0].job == job
    (jobs,) = answers(lea, Reprioritise(job, priority="interactive"))
    assert type(jobs) is Jobs and bench.hub.store.job(job).priority == "interactive"
    answers(lea, Cancel(job))
    bench.until(lambda: ann.jobs[job].over)
    assert isinstance(ann.jobs[job].error, Cancelled)
    done = [(one.user, one.what) for one in audit.read(bench.hub.store.db, 20) if one.job == job]
    assert ("lea", "cancel") in done and ("ann", "submit") in done


def test_an_artist_cannot_overtake(bench, raw_as):
    ann = raw_as(bench.enrol("ann"))
    (refused,) = answers(ann, Submit(bytes(16), SPEC.kind, SPEC.to_map(), priority="interactive"))
    assert type(refused) is Rejected and type(refused.error) is NotAllowed
    (accepted,) = answers(ann, Submit(bytes(16), SPEC.kind, SPEC.to_map(), priority="batch"))
    assert type(accepted) is Accepted
    (refused,) = answers(ann, Reprioritise(accepted.job, priority="interactive"))
    assert type(refused.error) is NotAllowed
    assert bench.hub.store.job(accepted.job).priority == "batch"


def test_a_refused_wish_is_told_and_the_job_goes_on(bench):
    ann = bench.person("ann")
    job = ann.submit(SPEC)
    bench.until(lambda: ann.jobs[job].seq == 1)
    ann.reprioritise(job, priority="interactive")
    seen = bench.turns(40)
    (warning,) = (one for one in seen if isinstance(one, JobWarning))
    assert warning.job == job and "takes a lead" in warning.text
    assert ann.jobs[job].state == "QUEUED" and ann.state is ConnectionState.READY and ann.user == "ann"


def test_quota_with_the_numbers_and_a_repeat_keeps_its_place(bench, raw_as):
    ann = raw_as(bench.enrol("ann", queued_jobs=2))
    keys = [bytes([number]) * 16 for number in range(3)]
    found = [answers(ann, Submit(key, SPEC.kind, SPEC.to_map()))[0] for key in keys]
    assert [type(one) for one in found] == [Accepted, Accepted, Rejected]
    error = found[2].error
    assert type(error) is QuotaExceeded and not error.retryable
    assert error.detail == {"quota": "queued_jobs", "limit": 2, "got": 2} and "2 of your jobs" in error.message
    (again,) = answers(ann, Submit(keys[0], SPEC.kind, SPEC.to_map()))
    assert type(again) is Accepted
    ben = raw_as(bench.enrol("ben"))
    assert type(answers(ben, Submit(keys[2], SPEC.kind, SPEC.to_map()))[0]) is Accepted


def test_running_jobs_of_one_user_are_limited(bench):
    ann = bench.person("ann", running_jobs=1)
    jobs = [ann.submit(SPEC) for _ in range(2)]
    bench.until(lambda: all(ann.jobs[job].seq == 1 for job in jobs))
    assert bench.hub.desk.scheduler.may_run("ann", 0) and not bench.hub.desk.scheduler.may_run("ann", 1)


def test_too_many_messages_are_dropped_and_said_once(bench, raw_as):
    bench.hub.gate._control._clock = lambda: 0.0  # so all of it happens in one moment
    ann, ben = raw_as(bench.enrol("ann")), raw_as(bench.enrol("ben"))
    found = []
    for _ in range(40):
        for _ in range(50):
            ann.send("ctl", Ping())
        found += ann.take("ctl", 2)
    while bench.hub.gate.too_fast < 1602:  # all but a burst of 400, in which the two greetings were
        found += ann.take("ctl", 1)
    found += ann.take("ctl", 20)
    errors = [one.error for one in found if isinstance(one, Error)]
    assert [(type(one), one.retryable) for one in errors] == [(TooFast, True)]
    assert bench.hub.gate.too_fast == 1602 and 0 < sum(isinstance(one, Pong) for one in found) <= 398
    assert type(ben.ask("ctl", Ping())[0]) is Pong
    owner = raw_as(None)  # the hub's own machine is not limited
    for _ in range(1000):
        owner.send("ctl", Ping())
    owner.take("ctl", 20)
    assert bench.hub.gate.too_fast == 1602


def test_a_client_that_was_too_fast_gets_everything_done(bench):
    ann = bench.person("ann", queued_jobs=0)
    bench.hub.gate._control.per_second = 20.0  # a burst of 40
    jobs = [ann.submit(SPEC) for _ in range(60)]
    bench.until(lambda: all(ann.jobs[job].seq for job in jobs), 6000)
    assert bench.hub.gate.too_fast  # it was


def test_one_user_cannot_hold_all_sessions(bench, monkeypatch):
    monkeypatch.setattr(front, "MAX_SESSIONS", 3)
    keys = bench.enrol("ann")
    ben = bench.person("ben")
    bench.until(lambda: ben.state is ConnectionState.READY)
    from protocol.client import Client

    for _ in range(6):
        bench.clients.append(Client(bench.hub.info.address, keys=keys))
        bench.turns(10)
    bench.turns(50)
    assert sum(one.user == "ann" for one in bench.hub.front.sessions) <= 3
    assert ben.state is ConnectionState.READY


def test_only_an_admin_manages(bench, raw_as):
    ann, lea = raw_as(bench.enrol("ann")), raw_as(bench.enrol("lea", "lead"))
    root = raw_as(bench.enrol("root", "admin"))
    for peer in (ann, lea):
        for action in ("users", "revoke", "audit", "add user", "add key", "set user"):
            (refused,) = answers(peer, Manage(action, {"name": "root"}))
            assert type(refused.error) is NotAllowed
    (done,) = answers(root, Manage("users", {}))
    assert type(done) is Managed and [one["name"] for one in done.values["users"]] == ["ann", "lea", "root"]
    (done,) = answers(root, Manage("set user", {"name": "ann", "role": "", "quotas": {"queued_jobs": 1}}))
    assert done.values["role"] == "artist" and done.values["quotas"]["queued_jobs"] == 1
    by = [(one.user, one.what) for one in audit.read(bench.hub.store.db, 5)]
    assert by[0] == ("root", "change user")


def test_a_revoked_key_is_refused_by_each_message(bench, raw_as, monkeypatch):
    """Even if its connection could not be cut."""
    monkeypatch.setattr(gate.Line, "of", lambda descriptor: None)
    keys = bench.enrol("ann")
    ann = raw_as(keys)
    assert type(ann.ask("ctl", Ping())[0]) is Pong
    bench.hub.accounts.revoke("local", "ann")
    assert len(bench.hub.front.sessions) == 0
    ann.take("ctl")
    for _ in range(3):
        assert [one.error.code for one in ann.ask("ctl", Ping())] == ["wrong_key"]
    (refused,) = ann.ask("ctl", Hello(1, 1, "raw", "ctl"))
    assert refused.error.code == "wrong_key"


def test_accounts_survive_a_restart_and_so_do_paired_clients(bench):
    from backend.hub import keys as key_folder
    from backend.hub.server import Hub

    bench.hub.stop()
    key_folder.create(bench.options.keys_folder, "tcp://127.0.0.1:1", "tcp://127.0.0.1:2")
    bench.hub = Hub(bench.options, bench.clock)
    ann = bench.person("ann")
    job = ann.submit(SPEC)
    bench.until(lambda: ann.jobs[job].seq == 1)
    bench.hub.stop()
    bench.hub = Hub(bench.options, bench.clock)  # the same port, the same key
    bench.skipped = 0.0
    bench.until(lambda: ann.state is ConnectionState.CONNECTING)
    bench.until(lambda: ann.state is ConnectionState.READY)
    bench.run_job(job, 10)
    bench.until(lambda: ann.jobs[job].over)
    assert ann.jobs[job].result is not None
    assert Accounts(bench.hub.store, lambda: 0.0).of_key(KeyPair.of(ann._keys.secret).public.hex()).name == "ann"


def test_welcome_says_who_one_is(bench, raw_as):
    assert type(raw_as(bench.enrol("ann")).welcome) is Welcome
    assert raw_as(bench.enrol("ann")).welcome.user == "ann" and raw_as(None).welcome.user == "local"


def test_a_result_larger_than_allowed_fails_the_job(bench):
    """From a worker's own words: ready, leased, started, uploaded, done."""
    ann = bench.person("ann", job_bytes=1000)
    job = ann.submit(SPEC)
    bench.until(lambda: ann.jobs[job].seq == 1)
    with zmq.Context() as context, context.socket(zmq.DEALER) as worker:
        worker.linger = 0
        bench.hub.info.worker_keys.secure(worker)
        worker.connect(bench.hub.info.back_address)

        def say(message, awaited):
            worker.send_multipart(framing.encode(message.to_envelope(id=bytes(16))))
            for _ in range(500):
                bench.hub.turn(0.005)
                while worker.poll(0):
                    found = read(framing.decode(worker.recv_multipart()), HUB_TO_WORKER)
                    if type(found) is awaited:
                        return found
            raise AssertionError(f"no {awaited.__name__} came")

        lease = say(Ready("local-1", 1, "test", 1, 1, {}), Lease)
        say(WorkerEvent(lease.job, lease.fence, 1, "started"), Ack)
        one, data = describe("report", np.zeros(1001, np.uint8))
        assert say(BlobPut(one.hash, 0, one.size, (data,)), BlobOk).complete
        say(Result(lease.job, lease.fence, (one,)), Ack)
    bench.until(lambda: ann.jobs[job].over)
    error = ann.jobs[job].error
    assert type(error) is QuotaExceeded and error.detail == {"quota": "job_bytes", "limit": 1000, "got": 1001}
