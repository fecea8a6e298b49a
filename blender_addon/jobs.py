# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on knows of its jobs: plain values, fed with the client's updates, read by the panel.

No bpy, no socket, no clock: the table can be tested and replayed by itself. Scenes and objects appear by name only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import wire
from .apply.placement import Place

log = logging.getLogger(__name__)

WORDS = {
    "WAITING": "waiting for the hub",
    "SUBMITTING": "sending",
    "NEED_BLOBS": "sending its inputs",
    "QUEUED": "waiting",
    "LEASED": "starting",
    "RUNNING": "working",
    "RETRY_WAIT": "starting again soon",
    "PAUSE_REQ": "pausing",
    "PAUSED": "paused",
    "CANCEL_REQ": "cancelling",
    "CANCELLED": "cancelled",
    "SUCCEEDED": "fetching the result",
    "FAILED": "failed",
    "EXPIRED": "waited too long",
    "HELD": "ready",
    "KEPT": "kept in the history",
    "DONE": "done",
}
"""States as the panel shows them. WAITING, HELD, KEPT and DONE are the add-on's own: not sent yet; here, but an edit
mode, a transform or a render is going on; here, but its file is closed; in the scene."""


@dataclass
class Job:
    """One job that this session minds. Times are seconds of the link's clock; None: not yet.

    file: mark of the .blend file it belongs to. target: name of the object it works on, empty for none; target_id: its
    number in this session, see `compat.session_id`. selection: names of what was selected when it was asked for.
    options: what its way into the scene needs to know, plain values. outcome: its result while that waits. epoch: the
    scene's, when the preview was last shown.
    """

    id: str
    spec: Any
    place: Place
    pressed: float
    file: str = ""
    target: str = ""
    target_id: int | None = None
    selection: tuple[str, ...] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    state: str = "WAITING"
    position: int | None = None
    stage: str = ""
    fraction: float = 0.0
    text: str = ""
    seconds_left: float | None = None
    warnings: list[str] = field(default_factory=list)
    error: Exception | None = None
    report: dict[str, Any] = field(default_factory=dict)
    object_name: str = ""
    outcome: Any = None
    previews: int = 0
    epoch: int = -1
    pictures: int = 0
    began: float | None = None
    first_preview: float | None = None
    ended: float | None = None

    @property
    def over(self) -> bool:
        return self.state in ("DONE", "KEPT", "FAILED", "CANCELLED")

    @property
    def prompt(self) -> str:
        """The sentence, or what stands for it in kinds of work without one."""
        return str(getattr(self.spec, "prompt", "") or self.spec.title)

    @property
    def words(self) -> str:
        """The state for people."""
        return WORDS.get(self.state, self.state.lower())

    @property
    def confidence(self) -> float:
        """How sure the worker was of what it found, 0..1."""
        found = self.report.get("confidence", 1.0)
        return min(max(float(found), 0.0), 1.0) if isinstance(found, (int, float)) else 1.0

    @property
    def nearest_known(self) -> list[str]:
        """What the prior knows that comes nearest to a prompt outside its knowledge, best first; empty for one inside.

        The report's `nearest_known` is a map with `kind`, `alternatives` and `sure`.
        """
        found = self.report.get("nearest_known")
        if not isinstance(found, dict) or found.get("sure", True):
            return []
        return [str(word) for word in (found.get("kind", ""), *found.get("alternatives", ())) if word]


