# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes room: results that were delivered long ago, old checkpoints, and files that a kill left behind.

What an open job or an undelivered result needs is never touched (`shelf` decides that). A blob leaves the tables
first and the disk after; a kill in between leaves a file that nobody knows, which the next sweep removes. Little is
done at a time, so that the hub's loop never waits.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.hub.blobs import BlobStore
from backend.hub.shelf import Kept, Shelf
from backend.hub.states import FINAL
from backend.hub.store import Store
from protocol.errors import UnknownJob

log = logging.getLogger("maquette.hub")

FIRST_SECONDS = 20.0  # after the start, before the first look
LOOK_SECONDS = 60.0  # between two looks for blobs that may go
SWEEP_SECONDS = 6 * 3600.0  # between two sweeps for files that nobody knows
ORPHAN_SECONDS = 3600.0  # age of such a file; a younger one may be an upload whose report is on the way
LOG_DAYS = 30.0  # that the logs of jobs are kept
A_TURN = 8  # blobs removed, or folders looked at, in one turn


@dataclass(frozen=True)
class Limits:
    """keep_days: of blobs that nobody needs. keep_bytes: of all blobs, 0 for as many as the disk takes."""

    keep_days: float = 30.0
    keep_bytes: int = 0


class Collector:
    """One for a hub. clock: monotonic seconds. data: the hub's folder."""

    def __init__(
        self, data: Path, store: Store, blobs: BlobStore, limits: Limits, clock: Callable[[], float]
    ) -> None:
        self._data = data
        self._store = store
        self._shelf = Shelf(store)
        self._blobs = blobs
        self._limits = limits
        self._clock = clock
        self._look_at = self._sweep_at = clock() + FIRST_SECONDS
        self._going: list[Kept] = []
        self._sweep: Iterator[None] | None = None
        self.removed, self.removed_bytes = 0, 0

    def turn(self) -> None:
        """Do a little of what is due."""
        now = self._clock()
        if not self._going and now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._going = self._find()
        for one in self._going[:A_TURN]:
            if self._shelf.forget(one.hash):
                self._remove(one.hash)
                self.removed += 1
                self.removed_bytes += one.size
        if self._going:
            del self._going[:A_TURN]
            if not self._going:
                self._look_at = now  # there may be more
        if self._sweep is None and now >= self._sweep_at:
            self._sweep_at = now + SWEEP_SECONDS
            self._sweep = self._sweep_all()
        if self._sweep is not None:
            for _ in range(A_TURN):
                if next(self._sweep, self) is self:
                    self._sweep = None
                    break

    def _find(self) -> list[Kept]:
        """What shall go now, at most some hundreds at a time."""
        found = self._shelf.loose(256)
        found += self._shelf.old(256, self._store.now() - self._limits.keep_days * 86400.0)
        quota = self._limits.keep_bytes
        over = max(self._blobs.shortage(), self._shelf.size() - quota if quota else 0)
        over -= sum(one.size for one in found)
        if over > 0:
            known = {one.hash for one in found}
            for one in self._shelf.old(256):
                if over <= 0:
                    break
                if one.hash not in known:
                    found.append(one)
                    over -= one.size
        return found

    def _sweep_all(self) -> Iterator[None]:
        """Remove files that nobody knows, one folder a step."""
        before = self._store.now() - ORPHAN_SECONDS
        for folder in sorted(self._blobs.folder.glob("[0-9a-f][0-9a-f]")):
            for path in folder.iterdir():
                if _is_digest(path.name) and path.stat().st_mtime < before:
                    digest = bytes.fromhex(path.name)
                    if not self._shelf.known(digest):
                        log.info("removing %s, which no job knows", path.name)
                        self._remove(digest)
            yield
        for path in list(_entries(self._data / "scratch")):
            if path.stat().st_mtime < before and self._over(path.name):
                shutil.rmtree(path, ignore_errors=True)
            yield
        for path in list(_entries(self._data / "logs" / "jobs")):
            if path.stat().st_mtime < before - LOG_DAYS * 86400.0 and self._over(path.stem):
                path.unlink(missing_ok=True)
            yield

    def _remove(self, digest: bytes) -> None:
        try:
            self._blobs.remove(digest)
        except OSError as problem:  # Windows keeps a file that is being read; the next sweep finds it again
            log.warning("a blob could not be removed: %s", problem)

    def _over(self, job: str) -> bool:
        try:
            return self._store.job(job).life.state in FINAL
        except UnknownJob:
            return False  # of another hub's, or nobody's: the worker that made it sweeps it


def _entries(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        with os.scandir(folder) as found:
            for one in found:
                yield Path(one.path)


def _is_digest(name: str) -> bool:
    return len(name) == 64 and all(one in "0123456789abcdef" for one in name)
