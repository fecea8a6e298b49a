# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's side of the conversation as a state machine without I/O.

Frames and the time go in, frames to send and updates come out; sockets and clocks belong to `client`. A request is
kept and sent again until it is answered, because a ZeroMQ send is not a delivery; everything is safe to receive
twice. Here are the connection's ups and downs: the greetings, the pings, who lets us in and who does not. What goes
out is `line`'s, what becomes of the jobs `following`'s. A new session (the hub restarted, the connection broke) resumes
every job that has not ended here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from . import compress, framing
from .arrays import Buffer
from .errors import MaquetteError, UnknownSession, VersionMismatch, WrongKey
from .fields import Message, read
from .following import Following
from .line import BLK, CTL, Line
from .messages import (
    HUB_TO_CLIENT,
    Accepted,
    BlobNeed,
    BlobOk,
    Bye,
    Chunk,
    Continue,
    Draining,
    Ephemeral,
    Error,
    Event,
    Hello,
    Jobs,
    List,
    Pause,
    Ping,
    Rejected,
    Reprioritise,
    Welcome,
)
from .specs import JobSpec
from .updates import ConnectionChanged, ConnectionState, JobsListed, Update
from .versions import OURS, Versions

__all__ = ["BLK", "CTL", "Session"]

PING_AFTER = 5.0  # seconds without a word from the hub (reference, section 7)
DEAD_AFTER = 10.0  # seconds without an answer to that ping
COMPARE_AFTER = 30.0  # seconds between looks whether an event got lost with nothing after it to show the gap


