# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads against a model of the hub, over a wire that loses, repeats and breaks: all bytes arrive, whole, and end."""

from __future__ import annotations

import random

import numpy as np
import pytest

from protocol import uploads
from protocol.arrays import FRAME_BYTES, describe
from protocol.errors import BadRequest, NotWanted, OutOfSpace, ProtocolError, QuotaExceeded
from protocol.messages import BlobCheck, BlobNeed, BlobOk, BlobPut
from protocol.uploads import QUIET_SECONDS, WINDOW, Uploads

JOB, OTHER = "ab" * 16, "cd" * 16


def arrays(*sizes):
    rng = np.random.default_rng(sum(sizes))
    return [describe(f"a{place}", rng.integers(0, 256, size, np.uint8)) for place, size in enumerate(sizes)]


class Hub:
    """Takes bytes by hash and offset, as the hub does."""

    def __init__(self):
        self.blobs: dict[bytes, bytearray] = {}
        self.sizes: dict[bytes, int] = {}
        self.pieces = 0

    def handle(self, message):
        if isinstance(message, BlobCheck):
            return [self.stand(digest, size) for digest, size in message.blobs]
        assert isinstance(message, BlobPut)
        self.pieces += 1
        data = self.blobs.setdefault(message.hash, bytearray())
        if message.offset == len(data):
            data += message.payload[0]
        return [BlobOk(message.hash, len(data), len(data) == message.size)]

    def stand(self, digest, size):
        have = len(self.blobs.get(digest, b""))
        return BlobOk(digest, size, True) if have == size else BlobNeed(digest, have)


class Bench:
    def __init__(self, seed=0, loss=0.0, repeat=0.0):
        self.rng, self.loss, self.repeat = random.Random(seed), loss, repeat
        self.hub, self.sent, self.failed, self.moved, self.now = Hub(), [], [], [], 0.0
        self.uploads = Uploads(self.sent.append, lambda job, error: self.failed.append((job, error)), self.moved.append)

    def times(self):
        return 0 if self.rng.random() < self.loss else 2 if self.rng.random() < self.repeat else 1

    def round(self, seconds=0.1):
        self.now += seconds
        messages = list(self.sent)
        self.sent.clear()
        for message in messages:
            for _ in range(self.times()):
                for answer in self.hub.handle(message):
                    for _ in range(self.times()):
                        take = self.uploads.need if isinstance(answer, BlobNeed) else self.uploads.ok
                        take(answer, self.now)
        self.uploads.tick(self.now)

    def complete(self, job):
        have, size = self.uploads.progress(job)
        return have == size and all(self.uploads.blobs[one].done for one in self.uploads.jobs[job])


def test_nothing_is_sent_before_the_job_is_accepted_and_the_window_holds():
    bench = Bench()
    bench.uploads.add(JOB, arrays(9 * FRAME_BYTES, 5, 0))
    bench.uploads.connected(0.0)
    assert bench.sent == []
    bench.uploads.begin(JOB, 0.0)
    (check,) = bench.sent
    assert isinstance(check, BlobCheck) and len(check.blobs) == 3
    bench.sent.clear()
    for digest, size in check.blobs:
        if size:
            bench.uploads.need(BlobNeed(digest, 0), 0.0)
        else:
            bench.uploads.ok(BlobOk(digest, 0, True), 0.0)
    assert sum(len(one.payload[0]) for one in bench.sent) <= WINDOW
    for _ in range(12):
        bench.round()
    assert bench.complete(JOB) and bench.moved[-1] == JOB and bench.hub.pieces == 10
    bench.uploads.drop(JOB)
    assert not bench.uploads.blobs and not bench.uploads.jobs and not bench.uploads.accepted


@pytest.mark.parametrize("seed", range(12))
def test_faulty_wire(seed):
    rng = random.Random(seed)
    bench = Bench(seed, loss=rng.choice([0.0, 0.2, 0.4]), repeat=0.2)
    first, second = arrays(3 * FRAME_BYTES + 7, 100, 0), arrays(2 * FRAME_BYTES, 100)
    bench.uploads.add(JOB, first)
    bench.uploads.add(OTHER, [*second, first[0]])
    bench.uploads.connected(0.0)
    bench.uploads.begin(JOB, 0.0)
    for turn in range(400):
        if turn == 3:
            bench.uploads.begin(OTHER, bench.now)
        if rng.random() < 0.05 and turn < 200:  # the connection breaks; at times the hub forgets what it had
            bench.uploads.disconnected()
            bench.sent.clear()
            if rng.random() < 0.3:
                bench.hub.blobs = {one: data for one, data in bench.hub.blobs.items() if rng.random() < 0.5}
            bench.uploads.connected(bench.now)
        bench.round(rng.choice([0.1, QUIET_SECONDS / 2]))
        if turn > 3 and bench.complete(JOB) and bench.complete(OTHER):
            break
    for one, data in [*first, *second]:
        found = bench.hub.blobs.get(one.hash)
        assert bench.uploads.blobs[one.hash].done and (found is None or found == data)
    assert not bench.failed


def test_shared_bytes_go_once_and_dropping_one_job_keeps_the_other():
    bench = Bench()
    shared = arrays(1000)
    bench.uploads.add(JOB, shared)
    bench.uploads.add(OTHER, shared)
    bench.uploads.connected(0.0)
    bench.uploads.begin(JOB, 0.0)
    bench.uploads.begin(OTHER, 0.0)
    bench.uploads.drop(JOB)
    bench.round()
    bench.round()
    assert bench.hub.pieces == 1 and bench.complete(OTHER)


def test_what_the_hub_refuses():
    bench = Bench()
    (one,) = bench_arrays = arrays(1000)
    bench.uploads.add(JOB, bench_arrays)
    bench.uploads.connected(0.0)
    bench.uploads.begin(JOB, 0.0)
    assert not bench.uploads.refused(bytes(32), OutOfSpace("full"), 0.0)  # of nobody
    for error in (OutOfSpace("full"), QuotaExceeded("later")):
        bench.sent.clear()
        assert bench.uploads.refused(one[0].hash, error, bench.now) and not bench.failed
        bench.uploads.tick(bench.now + 1)
        assert bench.sent == []
        bench.now += QUIET_SECONDS + 1
        bench.uploads.tick(bench.now)
        assert isinstance(bench.sent[-1], BlobCheck)  # asked again later
    for number in range(uploads.MAX_TRIES):
        assert bench.failed == []
        bench.uploads.refused(one[0].hash, ProtocolError("wrong hash"), bench.now)
        assert bool(bench.failed) == (number == uploads.MAX_TRIES - 1)
    assert bench.failed[0][0] == JOB and not bench.uploads.jobs
    for error in (NotWanted("no"), BadRequest("no")):
        bench.failed.clear()
        bench.uploads.add(JOB, bench_arrays)
        bench.uploads.begin(JOB, bench.now)
        bench.uploads.refused(one[0].hash, error, bench.now)
        assert bench.failed == [(JOB, error)] and not bench.uploads.blobs
