# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs of jobs: only what a job waits for is taken, it survives a restart, and nobody gets bytes he does not have."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from backend.hub.inputs import Inputs
from backend.hub.server import Hub
from backend.worker.hubs import FolderHub
from backend.worker.link import Link
from protocol import specs
from protocol.arrays import FRAME_BYTES, describe
from protocol.client import new_job_id
from protocol.errors import BadRequest, KeyConflict, NotWanted, OutOfSpace, ProtocolError, QuotaExceeded, UnknownBlob
from protocol.messages import Accepted, BlobCheck, BlobNeed, BlobOk, BlobPut, Rejected, Submit
from protocol.specs import Input, Spec
from protocol.updates import JobUploading

DATA = np.random.default_rng(7).random((400_000, 3), np.float32)  # 4.8 MB: more than a window
NAME = hashlib.sha256(DATA).digest()


@dataclass(frozen=True)
class PaintSpec(Spec):
    """A kind that takes inputs."""

    kind: ClassVar[str] = "paint"
    INPUTS: ClassVar[tuple[Input, ...]] = (
        Input("vertices", ("<f4",), (None, 3)), Input("image", ("|u1",), (None,), required=False),
    )
    colour: str = "red"


@pytest.fixture(autouse=True)
def _kind(monkeypatch):
    monkeypatch.setitem(specs.KINDS, "paint", PaintSpec)


def state(bench, job):
    return bench.hub.store.job(job).life.state


def incoming(bench):
    return list((bench.options.data / "blobs" / "incoming").iterdir())


def test_inputs_reach_the_hub_and_the_next_job_needs_no_upload(bench):
    client = bench.client()
    picture = np.arange(256, dtype=np.uint8)
    mine = DATA.copy()
    job = client.submit(PaintSpec(), {"vertices": mine, "image": picture})
    mine[:] = 0  # what was submitted is submitted
    seen = bench.until(lambda: client.jobs[job].seq == 2)
    assert client.jobs[job].state == "QUEUED"
    parts = [one for one in seen if isinstance(one, JobUploading)]
    assert parts and {one.size for one in parts} == {DATA.nbytes + 256}
    assert [one.have for one in parts] == sorted(one.have for one in parts)
    with bench.hub.blobs.open(NAME) as file:
        assert file.read() == DATA.tobytes()
    assert [one.name for one in bench.hub.store.inputs(job)] == ["vertices", "image"]
    assert not client._session.following.uploads.blobs and not incoming(bench)
    bench.turns(10)  # the answers to the last pieces, which the news of the job may have overtaken
    again = client.submit(PaintSpec("blue"), {"vertices": DATA})
    seen = bench.until(lambda: client.jobs[again].seq == 1)
    assert client.jobs[again].state == "QUEUED"
    assert not any(isinstance(one, JobUploading) and one.have < one.size for one in seen)  # nothing had to be sent


def test_upload_goes_on_after_a_restart_of_client_and_hub(bench):
    client, job = bench.client(), new_job_id()
    client.submit(PaintSpec(), {"vertices": DATA}, job=job)
    bench.until(lambda: incoming(bench))
    assert state(bench, job) == "NEED_BLOBS"
    bench.clients.remove(client)
    client.close()  # Blender was closed half-way
    bench.hub.stop()
    bench.hub = Hub(bench.options, bench.clock)
    assert state(bench, job) == "NEED_BLOBS"
    later = bench.client()
    later.submit(PaintSpec(), {"vertices": DATA}, job=job)
    bench.until(lambda: later.jobs[job].state == "QUEUED")
    other = bench.client()
    other.submit(PaintSpec(), {"vertices": DATA + 1}, job=job)
    bench.until(lambda: other.jobs[job].over)
    assert isinstance(other.jobs[job].error, KeyConflict)  # the inputs belong to the request


def test_cancelled_upload_is_collected(bench):
    client = bench.client()
    job = client.submit(PaintSpec(), {"vertices": DATA})
    bench.until(lambda: incoming(bench))
    client.cancel(job)
    bench.until(lambda: client.jobs[job].over)
    bench.turns(5)
    assert not client._session.following.uploads.blobs
    bench.skipped += 100.0
    bench.turns(5)
    assert not incoming(bench)


