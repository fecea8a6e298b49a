# SPDX-License-Identifier: GPL-3.0-or-later
"""What is collected, and above all what is not: nothing that an open job or an undelivered result needs."""

from __future__ import annotations

import hashlib
import itertools
import os

import pytest

from backend.hub import collect
from backend.hub.blobs import BlobStore
from backend.hub.collect import Collector, Limits
from backend.hub.desk import Desk
from backend.hub.shelf import LOOSE_SECONDS, Shelf
from backend.hub.states import CancelAsked, Done, Started
from backend.hub.store import Store
from protocol.arrays import Descriptor
from protocol.messages import Submit

DAY = 86400.0


class Cellar:
    """A hub's store and blobs with the time and the disk in our hands."""

    def __init__(self, folder):
        self.folder, self.wall, self.steady, self.free = folder, 1e9, 0.0, 1 << 40
        self.store = Store(folder / "hub.sqlite", lambda: self.wall)
        self.desk = Desk(self.store, lambda: self.steady)
        self.blobs = BlobStore(folder / "blobs", lambda folder: self.free, reserve=1000)
        self.shelf = Shelf(self.store)
        self.names = (f"{number:032x}" for number in itertools.count(1))
        self.limits = Limits(keep_days=10.0)

    def bytes(self, text, size=100):
        data = hashlib.sha256(text.encode()).digest() * (size // 32 + 1)
        digest = hashlib.sha256(data[:size]).digest()
        self.blobs.put(digest, 0, size, data[:size])
        os.utime(self.blobs.path(digest), (self.wall, self.wall))
        return digest

    def array(self, text, size=100):
        return Descriptor(text, "|u1", (size,), size, self.bytes(text, size))

    def job(self, inputs=()):
        name = next(self.names)
        self.desk.submit("ann", Submit(bytes.fromhex(name), "text_to_3d", {"prompt": "a chair"}))
        for place, digest in enumerate(inputs):
            with self.store.transaction() as db:
                db.execute("INSERT OR IGNORE INTO blobs VALUES(?, 100, ?)", (digest, self.wall))
                db.execute("INSERT INTO inputs VALUES(?, ?, ?, ?, x'', 1)", (name, f"i{place}", place, digest))
        return name

    def finish(self, name, *arrays):
        job = self.desk.apply(self.desk.lease(self.store.job(name), "w"), Started())
        self.desk.apply(job, Done(), arrays)

    def collect(self, days=0.0):
        self.wall += days * DAY
        collector = Collector(self.folder, self.store, self.blobs, self.limits, lambda: self.steady)
        for _ in range(400):
            self.steady += 1.0
            collector.turn()
        return collector.removed


@pytest.fixture
def cellar(tmp_path):
    made = Cellar(tmp_path)
    yield made
    made.store.close()


def test_a_result_goes_only_when_it_was_delivered_and_is_old(cellar):
    result, shared = cellar.array("result"), cellar.array("shared")
    first, second = cellar.job(), cellar.job()
    cellar.finish(first, result, shared)
    cellar.finish(second, shared)
    assert cellar.collect(100) == 0  # nobody has fetched them
    cellar.shelf.delivered(first)
    assert cellar.collect() == 1 and not cellar.blobs.has(result.hash)
    assert cellar.blobs.has(shared.hash) and not cellar.store.blob_is_of(result.hash, "ann")
    cellar.shelf.delivered(second)
    assert cellar.collect(1) == 1 and cellar.shelf.all() == []
    assert not cellar.blobs.has(shared.hash)


def test_delivered_results_are_kept_for_their_days(cellar):
    array, job = cellar.array("result"), cellar.job()
    cellar.finish(job, array)
    cellar.shelf.delivered(job)
    assert cellar.collect(9) == 0 and cellar.collect(2) == 1


def test_a_quota_takes_the_oldest_first(cellar):
    arrays = [cellar.array(f"result_{n}") for n in range(6)]
    for array in arrays:
        job = cellar.job()
        cellar.finish(job, array)
        cellar.shelf.delivered(job)
        cellar.wall += 60.0
    kept = cellar.job([cellar.bytes("input")])
    cellar.limits = Limits(keep_days=10.0, keep_bytes=350)
    assert cellar.collect() == 4
    assert [cellar.blobs.has(one.hash) for one in arrays] == [False] * 4 + [True] * 2
    cellar.free = 500  # the disk is almost full: everything that may go, goes
    assert cellar.collect() == 2
    assert cellar.blobs.has(cellar.bytes("input")) and cellar.store.job(kept).life.state == "QUEUED"


def test_inputs_stay_while_their_job_is_open(cellar):
    digest = cellar.bytes("input")
    job, other = cellar.job([digest]), cellar.job([digest])
    cellar.desk.apply(cellar.store.job(job), CancelAsked())
    assert cellar.collect(100) == 0
    cellar.desk.apply(cellar.store.job(other), CancelAsked())
    assert cellar.collect(11) == 1 and not cellar.blobs.has(digest)
    assert not cellar.store.has_inputs(other)  # they would have to be sent again


def test_of_checkpoints_only_the_newest_stays_and_only_while_the_job_is_open(cellar):
    job = cellar.job()
    digests = [cellar.bytes(f"state {n}") for n in range(3)]
    for number, digest in enumerate(digests, 1):
        cellar.shelf.keep_checkpoint(job, 1, number, digest, 100)
    assert cellar.collect() == 0  # too young: a report may be on the way
    cellar.wall += LOOSE_SECONDS + 1
    assert cellar.collect() == 2 and [cellar.blobs.has(one) for one in digests] == [False, False, True]
    assert cellar.collect(1000) == 0
    cellar.desk.apply(cellar.store.job(job), CancelAsked())
    assert cellar.collect() == 1 and not cellar.blobs.has(digests[2])


def test_files_that_nobody_knows_are_swept_when_they_are_old(cellar):
    job = cellar.job()
    known = cellar.array("known")
    cellar.finish(job, known)
    for name in (job, "f" * 32):
        (cellar.folder / "scratch" / name).mkdir(parents=True)
        os.utime(cellar.folder / "scratch" / name, (cellar.wall, cellar.wall))
    orphan = cellar.bytes("killed between the tables and the disk")
    cellar.collect()
    assert cellar.blobs.has(orphan)
    cellar.wall += collect.ORPHAN_SECONDS + 1
    cellar.collect()
    assert not cellar.blobs.has(orphan) and cellar.blobs.has(known.hash)
    assert [one.name for one in (cellar.folder / "scratch").iterdir()] == ["f" * 32]


def test_a_kill_between_the_tables_and_the_disk_loses_nothing_and_leaves_nothing(cellar, monkeypatch):
    array, job = cellar.array("result"), cellar.job()
    cellar.finish(job, array)
    cellar.shelf.delivered(job)

    def killed(digest):
        raise KeyboardInterrupt

    monkeypatch.setattr(cellar.blobs, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        cellar.collect(11)
    monkeypatch.undo()
    assert cellar.shelf.all() == [] and cellar.blobs.has(array.hash)  # nothing is promised that is not there
    cellar.collect()
    assert not cellar.blobs.has(array.hash)
