# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub and a client on real sockets in one process and one thread: each gets its turn, nothing races."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from backend.hub import front
from backend.hub.server import Hub
from protocol import framing
from protocol.arrays import FRAME_BYTES, describe, inline
from protocol.client import new_job_id
from protocol.errors import Cancelled, NotAllowed, OutOfSpace, UnknownType
from protocol.messages import BlobGet, Credit, Error, Hello, Ping, Submit, TextTo3DSpec, Welcome
from protocol.updates import ConnectionState, JobAccepted, JobChanged, JobFinished
from protocol.worker_messages import WorkerEphemeral

SPEC = TextTo3DSpec("a chair")


def test_job_through_two_clients(bench):
    first, second = bench.client(), bench.client()
    job = first.submit(SPEC)
    bench.until(lambda: first.jobs[job].state == "QUEUED" and first.jobs[job].seq == 1)
    second.watch(job)
    arrays = bench.run_job(job, 400_000)
    seen = bench.until(lambda: first.jobs[job].over and second.jobs[job].over)
    for client in (first, second):
        assert np.array_equal(client.jobs[job].result.arrays["vertices"], arrays["vertices"])
    assert sum(isinstance(one, JobFinished) for one in seen) == 2
    bench.turns()
    assert not bench.hub.front.busy  # nothing keeps it awake


CLIENT_ALONE = """
import sys, threading
from pathlib import Path
from protocol.client import Client
with Client.local(Path(sys.argv[1])) as client:
    client.watch(sys.argv[2])
    result = client.wait(sys.argv[2], 60)
print(len(result.arrays["vertices"]), threading.active_count())
"""


def test_a_client_starts_no_thread(bench):
    """Blender's rule. In a process of its own: the hub's sockets, which send without copying, do start one."""
    client = bench.client()
    job = client.submit(SPEC)
    bench.until(lambda: client.jobs[job].seq == 1)
    bench.run_job(job, 400_000)
    root = Path(__file__).resolve().parents[3]
    alone = subprocess.Popen(
        [sys.executable, "-c", CLIENT_ALONE, str(bench.options.data), job], stdout=subprocess.PIPE, text=True, cwd=root
    )
    bench.until(lambda: alone.poll() is not None, turns=20_000)
    assert alone.communicate()[0].split() == ["400000", "1"]


def test_full_disk_is_said_at_once_and_leaves_the_queue(bench):
    client = bench.client()
    waiting = client.submit(SPEC)
    bench.until(lambda: client.jobs[waiting].state == "QUEUED")
    bench.free = 1000
    refused = client.submit(SPEC)
    bench.until(lambda: client.jobs[refused].over)
    error = client.jobs[refused].error
    assert isinstance(error, OutOfSpace) and "MiB" in error.message and error.hint
    client.cancel(waiting)  # the rest still works
    bench.until(lambda: client.jobs[waiting].over)
    assert isinstance(client.jobs[waiting].error, Cancelled)
    bench.free = 1 << 40
    again = client.submit(SPEC)
    bench.until(lambda: client.jobs[again].state == "QUEUED")


def test_forgotten_and_restarted_hub_replays_once(bench):
    client = bench.client()
    job = client.submit(SPEC)
    seen = bench.until(lambda: client.jobs[job].seq == 1)
    bench.skipped += front.SILENT_SECONDS + 1  # the hub closes the session of a client that is silent
    bench.until(lambda: len(bench.hub.front.sessions) == 0)
    client._session._heard -= 6.0  # so that the next ping is due
    seen += bench.until(lambda: len(bench.hub.front.sessions) == 1 and client.state is ConnectionState.READY)
    bench.hub.stop()
    for _ in range(1000):
        seen += client.poll(0.01)
        if client.state is ConnectionState.CONNECTING:
            break
        time.sleep(0.01)
    offline = client.submit(SPEC)
    bench.hub = Hub(bench.options, bench.clock)
    assert bench.hub.epoch == 2
    seen += bench.until(lambda: client.jobs[offline].seq == 1)
    bench.run_job(job, 10)
    seen += bench.until(lambda: client.jobs[job].over)
    states = [one.state for one in seen if isinstance(one, JobChanged) and one.job == job]
    assert states == ["QUEUED", "LEASED", "RUNNING", "SUCCEEDED"]
    assert sum(isinstance(one, JobAccepted) for one in seen) == 2