def test_a_killed_hub_takes_up_a_job_whose_inputs_were_all_there(bench, raw):
    job = new_job_id()
    one, _ = describe("vertices", np.zeros((2, 3), np.float32))
    raw.ask("ctl", Submit(bytes.fromhex(job), "paint", {}, (one,)))
    bench.hub.store.input_arrived(one.hash, one.size, "local")  # and then the power went
    assert state(bench, job) == "NEED_BLOBS"
    Inputs(bench.hub.desk, bench.hub.blobs).recover()
    assert state(bench, job) == "QUEUED"


def test_only_wanted_bytes_are_taken_and_repeats_change_nothing(bench, raw):
    (refused,) = raw.ask("blk", BlobCheck(((NAME, DATA.nbytes),)))
    assert isinstance(refused.error, NotWanted) and refused.error.detail["hash"] == NAME
    (refused,) = raw.ask("blk", BlobPut(NAME, 0, DATA.nbytes, (bytes(10),)))
    assert isinstance(refused.error, NotWanted) and not incoming(bench)
    job = new_job_id()
    one, data = describe("vertices", DATA[:100_000])
    submit = Submit(bytes.fromhex(job), "paint", {}, (one,))
    for _ in range(2):
        (accepted,) = raw.ask("ctl", submit)
        assert accepted == Accepted(job)
    (need,) = raw.ask("blk", BlobCheck(((one.hash, one.size),)))
    assert need == BlobNeed(one.hash, 0)
    (wrong,) = raw.ask("blk", BlobCheck(((one.hash, one.size + 1),)))
    assert isinstance(wrong.error, BadRequest)
    first = BlobPut(one.hash, 0, one.size, (data[:FRAME_BYTES],))
    for _ in range(2):
        assert raw.ask("blk", first) == [BlobOk(one.hash, FRAME_BYTES)]
    (gap,) = raw.ask("blk", BlobPut(one.hash, FRAME_BYTES + 5, one.size, (data[:5],)))
    assert gap == BlobOk(one.hash, FRAME_BYTES)
    (many,) = raw.ask("blk", BlobPut(one.hash, FRAME_BYTES, one.size, (bytes(FRAME_BYTES),)))
    assert isinstance(many.error, BadRequest)
    assert raw.ask("blk", BlobCheck(((one.hash, one.size),))) == [BlobNeed(one.hash, FRAME_BYTES)]
    last = BlobPut(one.hash, FRAME_BYTES, one.size, (data[FRAME_BYTES:],))
    for _ in range(2):
        assert raw.ask("blk", last) == [BlobOk(one.hash, one.size, True)]
    assert state(bench, job) == "QUEUED" and not incoming(bench)
    (wrong,) = raw.ask("ctl", BlobCheck(((one.hash, one.size),)))
    assert wrong.error.code == "unknown_type"  # bulk has its own connection


def test_wrong_bytes_are_refused_and_can_be_sent_again(bench, raw):
    one, data = describe("vertices", DATA[:10])
    raw.ask("ctl", Submit(bytes(16), "paint", {}, (one,)))
    (wrong,) = raw.ask("blk", BlobPut(one.hash, 0, one.size, (bytes(one.size),)))
    assert type(wrong.error) is ProtocolError and wrong.error.detail["hash"] == one.hash and not incoming(bench)
    assert raw.ask("blk", BlobPut(one.hash, 0, one.size, (data,))) == [BlobOk(one.hash, one.size, True)]


def test_full_disk_keeps_the_job_waiting(bench, raw):
    one, data = describe("vertices", DATA[:10])
    raw.ask("ctl", Submit(bytes(16), "paint", {}, (one,)))
    bench.free = 0
    for message in (BlobCheck(((one.hash, one.size),)), BlobPut(one.hash, 0, one.size, (data,))):
        (full,) = raw.ask("blk", message)
        assert isinstance(full.error, OutOfSpace) and full.error.detail["hash"] == one.hash
    assert state(bench, bytes(16).hex()) == "NEED_BLOBS"
    bench.free = 1 << 40
    assert raw.ask("blk", BlobPut(one.hash, 0, one.size, (data,))) == [BlobOk(one.hash, one.size, True)]


