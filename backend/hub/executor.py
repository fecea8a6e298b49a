# SPDX-License-Identifier: GPL-3.0-or-later
"""Where worker processes come from. The hub only says how many it wants and which must end.

`ProcessExecutor` keeps one worker process on this machine: started at once, started again after it ended (at
growing intervals when it ends quickly), found again by its process id after a restart of the hub. Thread counts
are set in its environment, because they must stand before torch is imported.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

log = logging.getLogger("maquette.hub")

RECORD = "worker.json"
LOG_BYTES = 8 << 20  # of the worker's output before it starts over
SHORT_LIFE_SECONDS = 20.0  # a worker that ends sooner is started again more slowly
LONGEST_WAIT = 30.0


class Executor(Protocol):
    """What the hub needs to know about worker processes."""

    def ended(self) -> list[tuple[str, int]]:
        """Workers that ended since the last call: name and exit code, negative for a signal."""

    def alive(self, name: str) -> bool:
        """Whether this worker's process is known to live."""

    def knows_dead(self, name: str) -> bool:
        """Whether this worker's process is known to have ended."""

    def terminate(self, name: str) -> None:
        """Ask the process to end."""

    def kill(self, name: str) -> None:
        """End the process."""

    def tick(self) -> None:
        """Start what is missing."""

    def stop(self, patience: float) -> None:
        """End everything; returns with all processes dead."""


class NoExecutor:
    """For a hub whose workers are started by somebody else."""

    def ended(self) -> list[tuple[str, int]]:
        return []

    def alive(self, name: str) -> bool:
        return False

    def knows_dead(self, name: str) -> bool:
        return False

    def terminate(self, name: str) -> None:
        """There is no process of ours."""

    def kill(self, name: str) -> None:
        """There is no process of ours."""

    def tick(self) -> None:
        """There is nothing to start."""

    def stop(self, patience: float) -> None:
        """There is nothing to end."""


def worker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The worker's environment: as many threads as physical cores, waiting threads asleep, unless already said."""
    result = dict(environ)
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    result.setdefault("OMP_NUM_THREADS", str(cores))
    result.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    result["PYTHONUNBUFFERED"] = "1"
    return result


@dataclass
class _Process:
    name: str
    handle: psutil.Process
    child: subprocess.Popen[bytes] | None  # None for one that an earlier hub started
    began: float


class ProcessExecutor:
    """One worker process on this machine. command: what to run, without the worker's name."""

    def __init__(
        self, folder: Path, command: list[str], clock: Callable[[], float], environ: Mapping[str, str] = os.environ
    ) -> None:
        self._folder = folder
        self._command = command
        self._clock = clock
        self._environ = worker_environment(environ)
        self._process: _Process | None = None
        self._dead: set[str] = set()
        self._news: list[tuple[str, int]] = []
        self._start_at = 0.0
        self._wait = 0.5
        self._adopt()

    def _adopt(self) -> None:
        """Find the worker that an earlier hub of this data folder started, if it still lives."""
        try:
            record = json.loads((self._folder / RECORD).read_text(encoding="utf-8"))
            name, pid, created = str(record["name"]), int(record["pid"]), float(record["created"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        try:
            handle = psutil.Process(pid)
            if abs(handle.create_time() - created) < 1.0 and handle.status() != psutil.STATUS_ZOMBIE:
                log.info("found worker %s of the last run (process %d)", name, pid)
                self._process = _Process(name, handle, None, self._clock())
                return
        except psutil.Error:
            pass
        self._dead.add(name)

    def ended(self) -> list[tuple[str, int]]:
        self._look()
        news, self._news = self._news, []
        return news

    def _look(self) -> None:
        process = self._process
        if process is None:
            return
        code: int | None
        if process.child is not None:
            code = process.child.poll()
        else:
            try:
                gone = not process.handle.is_running() or process.handle.status() == psutil.STATUS_ZOMBIE
            except psutil.Error:
                gone = True
            code = 1 if gone else None  # whose child it was knows the true code
        if code is None:
            return
        self._process = None
        self._dead.add(process.name)
        self._news.append((process.name, code))
        lived = self._clock() - process.began
        self._wait = min(self._wait * 2, LONGEST_WAIT) if lived < SHORT_LIFE_SECONDS else 0.5
        self._start_at = self._clock() + (self._wait if lived < SHORT_LIFE_SECONDS else 0.0)
        log.warning("worker %s ended with code %d after %.0f s", process.name, code, lived)

    def alive(self, name: str) -> bool:
        self._look()
        return self._process is not None and self._process.name == name

    def knows_dead(self, name: str) -> bool:
        return name in self._dead

    def terminate(self, name: str) -> None:
        if self.alive(name) and self._process is not None:
            log.warning("asking worker %s to end", name)
            _signal(self._process.handle, hard=False)

    def kill(self, name: str) -> None:
        if self.alive(name) and self._process is not None:
            log.warning("killing worker %s", name)
            _signal(self._process.handle, hard=True)

    def tick(self) -> None:
        self._look()
        if self._process is None and self._clock() >= self._start_at:
            self._start()

    def _start(self) -> None:
        name = f"local-{secrets.token_hex(4)}"
        logs = self._folder / "logs"
        logs.mkdir(exist_ok=True)
        path = logs / "worker.log"
        mode = "wb" if path.exists() and path.stat().st_size > LOG_BYTES else "ab"
        with open(path, mode) as output:
            child = subprocess.Popen(
                [*self._command, "--name", name], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=self._environ, start_new_session=os.name != "nt",  # Ctrl-C in the terminal is for the hub alone
            )
        handle = psutil.Process(child.pid)
        self._process = _Process(name, handle, child, self._clock())
        record = {"name": name, "pid": child.pid, "created": handle.create_time()}
        temporary = self._folder / f".{RECORD}"
        temporary.write_text(json.dumps(record), encoding="utf-8")
        os.replace(temporary, self._folder / RECORD)
        log.info("started worker %s (process %d)", name, child.pid)

    def stop(self, patience: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for hard, seconds in ((None, patience), (False, 2.0), (True, 5.0)):
            if hard is not None:
                _signal(process.handle, hard=hard)
            try:
                if process.child is not None:
                    process.child.wait(seconds)
                else:
                    process.handle.wait(seconds)
                break
            except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
                continue
            except psutil.Error:
                break


def _signal(handle: psutil.Process, *, hard: bool) -> None:
    try:
        if hard:
            handle.kill()
        elif os.name == "nt":
            handle.terminate()
        else:
            handle.send_signal(signal.SIGTERM)
    except psutil.Error as problem:
        log.info("the process had already ended: %s", problem)


def worker_command(data_folder: Path) -> list[str]:
    """How to start a worker for the hub of this data folder."""
    return [sys.executable, "-m", "backend.worker", "--data", str(data_folder)]
