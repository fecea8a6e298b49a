# SPDX-License-Identifier: GPL-3.0-or-later
"""Hubs as real processes, for tests that break them. Waits are guards against hanging, never measurements."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
from proxy import Proxy

from protocol.client import Client
from protocol.local import read_connection_file, write_connection_file

ROOT = Path(__file__).resolve().parents[2]
GUARD = 120.0  # seconds; a loaded machine is slow, a hang is longer


def workers_of(folder: Path) -> list[psutil.Process]:
    """Worker processes of a data folder that live."""
    found = []
    for one in psutil.process_iter(["cmdline"]):
        line = one.info["cmdline"] or []
        if "backend.worker" in line and str(folder) in line and one.status() != psutil.STATUS_ZOMBIE:
            found.append(one)
    return found


class HubProcess:
    """A hub (with its worker, which runs scripted jobs) in a data folder; can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen | None = None

    def environment(self) -> dict[str, str]:
        paths = [str(ROOT), str(ROOT / "tests" / "backend" / "worker")]
        return {
            **os.environ, "MAQUETTE_JOBS_MODULE": "scripted_jobs", "PYTHONPATH": os.pathsep.join(paths),
            "OMP_NUM_THREADS": "1",
        }

    def command(self, *more: str) -> list[str]:
        return [sys.executable, "-m", "backend.cli", "serve", "--data", str(self.folder), "--quiet", *more]

    def start(self, *more: str) -> HubProcess:
        self.process = subprocess.Popen(self.command(*more), env=self.environment(), cwd=self.folder.parent)
        wait_for(lambda: self.answers(), "the hub to answer")
        return self

    def answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, "the hub ended"
        with contextlib.suppress(Exception):
            return read_connection_file(self.folder).pid == self.process.pid
        return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(GUARD)

    def terminate(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(GUARD)

    def workers(self) -> list[psutil.Process]:
        """Worker processes of this data folder, whoever started them."""
        return workers_of(self.folder)

    def client(self) -> Client:
        return Client.local(self.folder, software="fault test")

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.terminate()
        for one in self.workers():
            with contextlib.suppress(psutil.Error):
                one.kill()


def wait_for(condition, what: str, client: Client | None = None, seconds: float = GUARD):
    """Poll until `condition()` is true; gives its value. Drives `client` meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if client is not None:
            client.poll(0.02)
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")



def connection_through(proxy: Proxy, hub: HubProcess, folder: Path) -> Path:
    """A connection file like the hub's own, but leading through the proxy. A hub that was started anew has new keys:
    write the file again then."""
    folder = folder / f"through-{proxy.port}"
    folder.mkdir(exist_ok=True)
    info = read_connection_file(hub.folder)
    return write_connection_file(folder, replace(info, address=f"tcp://127.0.0.1:{proxy.port}"))


def client_through(proxy: Proxy, hub: HubProcess, folder: Path) -> Client:
    """A client of the hub whose every byte goes through the proxy. folder: for its connection file."""
    return Client(connection_file=connection_through(proxy, hub, folder), software="fault test")
