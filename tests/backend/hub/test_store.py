# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: idempotent, guarded by fences, whole after a kill, and clear about a full disk."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from backend.hub.desk import Desk
from backend.hub.states import CancelAsked, Done, JobState, Started
from backend.hub.store import Store
from protocol.arrays import Descriptor
from protocol.errors import BadRequest, InternalError, KeyConflict, LeaseLost, OutOfSpace, UnknownJob
from protocol.messages import Submit

SPEC = {"prompt": "a chair"}
ARRAY = Descriptor("vertices", "<f4", (2, 3), 24, bytes(32))


def names():
    return (f"{number:032x}" for number in itertools.count(1))


@pytest.fixture
def store(tmp_path):
    clock = itertools.count(1000)
    made = Store(tmp_path / "hub.sqlite", lambda: float(next(clock)))
    yield made
    made.close()


@pytest.fixture
def desk(store):
    return Desk(store, lambda: 0.0)


def submit(desk, job):
    return desk.submit("local", Submit(bytes.fromhex(job), "text_to_3d", SPEC))


def test_submit_is_idempotent_and_conflicts_are_seen(store):
    job = next(names())
    assert store.submit(job, "ann", "text_to_3d", SPEC, "a chair")
    assert not store.submit(job, "ann", "text_to_3d", SPEC, "a chair")
    for other in (("ben", "text_to_3d", SPEC), ("ann", "text_to_3d", {"prompt": "x"}), ("ann", "other", SPEC)):
        with pytest.raises(KeyConflict):
            store.submit(job, *other, "")
    assert [one.seq for one in store.events_after(job, 0, 10)] == [1]
    assert len(store.newest_jobs("ann", 10, True)) == 1 and not store.newest_jobs("ben", 10, True)


def test_life_of_a_job_and_its_log(desk, store):
    job = submit(desk, next(names()))
    assert job.title == "a chair" and job.spec["preset"] == "draft"
    job = desk.lease(job, "w")
    job = desk.apply(job, Started())
    assert store.warn(job.id, job.life.fence, 1, "careful")
    assert not store.warn(job.id, job.life.fence, 1, "careful")  # a repeat
    assert not store.warn(job.id, job.life.fence + 1, 2, "late")  # no such attempt
    job = desk.apply(store.job(job.id), Done(), [ARRAY])
    events = store.events_after(job.id, 0, 10)
    assert [(one.seq, one.kind, one.state) for one in events] == [
        (1, "state", "QUEUED"), (2, "state", "LEASED"), (3, "state", "RUNNING"), (4, "warning", ""),
        (5, "state", "SUCCEEDED"),
    ]
    assert events[-1].arrays == (ARRAY,) and events[3].text == "careful"
    assert [one.seq for one in store.events_after(job.id, 3, 1)] == [4]
    assert store.blob_is_of(ARRAY.hash, "local") and not store.blob_is_of(ARRAY.hash, "ben")
    assert store.newest_jobs("local", 5, True) == [] and store.newest_jobs("local", 5, False)[0].id == job.id


def test_a_change_decided_on_old_facts_is_refused(desk, store):
    old = submit(desk, next(names()))
    desk.lease(old, "w1")
    with pytest.raises(LeaseLost):
        desk.lease(old, "w2")
    with pytest.raises(LeaseLost):
        store.change(old, JobState("CANCELLED"), "", None)
    assert len(store.events_after(old.id, 0, 10)) == 2
    with pytest.raises(UnknownJob):
        store.job("f" * 32)


def test_desk_checks_the_spec_again(desk):
    bad = (({"prompt": ""}, "prompt"), ({"prompt": "x" * 3000}, "prompt"), ({"prompt": "x", "seed": -1}, "seed"))
    for spec, field in bad:
        with pytest.raises(BadRequest) as caught:
            desk.submit("local", Submit(bytes(16), "text_to_3d", spec))
        assert caught.value.path == field
    assert len(desk.scheduler) == 0


def test_full_disk_loses_nothing(desk, store):
    """SQLite itself says the disk is full (its page limit), at a submission and at a change of state."""
    name = names()
    first = submit(desk, next(name))
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(OutOfSpace) as caught:
        for job in name:
            submit(desk, job)
    assert "full" in caught.value.message and caught.value.hint
    before = store.newest_jobs("local", 250, False)
    job = first
    with pytest.raises(OutOfSpace):
        for _ in range(200):  # until a page is full
            job = store.change(job, JobState("QUEUED", fence=job.life.fence), "x" * 500, None)
    assert store.newest_jobs("local", 250, False)[-1].life.state == "QUEUED"
    store._db.execute("PRAGMA max_page_count=100000")
    assert desk.apply(store.job(first.id), CancelAsked()).life.state == "CANCELLED"
    assert len(store.newest_jobs("local", 250, False)) == len(before)
    assert store.newest_jobs("local", 2, False, before[0].id) == store.newest_jobs("local", 3, False)[1:]
    assert store.newest_jobs("local", 9, False, before[-1].id) == [] == store.newest_jobs("ann", 9, False, before[0].id)
    assert store._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_damaged_and_newer_stores_are_refused_with_advice(tmp_path):
    path = tmp_path / "hub.sqlite"
    Store(path, lambda: 0.0).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(InternalError, match="newer version"):
        Store(path, lambda: 0.0)
    content = bytearray(path.read_bytes())
    for damage in (b"not a database at all" * 50, bytes(content[:1024]) + bytes(len(content) - 1024)):
        path.write_bytes(damage)
        with pytest.raises(InternalError, match="damaged") as caught:
            Store(path, lambda: 0.0)
        assert "aside" in caught.value.hint and "backup" in caught.value.hint
        assert path.read_bytes() == damage  # left as it was for whoever wants to rescue it


KILLED = """
import sys
from pathlib import Path
from backend.hub.store import Store
store = Store(Path(sys.argv[1]), lambda: 1.0)
for number in range(100000):
    store.submit(f"{number:032x}", "ann", "text_to_3d", {"prompt": "x"}, "x")
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    path = tmp_path / "hub.sqlite"
    root = Path(__file__).resolve().parents[3]
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, cwd=root, env={**os.environ}, text=True
        )
        for _ in range(40):
            last = child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        last = ([last, *child.stdout.readlines()])[-1]
        child.wait()
        store = Store(path, lambda: 1.0)
        assert store.job(f"{int(last.strip() or 0):032x}").life.state == "QUEUED"
        assert store._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        store.close()
