# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub, a client and a worker's conversation: pausing, checkpoints on another worker, delivery, draining."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import pytest
import zmq

from backend.hub import attendance, back
from backend.hub.server import Hub
from protocol import framing
from protocol.arrays import FRAME_BYTES
from protocol.errors import UnknownBlob
from protocol.fields import read
from protocol.messages import (
    Ack,
    BlobGet,
    BlobPut,
    Chunk,
    Continue,
    Draining,
    Error,
    Jobs,
    Pause,
    Reprioritise,
    TextTo3DSpec,
    Welcome,
)
from protocol.worker_messages import (
    HUB_TO_WORKER,
    Beat,
    Checkpoint,
    Lease,
    Ready,
    Result,
    Stop,
    WorkerEvent,
    WorkerPause,
    WorkerPaused,
)

SPEC = TextTo3DSpec("a chair")


class HandWorker:
    """A worker that says exactly what the test tells it to."""

    def __init__(self, bench, name):
        self.bench, self.name = bench, name
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        info = bench.hub.info
        if info.worker_keys is not None:
            info.worker_keys.secure(self.socket)
        self.socket.connect(info.back_address)
        self.heard = []
        self.say(Ready(name, os.getpid(), back.SOFTWARE, 1, 1, {"device": "cpu"}, info.secret))
        self.wait(Welcome)

    def say(self, message, id=b""):
        self.socket.send_multipart(framing.encode(message.to_envelope(id=id or os.urandom(16))))

    def wait(self, kind):
        """The next message of this kind; others are kept in `heard`."""
        for _ in range(400):
            self.bench.turns(1)
            while self.socket.poll(1):
                message = read(framing.decode(self.socket.recv_multipart()), HUB_TO_WORKER)
                self.heard.append(message)
                if isinstance(message, kind):
                    return message
        raise AssertionError(f"no {kind.__name__}, but {[type(one).__name__ for one in self.heard]}")

    def start(self):
        lease = self.wait(Lease)
        self.say(WorkerEvent(lease.job, lease.fence, 1, "started"))
        self.wait(Ack)
        return lease

    def upload(self, data):
        digest = hashlib.sha256(data).digest()
        for begin in range(0, len(data), FRAME_BYTES):
            self.say(BlobPut(digest, begin, len(data), (data[begin : begin + FRAME_BYTES],)))
        return digest

    def keep(self, lease, number, data):
        digest = self.upload(data)
        self.say(Checkpoint(lease.job, lease.fence, number, digest, len(data)))
        self.wait(Ack)
        return digest

    def fetch(self, digest, size):
        self.say(BlobGet(digest, 0, 1, 4 << 20))
        got = b""
        while len(got) < size:
            got += bytes(self.wait(Chunk).payload[0])
        return got

    def close(self):
        self.socket.close()
        self.context.term()


@pytest.fixture
def hire(bench):
    workers = []

    def make(name):
        workers.append(HandWorker(bench, name))
        return workers[-1]

    yield make
    for one in workers:
        one.close()


def submit(bench):
    client = bench.client()
    job = client.submit(SPEC)
    bench.until(lambda: client.jobs[job].seq == 1)
    return client, job


def state(bench, job):
    return bench.hub.store.job(job).life.state


def test_pause_frees_the_worker_and_another_goes_on_from_the_checkpoint(bench, raw, hire):
    client, job = submit(bench)
    first = hire("w1")
    lease = first.start()
    (answer,) = [one for one in raw.ask("ctl", Pause(job)) if isinstance(one, Jobs)]
    assert answer.jobs[0].state == "PAUSE_REQ"
    assert first.wait(WorkerPause).fence == lease.fence
    bench.skipped += back.RESEND_SECONDS + 1
    first.say(Beat("busy", job, lease.fence))
    first.wait(WorkerPause)  # said again until it has an effect
    data = os.urandom(FRAME_BYTES + 5)
    digest = first.keep(lease, 1, data)
    first.say(WorkerPaused(job, lease.fence), b"p" * 16)
    first.wait(Ack)
    assert state(bench, job) == "PAUSED"
    first.say(WorkerPaused(job, lease.fence), b"p" * 16)  # a repeat whose answer got lost
    first.wait(Ack)
    second = hire("w2")
    assert (answer := raw.ask("ctl", Continue(job)))[0].jobs[0].state in ("QUEUED", "LEASED"), answer
    workers = {one.name: one for one in (first, second)}
    bench.until(lambda: state(bench, job) == "LEASED")
    again = workers[bench.hub.store.job(job).life.worker]
    lease = again.wait(Lease)
    assert (lease.checkpoint, lease.checkpoint_size, lease.attempt) == (digest, len(data), 1)
    assert again.fetch(digest, len(data)) == data
    other = second if again is first else first
    other.say(BlobGet(digest, 0, 1, 1000))
    assert isinstance(other.wait(Error).error, UnknownBlob)  # it is nobody else's business


