# SPDX-License-Identifier: GPL-3.0-or-later
"""One hub with one worker takes everything that a clumsy or hostile client does, and still does its work."""

from __future__ import annotations

import os
import socket

import numpy as np
import pytest
import zmq
from hub_process import GUARD, wait_for
from scripted_jobs import mesh

from protocol import framing
from protocol.client import Client, new_job_id
from protocol.errors import (
    Cancelled,
    EmptySurface,
    InternalError,
    KeyConflict,
    NotAllowed,
    OutOfMemory,
    TooLarge,
    UnknownJob,
)
from protocol.local import read_connection_file
from protocol.messages import Submit, TextTo3DSpec
from protocol.updates import ConnectionState, JobChanged, JobProgress, JobsListed, JobWarning, PreviewImage, PreviewMesh


def test_submit_events_result(steady_hub):
    seen = []
    with steady_hub.client() as client:
        job = client.submit(TextTo3DSpec("steps=12 delay=0.05 vertices=30000 warn=careful", seed=5))
        result = client.wait(job, GUARD, seen.append)
        assert client.jobs[job].warnings == ["careful"]
    expected = mesh(30000, 5)
    assert np.array_equal(result.arrays["vertices"], expected["vertices"])
    assert np.array_equal(result.arrays["faces"], expected["faces"])
    assert result.report.items() >= {"seed": 5, "attempt": 1, "begin": 0, "odd": None}.items()
    states = [one.state for one in seen if isinstance(one, JobChanged)]
    assert states == ["QUEUED", "LEASED", "RUNNING", "SUCCEEDED"]
    assert any(isinstance(one, JobWarning) for one in seen)
    progress = [one for one in seen if isinstance(one, JobProgress)]
    assert progress and progress == sorted(progress, key=lambda one: one.fraction)
    assert all(one.seconds_left > 0 for one in progress)
    shown = [one for one in seen if isinstance(one, PreviewMesh)]
    assert shown and np.array_equal(shown[0].vertices, expected["vertices"])  # 1.2 MB: came as blobs
    assert any(isinstance(one, PreviewImage) and one.png.startswith(b"\x89PNG") for one in seen)


def test_the_same_submission_twice_is_one_job(steady_hub):
    spec, job = TextTo3DSpec("steps=6", seed=1), new_job_id()
    with steady_hub.client() as first, steady_hub.client() as second:
        for client in (first, second):
            client.submit(spec, job=job)
        assert first.wait(job, GUARD).report["attempt"] == second.wait(job, GUARD).report["attempt"] == 1
    with steady_hub.client() as later:  # after the end, from a new process so to say
        later.submit(spec, job=job)
        assert later.wait(job, GUARD).report["attempt"] == 1
        later.forget(job)
        later.submit(TextTo3DSpec("another"), job=job)
        with pytest.raises(KeyConflict):
            later.wait(job, GUARD)


def test_cancel_frees_the_worker(steady_hub):
    with steady_hub.client() as client:
        long = client.submit(TextTo3DSpec("steps=100000 delay=0.05"))
        waiting = client.submit(TextTo3DSpec("steps=100000 delay=0.05"))
        wait_for(lambda: client.jobs[long].fraction > 0 or client.jobs[long].stage, "progress", client)
        client.cancel(waiting)
        client.cancel(long)
        for job in (waiting, long):
            with pytest.raises(Cancelled):
                client.wait(job, GUARD)
        assert client.wait(client.submit(TextTo3DSpec("steps=2")), GUARD).report["attempt"] == 1
        client.cancel(long)  # a second time, after the end: nothing
        assert client.jobs[long].state == "CANCELLED"


