# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker processes on the hub's own machine: one a GPU, or as many on the CPU as was asked for.

The device and the number of threads are set in the environment, because they must stand before torch is imported.
Processes outlive a hub that is killed: the next hub of the same data folder finds them by what is written down in
workers.json. A worker that no hub comes back for ends by itself (see `backend.worker.link`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from backend.hub.executors.devices import Device, Discovery
from backend.hub.executors.environment import worker_environment
from backend.hub.executors.keeper import Keeper
from backend.hub.executors.places import Found, Life, Place, worker_log

log = logging.getLogger("maquette.hub")

RECORD = "workers.json"
LOG_BYTES = 8 << 20  # of a place's output before it starts over


@dataclass
class ProcessLife:
    """A process of this machine. child: None for one that an earlier hub started."""

    handle: psutil.Process
    child: subprocess.Popen[bytes] | None
    created: float

    def code(self) -> int | None:
        """Exit code; 1 for one whose true code only the hub that started it knew."""
        if self.child is not None:
            return self.child.poll()
        try:
            gone = not self.handle.is_running() or self.handle.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            gone = True
        return 1 if gone else None

    def signal(self, hard: bool) -> None:
        """A killed worker takes the processes that it leads with it."""
        try:
            if hard:
                family = self.handle.children(recursive=True) if self.code() is None else []
                self.handle.kill()
                for one in family:
                    with contextlib.suppress(psutil.Error):
                        one.kill()
            elif os.name == "nt":
                self.handle.terminate()
            else:
                self.handle.send_signal(signal.SIGTERM)
        except psutil.Error as problem:
            log.info("the process had already ended: %s", problem)


class ProcessLauncher:
    """Starts workers here. devices: the places, or None to look for GPUs. command: without the worker's name."""

    def __init__(
        self, folder: Path, command: list[str], devices: Sequence[Device] | None, clock: Callable[[], float],
        environ: Mapping[str, str],
    ) -> None:
        self._folder = folder
        self._command = command
        self._environ = environ
        self._clock = clock
        self._fixed = None if devices is None else list(devices)
        self._discovery: Discovery | None = None

    def devices(self) -> list[Device] | None:
        if self._fixed is not None:
            return list(self._fixed)
        if self._discovery is None:
            self._discovery = Discovery(self._environ, self._clock)
        result = self._discovery.result()
        if result is not None:
            self._discovery = None
        return result

    def launch(self, device: Device, worker: str, share: int) -> Life:
        logs = self._folder / "logs"
        logs.mkdir(exist_ok=True)
        path = logs / worker_log(device)
        mode = "wb" if path.exists() and path.stat().st_size > LOG_BYTES else "ab"
        with open(path, mode) as output:
            child = subprocess.Popen(
                [*self._command, "--name", worker], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=worker_environment(self._environ, device.id, share),
                start_new_session=os.name != "nt",  # Ctrl-C in the terminal is for the hub alone
            )
        handle = psutil.Process(child.pid)
        return ProcessLife(handle, child, handle.create_time())

    def found(self) -> list[Found]:
        try:
            records = json.loads((self._folder / RECORD).read_text(encoding="utf-8"))
            return [
                Found(str(one["slot"]), str(one["name"]), _living(int(one["pid"]), float(one["created"])),
                      str(one["lent_to"]))
                for one in records
            ]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def remember(self, places: Sequence[Place]) -> None:
        records = []
        for one in places:
            life = one.life if isinstance(one.life, ProcessLife) else None
            if life is not None or one.lent_to:
                records.append({"slot": one.device.slot, "name": one.worker, "lent_to": one.lent_to,
                                "pid": life.handle.pid if life else 0, "created": life.created if life else 0.0})
        temporary = self._folder / f".{RECORD}"
        temporary.write_text(json.dumps(records), encoding="utf-8")
        os.replace(temporary, self._folder / RECORD)


def _living(pid: int, created: float) -> ProcessLife | None:
    """The process of this number, if it is still the one that was written down."""
    try:
        handle = psutil.Process(pid)
        if abs(handle.create_time() - created) < 1.0 and handle.status() != psutil.STATUS_ZOMBIE:
            log.info("found a worker of the last run (process %d)", pid)
            return ProcessLife(handle, None, created)
    except (psutil.Error, ValueError):
        pass
    return None


class ProcessExecutor(Keeper):
    """Workers on this machine. devices: None to look for GPUs (one place on the CPU where there are none).

    prefix: of their names.
    """

    def __init__(
        self, folder: Path, command: list[str], devices: Sequence[Device] | None = None,
        clock: Callable[[], float] = time.monotonic, environ: Mapping[str, str] = os.environ, prefix: str = "",
    ) -> None:
        super().__init__(ProcessLauncher(folder, command, devices, clock, environ), clock, prefix=prefix)


def worker_command(data_folder: Path) -> list[str]:
    """How to start a worker for the hub of this data folder."""
    return [sys.executable, "-m", "backend.worker", "--data", str(data_folder)]