def test_a_lost_worker_s_job_goes_on_from_its_last_checkpoint_elsewhere(bench, hire):
    client, job = submit(bench)
    first = hire("w1")
    lease = first.start()
    first.keep(lease, 1, b"early")
    digest = first.keep(lease, 2, b"late")
    for _ in range(4):  # in steps: a jump over the whole silence would look as if the hub itself had slept
        bench.skipped += attendance.SILENT_SECONDS * 0.4
        bench.turns(3)
    bench.until(lambda: state(bench, job) in ("RETRY_WAIT", "QUEUED"))
    first.say(Checkpoint(job, lease.fence, 3, digest, 4))  # from beyond the grave
    assert first.wait(Error).error.code in ("lease_lost", "unknown_session")
    second = hire("w2")
    bench.skipped += 2.0
    lease = second.wait(Lease)
    assert (lease.attempt, lease.checkpoint) == (2, digest) and second.fetch(digest, 4) == b"late"


def test_own_order_over_the_wire(bench, raw):
    client = bench.client()
    jobs = [client.submit(SPEC) for _ in range(3)]
    bench.until(lambda: all(client.jobs[one].seq == 1 for one in jobs))
    (answer,) = raw.ask("ctl", Reprioritise(jobs[2], place="first"))
    assert answer.jobs[0].ahead == 0
    (answer,) = raw.ask("ctl", Reprioritise(jobs[0], priority="batch"))
    assert (answer.jobs[0].priority, answer.jobs[0].ahead) == ("batch", 2)


def test_a_result_counts_as_delivered_once_the_client_has_the_bytes(bench, raw):
    client, job = submit(bench)
    bench.run_job(job, 300_000)

    def delivered():
        return bench.hub.store.db.execute("SELECT delivered FROM jobs WHERE id=?", (job,)).fetchone()[0]

    bench.until(lambda: client.jobs[job].state == "SUCCEEDED")
    assert client.jobs[job].over == (delivered() is not None)
    bench.until(lambda: client.jobs[job].over)
    bench.until(lambda: delivered() is not None)


def test_draining_lets_jobs_finish_or_pause_and_starts_nothing(bench, hire, raw):
    bench.hub.stop()
    bench.options = replace(bench.options, drain_seconds=5.0)
    bench.hub = Hub(bench.options, bench.clock)
    client, job = submit(bench)
    waiting = client.submit(SPEC)
    bench.until(lambda: client.jobs[waiting].seq == 1)
    worker = hire("w1")
    lease = worker.start()
    said = []

    def each_look():
        """Called while the hub waits: the worker does its part."""
        bench.clients[0].poll(0.001)
        while worker.socket.poll(1):
            said.append(read(framing.decode(worker.socket.recv_multipart()), HUB_TO_WORKER))
            if isinstance(said[-1], WorkerPause):
                worker.say(WorkerPaused(lease.job, lease.fence))
            elif isinstance(said[-1], Stop) and not said[-1].now:
                bench.skipped += 6.0  # the time to finish is over
        return False

    bench.hub.drain(each_look)
    assert state(bench, job) == "QUEUED" and bench.hub.store.job(job).life.attempt == 0
    assert state(bench, waiting) == "QUEUED" and bench.hub.back.leases.working == 0
    kinds = [type(one) for one in said]
    assert kinds.index(Stop) < kinds.index(WorkerPause)


def test_draining_ends_at_once_when_the_last_job_is_done(bench, hire, raw):
    bench.hub.options = replace(bench.hub.options, drain_seconds=1e6)
    _, job = submit(bench)
    worker = hire("w1")
    lease = worker.start()

    def finish():
        while worker.socket.poll(1):
            if isinstance(read(framing.decode(worker.socket.recv_multipart()), HUB_TO_WORKER), Stop):
                worker.say(Result(lease.job, lease.fence, ()))
        return False

    bench.hub.drain(finish)
    assert state(bench, job) == "SUCCEEDED"
    assert any(isinstance(one, Draining) for one in raw.take("ctl", 1))
