# SPDX-License-Identifier: GPL-3.0-or-later
"""A job of several devices through the hub: its ranks compute together, and none outlives the job or its leader."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "faults"), str(ROOT / "tests" / "backend" / "worker")]

from hub_process import GUARD, HubProcess, wait_for  # noqa: E402

from protocol.errors import Cancelled  # noqa: E402
from protocol.messages import TextTo3DSpec  # noqa: E402
from protocol.updates import JobChanged  # noqa: E402

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


class TwoPlaces(HubProcess):
    """A hub with two places on the CPU. jobs: the module of its recipes."""

    def __init__(self, folder: Path, jobs: str) -> None:
        super().__init__(folder)
        self._jobs = jobs

    def environment(self):
        return {**super().environment(), "MAQUETTE_JOBS_MODULE": self._jobs}

    def command(self, *more: str) -> list[str]:
        return super().command("--slots", "cpu:2", *more)


def ranks_of(hub: HubProcess) -> list[psutil.Process]:
    """Processes that other ranks of a job run in."""
    found = []
    for worker in hub.workers():
        for one in worker.children(recursive=True):
            if "backend.worker.rank" in one.cmdline():
                found.append(one)
    return found


def ended(processes: list[psutil.Process]) -> bool:
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


@pytest.fixture
def start(tmp_path):
    hubs = []

    def begin(jobs: str) -> HubProcess:
        hub = TwoPlaces(tmp_path / "data", jobs)
        hub.folder.mkdir()
        hubs.append(hub)
        hub.start()
        wait_for(lambda: len(hub.workers()) == 2, "two workers")
        return hub

    yield begin
    for one in hubs:
        one.close()


def test_ranks_live_and_die_with_their_job(start):
    hub = start("scripted_ranks")
    with hub.client() as client:
        def running(job):
            view = client.jobs[job]
            wait_for(lambda: view.state == "RUNNING" and view.fraction > 0.1, "work", client)

        seen: list[object] = []
        job = client.submit(TextTo3DSpec("steps=40 delay=0.02 crash_rank=1", gpus=2))
        report = client.wait(job, GUARD, seen.append).report
        assert report["sum"] == 3.0 and report["ranks"] == 2 and report["begin"] >= 15
        reasons = [one.text for one in seen if isinstance(one, JobChanged) and one.state == "RETRY_WAIT"]
        assert len(reasons) == 1 and "Rank 1 of 2 was ended by signal 9" in reasons[0]

        job = client.submit(TextTo3DSpec("steps=4000", gpus=2))
        running(job)
        ranks = ranks_of(hub)
        assert len(ranks) == 1 and len(hub.workers()) == 1, "the other place lends its device"
        client.cancel(job)
        with pytest.raises(Cancelled):
            client.wait(job, GUARD)
        wait_for(lambda: ended(ranks), "the end of the rank", client)
        wait_for(lambda: len(hub.workers()) == 2, "the other place's worker", client)

        job = client.submit(TextTo3DSpec("steps=60", gpus=16))  # more than there are
        running(job)
        ranks = ranks_of(hub)
        (leader,) = hub.workers()
        leader.kill()
        wait_for(lambda: ended(ranks), "the end of the rank", client)
        report = client.wait(job, GUARD).report
        assert report["ranks"] == 2 and report["begin"] > 0
        assert any("16" in text and "2" in text for text in client.jobs[job].warnings)


def test_a_whole_short_job_with_two_ranks(start):
    hub = start("")
    with hub.client() as client:
        job = client.submit(TextTo3DSpec("a red chair", seed=1, effort=0.01, texture_size=64, gpus=2))
        result = client.wait(job, 5 * GUARD)
        assert result.report["ranks"] == 2 and client.jobs[job].attempt == 1
        assert len(result.arrays["faces"]) > 100
