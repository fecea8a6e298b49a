# SPDX-License-Identifier: GPL-3.0-or-later
"""A paused job lets go of its device at its next checkpoint, and goes on from there, also after a restart of all."""

from __future__ import annotations

import pytest
from hub_process import GUARD, wait_for

from protocol.errors import Cancelled
from protocol.messages import TextTo3DSpec


def test_a_paused_job_frees_the_worker_and_goes_on_later(hub):
    hub.start()
    with hub.client() as client:
        job = client.submit(TextTo3DSpec("steps=60 delay=0.1 checkpoint=1 every=5"))
        view = client.jobs[job]
        wait_for(lambda: view.state == "RUNNING" and view.fraction > 0.2, "work", client)
        (worker,) = hub.workers()
        client.pause(job)
        wait_for(lambda: view.state == "PAUSED", "the pause", client)
        report = client.wait(client.submit(TextTo3DSpec("steps=2")), GUARD).report  # the same process is free
        assert report["pid"] == worker.pid and view.state == "PAUSED"
        assert hub.terminate() == 0
        for scratch in (hub.folder / "scratch").glob("*/checkpoint.pt"):
            scratch.unlink()  # as on another machine: the hub's copy must do
        hub.start()
        wait_for(lambda: client.state.name == "READY" and view.state == "PAUSED", "the hub", client)
        client.resume(job)
        report = client.wait(job, GUARD).report
        assert report["begin"] >= 10 and report["begin"] % 5 == 0 and view.attempt == 1

        other = client.submit(TextTo3DSpec("steps=60 delay=0.1 checkpoint=1 every=5"))
        wait_for(lambda: client.jobs[other].state == "RUNNING", "work", client)
        client.pause(other)
        client.cancel(other)
        with pytest.raises(Cancelled):
            client.wait(other, GUARD)
