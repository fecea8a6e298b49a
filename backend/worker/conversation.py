# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker's side of its conversation with the hub, as a state machine without I/O.

It holds at most one lease (`held`), repeats every durable message until the hub has answered (`durable`), uploads
results piece by piece and goes on where the hub says (`delivery`), and keeps only the newest progress and preview
(`newest`). What the job itself does is none of its business: the owner puts reports in and takes leases and cancels
out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from backend import __version__
from backend.worker.delivery import Delivery, Parcel
from backend.worker.durable import RESEND_SECONDS, Durable
from backend.worker.held import FETCHED, Held, fetch_checkpoint, fetch_inputs
from backend.worker.newest import Newest
from protocol import framing
from protocol.arrays import Buffer, Descriptor
from protocol.downloads import Downloads
from protocol.errors import (
    Cancelled,
    InternalError,
    LeaseLost,
    MaquetteError,
    OutOfSpace,
    UnknownBlob,
    UnknownSession,
)
from protocol.fields import Message, read
from protocol.messages import Ack, BlobNeed, BlobOk, Chunk, Error, Rejected, Welcome
from protocol.versions import OURS, Versions
from protocol.worker_messages import (
    HUB_TO_WORKER,
    Beat,
    Checkpoint,
    Failed,
    Goodbye,
    Lease,
    Ready,
    Result,
    Stop,
    WorkerCancel,
    WorkerEphemeral,
    WorkerEvent,
    WorkerPause,
    WorkerPaused,
)

BEAT_SECONDS = 2.0  # protocol reference, section 7
SPACE_PATIENCE_SECONDS = 60.0  # to wait for room on the hub's disk before the job fails


