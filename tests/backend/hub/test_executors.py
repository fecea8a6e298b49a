# SPDX-License-Identifier: GPL-3.0-or-later
"""What every executor must do, shown with real processes: on this machine, and on a real Ray cluster of two nodes.

The hub, its workers and Ray's own processes are all started here; the jobs are scripted. Waits are guards only. On
Ray, where every process takes seconds to start, two of the tests run only when MAQUETTE_LONG_TESTS is set.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
from pathlib import Path

import psutil
import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "faults"), str(HERE.parent / "worker")]

from hub_process import GUARD, HubProcess, wait_for  # noqa: E402

from protocol.errors import Cancelled  # noqa: E402
from protocol.messages import TextTo3DSpec  # noqa: E402
from protocol.updates import JobChanged  # noqa: E402

TWO_GPUS = """GPU 0: Scripted (UUID: GPU-00000000-0000-0000-0000-000000000000)
GPU 1: Scripted (UUID: GPU-11111111-1111-1111-1111-111111111111)
"""
JOBS_EACH = 5  # after which a worker is exchanged

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and scripts of POSIX")


class Studio(HubProcess):
    """A hub whose two places come from an executor; `lose_a_device` takes one of them away."""

    def __init__(self, folder: Path, more: list[str], environ: dict[str, str]) -> None:
        super().__init__(folder)
        self._more, self._environ = more, environ

    def environment(self):
        return {**super().environment(), "MAQUETTE_MOST_JOBS": str(JOBS_EACH), "MAQUETTE_ALONE_SECONDS": "5",
                **self._environ}

    def command(self, *more: str) -> list[str]:
        return super().command(*self._more, *more)

    def workers(self) -> list[psutil.Process]:
        found = []
        for one in psutil.process_iter(["cmdline"]):
            line = one.info["cmdline"] or []
            with contextlib.suppress(psutil.Error):
                if "backend.worker" in line and any(part.startswith(str(self.folder)) for part in line) \
                        and one.status() != psutil.STATUS_ZOMBIE:
                    found.append(one)
        return found

    def lose_a_device(self) -> None:
        raise NotImplementedError


class OnThisMachine(Studio):
    """Two GPUs, as far as a scripted nvidia-smi is to be believed."""

    def __init__(self, folder: Path) -> None:
        tools = folder / "tools"
        tools.mkdir(parents=True)
        self._gpus = tools / "gpus.txt"
        self._gpus.write_text(TWO_GPUS)
        program = tools / "nvidia-smi"
        program.write_text(f'#!/bin/sh\n[ "$1" = -L ] && cat {self._gpus}\nexit 0\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        path = os.pathsep.join([str(tools), os.environ["PATH"]])
        super().__init__(folder / "data", [], {"PATH": path, "CUDA_VISIBLE_DEVICES": "0,1"})

    def lose_a_device(self) -> None:
        self._gpus.write_text(TWO_GPUS.splitlines()[0] + "\n")
        for one in self.workers():
            if one.environ().get("CUDA_VISIBLE_DEVICES", "").startswith("GPU-1"):
                one.kill()


class OnRay(Studio):
    """Two nodes of one CPU each."""

    def __init__(self, folder: Path, cluster) -> None:
        super().__init__(folder / "data", ["--ray", cluster.address, "--slots", "cpu:2"], {})
        self._cluster = cluster

    def lose_a_device(self) -> None:
        self._cluster.remove_node(self._cluster.worker_nodes.copy().pop())


@pytest.fixture(scope="module", params=["process", "ray"])
def studio(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "process":
        one, cluster = OnThisMachine(folder), None
    else:
        pytest.importorskip("ray")
        from ray.cluster_utils import Cluster

        options = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=options)
        cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
        one = OnRay(folder, cluster)
    one.folder.mkdir()
    try:
        one.start()
        yield one
    finally:
        one.close()
        if cluster is not None:
            cluster.shutdown()


def long_on_ray(studio: Studio) -> None:
    if isinstance(studio, OnRay) and not os.environ.get("MAQUETTE_LONG_TESTS"):
        pytest.skip("takes long on Ray; set MAQUETTE_LONG_TESTS=1 to run it")


def running(client, job, fraction=0.0):
    view = client.jobs[job]
    wait_for(lambda: view.state == "RUNNING" and view.fraction > fraction, "work", client)


def test_every_place_has_a_worker_and_each_job_runs_once(studio):
    wait_for(lambda: len(studio.workers()) == 2, "two workers")
    with studio.client() as client:
        # Long enough for the slower of the two to have started: a process is there before it is ready for a job.
        jobs = [client.submit(TextTo3DSpec("steps=50 delay=0.1")) for _ in range(2)]
        for job in jobs:
            running(client, job)  # both at once
        reports = [client.wait(job, GUARD).report for job in jobs]
    assert {one["attempt"] for one in reports} == {1} and len({one["pid"] for one in reports}) == 2


def test_a_deaf_job_is_cancelled_with_its_process_while_a_killed_one_goes_on_from_its_checkpoint(studio):
    with studio.client() as client:
        deaf = client.submit(TextTo3DSpec("steps=4 deaf=1 sleep=600"))
        running(client, deaf, 0.4)
        before = {one.pid for one in studio.workers()}
        client.cancel(deaf)
        seen: list[object] = []
        job = client.submit(TextTo3DSpec("steps=30 delay=0.1 checkpoint=1"))
        running(client, job, 0.4)
        for one in studio.workers():
            with contextlib.suppress(psutil.Error):
                if any(job in file.path for file in one.open_files()):  # its log
                    one.kill()
        report = client.wait(job, GUARD, seen.append).report
        reasons = [one.text for one in seen if isinstance(one, JobChanged) and one.state == "RETRY_WAIT"]
        assert len(reasons) == 1 and "signal 9" in reasons[0], reasons
        assert report["begin"] >= 8
        with pytest.raises(Cancelled):
            client.wait(deaf, GUARD)
        wait_for(lambda: len(before - {one.pid for one in studio.workers()}) == 2, "the end of its process", client)


def test_workers_are_exchanged_after_a_number_of_jobs(studio):
    long_on_ray(studio)
    with studio.client() as client:
        jobs = [client.submit(TextTo3DSpec("steps=1")) for _ in range(2 * JOBS_EACH + 1)]
        reports = [client.wait(job, GUARD).report for job in jobs]
    assert {one["attempt"] for one in reports} == {1}
    assert len({one["pid"] for one in reports}) >= 3


def test_a_place_goes_with_its_device(studio):
    wait_for(lambda: len(studio.workers()) == 2, "two workers")
    studio.lose_a_device()
    wait_for(lambda: len(studio.workers()) == 1, "one worker")
    with studio.client() as client:
        jobs = [client.submit(TextTo3DSpec("steps=3")) for _ in range(3)]
        for job in jobs:
            client.wait(job, GUARD)
    assert len(studio.workers()) <= 1


def test_a_hub_that_stops_leaves_no_process_and_the_job_goes_on_after_it(studio):
    long_on_ray(studio)
    with studio.client() as client:
        job = client.submit(TextTo3DSpec("steps=25 delay=0.1 checkpoint=1"))
        running(client, job, 0.3)
        assert studio.terminate() == 0
        assert studio.workers() == []
        studio.start()
        report = client.wait(job, GUARD).report
        assert report["begin"] >= 5 and client.jobs[job].attempt == 1


def test_a_hub_that_is_killed_leaves_no_orphan(studio):
    wait_for(studio.workers, "a worker")
    before = studio.workers()
    assert studio.process is not None
    studio.process.send_signal(signal.SIGKILL)
    studio.process.wait(GUARD)
    wait_for(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in before), "their end")