def test_bulk_only_against_credit(bench, raw):
    job = new_job_id()
    raw.ask("ctl", Submit(bytes.fromhex(job), "text_to_3d", SPEC.to_map()))
    arrays = bench.run_job(job, 300_000)
    name = describe("x", arrays["vertices"])[0]
    (first,) = raw.ask("blk", BlobGet(name.hash, 100, 7, 1000))
    assert (first.offset, len(first.payload[0]), first.size) == (100, 1000, name.size)
    assert raw.take("blk") == []  # the credit is used up
    raw.send("blk", Credit(7, 2 * FRAME_BYTES))
    more = raw.take("blk")
    assert sum(len(one.payload[0]) for one in more) == 2 * FRAME_BYTES
    assert all(len(one.payload[0]) <= FRAME_BYTES for one in more)
    assert b"".join(bytes(one.payload[0]) for one in [first, *more]) == (
        arrays["vertices"].tobytes()[100 : 1100 + 2 * FRAME_BYTES]
    )
    raw.send("blk", Credit(7, 0))
    raw.send("blk", Credit(7, 1000))
    assert raw.take("blk") == []
    (error,) = raw.ask("blk", BlobGet(name.hash, name.size + 1, 8, 10))
    assert error.error.code == "bad_request"
    (error,) = raw.ask("blk", BlobGet(bytes(32), 0, 8, 10))
    assert error.error.code == "unknown_blob" and error.error.detail["hash"] == bytes(32)
    for stream in range(20):
        raw.send("blk", BlobGet(name.hash, 0, stream + 100, 0))
    assert [one.error.code for one in raw.take("blk") if isinstance(one, Error)] == ["quota"] * 12


def test_wrong_channel_unknown_type_and_wrong_version(bench, raw):
    (error,) = raw.ask("blk", Ping())
    assert isinstance(error.error, UnknownType)
    (error,) = raw.ask("ctl", BlobGet(bytes(32), 0, 1, 1))
    assert isinstance(error.error, UnknownType)
    raw.sockets["ctl"].send_multipart(framing.encode(framing.Envelope("FROM_THE_FUTURE", id=bytes(16))))
    (error,) = raw.take("ctl")
    assert isinstance(error.error, UnknownType)
    assert isinstance(raw.ask("ctl", Hello(1, 9, "raw", "ctl", token=raw.token))[0], Welcome)
    (refused,) = raw.ask("ctl", Hello(2, 3, "raw", "ctl", token=raw.token))
    assert refused.error.code == "version" and refused.error.hint.startswith("Update the hub")
    assert refused.error.detail == {"hub_min": 1, "hub_max": 1, "peer_min": 2, "peer_max": 3, "older": "the hub"}


def test_large_preview_is_fetched_and_the_newest_wins(bench):
    client = bench.client()
    job = client.submit(SPEC)
    bench.until(lambda: client.jobs[job].seq == 1)
    bench.hub.desk.lease(bench.hub.store.job(job), "w")
    for number in range(3):
        mesh = {"vertices": np.full((40_000, 3), number, np.float32), "faces": np.zeros((10, 3), np.int32),
                "colours": np.zeros((40_000, 4), np.uint8)}
        descriptors, payload = inline(mesh)
        bench.hub.front.sessions.ephemeral(WorkerEphemeral(
            job, kind="preview_mesh", fraction=0.1, arrays=descriptors, payload=payload, fence=1
        ))
    shown = [one for one in bench.turns(60) if type(one).__name__ == "PreviewMesh"]
    assert [float(one.vertices[0, 0]) for one in shown] == [2.0]


def test_one_hub_a_folder_and_loopback_only(bench):
    with pytest.raises(NotAllowed):
        Hub(bench.options)
    assert bench.hub.info.address.startswith("tcp://127.0.0.1:")


def test_the_hub_never_imports_torch():
    code = "import sys, backend.hub.server, backend.cli.serve; print('torch' in sys.modules, 'scipy' in sys.modules)"
    root = Path(__file__).resolve().parents[3]
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert said.stdout.split() == ["False", "False"]
