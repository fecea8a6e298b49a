# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that are connected, and what goes out to them by itself: events, newest progress and previews, streams.

A session keeps for each watched job only the number of the last event that was sent; the events themselves are read
from the store, so a slow client costs no memory. Progress and previews use one slot for each job and kind, the newest
wins. Bulk bytes go out against the credit that the client gave, one frame at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from backend.hub.accounts import Account
from backend.hub.newest import Newest
from backend.hub.states import FINAL
from backend.hub.store import Store
from backend.hub.streams import Streams
from backend.hub.wire import Gone, Line, Port
from protocol.errors import OutOfSpace
from protocol.worker_messages import WorkerEphemeral

log = logging.getLogger("maquette.hub")

EVENTS_A_TURN = 32


@dataclass
class Session:
    """A client's two connections. account: as of its last message. key: that all its messages must come from. lines:
    channel -> its connection. sent: watched job -> last event number sent. behind: watched jobs that may have events to
    send. stale: (job, kind) whose newest ephemeral was not sent yet."""

    sid: bytes
    account: Account
    key: str
    ctl: bytes
    blk: bytes = b""
    lines: dict[str, Line | None] = field(default_factory=dict)
    heard: float = 0.0
    sent: dict[str, int] = field(default_factory=dict)
    behind: set[str] = field(default_factory=set)
    stale: set[tuple[str, str]] = field(default_factory=set)
    streams: Streams = field(default_factory=Streams)

    @property
    def user(self) -> str:
        """Whose it is."""
        return self.account.name


class Sessions:
    """All of them. newest: slots of progress and previews."""

    def __init__(self, port: Port, store: Store, newest: Newest) -> None:
        self.by_peer: dict[bytes, tuple[Session, str]] = {}
        self._port, self._store, self._newest = port, store, newest
        self._by_sid: dict[bytes, Session] = {}
        self._awake: set[bytes] = set()  # sessions with something to send; hundreds of others cost nothing

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Session]:
        """A copy: a session may be closed on the way."""
        return iter(list(self._by_sid.values()))

    @property
    def busy(self) -> bool:
        """Whether there is something that can be sent at once, without waiting for a message."""
        return bool(self._awake)

    def find(self, sid: bytes) -> Session | None:
        """By the number that its client was given."""
        return self._by_sid.get(sid)

    def add(self, session: Session) -> None:
        """A client has greeted."""
        self._by_sid[session.sid] = session

    def close(self, session: Session) -> None:
        """It is over; its jobs go on."""
        session.streams.end_all()
        self._by_sid.pop(session.sid, None)
        self.by_peer.pop(session.ctl, None)
        self.by_peer.pop(session.blk, None)

    def wake(self, session: Session) -> None:
        """It may have something to send."""
        self._awake.add(session.sid)

    def follow(self, session: Session, job: str, after_seq: int) -> None:
        """Send the job's events after this one, those to come too."""
        session.sent[job] = after_seq
        session.behind.add(job)
        session.stale.update(self._newest.of(job))
        self.wake(session)

    def news(self, job: str) -> None:
        """A job's log has grown."""
        for session in self._by_sid.values():
            if job in session.sent:
                session.behind.add(job)
                self.wake(session)
        if self._store.job(job).life.state in FINAL:
            self._newest.drop(job)

    def ephemeral(self, message: WorkerEphemeral) -> None:
        """A worker's newest progress or preview: kept in its slot, offered to whoever watches the job."""
        key = self._newest.put(message, self._store.job(message.job).last_seq)
        for session in self._by_sid.values():
            if message.job in session.sent:
                session.stale.add(key)
                self.wake(session)

    def pump(self) -> bool:
        """Send what can be sent. False when every peer that has something to get is slow."""
        moved = False
        for sid in list(self._awake):
            session = self._by_sid.get(sid)
            if session is None:
                self._awake.discard(sid)
                continue
            try:
                moved |= self._pump_events(session)
                moved |= self._pump_ephemeral(session)
                moved |= session.streams.pump(partial(self._port.send, session.blk))
            except Gone:
                self.close(session)
                moved = True
            except (OSError, OutOfSpace) as problem:
                log.error("a stream could not be read: %s", problem)
                session.streams.end_all()
            if not (session.behind or session.stale or session.streams.ready):
                self._awake.discard(sid)
        return moved

    def _pump_events(self, session: Session) -> bool:
        moved = False
        for job in list(session.behind):
            for event in self._store.events_after(job, session.sent.get(job, 2**62), EVENTS_A_TURN):
                if not self._port.send(session.ctl, event):
                    return moved
                session.sent[job] = event.seq
                moved = True
            if not self._store.events_after(job, session.sent.get(job, 2**62), 1):
                session.behind.discard(job)
        return moved

    def _pump_ephemeral(self, session: Session) -> bool:
        moved = False
        for key in list(session.stale):
            message = self._newest.get(key)
            if message is not None and not self._port.send(session.ctl, message):
                return moved
            session.stale.discard(key)
            moved = True
        return moved
