# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's side of the conversation as a state machine without I/O.

Frames and the time go in, frames to send and updates come out; sockets and clocks belong to `client`. A request is
kept and sent again until it is answered, because a ZeroMQ send is not a delivery; everything is safe to receive
twice. Durable events are taken strictly in the order of their numbers: an old one is dropped, a gap makes the
session watch the job again from its last number. A new session (the hub restarted, the connection broke) resumes
every job that has not ended here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import compress, framing
from .arrays import Buffer, describe, from_payload
from .downloads import Downloads
from .errors import (
    Cancelled,
    MaquetteError,
    NotWanted,
    ProtocolError,
    UnknownBlob,
    UnknownJob,
    UnknownSession,
    VersionMismatch,
    WrongKey,
)
from .fields import MAX_JOBS, Message, read
from .messages import (
    HUB_TO_CLIENT,
    Accepted,
    Ack,
    BlobNeed,
    BlobOk,
    Bye,
    Cancel,
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
    Resume,
    Submit,
    Watch,
    Welcome,
)
from .requests import Requests
from .specs import JobSpec
from .updates import (
    ConnectionChanged,
    ConnectionState,
    JobAccepted,
    JobChanged,
    JobFailed,
    JobFinished,
    JobProgress,
    JobsListed,
    JobUploading,
    JobView,
    JobWarning,
    PreviewImage,
    PreviewMesh,
    PreviewMotion,
    Update,
    check_mesh,
    preview_motion,
    result_from_arrays,
)
from .uploads import Uploads
from .versions import OURS, Versions

CTL, BLK = "ctl", "blk"
PING_AFTER = 5.0  # seconds without a word from the hub (reference, section 7)
DEAD_AFTER = 10.0  # seconds without an answer to that ping
COMPARE_AFTER = 30.0  # seconds between looks whether an event got lost with nothing after it to show the gap
MAX_PREVIEW_BYTES = 16 << 20
PREVIEWS = ("preview_mesh", "preview_image", "preview_motion")


