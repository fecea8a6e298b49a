# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch has asked for and what came of it: one JSON object a line, appended and flushed to the disk.

A submission is written before it is sent, with the key that the hub knows the job by. So a batch that was killed finds
its jobs again under the same keys, and none runs twice. One process at a time may hold a ledger; the lock ends with
the process, however it ends.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import BadRequest, OutOfSpace

FILE_NAME = "log.jsonl"

OPEN, DONE, FAILED, CANCELLED = "open", "done", "failed", "cancelled"


@dataclass(frozen=True)
class Entry:
    """How a row stands: its newest key, how often it was tried, `open`, `done`, `failed` or `cancelled`."""

    row: str
    key: str
    digest: str
    attempt: int
    state: str
    error: str = ""


class Ledger:
    """The log of one batch in its folder. clock: seconds since 1970."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """Open or make it. Raises BadRequest when another process holds it or a line cannot be read."""
        self.folder = folder
        self.path = folder / FILE_NAME
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder / "lock")
        self._entries: dict[str, Entry] = {}
        try:
            self._file: IO[bytes] = self.path.open("ab+")
            self._replay()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._lock.close()

    def get(self, row: str) -> Entry | None:
        """How a row stands, None when it was never asked for."""
        return self._entries.get(row)

    def write(self, event: str, **facts: Any) -> None:
        """Append one line; it is on the disk on return. Raises OutOfSpace."""
        line = {"time": round(self._clock(), 3), "event": event, **facts}
        try:
            self._file.write(json.dumps(line, ensure_ascii=False, default=str).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as problem:
            raise OutOfSpace(f"The log {self.path} cannot be written: {problem.strerror}.",
                             hint="Free some space and start the batch again; it goes on where it was.") from problem
        self._take(line)

    def submitting(self, row: str, key: str, digest: str, attempt: int) -> None:
        """To be called before a job is sent."""
        self.write("submit", row=row, key=key, digest=digest, attempt=attempt)

    def _replay(self) -> None:
        """Read what is there. A last line that is cut off was never acted on, and is taken away."""
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            self._file.truncate(whole)
        for number, raw in enumerate(data[:whole].splitlines(), 1):
            try:
                line = json.loads(raw)
                self._take(line)
            except (ValueError, KeyError, TypeError, AttributeError) as problem:
                raise BadRequest(f"Line {number} of {self.path} cannot be read ({problem}).", path="log",
                                 hint="Move the file away to begin the batch anew.") from problem

    def _take(self, line: dict[str, Any]) -> None:
        event = line["event"]
        if event == "submit":
            self._entries[line["row"]] = Entry(line["row"], line["key"], line["digest"], int(line["attempt"]), OPEN)
        elif event in (DONE, FAILED, CANCELLED):
            old = self._entries[line["row"]]
            error = str((line.get("error") or {}).get("message", ""))
            self._entries[old.row] = Entry(old.row, old.key, old.digest, old.attempt, event, error)


def _locked(path: Path) -> IO[bytes]:
    """Hold the file until it is closed or the process ends. Raises BadRequest when another process holds it."""
    file = path.open("ab")
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        file.close()
        raise BadRequest(f"Another process works on this batch ({path.parent}).", path="state",
                         hint="Wait for it, or give this one another folder with --state.") from problem
    return file
