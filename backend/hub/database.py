# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub's database: the one connection, transactions, facts about the hub itself, and the audit log's pen.

One connection in one thread does everything: SQLite before 3.51.3 can corrupt a WAL database when two connections
write at the same instant (protocol reference, section 10). synchronous=FULL, so what was acknowledged survives a
power cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backend.hub import audit, schema
from protocol.errors import OutOfSpace


class Database:
    """An open store. wall_clock: seconds since 1970. Raises InternalError where the file is damaged or too new."""

    def __init__(self, path: Path, wall_clock: Callable[[], float]) -> None:
        self._clock = wall_clock
        self._db = schema.open_database(path)
        self._path = path
        self._key = ""  # public key of the peer whose message is being handled

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        self._db.close()

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file, so that it does not grow for ever."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def db(self) -> sqlite3.Connection:
        """The one connection, for the modules that keep tables of their own (`accounts`, `audit`)."""
        return self._db

    @contextmanager
    def acting(self, key: str) -> Iterator[None]:
        """What the audit log is told inside comes from this public key (hex)."""
        before, self._key = self._key, key
        try:
            yield
        finally:
            self._key = before

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing, on disk when it is left. Raises OutOfSpace."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")
        except BaseException as problem:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            name = getattr(problem, "sqlite_errorname", None) or ""
            if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
                raise OutOfSpace(
                    f"The disk of the job store is full ({self._path.parent}).", hint="Free some space there.",
                    detail={"folder": str(self._path.parent)},
                ) from problem
            raise

    # Facts about the hub itself

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock()

    def begin_epoch(self) -> int:
        """A new number for this run of the hub."""
        epoch = int(self.meta("epoch") or 0) + 1
        self.set_meta("epoch", epoch)
        return epoch

    def meta(self, key: str) -> Any:
        """A remembered value, or None."""
        row = self._db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return None if row is None else row[0]

    def set_meta(self, key: str, value: Any) -> None:
        """Remember a value."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (key, value))

    # The audit log

    def audit(self, user: str, what: str, job: str = "", detail: str = "") -> None:
        """Note who did what, in a transaction of its own."""
        with self.transaction() as db:
            self.note(db, user, what, job, detail)

    def note(self, db: sqlite3.Connection, user: str, what: str, job: str = "", detail: str = "") -> None:
        """Add a row to the audit log, inside the transaction that is open."""
        audit.note(db, self._clock(), user, what, job, self._key, detail)
