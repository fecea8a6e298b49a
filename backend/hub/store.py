# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hub must not forget of jobs: what was asked for, their numbered events, attempts, inputs and results.

A change of state is one transaction guarded by the state and the fence that it was decided on. The connection and what
all tables need is `database`'s; which blobs may go says `shelf`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

import msgpack

from backend.hub.database import Database
from backend.hub.states import FINAL, NEED_BLOBS, QUEUED, JobState
from protocol.arrays import Descriptor
from protocol.errors import KeyConflict, LeaseLost, MaquetteError, UnknownJob
from protocol.messages import Event, JobSummary
from protocol.specs import KINDS


@dataclass(frozen=True)
class JobRow:
    """One job as stored. number: order of arrival. spec: the map of its kind. priority: its class.

    rank: place among its user's own jobs, smallest first. ttl: seconds that it may wait to be started, 0 for ever.
    """

    number: int
    id: str
    user: str
    kind: str
    spec: dict[str, Any]
    title: str
    life: JobState
    last_seq: int
    created: float
    priority: str = "normal"
    rank: float = 0.0
    ttl: float = 0.0

    def summary(self, ahead: int = -1) -> JobSummary:
        """The job as one line of a JOBS message. ahead: how many are to start before it, -1 for none."""
        return JobSummary(
            self.id, self.kind, self.title, self.life.state, self.last_seq, self.life.attempt, self.created,
            self.priority, ahead,
        )