class JobTable:
    """Jobs in the order they were asked for."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def __iter__(self) -> Iterator[Job]:
        return iter(tuple(self._jobs.values()))

    def __len__(self) -> int:
        return len(self._jobs)

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def add(self, job: Job) -> None:
        if job.id in self._jobs:
            raise ValueError(f"job {job.id} is in the table already")
        self._jobs[job.id] = job

    def forget(self, job_id: str) -> None:
        """Take an ended job off the list."""
        if job_id in self._jobs and self._jobs[job_id].over:
            del self._jobs[job_id]

    def drop(self, job_id: str) -> None:
        """Take a job off the list whatever it does; it goes on at its hub."""
        self._jobs.pop(job_id, None)

    def running(self) -> list[Job]:
        return [job for job in self._jobs.values() if not job.over]

    def held(self) -> list[Job]:
        """Jobs whose result is here and waits until nothing is in its way."""
        return [job for job in self._jobs.values() if job.state == "HELD"]

    def waiting(self) -> bool:
        """Is any job still waiting its turn?"""
        return any(job.state == "QUEUED" for job in self._jobs.values())

    def place_in_queue(self, job_id: str, ahead: int) -> None:
        """So many jobs are before this one; negative where that means nothing."""
        job = self._jobs.get(job_id)
        if job is not None:
            job.position = ahead if ahead >= 0 and job.state == "QUEUED" else None

    def newest(self) -> Job | None:
        return next(reversed(self._jobs.values()), None)

    def take(self, update: Any, now: float) -> Job | None:
        """Note an update; returns its job, None when it is not about one of ours or comes after the job's end.

        A finished job is not DONE by this: it is when its object stands in the scene, see `delivered`.
        """
        kinds = wire.updates
        job = self._jobs.get(getattr(update, "job", ""))
        if job is None or job.over:
            return None
        if isinstance(update, kinds.JobAccepted):
            if job.state in ("WAITING", "SUBMITTING"):
                job.state = "QUEUED"
        elif isinstance(update, kinds.JobChanged):
            self._changed(job, update)
        elif isinstance(update, kinds.JobProgress):
            job.stage, job.fraction, job.text = update.stage, update.fraction, update.text
            job.seconds_left = update.seconds_left
            if job.began is None:
                job.began = now
        elif isinstance(update, kinds.PreviewImage):
            job.pictures += 1
        elif isinstance(update, (kinds.PreviewMesh, kinds.PreviewMotion)):
            job.previews += 1
            if job.first_preview is None:
                job.first_preview = now
        elif isinstance(update, kinds.JobWarning):
            job.warnings.append(update.text)
        elif isinstance(update, kinds.JobFinished):
            job.report = dict(update.result.report)
            job.outcome = update.result
            job.state = "SUCCEEDED"
        elif isinstance(update, kinds.JobFailed):
            self.failed(job, update.error, now)
        return job

    def _changed(self, job: Job, update: Any) -> None:
        if update.state in ("FAILED", "CANCELLED", "EXPIRED"):
            return  # JobFailed follows and brings the reason
        job.state = update.state
        job.position = None
        if update.state in ("QUEUED", "RETRY_WAIT"):
            job.fraction, job.stage, job.seconds_left = 0.0, "", None
            job.text = update.text

    def delivered(self, job: Job, object_name: str, now: float) -> None:
        """The result stands in the scene as `object_name`."""
        job.state, job.object_name, job.fraction, job.seconds_left, job.ended = "DONE", object_name, 1.0, 0.0, now
        job.outcome = None

    def kept(self, job: Job, now: float) -> None:
        """The result is in the history and waits there to be asked for."""
        job.state, job.fraction, job.seconds_left, job.ended, job.outcome = "KEPT", 1.0, 0.0, now, None

    def failed(self, job: Job, error: Exception, now: float) -> None:
        """The job ended without a result; somebody's wish is told apart from a fault."""
        job.state = "CANCELLED" if isinstance(error, wire.errors.Cancelled) else "FAILED"
        job.error, job.seconds_left, job.ended, job.outcome = error, None, now, None


class Watchers:
    """Functions of scripts that are called when a job has moved on."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callable[[Job], None]]] = {}
        self._seen: dict[str, tuple[str, str, float]] = {}

    def add(self, job_id: str, callback: Callable[[Job], None]) -> None:
        self._callbacks.setdefault(job_id, []).append(callback)

    def call(self, jobs: JobTable) -> None:
        """Call those whose job has another state, stage or fraction than at the last call, once more at its end."""
        for job_id in list(self._callbacks):
            job = jobs.get(job_id)
            if job is not None:
                now = (job.state, job.stage, job.fraction)
                if self._seen.get(job_id) == now:
                    continue
                self._seen[job_id] = now
                for callback in list(self._callbacks[job_id]):
                    try:
                        callback(job)
                    except Exception:  # a script's fault must not keep results from the scene
                        log.exception("a callback of job %s failed", job_id)
                        self._callbacks[job_id].remove(callback)
            if job is None or job.over:
                del self._callbacks[job_id]
                self._seen.pop(job_id, None)


def latest_previews(updates: list[Any]) -> list[Any]:
    """The updates without previews that a later one of the same job replaces anyway."""
    kinds = (wire.updates.PreviewMesh, wire.updates.PreviewImage, wire.updates.PreviewMotion)
    last = {(type(one), one.job): index for index, one in enumerate(updates) if isinstance(one, kinds)}
    return [one for index, one in enumerate(updates) if not isinstance(one, kinds) or last[type(one), one.job] == index]