class Session:
    """One client's session. `new_id` gives 16 random bytes; times are seconds of any steady clock.

    features: what may be used if the hub has it too. versions: majors of the protocol that are spoken here.
    """

    def __init__(
        self, *, software: str, token: bytes, new_id: Callable[[], bytes], features: tuple[str, ...] = (),
        versions: Versions = OURS,
    ) -> None:
        self.features = features
        self.software = software
        self.token = token
        self.state = ConnectionState.OFFLINE
        self.problem: MaquetteError | None = None
        self.welcome: Welcome | None = None
        self.updates: deque[Update] = deque()
        self.dropped = 0  # messages that were not readable
        self.line = Line(versions, new_id)
        self.outbox = self.line.outbox
        self.following = Following(self.line, self.updates, self._unreadable)
        self.jobs = self.following.jobs
        self._handlers: dict[type[Message], Callable[[Any, str, bytes, float], None]] = {
            Welcome: self._on_welcome, Rejected: self._on_rejected, Jobs: self._on_jobs, Error: self._on_error,
            Draining: self._on_draining, Accepted: self.following.on_accepted, Event: self.following.on_event,
            Ephemeral: self.following.on_ephemeral, Chunk: self.following.on_chunk,
            BlobNeed: self.following.on_blob_need, BlobOk: self.following.on_blob_ok,
        }
        self._heard = 0.0
        self._compared = 0.0
        self._pinged: float | None = None
        self._ticks_since_ping = 0

    # What the owner of the sockets says

    def opened(self, now: float) -> None:
        """New sockets are there: greet on the control connection."""
        self._lose()
        self._become(ConnectionState.CONNECTING, self.problem if self.state is ConnectionState.REFUSED else None)
        self._greet(CTL, now)

    def lost(self, now: float, problem: MaquetteError | None = None) -> None:
        """The connection is gone, the sockets try to get it back: greet again as soon as they can."""
        self._lose()
        self._become(ConnectionState.CONNECTING, problem)
        self._greet(CTL, now)

    def refused(self, problem: MaquetteError) -> None:
        """The hub does not let us in, or is not ours; the owner closed the sockets."""
        self._lose()
        if self.state is not ConnectionState.REFUSED:  # otherwise the hub itself has said why
            self._become(ConnectionState.REFUSED, problem)

    def hindered(self, problem: MaquetteError) -> None:
        """No connection comes about, for this reason; the sockets go on trying."""
        if self.state is ConnectionState.CONNECTING:
            self._become(ConnectionState.CONNECTING, problem)

    def closed(self) -> None:
        """The owner closed the sockets."""
        self._lose()
        self._become(ConnectionState.OFFLINE, None)

    def receive(self, channel: str, frames: Sequence[Buffer], now: float) -> None:
        """One message came on `ctl` or `blk`. Unreadable ones are counted and dropped."""
        try:
            envelope = self.line.versions.read(framing.decode(frames))
            message = read(envelope, HUB_TO_CLIENT)
        except MaquetteError:
            self._unreadable()
            return
        self._heard, self._pinged = now, None
        handler = self._handlers.get(type(message))
        if handler is not None:
            handler(message, channel, envelope.re, now)

    def tick(self, now: float) -> None:
        """Time passed: repeat requests, ping, give up on a silent hub."""
        self.line.tick(now)
        self.following.tick(now)
        if self.state is not ConnectionState.READY:
            return
        if now - self._compared > COMPARE_AFTER:
            self._resume(now)
        if self._pinged is None:
            if now - self._heard > PING_AFTER:
                self._pinged, self._ticks_since_ping = now, 0
                self.line.post(CTL, Ping())
        else:  # the ticks are counted so that a stall of this very process does not look like a dead hub
            self._ticks_since_ping += 1
            if now - self._pinged > DEAD_AFTER and self._ticks_since_ping > 3:
                self.lost(now)

    # What the user asks for; all of it is sent until it is answered

    def submit(self, spec: JobSpec, job: str, now: float, inputs: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Ask for a job under an id of 32 hex digits; sent until the hub has it on disk, and then its inputs.

        Raises BadRequest or TooLarge for inputs that this kind of job does not take. They are copied.
        """
        self.following.submit(spec, job, now, inputs or {})

    def cancel(self, job: str, now: float) -> None:
        """End a job. One that never left this process ends at once."""
        self.following.cancel(job, now)

    def watch(self, job: str, after_seq: int, now: float) -> None:
        """Follow a job that was submitted before, from its event number `after_seq` on."""
        self.following.watch(job, after_seq, now)

    def pace(self, message: Pause | Continue, now: float) -> None:
        """Let a job rest or go on. A later wish takes the place of one on its way."""
        self.following.pace(message, now)

    def move(self, message: Reprioritise, now: float) -> None:
        """Another class or another place among the own jobs."""
        self.following.move(message, now)

    def forget(self, job: str) -> None:
        """Stop following a job; it goes on at the hub."""
        self.following.forget(job)

    def list_jobs(self, limit: int, open_only: bool, now: float, before: str = "") -> None:
        """Ask how the hub's jobs stand; answered by a JobsListed update."""
        self.line.request(("list",), CTL, List(limit, open_only, before), now)

    def leave(self) -> None:
        """Say goodbye; the jobs go on."""
        if self.line.ready[CTL]:
            self.line.post(CTL, Bye())

    # The connection's state

    def _become(self, state: ConnectionState, problem: MaquetteError | None) -> None:
        if (state, problem) != (self.state, self.problem):
            self.state, self.problem = state, problem
            self.updates.append(ConnectionChanged(state, problem))

    def _lose(self) -> None:
        self.line.broke()
        self.following.disconnected()
        self._pinged = None

    def _greet(self, channel: str, now: float) -> None:
        versions = self.line.versions
        sid = self.welcome.sid if self.welcome is not None and channel == BLK else b""
        if channel == CTL:
            self.line.major = versions.oldest
        hello = Hello(versions.oldest, versions.newest, self.software, channel, self.features, self.token, sid)
        self.line.request(("hello", channel), channel, hello, now)

    def _resume(self, now: float) -> None:
        self._compared = now
        self.following.resume(now)

    def _unreadable(self) -> None:
        self.dropped += 1

    # What the hub says of the session

    def _on_welcome(self, message: Welcome, channel: str, re: bytes, now: float) -> None:
        if self.line.requests.answered(re) != ("hello", channel):
            return
        self.line.ready[channel] = True
        if channel == BLK:
            squeeze = compress.FEATURE in message.features and compress.FEATURE in self.features
            self.following.connected(min(message.window, 4 << 20), squeeze, now)
            return
        self.welcome, self.line.major = message, message.major
        self.following.max_result_bytes = message.max_job_bytes
        self._become(ConnectionState.READY, None)
        self._greet(BLK, now)
        self.line.stands(now)
        self._resume(now)

    def _on_rejected(self, message: Rejected, channel: str, re: bytes, now: float) -> None:
        key = self.line.requests.answered(re)
        if type(key) is tuple and key[0] == "hello":
            self._lose()
            self._become(ConnectionState.REFUSED, message.error)
        elif type(key) is tuple and key[0] == "submit":
            self.following.rejected(key[1], message.error)

    def _on_jobs(self, message: Jobs, channel: str, re: bytes, now: float) -> None:
        if self.line.requests.answered(re) == ("list",):
            self.updates.append(JobsListed(message.jobs))

    def _on_draining(self, message: Draining, channel: str, re: bytes, now: float) -> None:
        self.lost(now)

    def _on_error(self, message: Error, channel: str, re: bytes, now: float) -> None:
        error = message.error
        if isinstance(error, UnknownSession):
            self._forgotten(channel, now)
        elif self.following.bytes_refused(error, now):
            pass  # taken care of there
        elif isinstance(error, WrongKey):  # it was revoked just now
            self.refused(error)
        elif isinstance(error, VersionMismatch):
            self._become(self.state, error)
        else:
            self.following.refused(message, re)

    def _forgotten(self, channel: str, now: float) -> None:
        """The hub does not know this session on that connection."""
        if self.line.ready[channel] and channel == CTL:
            self.lost(now)
        elif self.line.ready[channel]:
            self.line.ready[BLK] = False
            self.following.bulk_lost()
            self._greet(BLK, now)
        elif channel == BLK and ("hello", BLK) in self.line.requests:  # the hub forgot the session between the two
            self.lost(now)
