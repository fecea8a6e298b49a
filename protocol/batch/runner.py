# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a few jobs of a batch at the hub until all rows have ended, and writes each step down first.

No files, no Blender, no terminal: what to do with a result and how to show progress is handed in.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..errors import (
    BadRequest,
    Cancelled,
    EmptySurface,
    MaquetteError,
    NotConnected,
    QuotaExceeded,
    TimedOut,
    TrainingDiverged,
)
from ..specs import Spec
from ..updates import (
    ConnectionChanged,
    ConnectionState,
    JobChanged,
    JobFailed,
    JobFinished,
    JobProgress,
    JobWarning,
    Result,
)
from .asked import mark
from .ledger import CANCELLED, DONE, FAILED, OPEN, Ledger
from .manifest import Row, seed_after

POLL_S = 0.03
BACK_OFF_S = 5.0  # before a job is offered again that the hub had no room for
CANCEL_PATIENCE_S = 25.0  # the hub ends a worker that does not stop within 15 s
HUB_PATIENCE_S = 600.0  # a hub that is away longer than this ends the batch

WORKING = ("LEASED", "RUNNING", "PAUSE_REQ", "CANCEL_REQ")
"""States in which a job has a device."""

CERTAIN = (EmptySurface, TrainingDiverged)
"""What the same seed only brings again."""


class Desk(Protocol):
    """Who takes jobs: `protocol.client.Client`, or what stands for it inside Blender."""

    def submit(self, spec: Spec, inputs: Any = None, *, job: str = "") -> str: ...

    def cancel(self, job: str) -> None: ...

    def forget(self, job: str) -> None: ...

    def poll(self, budget_seconds: float = ...) -> Sequence[Any]: ...


@dataclass
class Outcome:
    """How a row ended. state: `done`, `failed`, `cancelled`, or `skipped` where an earlier run had done it."""

    row: Row
    state: str
    key: str = ""
    attempt: int = 0
    seconds: float = 0.0
    error: MaquetteError | None = None
    files: list[str] = field(default_factory=list)


@dataclass
class _Running:
    row: Row
    key: str
    attempt: int
    worked: float = 0.0  # seconds that it had a device until it last lost one
    since: float | None = None  # when it was given the one that it has
    error: MaquetteError | None = None  # why it is being cancelled, when nobody asked for that
    asked: float | None = None

    def works(self, state: str, now: float) -> None:
        """It is in this state from now on."""
        if state in WORKING:
            self.since = now if self.since is None else self.since
        else:
            self.worked, self.since = self.seconds(now), None

    def seconds(self, now: float) -> float:
        """How long it had a device; waiting for its turn is not counted."""
        return self.worked + (0.0 if self.since is None else now - self.since)


def digest(row: Row) -> str:
    """Changes when what a row asks for does."""
    return mark(row.spec, *([dict(row.inputs), row.stamp] if row.inputs else []))[:16]


def plan(rows: Iterable[Row], ledger: Ledger, kept: Callable[[Row, str], bool], only_failed: bool = False
         ) -> tuple[list[Row], list[Outcome]]:
    """(rows to run, rows that need not). kept: are the results of a row, made under a key, still there?"""
    todo: list[Row] = []
    skipped: list[Outcome] = []
    for row in rows:
        entry = ledger.get(row.id)
        same = entry is not None and entry.digest == digest(row)
        if entry is not None and same and entry.state == DONE and kept(row, entry.key):
            skipped.append(Outcome(row, "skipped", entry.key, entry.attempt))
        elif not only_failed or (entry is not None and same and entry.state == FAILED):
            todo.append(row)
    return todo, skipped


