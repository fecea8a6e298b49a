# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker's side of its conversation with the hub, as a state machine without I/O.

It holds at most one lease, repeats every durable message until the hub has answered, uploads results piece by
piece and goes on where the hub says, and keeps only the newest progress and preview. What the job itself does is
none of its business: the owner puts reports in and takes leases and cancels out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from backend import __version__
from protocol import framing
from protocol.arrays import FRAME_BYTES, Buffer, Descriptor
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
from protocol.messages import Ack, BlobCheck, BlobNeed, BlobOk, BlobPut, Chunk, Error, Rejected, Welcome
from protocol.specs import MAX_INPUT_BYTES
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
RESEND_SECONDS = 2.0
EPHEMERAL_SECONDS = 0.2  # between two progress reports or previews of one kind
UPLOAD_WINDOW = 4  # frames on their way (section 16.1: four saturate the loopback)
UPLOAD_QUIET_SECONDS = 3.0
SPACE_PATIENCE_SECONDS = 60.0  # to wait for room on the hub's disk before the job fails


@dataclass
class Held:
    """The lease at hand. begun: the job runs. stopped: it should end; `lost` says that nobody wants it any more.

    pausing: it should store a checkpoint and end. over: it has ended, and only what it left is still on its way.
    inputs: the job's arrays, None until all are here. inputs_error: why they cannot come. checkpoint: what another
    attempt left at the hub, None until it was asked for and has come; checkpoint_error: why it cannot.
    """

    lease: Lease
    begun: bool = False
    stopped: bool = False
    lost: bool = False
    pausing: bool = False
    over: bool = False
    number: int = 0
    checkpoints: int = 0
    inputs: dict[str, NDArray[Any]] | None = None
    inputs_error: MaquetteError | None = None
    checkpoint: NDArray[Any] | None = None
    checkpoint_error: MaquetteError | None = None


@dataclass
class _Upload:
    """Bytes on their way to the hub. final: they are the result, else a checkpoint."""

    held: Held
    arrays: dict[bytes, tuple[Descriptor, memoryview]]
    manifest: tuple[Descriptor, ...]
    waiting: list[bytes]
    final: bool = True
    sent: int = 0
    known: bool = False
    heard: float = 0.0
    full_since: float | None = None


