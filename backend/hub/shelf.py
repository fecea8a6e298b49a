# SPDX-License-Identifier: GPL-3.0-or-later
"""Which blobs are needed, by whom, and which may go: results, inputs and checkpoints in the store's tables.

A blob is needed while a job that has not ended has it as an input or as its checkpoint, and while a result that
holds it was not delivered. What is left was delivered or belongs to jobs that have ended; it is kept as long as age
and quota allow. What nothing refers to any more (an older checkpoint) goes at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.hub.states import FINAL
from backend.hub.store import Store

LOOSE_SECONDS = 60.0  # that a blob nothing refers to is kept: its report may be on the way


@dataclass(frozen=True)
class Kept:
    """One blob that may go. touched: when the newest job that refers to it changed, in seconds since 1970."""

    hash: bytes
    size: int
    touched: float


class Shelf:
    """The store's knowledge of blobs; the bytes themselves are `blobs.BlobStore`'s."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # Checkpoints

    def keep_checkpoint(self, job: str, fence: int, number: int, digest: bytes, size: int) -> None:
        """Remember the state from which another worker can go on; an older one does not replace a newer one."""
        with self._store.transaction() as db:
            now = self._store.now()
            db.execute("INSERT INTO blobs VALUES(?1, ?2, ?3) ON CONFLICT(hash) DO UPDATE SET created=?3",
                       (digest, size, now))
            db.execute(
                "INSERT INTO checkpoints VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(job) DO UPDATE SET hash=excluded.hash, "
                "size=excluded.size, fence=excluded.fence, number=excluded.number, time=excluded.time "
                "WHERE (excluded.fence, excluded.number) > (fence, number)", (job, digest, size, fence, number, now),
            )

    def checkpoint(self, job: str) -> tuple[bytes, int]:
        """Hash and size of the job's last checkpoint; empty and 0 when it has none."""
        row = self._store.db.execute("SELECT hash, size FROM checkpoints WHERE job=?", (job,)).fetchone()
        return (b"", 0) if row is None else (row[0], row[1])

    # Results

    def delivered(self, job: str) -> None:
        """The owner has the result, so it may be given up when it grows old."""
        with self._store.transaction() as db:
            db.execute("UPDATE jobs SET delivered=coalesce(delivered, ?) WHERE id=?", (self._store.now(), job))

    # What may go

    def size(self) -> int:
        """Bytes of all blobs."""
        return int(self._store.db.execute("SELECT coalesce(sum(size), 0) FROM blobs").fetchone()[0])

    def loose(self, limit: int) -> list[Kept]:
        """Blobs that nothing refers to."""
        return self._rows(
            f"SELECT hash, size, created FROM blobs WHERE created<? AND NOT {_USED} LIMIT ?",
            (self._store.now() - LOOSE_SECONDS, limit),
        )

    def old(self, limit: int, before: float = 2.0**62) -> list[Kept]:
        """Blobs that no open job and no undelivered result needs, the longest untouched first, touched before then."""
        return self._rows(
            f"SELECT hash, size, touched FROM (SELECT hash, size, {_TOUCHED} AS touched FROM blobs "
            f"WHERE NOT {_NEEDED} AND {_USED}) WHERE touched<? ORDER BY touched LIMIT ?", (before, limit),
        )

    def _rows(self, query: str, values: tuple[float | int, ...]) -> list[Kept]:
        return [Kept(*row) for row in self._store.db.execute(query, values)]

    def forget(self, digest: bytes) -> bool:
        """Take a blob out of the tables, before its file goes. False when something needs it meanwhile."""
        with self._store.transaction() as db:
            if db.execute(f"SELECT 1 FROM blobs WHERE hash=? AND {_NEEDED}", (digest,)).fetchone() is not None:
                return False
            db.execute("DELETE FROM artefacts WHERE hash=?", (digest,))
            db.execute("UPDATE inputs SET arrived=0 WHERE hash=?", (digest,))
            db.execute("DELETE FROM blobs WHERE hash=?", (digest,))
        return True

    def known(self, digest: bytes) -> bool:
        """Whether the tables have this blob."""
        return self._store.db.execute("SELECT 1 FROM blobs WHERE hash=?", (digest,)).fetchone() is not None

    def all(self) -> list[tuple[bytes, int]]:
        """Hash and size of every blob."""
        return self._store.db.execute("SELECT hash, size FROM blobs").fetchall()


_USED = (
    "(EXISTS(SELECT 1 FROM artefacts WHERE artefacts.hash=blobs.hash) "
    "OR EXISTS(SELECT 1 FROM checkpoints WHERE checkpoints.hash=blobs.hash) "
    "OR EXISTS(SELECT 1 FROM inputs WHERE inputs.hash=blobs.hash AND arrived))"
)
_NEEDED = (
    "(EXISTS(SELECT 1 FROM checkpoints WHERE checkpoints.hash=blobs.hash) "
    "OR EXISTS(SELECT 1 FROM artefacts JOIN jobs ON jobs.id=artefacts.job "
    "WHERE artefacts.hash=blobs.hash AND jobs.delivered IS NULL) "
    "OR EXISTS(SELECT 1 FROM inputs JOIN jobs ON jobs.id=inputs.job "
    f"WHERE inputs.hash=blobs.hash AND jobs.state NOT IN {FINAL}))"
)
_TOUCHED = (
    "max(blobs.created, "
    "coalesce((SELECT max(jobs.updated) FROM artefacts JOIN jobs ON jobs.id=artefacts.job "
    "WHERE artefacts.hash=blobs.hash), 0), "
    "coalesce((SELECT max(jobs.updated) FROM inputs JOIN jobs ON jobs.id=inputs.job "
    "WHERE inputs.hash=blobs.hash), 0))"
)