class Runner:
    """Runs rows through a desk.

    save: writes a result's files and gives their names; called before the row counts as done. show: gets a row's key,
    its row and an update, for progress. stopping: asked all the time; true ends the batch and cancels what runs.
    inputs_of: the arrays that go in with a row; what it raises is how the row ended.
    """

    def __init__(
        self,
        desk: Desk,
        ledger: Ledger,
        save: Callable[[Row, str, Result], list[str]],
        *,
        limit: int = 4,
        show: Callable[[Row, Any], None] = lambda row, update: None,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        new_key: Callable[[], str] = lambda: os.urandom(16).hex(),
        inputs_of: Callable[[Row], Mapping[str, Any]] = lambda row: {},
    ) -> None:
        self._desk, self._ledger, self._save = desk, ledger, save
        self._limit, self._show, self._stopping, self._inputs_of = limit, show, stopping, inputs_of
        self._clock, self._sleep, self._new_key = clock, sleep, new_key
        self._waiting: deque[tuple[Row, int, float]] = deque()  # row, attempt, not before
        self._running: dict[str, _Running] = {}
        self._outcomes: list[Outcome] = []
        self._away_since: float | None = None

    def run(self, rows: Iterable[Row]) -> list[Outcome]:
        """Until all have ended, or `stopping` says so. Raises what keeps the hub away for good."""
        self._waiting.extend((row, 0, 0.0) for row in rows)
        while self._waiting or self._running:
            now = self._clock()
            stop = self._stopping()
            if stop and not self._running:
                break
            if not stop:
                self._start(now)
            for update in self._desk.poll(POLL_S):
                self._take(update)
            self._mind(now, stop)
            self._sleep(POLL_S)
        self._outcomes += [Outcome(row, CANCELLED, attempt=attempt) for row, attempt, _ in self._waiting]
        return sorted(self._outcomes, key=lambda one: one.row.number)

    def _start(self, now: float) -> None:
        for _ in range(len(self._waiting)):
            if len(self._running) >= self._limit:
                return
            row, attempt, not_before = self._waiting.popleft()
            if not_before > now:
                self._waiting.append((row, attempt, not_before))
                continue
            entry = self._ledger.get(row.id)
            going_on = attempt == 0 and entry is not None and entry.state == OPEN and entry.digest == digest(row)
            if entry is not None and going_on:  # a batch that was killed: the hub may have it, under this key
                key, attempt = entry.key, entry.attempt
            else:
                key, attempt = self._new_key(), attempt + 1
                self._ledger.submitting(row.id, key, digest(row), attempt)
            spec = row.spec
            if row.reseed and attempt > 1:
                spec = replace(spec, seed=seed_after(spec, attempt))  # type: ignore[call-arg]
            self._running[key] = _Running(row, key, attempt)
            try:
                inputs = self._inputs_of(row) if row.inputs else {}
                self._desk.submit(spec, inputs, job=key)
            except BadRequest as problem:  # what goes in is wrong: the next row may be right
                self._failed(self._running[key], problem)

    def _take(self, update: Any) -> None:
        if isinstance(update, ConnectionChanged):
            if update.state is ConnectionState.REFUSED and update.problem is not None:
                raise update.problem
            here = update.state is ConnectionState.READY
            self._away_since = None if here else self._away_since or self._clock()
            return
        job = self._running.get(getattr(update, "job", ""))
        if job is None:
            return
        if isinstance(update, JobChanged):
            job.works(update.state, self._clock())
        elif isinstance(update, (JobProgress, JobWarning)):
            self._show(job.row, update)
        elif isinstance(update, JobFinished):
            self._finished(job, update.result)
        elif isinstance(update, JobFailed):
            self._failed(job, job.error or update.error)

    def _finished(self, job: _Running, result: Result) -> None:
        files = self._save(job.row, job.key, result)
        took = round(job.seconds(self._clock()), 3)
        self._ledger.write(DONE, row=job.row.id, key=job.key, attempt=job.attempt, seconds=took, files=files,
                           seed=result.report.get("seed"))
        self._end(job, Outcome(job.row, DONE, job.key, job.attempt, took, files=files))

    def _failed(self, job: _Running, error: MaquetteError) -> None:
        took = round(job.seconds(self._clock()), 3)
        if isinstance(error, QuotaExceeded):  # refused at the door: nothing has run, the same key is offered again
            del self._running[job.key]
            self._desk.forget(job.key)
            self._waiting.append((job.row, job.attempt - 1, self._clock() + BACK_OFF_S))
            self._ledger.write("refused", row=job.row.id, key=job.key, error=error.to_map())
            return
        if isinstance(error, Cancelled):
            self._ledger.write(CANCELLED, row=job.row.id, key=job.key, attempt=job.attempt, seconds=took)
            self._end(job, Outcome(job.row, CANCELLED, job.key, job.attempt, took, error))
            return
        self._ledger.write(FAILED, row=job.row.id, key=job.key, attempt=job.attempt, seconds=took,
                           error=error.to_map())
        again = job.attempt <= job.row.retries and worth_it(job.row, error)
        if again:
            del self._running[job.key]
            self._desk.forget(job.key)
            self._waiting.append((job.row, job.attempt, 0.0))
        else:
            self._end(job, Outcome(job.row, FAILED, job.key, job.attempt, took, error))

    def _end(self, job: _Running, outcome: Outcome) -> None:
        del self._running[job.key]
        self._desk.forget(job.key)
        self._outcomes.append(outcome)
        self._show(job.row, outcome)

    def _mind(self, now: float, stop: bool) -> None:
        """Cancel what is late or no longer wanted; give up what does not answer."""
        if self._away_since is not None and now - self._away_since > HUB_PATIENCE_S:
            raise NotConnected(f"The hub was away for {HUB_PATIENCE_S:.0f} s.",
                               hint="Start the batch again when it is back; it goes on where it was.")
        for job in list(self._running.values()):
            late = job.row.timeout is not None and job.seconds(now) > job.row.timeout
            if (late or stop) and job.asked is None:
                job.asked = now
                if late:
                    job.error = TimedOut(f"The job did not end within {job.row.timeout:g} s.",
                                         hint="Raise `timeout`, or lower `effort`.", retryable=False)
                self._desk.cancel(job.key)
            elif job.asked is not None and now - job.asked > CANCEL_PATIENCE_S:
                self._failed(job, job.error or Cancelled())


def worth_it(row: Row, error: MaquetteError) -> bool:
    """Can the same row end in another way when it is tried again?"""
    if isinstance(error, CERTAIN):
        return row.reseed or getattr(row.spec, "seed", None) is None
    if isinstance(error, TimedOut):
        return False
    return error.retryable or error.kind in ("worker", "server", "resource")


def summary(outcomes: Sequence[Outcome]) -> str:
    """A table for people: one line a row, then the counts."""
    lines = []
    for one in outcomes:
        end = one.error.message if one.error is not None and one.state != CANCELLED else one.row.out
        took = f"{one.seconds:7.1f} s" if one.seconds else " " * 9
        lines.append(f"{one.row.number:>5}  {one.state:<9}  {took}  {one.row.title[:40]:<40}  {end}")
    counts = {state: sum(1 for one in outcomes if one.state == state) for state in (DONE, "skipped", FAILED, CANCELLED)}
    lines.append(", ".join(f"{count} {state}" for state, count in counts.items() if count) or "nothing to do")
    return "\n".join(lines)


def exit_code(outcomes: Sequence[Outcome], stopped: bool) -> int:
    """0 when all is done, 1 when something failed, 130 when it was interrupted."""
    if stopped:
        return 130
    return 1 if any(one.state in (FAILED, CANCELLED) for one in outcomes) else 0