def test_another_user_has_to_bring_the_bytes_himself(bench):
    desk, inputs = bench.hub.desk, Inputs(bench.hub.desk, bench.hub.blobs)
    one, data = describe("vertices", DATA[:10])
    for number, user in enumerate(("ann", "ben")):
        job = desk.submit(user, Submit(bytes([number]) * 16, "paint", {}, (one,)), bench.hub.blobs.has)
        assert job.life.state == "NEED_BLOBS"
    ann, ben = ((bytes([number]) * 16).hex() for number in (0, 1))
    assert inputs.put("ann", BlobPut(one.hash, 0, one.size, (data,))).complete
    assert (state(bench, ann), state(bench, ben)) == ("QUEUED", "NEED_BLOBS")
    assert not bench.hub.store.blob_is_of(one.hash, "ben")
    assert inputs.check("ben", one.hash, one.size) == BlobNeed(one.hash, 0)
    with pytest.raises(ProtocolError):
        inputs.put("ben", BlobPut(one.hash, 0, one.size, (bytes(one.size),)))
    assert state(bench, ben) == "NEED_BLOBS" and bench.hub.blobs.has(one.hash)
    assert inputs.put("ben", BlobPut(one.hash, 0, one.size, (data,))).complete
    assert state(bench, ben) == "QUEUED"


def test_refusals_at_the_door(bench, raw):
    client = bench.client()
    with pytest.raises(BadRequest, match="needs the input vertices"):
        client.submit(PaintSpec())
    with pytest.raises(BadRequest, match="cannot be sent"):
        client.submit(PaintSpec(), {"vertices": np.zeros((1, 3), complex)})
    with pytest.raises(BadRequest):
        client.submit(PaintSpec(), new_job_id())  # the id is named
    assert not client.jobs
    good = describe("vertices", DATA[:10])[0]
    for inputs, code in (((), "bad_request"), ((describe("faces", DATA)[0],), "bad_request")):
        (refused,) = raw.ask("ctl", Submit(bytes(16), "paint", {}, inputs))
        assert isinstance(refused, Rejected) and refused.error.code == code
    (refused,) = raw.ask("ctl", Submit(bytes(16), "sculpt", {}, (good,)))
    assert refused.error.code == "unknown_kind" and refused.error.detail["knows"]

    def quota(user, size):
        raise QuotaExceeded("Too much.", detail={"limit": 1, "got": size})

    bench.hub.desk.check_room = quota
    (refused,) = raw.ask("ctl", Submit(bytes(16), "paint", {}, (good,)))
    assert refused.error.code == "quota"
    many = tuple(describe(f"x{place}", DATA[:1])[0] for place in range(65))
    (refused,) = raw.ask("ctl", Submit(bytes(16), "paint", {}, many))
    assert refused.error.code == "bad_request"
    assert not bench.hub.store.newest_jobs("local", 10, False)


def test_a_worker_gets_the_inputs_and_only_those(bench, tmp_path):
    client = bench.client()
    job = client.submit(PaintSpec(), {"vertices": DATA})
    link = Link(FolderHub(bench.options.data), "w-1")
    try:
        link.describe({})
        held = None
        for _ in range(400):
            bench.turns(1)
            held = held or link.next_lease(0.0)
            if held is not None:
                break
        assert held is not None and held.lease.job == job and link.begin(held)
        got = []
        waiting = threading.Thread(target=lambda: got.append(link.inputs(held)))
        waiting.start()
        bench.until(lambda: got)
        waiting.join()
        assert np.array_equal(got[0]["vertices"], DATA)
        with pytest.raises(ValueError, match="read-only"):
            got[0]["vertices"][0] = 0
        with pytest.raises(TypeError):
            got[0]["more"] = DATA
        worker = bench.hub.back.workers[0]
        with pytest.raises(UnknownBlob, match="no input of the worker's job"):
            bench.hub.back._source(worker, bytes(32))
    finally:
        leave = threading.Thread(target=link.leave, args=("done",))
        leave.start()
        bench.turns(60)
        leave.join()