@dataclass
class Conversation:
    """One worker. name: new for each process. new_id: gives 16 random bytes. caps: what the machine has."""

    name: str
    pid: int
    token: bytes
    new_id: Callable[[], bytes]
    caps: dict[str, object] = field(default_factory=dict)
    state: str = "warming"
    ready: bool = False
    refused: MaquetteError | None = None
    stop_asked: bool = False
    held: Held | None = None
    leases: deque[Held] = field(default_factory=deque)
    outbox: deque[list[Buffer]] = field(default_factory=deque)
    ended_fence: int = 0
    progress: int = 0
    memory: int = 0
    device_free: int = 0
    warm: tuple[str, ...] = ()
    versions: Versions = OURS

    def __post_init__(self) -> None:
        self._major = self.versions.oldest  # until the hub has chosen one
        self._durable = Durable(self._post, self.new_id)
        self._delivery = Delivery(self._post, self._arrived)
        self._downloads = Downloads(self._post)
        self._newest = Newest(self._post)
        self._ready_id, self._ready_due = b"", 0.0
        self._beat_due = 0.0
        self._left = False

    # What the owner of the socket says

    def opened(self, now: float) -> None:
        """The connection is new or was lost: report ready as soon as it can send."""
        self.ready = False
        self.outbox.clear()
        self._downloads.disconnected()
        self._greet(now)

    def receive(self, frames: Sequence[Buffer], now: float) -> None:
        """One message from the hub; unreadable ones are dropped."""
        try:
            envelope = self.versions.read(framing.decode(frames))
            message = read(envelope, HUB_TO_WORKER)
        except MaquetteError:
            return
        if isinstance(message, Welcome):
            if envelope.re == self._ready_id:
                self.ready, self.refused, self._beat_due, self._major = True, None, now, message.major
                self._downloads.connected(message.window, now)
                self._durable.due_at_once(now)
                self._delivery.reconnected(now)
        elif isinstance(message, Rejected):
            self.refused = message.error
        elif isinstance(message, Lease):
            self._lease(message, now)
        elif isinstance(message, WorkerCancel):
            self._cancel(message.job, message.fence, now)
        elif isinstance(message, WorkerPause):
            self._pause(message.job, message.fence, now)
        elif isinstance(message, Stop):
            self.stop_asked = True
            if self.held is None or not self.held.begun:
                self.leave("The hub asked this worker to stop.", now)
            elif message.now:
                self.held.stopped = True
        elif isinstance(message, Ack):
            self._acknowledged(envelope.re)
        elif isinstance(message, BlobNeed):
            self._delivery.need(message, now)
        elif isinstance(message, BlobOk):
            self._delivery.ok(message, now)
        elif isinstance(message, Chunk):
            self._downloads.chunk(message, now)
        elif isinstance(message, Error):
            self._refused(message.error, envelope.re, now)

    def tick(self, now: float) -> None:
        """Time passed: greet, beat, repeat what was not answered, send the newest progress."""
        if not self.ready:
            if now >= self._ready_due and not self.outbox:
                self._greet(now)
            return
        if now >= self._beat_due:
            self._beat_due = now + BEAT_SECONDS
            lease = self.held.lease if self.held is not None else None
            self._post(Beat(
                self.state, lease.job if lease else "", lease.fence if lease else 0, self.progress, self.memory,
                self.device_free, self.warm,
            ))
        if not self.outbox:
            self._durable.tick(now)
        self._downloads.tick(now)
        self._delivery.tick(now)
        if not self.outbox:
            self._newest.tick(now)

    # What the job's side says

    def beat_soon(self) -> None:
        """Something changed that the hub should know now."""
        self._beat_due = 0.0

    def begin(self, held: Held, now: float) -> bool:
        """The job starts; False when the lease ended while it waited."""
        if self.held is not held or held.stopped:
            return False
        held.begun, self.state = True, "busy"
        self._note(held, "started", "", now)
        return True

    def warn(self, held: Held, text: str, now: float) -> None:
        """A durable warning."""
        self._note(held, "warning", text[:4096], now)

    def show(self, held: Held, message: WorkerEphemeral) -> None:
        """The newest progress or preview; replaces one that was not sent yet."""
        if self.held is held and not held.stopped:
            self._newest.put(message)

    def deliver(self, held: Held, arrays: Sequence[tuple[Descriptor, memoryview]], now: float) -> None:
        """The job is done: upload its arrays, then report the result."""
        if self.held is not held:
            return
        if held.lost:
            self._drop()
            return
        held.over = True
        self._delivery.deliver(held, arrays, now)

    def keep(self, held: Held, descriptor: Descriptor, data: memoryview, now: float) -> None:
        """A checkpoint: uploaded beside the work. A newer one takes the place of one that still waits."""
        if self.held is held and not held.stopped and not held.over:
            self._delivery.keep(held, descriptor, data, now)

    def let_go(self, held: Held, now: float) -> None:
        """The job has stopped because it should pause; once its last checkpoint is at the hub, say so."""
        if self.held is not held:
            return
        if held.lost:
            self._drop()
            return
        held.over = True
        if self._delivery.parcel is None:
            self._durable.add(WorkerPaused(held.lease.job, held.lease.fence), now)

    def fail(self, held: Held, error: MaquetteError, now: float) -> None:
        """The job ended without a result."""
        if self.held is not held:
            return
        held.over = True
        self._delivery.drop()
        if held.lost:
            self._drop()
            return
        self._durable.add(Failed(held.lease.job, held.lease.fence, error), now)

    def leave(self, reason: str, now: float) -> None:
        """Give a job that may be held back, and go."""
        if self._left or Goodbye in self._durable:
            return
        self._durable.forget()
        self._delivery.drop()
        self._durable.add(Goodbye(reason), now)

    @property
    def computing(self) -> bool:
        """Whether the job at hand still runs (and has not ended and only waits to be delivered)."""
        return self.held is not None and self.held.begun and not self.held.over

    @property
    def left(self) -> bool:
        """Whether the hub has heard the goodbye."""
        return self._left

    # Inside

    def _post(self, message: Message, id: bytes = b"") -> None:
        self.outbox.append(framing.encode(self.versions.write(message.to_envelope(id=id), self._major)))

    def _greet(self, now: float) -> None:
        lease = self.held.lease if self.held is not None else None
        self._ready_id, self._ready_due = self.new_id(), now + RESEND_SECONDS
        self._major = self.versions.oldest
        self._post(Ready(
            self.name, self.pid, f"maquette {__version__}", self.versions.oldest, self.versions.newest, self.caps,
            self.token, lease.job if lease else "", lease.fence if lease else 0,
        ), self._ready_id)

    def _lease(self, lease: Lease, now: float) -> None:
        if self.held is not None or lease.fence <= self.ended_fence or self.stop_asked:
            return  # a repeat, or one of the past
        self.held = held = Held(lease)
        self.leases.append(held)
        fetch_inputs(self._downloads, held, now)
        if self.state == "warming":  # seconds may pass before the recipe can say anything itself
            self._newest.put(WorkerEphemeral(lease.job, stage="starting the worker", fence=lease.fence))
        self.beat_soon()

    def fetch_checkpoint(self, held: Held, now: float) -> None:
        """Ask the hub for what another attempt left there."""
        fetch_checkpoint(self._downloads, held, now)

    def _cancel(self, job: str, fence: int, now: float) -> None:
        held = self.held
        if held is None or not held.is_of(job, fence) or held.stopped:
            return
        letting_go = held.over and held.pausing
        held.stopped, held.pausing = True, False
        self._newest.clear()
        delivering = self._delivery.parcel is not None and self._delivery.parcel.final
        if delivering or letting_go or not held.begun:  # nobody else will notice
            self.fail(held, Cancelled(), now)

    def _pause(self, job: str, fence: int, now: float) -> None:
        held = self.held
        if held is None or not held.is_of(job, fence) or held.stopped or held.pausing:
            return
        held.pausing = True
        if not held.begun:  # it has not even begun
            held.stopped = True
            self.let_go(held, now)

    def _note(self, held: Held, kind: str, text: str, now: float) -> None:
        if self.held is held and not held.lost:
            held.number += 1
            self._durable.add(WorkerEvent(held.lease.job, held.lease.fence, held.number, kind, text), now)

    def _acknowledged(self, re: bytes) -> None:
        message = self._durable.asked(re)
        if message is None:
            return
        self._durable.done()
        if isinstance(message, (Result, Failed, WorkerPaused)):
            self._drop()
        elif isinstance(message, Goodbye):
            self._left = True

    def _drop(self) -> None:
        """The lease is over, one way or the other."""
        if self.held is not None:
            self.ended_fence = max(self.ended_fence, self.held.lease.fence)
        self.held = None
        self._delivery.drop()
        for one in FETCHED:
            self._downloads.drop(one)
        self.leases.clear()
        self._newest.clear()
        self._durable.forget(but=Goodbye)
        self.state = "idle" if self.state == "busy" else self.state
        self.beat_soon()

    def _refused(self, error: MaquetteError, re: bytes, now: float) -> None:
        asked = self._durable.asked(re)
        if isinstance(error, UnknownSession):
            if self.ready:
                self.opened(now)
        elif isinstance(error, LeaseLost):
            if asked is not None and self.held is not None:
                self.held.stopped = self.held.lost = True
                self._durable.forget()
                self._delivery.drop()
                if self.held.over or not self.held.begun:
                    self._drop()
        elif isinstance(error, UnknownBlob) and type(error.detail.get("hash")) is bytes and asked is None:
            self._downloads.missing(error.detail["hash"])
        elif isinstance(error, OutOfSpace):
            self._no_space(error, now)
        elif isinstance(asked, Result):  # an array is missing there: begin the upload again
            self._durable.done()
            self._delivery.again(now)
        elif asked is not None and not error.retryable:  # the hub cannot take it, so repeating it would never end
            self._durable.done()
            if isinstance(asked, Failed):
                plain = InternalError("The job failed, and its error could not be sent.", hint="See the job's log.")
                self._durable.add(Failed(asked.job, asked.fence, plain), now)

    # What becomes of the bytes

    def _arrived(self, parcel: Parcel, now: float) -> None:
        """The hub has all of it: report what it is."""
        held, lease = parcel.held, parcel.held.lease
        if parcel.final:
            self._durable.add(Result(lease.job, lease.fence, parcel.manifest), now)
            return
        held.checkpoints += 1
        one = parcel.manifest[0]
        self._durable.add(Checkpoint(lease.job, lease.fence, held.checkpoints, one.hash, one.size), now)
        self._checkpoint_gone(held, now)

    def _checkpoint_gone(self, held: Held, now: float) -> None:
        """One has arrived, or never will; after the last one of a job that should pause, say so."""
        if not self._delivery.go_on(now) and held.over and held.pausing:
            self._durable.add(WorkerPaused(held.lease.job, held.lease.fence), now)

    def _no_space(self, error: MaquetteError, now: float) -> None:
        """The hub's disk is full: wait for room, then fail with the hub's own words."""
        parcel = self._delivery.parcel
        if parcel is None:
            return  # an event or a last report; it is simply sent again
        if not parcel.final:  # the work goes on without it; this machine has its own copy
            self._checkpoint_gone(parcel.held, now)
            return
        waited = self._delivery.no_room(parcel, now)
        if waited is None:
            self.warn(parcel.held, f"{error.message} Waiting for room to store the result.", now)
        elif waited > SPACE_PATIENCE_SECONDS:
            self.fail(parcel.held, error, now)