def test_failures_tell_what_to_do_and_no_secrets(steady_hub):
    with steady_hub.client() as client:
        with pytest.raises(EmptySurface) as caught:
            client.wait(client.submit(TextTo3DSpec("raise=EmptySurface")), GUARD)
        problem = caught.value
        assert (problem.hint, problem.stage, problem.attempt) == ("Lower the threshold.", "carry over", 1)
        job = client.submit(TextTo3DSpec("raise=Defect"))
        with pytest.raises(InternalError) as caught:
            client.wait(job, GUARD)
        assert "secret" not in str(caught.value.to_map())
        logged = (steady_hub.folder / "logs" / "jobs" / f"{job}.log").read_text()
        assert "a secret detail" in logged and caught.value.detail["ref"] in logged and "Traceback" in logged
        with pytest.raises(OutOfMemory):
            client.wait(client.submit(TextTo3DSpec("raise=Memory")), GUARD)


def test_long_prompt_is_refused_before_any_work(steady_hub):
    with steady_hub.client() as client:
        client.wait_connected(GUARD)
        job = client.submit(TextTo3DSpec("steps=1"))
        client.wait(job, GUARD)
        for prompt in ("x" * 15_000, "x" * 20_000):  # a client that does not check; the second also breaks the header
            name = new_job_id()
            client._session.jobs[name] = type(client.jobs[job])(name)
            client._session.line.request(
                ("submit", name), "ctl",
                Submit(bytes.fromhex(name), "text_to_3d", {"prompt": prompt}), 0.0,
            )
            if len(prompt) < framing.MAX_STRING:
                with pytest.raises(TooLarge):
                    client.wait(name, GUARD)
            client.forget(name)
        client.request_list(10)
        listed = wait_for(
            lambda: [one for one in client.poll() if isinstance(one, JobsListed)], "the list"
        )[0].jobs
        assert listed[0].job == job  # neither became a job


def test_unknown_job_is_not_finished(steady_hub):
    with steady_hub.client() as client:
        job = new_job_id()
        client.watch(job)
        with pytest.raises(UnknownJob):
            client.wait(job, GUARD)


def test_wrong_secret_is_refused(steady_hub):
    info = read_connection_file(steady_hub.folder)
    with Client(info.address, token=bytes(32)) as client:
        with pytest.raises(NotAllowed):
            client.wait_connected(GUARD)
        assert client.state is ConnectionState.REFUSED


def test_connection_file_is_private(steady_hub):
    mode = (steady_hub.folder / "connection.json").stat().st_mode & 0o777
    assert mode == 0o600 or os.name == "nt"


def test_junk_on_the_socket_and_the_port(steady_hub):
    info = read_connection_file(steady_hub.folder)
    context = zmq.Context()
    doors = ((info.address, info.keys), (info.back_address, info.worker_keys))
    for address, keys in (*doors, *((address, None) for address, _ in doors)):
        peer = context.socket(zmq.DEALER)
        peer.linger = 0
        if keys is not None:
            keys.secure(peer)
        peer.connect(address)
        good = framing.encode(framing.Envelope("PING"))
        for frames in (
            [b""], [b"junk"], [os.urandom(100)] * 3, [good[0], b"\xdd\xff\xff\xff\xff"], good,
            [good[0], os.urandom(60000)],
            framing.encode(framing.Envelope("HELLO", body={"min_major": "one"})),
            framing.encode(framing.Envelope("HELLO", body={"min_major": 7, "max_major": 9, "software": "x",
                                                           "channel": "ctl"})),
            framing.encode(framing.Envelope("READY", body={"worker": "../../x"})),
            framing.encode(framing.Envelope("RESULT", job="0" * 32, body={"fence": 1})),
            [bytes(9 << 20)],
        ):
            peer.send_multipart(frames)
        host, port = address.removeprefix("tcp://").split(":")
        for raw in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(5000), b"\xff" + bytes(8) + b"\x7f"):
            with socket.create_connection((host, int(port)), timeout=10) as wire:
                wire.sendall(raw)
        peer.close()
    context.term()
    with steady_hub.client() as client:
        assert client.wait(client.submit(TextTo3DSpec("steps=2")), GUARD).report["attempt"] == 1
