# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs that a client follows: what it wants of them, and what the hub's events, previews and bytes make of them.

Durable events are taken strictly in the order of their numbers: an old one is dropped, a gap makes the client watch
the job again from its last number. A job ends once. What goes out goes over the `line`; how the connection comes about
is `session`'s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import describe, from_payload
from .downloads import Downloads
from .errors import Cancelled, MaquetteError, NotWanted, ProtocolError, UnknownBlob, UnknownJob
from .fields import MAX_JOBS
from .line import BLK, CTL, Line
from .messages import (
    Accepted,
    Ack,
    BlobNeed,
    BlobOk,
    Cancel,
    Chunk,
    Continue,
    Ephemeral,
    Error,
    Event,
    Pause,
    Reprioritise,
    Resume,
    Submit,
    Watch,
)
from .specs import JobSpec
from .updates import (
    JobAccepted,
    JobChanged,
    JobFailed,
    JobFinished,
    JobProgress,
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

MAX_PREVIEW_BYTES = 16 << 20
PREVIEWS = ("preview_mesh", "preview_image", "preview_motion")


class Following:
    """All jobs of one session. updates: where what happens to them is put. unreadable: called for a broken preview."""

    def __init__(self, line: Line, updates: deque[Update], unreadable: Callable[[], None]) -> None:
        self.jobs: dict[str, JobView] = {}
        self.max_result_bytes = 4 << 30  # the hub's welcome says
        self.downloads = Downloads(lambda message: line.post(BLK, message))
        self.uploads = Uploads(lambda message: line.post(BLK, message), self._upload_failed, self._uploaded)
        self._line = line
        self._updates = updates
        self._unreadable = unreadable
        self._counters: dict[tuple[str, str], int] = {}

    # What the user wants

    def submit(self, spec: JobSpec, job: str, now: float, inputs: Mapping[str, NDArray[Any]]) -> None:
        """Ask for a job, and follow it. Raises BadRequest or TooLarge for inputs that it does not take."""
        arrays = [describe(name, np.array(array)) for name, array in inputs.items()]
        described = tuple(one for one, _ in arrays)
        spec.check_inputs(described)
        self._follow(JobView(job))
        self.uploads.add(job, arrays)
        self._ask("submit", job, Submit(bytes.fromhex(job), spec.kind, spec.to_map(), described), now)

    def cancel(self, job: str, now: float) -> None:
        """End a job. One that never left this process ends at once."""
        view = self.jobs.setdefault(job, JobView(job, state="QUEUED"))
        if view.ended:
            return
        view.cancel_asked = True
        waiting = self._line.requests.get(("submit", job))
        if waiting is None:
            self._ask("cancel", job, Cancel(job), now)
        elif not waiting.sent:
            self._line.requests.forget(("submit", job))
            self.uploads.drop(job)
            view.state = "CANCELLED"
            self._fail(view, Cancelled())

    def watch(self, job: str, after_seq: int, now: float) -> None:
        """Follow a job that was submitted before, from its event number `after_seq` on."""
        self._follow(JobView(job, state="QUEUED", seq=after_seq))
        self._ask("watch", job, Watch(job, after_seq), now)

    def pace(self, message: Pause | Continue, now: float) -> None:
        """Let a job rest or go on. A later wish takes the place of one on its way."""
        self._ask("pace", message.job, message, now)

    def move(self, message: Reprioritise, now: float) -> None:
        """Another class or another place among the own jobs."""
        self._ask("move", message.job, message, now)

    def forget(self, job: str) -> None:
        """Stop following a job; it goes on at the hub."""
        self.jobs.pop(job, None)
        for kind in ("submit", "cancel", "watch", "pace", "move"):
            self._line.requests.forget((kind, job))
        self.uploads.drop(job)
        for kind in ("result", *PREVIEWS):
            self.downloads.drop((kind, job))
            self._counters.pop((job, kind), None)
        self._counters.pop((job, "progress"), None)

    def _follow(self, view: JobView) -> None:
        self.downloads.drop(("result", view.job))  # on its way to an earlier view of the job
        self.jobs[view.job] = view

    def _ask(self, what: str, job: str, message: Submit | Cancel | Watch | Pause | Continue | Reprioritise,
             now: float) -> None:
        self._line.request((what, job), CTL, message, now)

    # How the connection stands

    def connected(self, window: int, squeeze: bool, now: float) -> None:
        """The bulk connection is open. window: bytes on their way at once. squeeze: whether they may be compressed."""
        self.downloads.connected(window, now, squeeze)
        self.uploads.connected(now)

    def disconnected(self) -> None:
        """Both connections are gone; the next hub may count its previews anew."""
        self._counters.clear()
        self.bulk_lost()

    def bulk_lost(self) -> None:
        """The bulk connection is gone; transfers go on where they were on the next one."""
        self.downloads.disconnected()
        self.uploads.disconnected()

    def resume(self, now: float) -> None:
        """Tell the hub how far the log of each job that has not ended is known here; it sends what is missing."""
        requests = self._line.requests
        running = [one for one in self.jobs.values() if not one.ended and ("submit", one.job) not in requests]
        for begin in range(0, len(running), MAX_JOBS):
            part = {one.job: one.seq for one in running[begin : begin + MAX_JOBS]}
            self._line.request(("resume", begin), CTL, Resume(part), now)

    def tick(self, now: float) -> None:
        """Time passed: ask again for bytes that do not come."""
        self.downloads.tick(now)
        self.uploads.tick(now)

    # What the hub says

    def on_accepted(self, message: Accepted, channel: str, re: bytes, now: float) -> None:
        """The job is on disk: its inputs may go, and it is followed."""
        view = self.jobs.get(message.job)
        if self._line.requests.answered(re) != ("submit", message.job) or view is None:
            return
        if view.state == "SUBMITTING":
            view.state = "NEED_BLOBS" if message.job in self.uploads.jobs else "QUEUED"
        self._updates.append(JobAccepted(message.job))
        self.uploads.begin(message.job, now)
        self._ask("watch", message.job, Watch(message.job, view.seq), now)
        if view.cancel_asked:
            self._ask("cancel", message.job, Cancel(message.job), now)

    def rejected(self, job: str, error: MaquetteError) -> None:
        """A submission is refused for good."""
        view = self.jobs.get(job)
        if view is not None:
            view.state = "FAILED"
            self.uploads.drop(job)
            self._fail(view, error)

    def on_event(self, message: Event, channel: str, re: bytes, now: float) -> None:
        """The next line of a job's log."""
        view = self.jobs.get(message.job)
        if view is None or view.ended or message.seq <= view.seq:  # nothing comes after an end, whoever says so
            return
        if message.seq > view.seq + 1:
            self._look_again(view, now)
            return
        view.seq = message.seq
        if message.kind == "warning":
            view.warnings.append(message.text)
            self._updates.append(JobWarning(message.job, message.text))
            return
        view.state, view.attempt = message.state, message.attempt
        self._updates.append(JobChanged(message.job, message.state, message.attempt, message.text, message.seq))
        if message.state != "NEED_BLOBS":
            self.uploads.drop(message.job)
        if view.ended:
            self._line.requests.forget(("cancel", message.job))
        if message.state == "SUCCEEDED":
            self._fetch_result(view, message, now)
        elif view.ended:
            self._line.post(CTL, Ack(message.job, message.seq))
            self._fail(view, message.error or Cancelled())

    def on_ephemeral(self, message: Ephemeral, channel: str, re: bytes, now: float) -> None:
        """The newest progress or preview."""
        view = self.jobs.get(message.job)
        slot = (message.job, message.kind)
        if view is None or view.ended or message.counter <= self._counters.get(slot, -1):
            return
        self._counters[slot] = message.counter
        if message.seq > view.seq:  # an event got lost before it
            self._look_again(view, now)
        if message.kind == "progress":
            view.stage, view.fraction, view.text = message.stage, message.fraction, message.text
            view.seconds_left = message.seconds_left
            self._updates.append(
                JobProgress(message.job, message.stage, message.fraction, message.text, message.seconds_left)
            )
        elif any(one.where < 0 for one in message.arrays):
            self.downloads.fetch(
                (message.kind, message.job), message.arrays, MAX_PREVIEW_BYTES, now,
                lambda arrays: self._preview(message, arrays),
                lambda error: None,  # a preview that was replaced meanwhile; the next one comes
            )
        else:
            try:
                arrays = from_payload(message.arrays, message.payload)
            except ProtocolError:
                self._unreadable()
            else:
                self._preview(message, arrays)

    def on_chunk(self, message: Chunk, channel: str, re: bytes, now: float) -> None:
        """A piece of a result or a preview."""
        self.downloads.chunk(message, now)

    def on_blob_need(self, message: BlobNeed, channel: str, re: bytes, now: float) -> None:
        """The hub lacks bytes of an input."""
        self.uploads.need(message, now)

    def on_blob_ok(self, message: BlobOk, channel: str, re: bytes, now: float) -> None:
        """The hub has bytes of an input."""
        self.uploads.ok(message, now)

    def bytes_refused(self, error: MaquetteError, now: float) -> bool:
        """Whether an error is about bytes that come or go, and is taken care of."""
        digest = error.detail.get("hash")
        if type(digest) is not bytes:
            return False
        if isinstance(error, UnknownBlob):
            self.downloads.missing(digest)
            return True
        return self.uploads.refused(digest, error, now)

    def refused(self, message: Error, re: bytes) -> None:
        """What was asked about a job cannot be done; a retryable error (a full disk) leaves the request waiting."""
        error = message.error
        if isinstance(error, UnknownJob):
            self._line.requests.answered(re)
            view = self.jobs.get(message.job)
            if view is not None and not view.ended and ("submit", message.job) not in self._line.requests:
                view.state = "FAILED"
                self._fail(view, error)
        elif not error.retryable:
            key = self._line.requests.answered(re)
            if type(key) is tuple and key[-1] in self.jobs:  # a wish that was refused; the job goes on
                self._updates.append(JobWarning(key[-1], str(error)))

    def _look_again(self, view: JobView, now: float) -> None:
        """Events are missing: have the log sent again from the last one known."""
        if ("watch", view.job) not in self._line.requests:
            self._ask("watch", view.job, Watch(view.job, view.seq), now)

    # Inputs, results and previews

    def _uploaded(self, job: str) -> None:
        if job in self.jobs and not self.jobs[job].ended:
            self._updates.append(JobUploading(job, *self.uploads.progress(job)))

    def _upload_failed(self, job: str, error: MaquetteError) -> None:
        """The hub cannot get the job's inputs, so it must not wait for them."""
        view = self.jobs.get(job)
        if view is None or view.ended or isinstance(error, NotWanted):  # it ended there; its event says how
            return
        view.state = "FAILED"
        self._ask("cancel", job, Cancel(job), 0.0)
        self._fail(view, error)

    def _fetch_result(self, view: JobView, message: Event, now: float) -> None:
        def finished(arrays: dict[str, NDArray[Any]]) -> None:
            try:
                view.result = result_from_arrays(arrays)
            except ProtocolError as problem:
                self._fail(view, problem)
                return
            view.fraction, view.seconds_left = 1.0, 0.0
            self._line.post(CTL, Ack(view.job, message.seq))  # from here on the hub may give the bytes up when old
            self._updates.append(JobFinished(view.job, view.result))

        for kind in PREVIEWS:
            self.downloads.drop((kind, view.job))
        self.downloads.fetch(
            ("result", view.job), message.arrays, self.max_result_bytes, now, finished,
            lambda error: self._fail(view, error),
        )

    def _preview(self, message: Ephemeral, arrays: dict[str, NDArray[Any]]) -> None:
        facts = (message.stage, message.fraction, message.counter)
        try:
            if message.kind == "preview_image" and "image" in arrays:
                self._updates.append(PreviewImage(message.job, arrays["image"].tobytes(), *facts))
            elif message.kind == "preview_motion":
                motion, whole = preview_motion(arrays)
                self._updates.append(PreviewMotion(message.job, motion, whole, *facts))
            elif message.kind == "preview_mesh" and "colours" in arrays:
                check_mesh(arrays)
                self._updates.append(
                    PreviewMesh(message.job, arrays["vertices"], arrays["faces"], arrays["colours"], *facts)
                )
        except ProtocolError:
            self._unreadable()

    def _fail(self, view: JobView, error: MaquetteError) -> None:
        if view.over:  # a job ends once, whatever a confused hub says next
            return
        view.error = error
        self._updates.append(JobFailed(view.job, error))