class Store(Database):
    """The hub's jobs in its database. wall_clock: seconds since 1970. Raises OutOfSpace; then nothing has changed."""

    def submit(
        self, job: str, user: str, kind: str, spec: dict[str, Any], title: str, *, priority: str = "normal",
        ttl: float = 0.0, inputs: Sequence[Descriptor] = (), here: Callable[[bytes], bool] = lambda digest: False,
    ) -> bool:
        """Store a new job with its first event. False when the same request is already there.

        here: whether the bytes of an input need not be sent any more; the job waits for the others.
        Raises KeyConflict when the id is taken by another request or another user.
        """
        packed = msgpack.packb(spec)
        if self.has(job):
            old = self.job(job)
            same = (old.user, old.kind) == (user, kind) and same_spec(kind, old.spec, msgpack.unpackb(packed))
            if not same or _by_name(self.inputs(job)) != _by_name(inputs):
                raise KeyConflict(
                    "This submit key was already used for another request.", hint="Submit under a new key."
                )
            return False
        now = self._clock()
        arrived = {one.hash: here(one.hash) for one in inputs}
        state = QUEUED if all(arrived.values()) else NEED_BLOBS
        with self.transaction() as db:
            db.execute(
                "INSERT INTO jobs(id, user, kind, spec, title, state, created, updated, priority, rank, ttl) "
                "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(number), 0) + 1 FROM jobs), ?)",
                (job, user, kind, packed, title, state, now, now, priority, ttl),
            )
            db.executemany("INSERT INTO inputs VALUES(?, ?, ?, ?, ?, ?)", [
                (job, one.name, place, one.hash, msgpack.packb(one.to_map()), arrived[one.hash])
                for place, one in enumerate(inputs)
            ])
            self._add_event(db, job, {"kind": "state", "state": state}, (), now)
            self.note(db, user, "submit", job)
        return True

    def job(self, job: str) -> JobRow:
        """One job. Raises UnknownJob."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id=?", (job,)).fetchone()
        if row is None:
            raise UnknownJob(f"The hub has no job {job}.", hint="It was submitted to another hub, or was deleted.")
        return _job_row(row)

    def has(self, job: str) -> bool:
        """Whether there is a job of this id, whoever it belongs to."""
        return self._db.execute("SELECT 1 FROM jobs WHERE id=?", (job,)).fetchone() is not None

    def jobs_in(self, states: Sequence[str], limit: int = -1) -> list[JobRow]:
        """Jobs in any of these states, oldest first."""
        marks = ",".join("?" * len(states))
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM jobs WHERE state IN ({marks}) ORDER BY number LIMIT ?", (*states, limit)
        )
        return [_job_row(row) for row in rows]

    def newest_jobs(self, user: str, limit: int, open_only: bool, before: str = "") -> list[JobRow]:
        """The user's newest jobs, newest first; with `before`, those that came before this job."""
        where = f"AND state NOT IN {FINAL}" if open_only else ""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM jobs WHERE user=?1 {where} AND (?2='' OR number < (SELECT number FROM jobs WHERE "
            "id=?2 AND user=?1)) ORDER BY number DESC LIMIT ?3", (user, before, limit),
        )
        return [_job_row(row) for row in rows]

    def highest_fence(self) -> int:
        """The highest fence that was ever given out."""
        return int(self._db.execute("SELECT coalesce(max(fence), 0) FROM jobs").fetchone()[0])

    def change(
        self, old: JobRow, new: JobState, text: str, error: MaquetteError | None, arrays: Sequence[Descriptor] = (),
        *, bad: bool = False, slot: str = "", devices: int = 1, used: tuple[float, float] | None = None,
    ) -> JobRow:
        """Move a job to a new state, with its event, attempt, artefacts and account, in one transaction.

        bad: the attempt ended by a fault. slot: where the new attempt runs, on so many devices. used: the user's
        device seconds weighed down by age, and those of this attempt. Raises LeaseLost when the job is no longer in
        the state and under the fence that `old` says.
        """
        now = self._clock()
        with self.transaction() as db:
            done = db.execute(
                "UPDATE jobs SET state=?, attempt=?, fence=?, worker=?, lowered=?, updated=? "
                "WHERE id=? AND state=? AND fence=?",
                (new.state, new.attempt, new.fence, new.worker, new.lowered, now, old.id, old.life.state,
                 old.life.fence),
            )
            if done.rowcount != 1:
                raise LeaseLost(f"Job {old.id} is no longer {old.life.state} under fence {old.life.fence}.")
            if new.fence != old.life.fence:
                db.execute(
                    "INSERT INTO attempts(job, fence, attempt, worker, slot, devices, began) "
                    "VALUES(?, ?, ?, ?, ?, ?, ?)", (old.id, new.fence, new.attempt, new.worker, slot, devices, now),
                )
            elif old.life.worker and not new.worker:
                db.execute(
                    "UPDATE attempts SET ended=?, outcome=?, bad=? WHERE job=? AND fence=?",
                    (now, error.code if error else new.state, bad, old.id, new.fence),
                )
            if used is not None:
                db.execute(
                    "INSERT INTO usage VALUES(?1, ?2, ?3, ?4) ON CONFLICT(user) DO UPDATE "
                    "SET recent=?2, at=?3, total=total+?4", (old.user, used[0], now, used[1]),
                )
            for one in arrays:
                db.execute("INSERT OR IGNORE INTO blobs VALUES(?, ?, ?)", (one.hash, one.size, now))
                db.execute("INSERT OR REPLACE INTO artefacts VALUES(?, ?, ?)", (old.id, one.name, one.hash))
            body = {"kind": "state", "state": new.state, "attempt": new.attempt, "text": text[:4096]}
            if error is not None:
                body["error"] = error.to_map()
            self._add_event(db, old.id, body, arrays, now)
            if new.state in FINAL:
                db.execute("DELETE FROM checkpoints WHERE job=?", (old.id,))
                self.note(db, old.user, new.state.lower(), old.id)
        return self.job(old.id)

    def failed_on(self, job: str) -> list[tuple[str, str]]:
        """Worker and slot of every attempt of this job that ended by a fault."""
        return self._db.execute("SELECT worker, slot FROM attempts WHERE job=? AND bad", (job,)).fetchall()

    def attempt_began(self, job: str, fence: int) -> float:
        """When this attempt was leased, in seconds since 1970; now for one that is not known."""
        row = self._db.execute("SELECT began FROM attempts WHERE job=? AND fence=?", (job, fence)).fetchone()
        return self.now() if row is None else float(row[0])

    def place(self, job: str, priority: str, rank: float, by: str) -> JobRow:
        """Put a job into a priority class and to a place among its user's own jobs. by: who asked for it."""
        with self.transaction() as db:
            db.execute("UPDATE jobs SET priority=?, rank=? WHERE id=?", (priority, rank, job))
            self.note(db, by, "reprioritise", job, f"{priority} {rank:g}")
        return self.job(job)

    def usage(self) -> list[tuple[str, float, float, float]]:
        """For each user: device seconds weighed down by age, when that was, and all device seconds ever."""
        return self._db.execute("SELECT user, recent, at, total FROM usage").fetchall()

    def warn(self, job: str, fence: int, number: int, text: str) -> bool:
        """Add a warning to the job's log. False when this number of this attempt is already there."""
        row = self._db.execute("SELECT last_number FROM attempts WHERE job=? AND fence=?", (job, fence)).fetchone()
        if row is None or row[0] >= number:
            return False
        with self.transaction() as db:
            db.execute("UPDATE attempts SET last_number=? WHERE job=? AND fence=?", (number, job, fence))
            self._add_event(db, job, {"kind": "warning", "text": text}, (), self._clock())
        return True

    def events_after(self, job: str, seq: int, limit: int) -> list[Event]:
        """The job's events with higher numbers, in order."""
        rows = self._db.execute(
            "SELECT seq, body FROM events WHERE job=? AND seq>? ORDER BY seq LIMIT ?", (job, seq, limit)
        )
        return [_event(job, number, body) for number, body in rows]

    def blob_is_of(self, digest: bytes, user: str) -> bool:
        """Whether these bytes are a result of this user, or an input that came from this user."""
        return self._db.execute(
            "SELECT 1 FROM artefacts JOIN jobs ON jobs.id=artefacts.job WHERE hash=?1 AND user=?2 UNION ALL "
            "SELECT 1 FROM inputs JOIN jobs ON jobs.id=inputs.job WHERE hash=?1 AND user=?2 AND arrived LIMIT 1",
            (digest, user),
        ).fetchone() is not None

    # Inputs

    def inputs(self, job: str) -> tuple[Descriptor, ...]:
        """What goes in with a job, in the order in which it was submitted."""
        rows = self._db.execute("SELECT descriptor FROM inputs WHERE job=? ORDER BY place", (job,))
        return tuple(Descriptor.from_map(msgpack.unpackb(body)) for body, in rows)

    def input_wanted(self, digest: bytes, user: str) -> int | None:
        """Bytes of an input with this hash that a job of this user waits for; None when none does."""
        row = self._db.execute(
            "SELECT descriptor FROM inputs JOIN jobs ON jobs.id=inputs.job "
            "WHERE hash=? AND user=? AND state=? AND NOT arrived LIMIT 1", (digest, user, NEED_BLOBS),
        ).fetchone()
        return None if row is None else Descriptor.from_map(msgpack.unpackb(row[0])).size

    def input_arrived(self, digest: bytes, size: int, user: str) -> list[JobRow]:
        """Note that the bytes are here; gives the user's jobs that now have all their inputs."""
        now = self._clock()
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO blobs(hash, size, created) VALUES(?, ?, ?)", (digest, size, now))
            waiting = [name for name, in db.execute(
                "SELECT DISTINCT job FROM inputs JOIN jobs ON jobs.id=inputs.job WHERE hash=? AND user=? AND state=?",
                (digest, user, NEED_BLOBS),
            )]
            for name in waiting:
                db.execute("UPDATE inputs SET arrived=1 WHERE job=? AND hash=?", (name, digest))
        return [self.job(name) for name in waiting if self.has_inputs(name)]

    def has_inputs(self, job: str) -> bool:
        """Whether all inputs of the job are here."""
        return self._db.execute("SELECT 1 FROM inputs WHERE job=? AND NOT arrived", (job,)).fetchone() is None

    @staticmethod
    def _add_event(
        db: sqlite3.Connection, job: str, body: dict[str, Any], arrays: Sequence[Descriptor], now: float
    ) -> None:
        packed = msgpack.packb({"b": body, "bufs": [one.to_map() for one in arrays]})
        seq = db.execute("UPDATE jobs SET last_seq=last_seq+1 WHERE id=? RETURNING last_seq", (job,)).fetchone()[0]
        db.execute("INSERT INTO events VALUES(?, ?, ?, ?)", (job, seq, now, packed))


def same_spec(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two maps of a kind ask for the same, though other versions may have written them.

    A field that one of them does not have stands at its default there; one that the kind no longer has does not count.
    Maps of a kind that is not known here must be equal.
    """
    if kind not in KINDS:
        return old == new
    for one in fields(KINDS[kind]):
        default = one.default if one.default_factory is MISSING else one.default_factory()
        if old.get(one.name, default) != new.get(one.name, default):
            return False
    return True


def _by_name(inputs: Sequence[Descriptor]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {one.name: (one.dtype, one.shape, one.hash) for one in inputs}


_COLUMNS = (
    "number, id, user, kind, spec, title, state, attempt, fence, worker, lowered, last_seq, created, priority, rank, "
    "ttl"
)


def _job_row(row: tuple[Any, ...]) -> JobRow:
    number, job, user, kind, spec, title, state, attempt, fence, worker, lowered, *rest = row
    life = JobState(state, attempt, fence, worker, lowered)
    return JobRow(number, job, user, kind, msgpack.unpackb(spec), title, life, *rest)


def _event(job: str, seq: int, body: bytes) -> Event:
    stored = msgpack.unpackb(body)
    arrays = tuple(Descriptor.from_map(one) for one in stored["bufs"])
    return Event.from_map(stored["b"], {"job": job, "seq": seq, "arrays": arrays})
