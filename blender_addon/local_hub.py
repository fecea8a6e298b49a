# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub of this machine as a child process: found, started, watched, stopped.

The child writes a connection file (address and secret, readable by its owner alone) into its data folder once it
listens; that file is all the add-on needs of it. It watches its parent, so that even a crash of Blender leaves no
orphan. No thread is used: `ready` looks at the process and the file and returns at once.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from . import wire

START_LIMIT_S = 60.0
"""A hub starts in about a second; a cold disk with a virus scanner may need many."""
STOP_LIMIT_S = 8.0
"""A hub gives its worker 5 s to hand a running job back."""
LOG_TAIL = 4096
"""Bytes of the log that an error quotes from."""
PYTHON_VARIABLE = "MAQUETTE_PYTHON"


def find_python(preference: str, variables: Mapping[str, str], own: str) -> str:
    """The Python that has the backend: the preference, else MAQUETTE_PYTHON, else the interpreter we run in.

    own: empty inside the Blender program, whose Python has no backend. Raises NotConnected with what to set.
    """
    for source, value in (("the preference Python", preference), (PYTHON_VARIABLE, variables.get(PYTHON_VARIABLE, ""))):
        chosen = value.strip()
        if not chosen:
            continue
        found = shutil.which(chosen)
        if found is None:
            raise wire.errors.NotConnected(
                f"{source[:1].upper()}{source[1:]} names {chosen}, which is not a program that can be run.",
                hint="Choose the python of the environment that build.py made, in the add-on's preferences.",
                code="no_backend",
            )
        return found
    if own:
        return own
    raise wire.errors.NotConnected(
        "Maquette does not know where its backend is installed.",
        hint="Install it from the add-on's preferences, set Python there to one that has it, or paste the pairing "
        "string of your studio's hub.",
        code="no_backend",
    )


class LocalHub:
    """One child process; not restarted by itself: make a new one."""

    def __init__(self, python: str, folder: Path, variables: Mapping[str, str]) -> None:
        """python: has `backend` installed. folder: the hub's data (queue, results, log). variables: its environment."""
        self.folder = folder
        self.log = folder / "hub.log"
        self.connection_file = folder / wire.local.FILE_NAME
        self._started = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.connection_file.unlink(missing_ok=True)  # left by a hub that crashed; a living one was asked before
        command = [python, "-m", "backend.cli", "serve", "--data", str(folder), "--exit-with-parent"]
        environment = {key: value for key, value in variables.items() if key != "PYTHONHOME"}
        # No console window on Windows; a group of its own elsewhere, so that Ctrl+C in Blender's terminal is ours.
        flags = {"creationflags": 0x08000000} if sys.platform == "win32" else {"start_new_session": True}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=folder, **flags
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def ready(self) -> bool:
        """Does it listen? Raises NotConnected when it ended or takes too long."""
        code = self._process.poll()
        if code is not None:
            raise wire.errors.NotConnected(
                f"The hub of this machine ended with exit code {code}.{self._last_words()}",
                hint=f"The whole log is {self.log}. `maquette doctor` says what is missing.",
            )
        if self.connection_file.exists():
            return True
        if time.monotonic() - self._started > START_LIMIT_S:
            raise wire.errors.NotConnected(
                f"The hub of this machine did not start within {START_LIMIT_S:.0f} s.{self._last_words()}",
                hint=f"The whole log is {self.log}.",
            )
        return False

    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self, patience_s: float = STOP_LIMIT_S) -> None:
        """Ask it to end and wait for that, `patience_s` at most; only one that had its full time is killed."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            if patience_s >= STOP_LIMIT_S:
                self._process.kill()
                self._process.wait(STOP_LIMIT_S)

    def _last_words(self) -> str:
        """The last line of the log, which is where Python puts the reason."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - LOG_TAIL))
                lines = log.read().decode("utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return f" It said: {lines[-1].strip()}" if lines else ""