class Session:
    """One client's session. `new_id` gives 16 random bytes; times are seconds of any steady clock.

    features: what may be used if the hub has it too. versions: majors of the protocol that are spoken here.
    """

    def __init__(
        self, *, software: str, token: bytes, new_id: Callable[[], bytes], features: tuple[str, ...] = (),
        versions: Versions = OURS,
    ) -> None:
        self.features = features
        self.versions = versions
        self._major = versions.oldest  # until the hub has chosen one
        self.software = software
        self.token = token
        self.new_id = new_id
        self.state = ConnectionState.OFFLINE
        self.problem: MaquetteError | None = None
        self.welcome: Welcome | None = None
        self.jobs: dict[str, JobView] = {}
        self.updates: deque[Update] = deque()
        self.outbox: dict[str, deque[list[Buffer]]] = {CTL: deque(), BLK: deque()}
        self.dropped = 0  # messages that were not readable
        self._ready = {CTL: False, BLK: False}
        self._requests = Requests(self._post, new_id)
        self._downloads = Downloads(lambda message: self._post(BLK, message))
        self._uploads = Uploads(lambda message: self._post(BLK, message), self._upload_failed, self._uploaded)
        self._counters: dict[tuple[str, str], int] = {}
        self._handlers: dict[type[Message], Callable[[Any, str, bytes, float], None]] = {
            Welcome: self._on_welcome, Rejected: self._on_rejected, Accepted: self._on_accepted, Jobs: self._on_jobs,
            Event: self._on_event, Ephemeral: self._on_ephemeral, Chunk: self._on_chunk, Error: self._on_error,
            Draining: self._on_draining, BlobNeed: self._on_blob_need, BlobOk: self._on_blob_ok,
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
            envelope = self.versions.read(framing.decode(frames))
            message = read(envelope, HUB_TO_CLIENT)
        except MaquetteError:
            self.dropped += 1
            return
        self._heard, self._pinged = now, None
        handler = self._handlers.get(type(message))
        if handler is not None:
            handler(message, channel, envelope.re, now)

    def tick(self, now: float) -> None:
        """Time passed: repeat requests, ping, give up on a silent hub."""
        for request in self._requests:
            greeting = isinstance(request.message, Hello)
            if request.due <= now and (greeting or self._ready[request.channel]) and not self.outbox[request.channel]:
                self._requests.send(request, now)
        self._downloads.tick(now)
        self._uploads.tick(now)
        if self.state is not ConnectionState.READY:
            return
        if now - self._compared > COMPARE_AFTER:
            self._resume(now)
        if self._pinged is None:
            if now - self._heard > PING_AFTER:
                self._pinged, self._ticks_since_ping = now, 0
                self._post(CTL, Ping())
        else:  # the ticks are counted so that a stall of this very process does not look like a dead hub
            self._ticks_since_ping += 1
            if now - self._pinged > DEAD_AFTER and self._ticks_since_ping > 3:
                self.lost(now)

    # What the user asks for

    def submit(self, spec: JobSpec, job: str, now: float, inputs: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Ask for a job under an id of 32 hex digits; sent until the hub has it on disk, and then its inputs.

        Raises BadRequest or TooLarge for inputs that this kind of job does not take. They are copied.
        """
        arrays = [describe(name, np.array(array)) for name, array in (inputs or {}).items()]
        described = tuple(one for one, _ in arrays)
        spec.check_inputs(described)
        self._follow(JobView(job))
        self._uploads.add(job, arrays)
        self._request(("submit", job), CTL, Submit(bytes.fromhex(job), spec.kind, spec.to_map(), described), now)

    def cancel(self, job: str, now: float) -> None:
        """End a job. One that never left this process ends at once."""
        view = self.jobs.setdefault(job, JobView(job, state="QUEUED"))
        if view.ended:
            return
        view.cancel_asked = True
        waiting = self._requests.get(("submit", job))
        if waiting is None:
            self._request(("cancel", job), CTL, Cancel(job), now)
        elif not waiting.sent:
            self._requests.forget(("submit", job))
            self._uploads.drop(job)
            view.state = "CANCELLED"
            self._fail_job(view, Cancelled())

    def watch(self, job: str, after_seq: int, now: float) -> None:
        """Follow a job that was submitted before, from its event number `after_seq` on."""
        self._follow(JobView(job, state="QUEUED", seq=after_seq))
        self._request(("watch", job), CTL, Watch(job, after_seq), now)

    def _follow(self, view: JobView) -> None:
        self._downloads.drop(("result", view.job))  # on its way to an earlier view of the job
        self.jobs[view.job] = view

    def pace(self, message: Pause | Continue, now: float) -> None:
        """Let a job rest or go on; sent until it is answered. A later wish takes the place of one on its way."""
        self._request(("pace", message.job), CTL, message, now)

    def move(self, message: Reprioritise, now: float) -> None:
        """Another class or another place among the own jobs; sent until it is answered."""
        self._request(("move", message.job), CTL, message, now)

    def forget(self, job: str) -> None:
        """Stop following a job; it goes on at the hub."""
        self.jobs.pop(job, None)
        for kind in ("submit", "cancel", "watch", "pace", "move"):
            self._requests.forget((kind, job))
        self._uploads.drop(job)
        for kind in ("result", *PREVIEWS):
            self._downloads.drop((kind, job))
            self._counters.pop((job, kind), None)
        self._counters.pop((job, "progress"), None)

    def list_jobs(self, limit: int, open_only: bool, now: float, before: str = "") -> None:
        """Ask how the hub's jobs stand; answered by a JobsListed update."""
        self._request(("list",), CTL, List(limit, open_only, before), now)

    def leave(self) -> None:
        """Say goodbye; the jobs go on."""
        if self._ready[CTL]:
            self._post(CTL, Bye())

    # Requests and answers

    def _become(self, state: ConnectionState, problem: MaquetteError | None) -> None:
        if (state, problem) != (self.state, self.problem):
            self.state, self.problem = state, problem
            self.updates.append(ConnectionChanged(state, problem))

    def _lose(self) -> None:
        for queue in self.outbox.values():
            queue.clear()
        self._ready = {CTL: False, BLK: False}
        self._pinged = None
        self._counters.clear()
        self._downloads.disconnected()
        self._uploads.disconnected()
        self._requests.connection_lost((Hello, Resume))

    def _greet(self, channel: str, now: float) -> None:
        sid = self.welcome.sid if self.welcome is not None and channel == BLK else b""
        if channel == CTL:
            self._major = self.versions.oldest
        range_ = (self.versions.oldest, self.versions.newest)
        hello = Hello(*range_, self.software, channel, self.features, self.token, sid)
        self._request(("hello", channel), channel, hello, now)

    def _post(self, channel: str, message: Message, id: bytes = b"") -> None:
        envelope = self.versions.write(message.to_envelope(id=id), self._major)
        self.outbox[channel].append(framing.encode(envelope))

    def _request(self, key: Hashable, channel: str, message: Message, now: float) -> None:
        request = self._requests.add(key, channel, message)
        if isinstance(message, Hello) or self._ready[channel]:
            self._requests.send(request, now)

    # What the hub says

    def _on_welcome(self, message: Welcome, channel: str, re: bytes, now: float) -> None:
        if self._requests.answered(re) != ("hello", channel):
            return
        self._ready[channel] = True
        if channel == BLK:
            squeeze = compress.FEATURE in message.features and compress.FEATURE in self.features
            self._downloads.connected(min(message.window, 4 << 20), now, squeeze)
            self._uploads.connected(now)
            return
        self.welcome, self._major = message, message.major
        self._become(ConnectionState.READY, None)
        self._greet(BLK, now)
        for request in self._requests:
            if request.channel == CTL and not isinstance(request.message, Hello):
                self._requests.send(request, now)
        self._resume(now)

    def _resume(self, now: float) -> None:
        """Tell the hub how far the log of each job that has not ended is known here; it sends what is missing."""
        self._compared = now
        running = [one for one in self.jobs.values() if not one.ended and ("submit", one.job) not in self._requests]
        for begin in range(0, len(running), MAX_JOBS):
            part = {one.job: one.seq for one in running[begin : begin + MAX_JOBS]}
            self._request(("resume", begin), CTL, Resume(part), now)

    def _on_rejected(self, message: Rejected, channel: str, re: bytes, now: float) -> None:
        key = self._requests.answered(re)
        if type(key) is tuple and key[0] == "hello":
            self._lose()
            self._become(ConnectionState.REFUSED, message.error)
        elif type(key) is tuple and key[0] == "submit" and key[1] in self.jobs:
            view = self.jobs[key[1]]
            view.state = "FAILED"
            self._uploads.drop(view.job)
            self._fail_job(view, message.error)

    def _on_accepted(self, message: Accepted, channel: str, re: bytes, now: float) -> None:
        view = self.jobs.get(message.job)
        if self._requests.answered(re) != ("submit", message.job) or view is None:
            return
        if view.state == "SUBMITTING":
            view.state = "NEED_BLOBS" if message.job in self._uploads.jobs else "QUEUED"
        self.updates.append(JobAccepted(message.job))
        self._uploads.begin(message.job, now)
        self._request(("watch", message.job), CTL, Watch(message.job, view.seq), now)
        if view.cancel_asked:
            self._request(("cancel", message.job), CTL, Cancel(message.job), now)

    def _on_jobs(self, message: Jobs, channel: str, re: bytes, now: float) -> None:
        key = self._requests.answered(re)
        if key == ("list",):
            self.updates.append(JobsListed(message.jobs))

    def _on_event(self, message: Event, channel: str, re: bytes, now: float) -> None:
        view = self.jobs.get(message.job)
        if view is None or view.ended or message.seq <= view.seq:  # nothing comes after an end, whoever says so
            return
        if message.seq > view.seq + 1:
            if ("watch", message.job) not in self._requests:
                self._request(("watch", message.job), CTL, Watch(message.job, view.seq), now)
            return
        view.seq = message.seq
        if message.kind == "warning":
            view.warnings.append(message.text)
            self.updates.append(JobWarning(message.job, message.text))
            return
        view.state, view.attempt = message.state, message.attempt
        self.updates.append(JobChanged(message.job, message.state, message.attempt, message.text, message.seq))
        if message.state != "NEED_BLOBS":
            self._uploads.drop(message.job)
        if view.ended:
            self._requests.forget(("cancel", message.job))
        if message.state == "SUCCEEDED":
            self._fetch_result(view, message, now)
        elif view.ended:
            self._post(CTL, Ack(message.job, message.seq))
            self._fail_job(view, message.error or Cancelled())

    def _on_ephemeral(self, message: Ephemeral, channel: str, re: bytes, now: float) -> None:
        view = self.jobs.get(message.job)
        slot = (message.job, message.kind)
        if view is None or view.ended or message.counter <= self._counters.get(slot, -1):
            return
        self._counters[slot] = message.counter
        if message.seq > view.seq and ("watch", message.job) not in self._requests:  # an event got lost before it
            self._request(("watch", message.job), CTL, Watch(message.job, view.seq), now)
        if message.kind == "progress":
            view.stage, view.fraction, view.text = message.stage, message.fraction, message.text
            view.seconds_left = message.seconds_left
            self.updates.append(
                JobProgress(message.job, message.stage, message.fraction, message.text, message.seconds_left)
            )
        elif any(one.where < 0 for one in message.arrays):
            key = (message.kind, message.job)
            self._downloads.fetch(
                key, message.arrays, MAX_PREVIEW_BYTES, now, lambda arrays: self._preview(message, arrays),
                lambda error: None,  # a preview that was replaced meanwhile; the next one comes
            )
        else:
            try:
                self._preview(message, from_payload(message.arrays, message.payload))
            except ProtocolError:
                self.dropped += 1

    def _on_chunk(self, message: Chunk, channel: str, re: bytes, now: float) -> None:
        self._downloads.chunk(message, now)

    def _on_draining(self, message: Draining, channel: str, re: bytes, now: float) -> None:
        self.lost(now)

    def _on_error(self, message: Error, channel: str, re: bytes, now: float) -> None:
        error = message.error
        digest = error.detail.get("hash")
        if isinstance(error, UnknownSession):
            if self._ready[channel] and channel == CTL:
                self.lost(now)
            elif self._ready[channel]:
                self._ready[BLK] = False
                self._downloads.disconnected()
                self._uploads.disconnected()
                self._greet(BLK, now)
            elif channel == BLK and ("hello", BLK) in self._requests:  # the hub forgot the session between the two
                self.lost(now)
        elif isinstance(error, UnknownBlob) and type(digest) is bytes:
            self._downloads.missing(digest)
        elif type(digest) is bytes and self._uploads.refused(digest, error, now):
            pass  # taken care of there
        elif isinstance(error, UnknownJob):
            self._requests.answered(re)
            view = self.jobs.get(message.job)
            if view is not None and not view.ended and ("submit", message.job) not in self._requests:
                view.state = "FAILED"
                self._fail_job(view, error)
        elif isinstance(error, WrongKey):  # it was revoked just now
            self.refused(error)
        elif isinstance(error, VersionMismatch):
            self._become(self.state, error)
        elif not error.retryable:  # a retryable one, such as a full disk, leaves the request waiting for its turn
            key = self._requests.answered(re)
            if type(key) is tuple and key[-1] in self.jobs:  # a wish that was refused; the job goes on
                self.updates.append(JobWarning(key[-1], str(error)))

    # Inputs, results and previews

    def _on_blob_need(self, message: BlobNeed, channel: str, re: bytes, now: float) -> None:
        self._uploads.need(message, now)

    def _on_blob_ok(self, message: BlobOk, channel: str, re: bytes, now: float) -> None:
        self._uploads.ok(message, now)

    def _uploaded(self, job: str) -> None:
        if job in self.jobs and not self.jobs[job].ended:
            self.updates.append(JobUploading(job, *self._uploads.progress(job)))

    def _upload_failed(self, job: str, error: MaquetteError) -> None:
        """The hub cannot get the job's inputs, so it must not wait for them."""
        view = self.jobs.get(job)
        if view is None or view.ended or isinstance(error, NotWanted):  # it ended there; its event says how
            return
        view.state = "FAILED"
        self._request(("cancel", job), CTL, Cancel(job), 0.0)
        self._fail_job(view, error)

    def _fetch_result(self, view: JobView, message: Event, now: float) -> None:
        def finished(arrays: dict[str, NDArray[Any]]) -> None:
            try:
                view.result = result_from_arrays(arrays)
            except ProtocolError as problem:
                self._fail_job(view, problem)
                return
            view.fraction, view.seconds_left = 1.0, 0.0
            self._post(CTL, Ack(view.job, message.seq))  # from here on the hub may give the bytes up when they are old
            self.updates.append(JobFinished(view.job, view.result))

        for kind in PREVIEWS:
            self._downloads.drop((kind, view.job))
        limit = self.welcome.max_job_bytes if self.welcome is not None else 4 << 30
        self._downloads.fetch(
            ("result", view.job), message.arrays, limit, now, finished, lambda error: self._fail_job(view, error)
        )

    def _preview(self, message: Ephemeral, arrays: dict[str, NDArray[Any]]) -> None:
        facts = (message.stage, message.fraction, message.counter)
        if message.kind == "preview_image" and "image" in arrays:
            self.updates.append(PreviewImage(message.job, arrays["image"].tobytes(), *facts))
        elif message.kind == "preview_motion":
            try:
                motion, whole = preview_motion(arrays)
            except ProtocolError:
                self.dropped += 1
                return
            self.updates.append(PreviewMotion(message.job, motion, whole, *facts))
        elif message.kind == "preview_mesh" and "colours" in arrays:
            try:
                check_mesh(arrays)
            except ProtocolError:
                self.dropped += 1
                return
            self.updates.append(
                PreviewMesh(message.job, arrays["vertices"], arrays["faces"], arrays["colours"], *facts)
            )

    def _fail_job(self, view: JobView, error: MaquetteError) -> None:
        if view.over:  # a job ends once, whatever a confused hub says next
            return
        view.error = error
        self.updates.append(JobFailed(view.job, error))