@dataclass
class _Pending:
    message: Message
    id: bytes
    due: float


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
    _pending: deque[_Pending] = field(default_factory=deque)
    _slots: dict[str, WorkerEphemeral] = field(default_factory=dict)
    _slot_sent: dict[str, float] = field(default_factory=dict)
    _upload: _Upload | None = None
    _checkpoint: _Upload | None = None  # waits until the one before it has arrived
    _ready_id: bytes = b""
    _ready_due: float = 0.0
    _beat_due: float = 0.0
    _left: bool = False
    versions: Versions = OURS

    def __post_init__(self) -> None:
        self._major = self.versions.oldest  # until the hub has chosen one
        self._downloads = Downloads(self._post)

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
                for one in self._pending:
                    one.due = now
                if self._upload is not None:
                    self._upload.known, self._upload.heard = False, now - UPLOAD_QUIET_SECONDS
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
            self._upload_from(message.hash, message.offset, now)
        elif isinstance(message, BlobOk):
            self._uploaded(message, now)
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
        if self._pending and now >= self._pending[0].due and not self.outbox:  # in order: one at a time
            self._pending[0].due = now + RESEND_SECONDS
            self._post(self._pending[0].message, self._pending[0].id)
        self._downloads.tick(now)
        self._tick_upload(now)
        if not self.outbox:
            for kind, message in list(self._slots.items()):
                if now - self._slot_sent.get(kind, -1e9) >= EPHEMERAL_SECONDS:
                    del self._slots[kind]
                    self._slot_sent[kind] = now
                    self._post(message)

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
            self._slots[message.kind] = message

    def deliver(self, held: Held, arrays: Sequence[tuple[Descriptor, memoryview]], now: float) -> None:
        """The job is done: upload its arrays, then report the result."""
        if self.held is not held:
            return
        if held.lost:
            self._drop()
            return
        held.over = True
        self._checkpoint = None
        self._begin_upload(held, arrays, True, now)

    def keep(self, held: Held, descriptor: Descriptor, data: memoryview, now: float) -> None:
        """A checkpoint: uploaded beside the work. A newer one takes the place of one that still waits."""
        if self.held is not held or held.stopped or held.over:
            return
        if self._upload is None:
            self._begin_upload(held, [(descriptor, data)], False, now)
        else:
            self._checkpoint = _Upload(held, {descriptor.hash: (descriptor, data)}, (descriptor,), [descriptor.hash],
                                       False)

    def _begin_upload(
        self, held: Held, arrays: Sequence[tuple[Descriptor, memoryview]], final: bool, now: float
    ) -> None:
        found = {one.hash: (one, data) for one, data in arrays}
        self._upload = _Upload(held, found, tuple(one for one, _ in arrays), list(found), final, heard=now)
        self._next_blob(now)

    def let_go(self, held: Held, now: float) -> None:
        """The job has stopped because it should pause; once its last checkpoint is at the hub, say so."""
        if self.held is not held:
            return
        if held.lost:
            self._drop()
            return
        held.over = True
        if self._upload is None:
            self._enqueue(WorkerPaused(held.lease.job, held.lease.fence), now)

    def fail(self, held: Held, error: MaquetteError, now: float) -> None:
        """The job ended without a result."""
        if self.held is not held:
            return
        held.over = True
        self._upload = self._checkpoint = None
        if held.lost:
            self._drop()
            return
        self._enqueue(Failed(held.lease.job, held.lease.fence, error), now)

    def leave(self, reason: str, now: float) -> None:
        """Give a job that may be held back, and go."""
        if self._left or any(isinstance(one.message, Goodbye) for one in self._pending):
            return
        self._pending.clear()
        self._upload = self._checkpoint = None
        self._enqueue(Goodbye(reason), now)

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

        def here(arrays: dict[str, NDArray[Any]]) -> None:
            for array in arrays.values():
                array.flags.writeable = False  # several stages read them
            held.inputs = arrays

        def missing(error: MaquetteError) -> None:
            held.inputs_error = error

        self._downloads.fetch("inputs", lease.arrays, MAX_INPUT_BYTES, now, here, missing)
        if self.state == "warming":  # seconds may pass before the recipe can say anything itself
            self._slots["progress"] = WorkerEphemeral(lease.job, stage="starting the worker", fence=lease.fence)
        self.beat_soon()

    def fetch_checkpoint(self, held: Held, now: float) -> None:
        """Ask the hub for what another attempt left there."""
        lease = held.lease
        wanted = Descriptor("checkpoint", "|u1", (lease.checkpoint_size,), lease.checkpoint_size, lease.checkpoint)

        def here(arrays: dict[str, NDArray[Any]]) -> None:
            held.checkpoint = arrays["checkpoint"]

        def missing(error: MaquetteError) -> None:
            held.checkpoint_error = error

        self._downloads.fetch("checkpoint", (wanted,), lease.checkpoint_size, now, here, missing)

    def _cancel(self, job: str, fence: int, now: float) -> None:
        held = self.held
        if held is None or (held.lease.job, held.lease.fence) != (job, fence) or held.stopped:
            return
        letting_go = held.over and held.pausing
        held.stopped, held.pausing = True, False
        self._slots.clear()
        delivering = self._upload is not None and self._upload.final
        if delivering or letting_go or not held.begun:  # nobody else will notice
            self.fail(held, Cancelled(), now)

    def _pause(self, job: str, fence: int, now: float) -> None:
        held = self.held
        if held is None or (held.lease.job, held.lease.fence) != (job, fence) or held.stopped or held.pausing:
            return
        held.pausing = True
        if not held.begun:  # it has not even begun
            held.stopped = True
            self.let_go(held, now)

    def _note(self, held: Held, kind: str, text: str, now: float) -> None:
        if self.held is held and not held.lost:
            held.number += 1
            self._enqueue(WorkerEvent(held.lease.job, held.lease.fence, held.number, kind, text), now)

    def _enqueue(self, message: Message, now: float) -> None:
        self._pending.append(_Pending(message, self.new_id(), now))

    def _acknowledged(self, re: bytes) -> None:
        if not (self._pending and re and self._pending[0].id == re):
            return
        message = self._pending.popleft().message
        if isinstance(message, (Result, Failed, WorkerPaused)):
            self._drop()
        elif isinstance(message, Goodbye):
            self._left = True

    def _drop(self) -> None:
        """The lease is over, one way or the other."""
        if self.held is not None:
            self.ended_fence = max(self.ended_fence, self.held.lease.fence)
        self.held = self._upload = self._checkpoint = None
        self._downloads.drop("inputs")
        self._downloads.drop("checkpoint")
        self.leases.clear()
        self._slots.clear()
        self._pending = deque(one for one in self._pending if isinstance(one.message, Goodbye))
        self.state = "idle" if self.state == "busy" else self.state
        self.beat_soon()

    def _refused(self, error: MaquetteError, re: bytes, now: float) -> None:
        if isinstance(error, UnknownSession):
            if self.ready:
                self.opened(now)
        elif isinstance(error, LeaseLost):
            if self._pending and self._pending[0].id == re and self.held is not None:
                self.held.stopped = self.held.lost = True
                self._pending.clear()
                self._upload = self._checkpoint = None
                if self.held.over or not self.held.begun:
                    self._drop()
        elif isinstance(error, UnknownBlob) and type(error.detail.get("hash")) is bytes and not self._waits_for(re):
            self._downloads.missing(error.detail["hash"])
        elif isinstance(error, OutOfSpace):
            self._no_space(error, now)
        elif self._pending and self._pending[0].id == re and isinstance(self._pending[0].message, Result):
            self._pending.popleft()  # an array is missing there: begin the upload again
            if self._upload is not None:
                self._upload.waiting = list(self._upload.arrays)
                self._next_blob(now)
        elif self._pending and self._pending[0].id == re and not error.retryable:
            message = self._pending.popleft().message  # the hub cannot take it, so repeating it would never end
            if isinstance(message, Failed):
                plain = InternalError("The job failed, and its error could not be sent.", hint="See the job's log.")
                self._enqueue(Failed(message.job, message.fence, plain), now)

    def _waits_for(self, re: bytes) -> bool:
        """Whether a message answers the durable one at hand."""
        return bool(self._pending) and self._pending[0].id == re

    # Uploading a result

    def _next_blob(self, now: float) -> None:
        upload = self._upload
        if upload is None:
            return
        upload.known, upload.sent = False, 0
        if upload.waiting:
            upload.heard = now
            digest = upload.waiting[0]
            self._post(BlobCheck(((digest, upload.arrays[digest][0].size),)))
        elif upload.final:
            lease = upload.held.lease
            self._enqueue(Result(lease.job, lease.fence, upload.manifest), now)
        else:
            held, descriptor = upload.held, upload.manifest[0]
            held.checkpoints += 1
            self._enqueue(Checkpoint(
                held.lease.job, held.lease.fence, held.checkpoints, descriptor.hash, descriptor.size
            ), now)
            self._next_checkpoint(held, now)

    def _next_checkpoint(self, held: Held, now: float) -> None:
        """One has arrived, or never will."""
        self._upload, self._checkpoint = self._checkpoint, None
        if self._upload is not None:
            self._next_blob(now)
        elif held.over and held.pausing:
            self._enqueue(WorkerPaused(held.lease.job, held.lease.fence), now)

    def _tick_upload(self, now: float) -> None:
        upload = self._upload
        if upload is None or not upload.waiting:
            return
        if now - upload.heard > UPLOAD_QUIET_SECONDS:  # lost on the way, or the hub is new: ask where we stand
            self._next_blob(now)

    def _upload_from(self, digest: bytes, offset: int, now: float) -> None:
        upload = self._upload
        if upload is None or not upload.waiting or upload.waiting[0] != digest or upload.known:
            return
        upload.known, upload.heard, upload.sent = True, now, offset
        self._send_pieces(upload, offset)

    def _send_pieces(self, upload: _Upload, have: int) -> None:
        descriptor, data = upload.arrays[upload.waiting[0]]
        while upload.sent < descriptor.size and upload.sent - have < UPLOAD_WINDOW * FRAME_BYTES:
            piece = data[upload.sent : upload.sent + FRAME_BYTES]
            self._post(BlobPut(descriptor.hash, upload.sent, descriptor.size, (piece,)))
            upload.sent += len(piece)

    def _uploaded(self, message: BlobOk, now: float) -> None:
        upload = self._upload
        if upload is None or not upload.waiting or upload.waiting[0] != message.hash:
            return
        upload.heard, upload.full_since = now, None
        if message.complete:
            upload.waiting.pop(0)
            self._next_blob(now)
        elif upload.known:
            self._send_pieces(upload, message.have)

    def _no_space(self, error: MaquetteError, now: float) -> None:
        """The hub's disk is full: wait for room, then fail with the hub's own words."""
        upload = self._upload
        if upload is None:
            return  # an event or a last report; it is simply sent again
        if not upload.final:  # the work goes on without it; this machine has its own copy
            self._next_checkpoint(upload.held, now)
            return
        upload.known, upload.heard = False, now
        if upload.full_since is None:
            upload.full_since = now
            self.warn(upload.held, f"{error.message} Waiting for room to store the result.", now)
        elif now - upload.full_since > SPACE_PATIENCE_SECONDS:
            self.fail(upload.held, error, now)
