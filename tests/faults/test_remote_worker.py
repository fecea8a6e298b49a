# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers of other machines: paired by key, without a shared folder, frozen and thawed, and gone without a word."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hub_process import GUARD, ROOT, wait_for, workers_of

from protocol.messages import TextTo3DSpec

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def maquette(hub, *words: str) -> None:
    command = [sys.executable, "-m", "backend.cli", *words]
    subprocess.run(command, env=hub.environment(), check=True, timeout=GUARD, capture_output=True)


class Machine:
    """`maquette worker --hub` with folders of its own, as on another machine."""

    def __init__(self, hub, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        pairing = folder / f"{name}.pairing"
        maquette(hub, "keys", "add", name, "--role", "worker", "--data", str(hub.folder))
        maquette(hub, "keys", "pair", name, "--data", str(hub.folder), "--out", str(pairing))
        command = [sys.executable, "-m", "backend.cli", "worker", "--hub", str(pairing), "--data", str(self.folder),
                   "--slots", "cpu:1"]
        self.process = subprocess.Popen(command, env=hub.environment(), cwd=ROOT)

    def workers(self) -> list[psutil.Process]:
        return workers_of(self.folder)

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(GUARD) == 0
        assert self.workers() == []


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def machines(hub, tmp_path):
    front, back = free_ports(2)
    address = ["--address", f"127.0.0.1:{front}", "--back-port", str(back)]
    maquette(hub, "keys", "init", "--data", str(hub.folder), *address)
    hub.options = ["--no-worker", "--port", str(front), "--back-port", str(back)]
    hub.start(*hub.options)
    made: list[Machine] = []

    def another(name: str) -> Machine:
        made.append(Machine(hub, tmp_path, name))
        wait_for(made[-1].workers, "its worker")
        return made[-1]

    yield another
    for one in made:
        one.close()


@pytest.mark.skipif(not os.environ.get("MAQUETTE_LONG_TESTS"), reason="half a minute; set MAQUETTE_LONG_TESTS=1")
def test_frozen_worker_loses_its_lease_and_its_job_goes_on_elsewhere(hub, machines):
    first = machines("east")
    with hub.client() as client:
        job = client.submit(TextTo3DSpec("steps=220 delay=0.1 checkpoint=1"))
        view = client.jobs[job]
        wait_for(lambda: view.state == "RUNNING" and view.fraction > 0.02, "work", client)
        (frozen,) = first.workers()
        frozen.suspend()  # SIGSTOP
        second = machines("west")
        wait_for(lambda: view.state == "RUNNING" and view.attempt == 2 and view.fraction > 0.0, "the other one", client)
        frozen.resume()
        report = client.wait(job, GUARD).report
        assert psutil.Process(report["pid"]) in second.workers() and report["begin"] > 0, report
        assert client.jobs[job].attempt == 2
        # The thawed one heard that its lease is over, and works on.
        later = [client.submit(TextTo3DSpec("steps=20 delay=0.1")) for _ in range(2)]
        reports = [client.wait(one, GUARD).report for one in later]
        assert frozen.pid in {one["pid"] for one in reports} and {one["attempt"] for one in reports} == {1}


def test_paired_workers_come_back_to_a_restarted_hub(hub, machines):
    machine = machines("north")
    with hub.client() as client:
        job = client.submit(TextTo3DSpec("steps=40 delay=0.1"))
        wait_for(lambda: client.jobs[job].state == "RUNNING", "work", client)
        before = machine.workers()
        hub.kill()
        hub.start(*hub.options)
        report = client.wait(job, GUARD).report
        assert report["attempt"] == 1 and machine.workers() == before
