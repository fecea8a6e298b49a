# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log: who did what, when, to what, and from which key. It only grows; the store's triggers see to that.

Rows are written in the same transaction as what they tell of, so there is no change without its row. What was
refused is in it as well (an unknown key, another user's job), at a bounded rate, so that nobody can fill the disk
by knocking.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocol.keys import fingerprint

MAX_DETAIL = 200  # characters
REFUSALS_A_MINUTE = 60


@dataclass(frozen=True)
class Entry:
    """One row. time: seconds since 1970. what: a word such as `submit`. job: id of a job, or the user it was done to.

    key: the public key it came from as hex, empty for the hub itself and on an unencrypted loopback.
    """

    number: int
    time: float
    user: str
    what: str
    job: str
    key: str
    detail: str

    def to_map(self) -> dict[str, Any]:
        """The row as plain values, the key as its fingerprint."""
        shown = fingerprint(bytes.fromhex(self.key)) if self.key else ""
        return {
            "number": self.number, "time": self.time, "user": self.user, "what": self.what, "about": self.job,
            "key": shown, "detail": self.detail,
        }


def note(
    db: sqlite3.Connection, now: float, user: str, what: str, job: str = "", key: str = "", detail: str = ""
) -> None:
    """Add a row, inside the transaction that is open."""
    db.execute(
        "INSERT INTO audit(time, user, what, job, key, detail) VALUES(?, ?, ?, ?, ?, ?)",
        (now, user, what, job, key, detail[:MAX_DETAIL]),
    )


def read(db: sqlite3.Connection, limit: int, user: str = "", before: int = 2**62) -> list[Entry]:
    """The newest rows, newest first; of one user where `user` says so; older than number `before`."""
    where, values = ("AND user=?", [user]) if user else ("", [])
    rows = db.execute(
        f"SELECT number, time, user, what, coalesce(job, ''), key, detail FROM audit WHERE number<? {where} "
        "ORDER BY number DESC LIMIT ?", (before, *values, limit),
    )
    return [Entry(*row) for row in rows]


class Refusals:
    """Decides which refusals are written down: so many a minute, and how many were left out. clock: seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._minute = -1
        self._written = 0
        self.left_out = 0

    def allow(self) -> bool:
        """Whether there is room for one more in this minute."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._written = minute, 0
        self._written += 1
        if self._written > REFUSALS_A_MINUTE:
            self.left_out += 1
            return False
        return True
