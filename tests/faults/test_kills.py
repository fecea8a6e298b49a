# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes are killed at bad moments; no job is lost, none has its effect twice, and every event comes once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest
from hub_process import GUARD, ROOT, HubProcess, wait_for

from protocol.client import new_job_id
from protocol.errors import Cancelled, Poisoned, TimedOut, WorkerCrashed
from protocol.messages import TextTo3DSpec
from protocol.updates import ConnectionState, JobChanged


def running(client, job, fraction=0.0):
    view = client.jobs[job]
    return wait_for(lambda: view.state == "RUNNING" and view.fraction > fraction, "work", client)


def test_worker_killed_in_the_middle_goes_on_from_its_checkpoint(hub):
    hub.start()
    with hub.client() as client:
        seen = []
        job = client.submit(TextTo3DSpec("steps=40 delay=0.1 checkpoint=1"))
        running(client, job, 0.3)
        for one in hub.workers():
            one.kill()
        report = client.wait(job, GUARD, seen.append).report
        assert report["attempt"] == 2 and report["begin"] >= 10
        states = [one.state for one in seen if isinstance(one, JobChanged)]
        assert states[-5:] == ["RETRY_WAIT", "QUEUED", "LEASED", "RUNNING", "SUCCEEDED"]
        assert client.jobs[job].seq == 8  # QUEUED, LEASED, RUNNING and those five

        poison = client.submit(TextTo3DSpec("crash_until=9"))
        with pytest.raises(Poisoned) as caught:
            client.wait(poison, GUARD)
        assert caught.value.attempt == 3 and caught.value.detail["signal"] == signal.SIGKILL
        assert client.wait(client.submit(TextTo3DSpec("steps=2")), GUARD).report["attempt"] == 1


def test_hub_killed_and_restarted_keeps_jobs_and_worker(hub):
    hub.start()
    with hub.client() as client:
        seen = []
        job = client.submit(TextTo3DSpec("steps=60 delay=0.1", seed=3))
        queued = client.submit(TextTo3DSpec("steps=2"))
        running(client, job, 0.05)
        wait_for(lambda: client.jobs[queued].state == "QUEUED", "the second job", client)
        (worker,) = hub.workers()
        hub.kill()
        wait_for(lambda: client.state is not ConnectionState.READY, "the client to notice", client)
        late = client.submit(TextTo3DSpec("steps=2"), job=new_job_id())  # while there is no hub
        with pytest.raises(TimedOut):
            client.wait(late, 0.2)
        hub.start()
        result = client.wait(job, GUARD, seen.append)
        assert result.report["attempt"] == 1, "the worker should have gone on as if nothing had happened"
        assert worker.is_running() and hub.workers() == [worker]
        assert client.wait(queued, GUARD).report["attempt"] == 1
        assert client.wait(late, GUARD).report["attempt"] == 1
        assert client.jobs[job].seq == 4
    with hub.client() as fresh:  # replay from the beginning
        seen = []
        fresh.watch(job)
        again = fresh.wait(job, GUARD, seen.append)
        states = [one.state for one in seen if isinstance(one, JobChanged)]
        assert states == ["QUEUED", "LEASED", "RUNNING", "SUCCEEDED"]
        assert (again.arrays["vertices"] == result.arrays["vertices"]).all()


def test_hub_and_worker_both_killed(hub):
    hub.start()
    with hub.client() as client:
        job = client.submit(TextTo3DSpec("steps=30 delay=0.1 checkpoint=1"))
        running(client, job, 0.2)
        hub.kill()
        for one in hub.workers():
            one.kill()
        hub.start()
        report = client.wait(job, GUARD).report
        assert report["attempt"] == 2 and report["begin"] >= 3


def test_hub_told_to_stop_gives_the_job_back(hub):
    hub.start()
    with hub.client() as client:
        job = client.submit(TextTo3DSpec("steps=30 delay=0.1 checkpoint=1"))
        running(client, job, 0.1)
        assert hub.terminate() == 0
        assert hub.workers() == []
        hub.start()
        report = client.wait(job, GUARD).report
        assert report["attempt"] == 2  # of the recipe; it does not count as a failed one for the hub
        assert client.jobs[job].attempt == 1


def test_a_worker_that_does_not_listen_is_ended(hub):
    hub.start()
    with hub.client() as client:
        job = client.submit(TextTo3DSpec("steps=4 sleep=600"))
        running(client, job, 0.2)
        before = hub.workers()
        client.cancel(job)  # broken out of its long call
        with pytest.raises(Cancelled):
            client.wait(job, GUARD)
        assert client.wait(client.submit(TextTo3DSpec("steps=2")), GUARD).report["attempt"] == 1
        assert hub.workers() == before

        job = client.submit(TextTo3DSpec("steps=4 deaf=1 sleep=600"))
        running(client, job, 0.4)  # past the last place where it listens
        client.cancel(job)  # ended with its process
        with pytest.raises(Cancelled):
            client.wait(job, GUARD)
        assert client.wait(client.submit(TextTo3DSpec("steps=2")), GUARD).report["attempt"] == 1
        assert hub.workers() != before


@pytest.mark.skipif(os.name == "nt", reason="process groups and signals of POSIX")
def test_hub_ends_with_the_process_that_started_it(tmp_path):
    hub = HubProcess(tmp_path / "data")
    hub.folder.mkdir()
    command = hub.command("--exit-with-parent")
    code = f"import subprocess, time; p = subprocess.Popen({command!r}); print(p.pid, flush=True); time.sleep(600)"
    parent = subprocess.Popen([sys.executable, "-c", code], env=hub.environment(), stdout=subprocess.PIPE, text=True,
                              cwd=ROOT)
    try:
        pid = int(parent.stdout.readline())
        wait_for(lambda: (hub.folder / "connection.json").exists() and hub.workers(), "the hub and its worker")
        parent.kill()
        parent.wait(GUARD)
        wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, "its end")
        assert hub.workers() == []
    finally:
        parent.kill()
        hub.close()


def test_second_hub_in_the_same_folder_is_refused(hub):
    hub.start()
    second = subprocess.run(hub.command(), env=hub.environment(), capture_output=True, text=True, timeout=GUARD)
    assert second.returncode == 2
    assert "Another hub already runs" in second.stderr and "--data" in second.stderr
    with hub.client() as client:
        client.wait_connected(GUARD)


def test_no_worker_can_be_started(hub, monkeypatch):
    """A worker that ends before it has said a word, again and again: waiting jobs are told, the hub stays."""
    broken = hub.folder / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import os, sys\nif 'backend.worker' in sys.orig_argv: os._exit(77)\n"
    )
    environment = hub.environment()
    environment["PYTHONPATH"] = os.pathsep.join([str(broken), environment["PYTHONPATH"]])
    monkeypatch.setattr(hub, "environment", lambda: environment)
    hub.start()
    with hub.client() as client:
        job = client.submit(TextTo3DSpec("steps=1"))
        with pytest.raises(WorkerCrashed) as caught:
            client.wait(job, GUARD)
        assert caught.value.detail["exit_code"] == 77 and "doctor" in caught.value.hint
        assert client.state is ConnectionState.READY
