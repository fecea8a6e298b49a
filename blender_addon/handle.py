# SPDX-License-Identifier: GPL-3.0-or-later
"""One job in the hands of a script: how far it is, what it made, and what may still be done about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import kinds, link, wire
from .jobs import Job


class Handle:
    """One job that was asked for. It holds names and numbers, no Blender data, so it may be kept for ever."""

    def __init__(self, job_id: str) -> None:
        self.id = job_id

    @property
    def _job(self) -> Job:
        job = link.current().jobs.get(self.id)
        if job is None:
            raise wire.errors.UnknownJob(f"This session has no job {self.id}.")
        return job

    @property
    def done(self) -> bool:
        """Ended, well or not."""
        return self._job.over

    @property
    def state(self) -> str:
        """In words: waiting, working, done, failed, cancelled, ..."""
        return self._job.words

    @property
    def fraction(self) -> float:
        """How far the job is, 0..1."""
        return self._job.fraction

    @property
    def seconds_left(self) -> float | None:
        """An honest guess, None when nobody can tell."""
        return self._job.seconds_left

    @property
    def report(self) -> dict[str, Any]:
        """Seed, preset, prior, versions, time and memory of each stage, scores; empty until the job is done."""
        return dict(self._job.report)

    @property
    def object_name(self) -> str:
        """Name of the object, image or word that it made; empty until the job is done."""
        return self._job.object_name

    def wait(self, timeout: float | None = None, tick: Callable[[Handle], None] | None = None) -> Any:
        """Block until the job is over and return what it made: an object (`bpy.types.Object`) that stands in the scene,
        an image for work on pictures, a word for `learn`.

        tick: called with this handle a few times a second. Raises the job's own error when it failed, Cancelled when
        somebody cancelled it, TimedOut after `timeout` seconds (the job goes on), or what keeps the hub away.
        """
        job = link.current().wait(self.id, timeout, None if tick is None else lambda _: tick(self))
        if job.error is not None:
            raise job.error
        return self.result

    @property
    def error(self) -> Exception | None:
        """Why the job failed or was cancelled; None otherwise."""
        return self._job.error

    @property
    def result(self) -> Any:
        """What the job made, as `wait` gives it; None until it is there, or when it was deleted."""
        job = self._job
        return kinds.find(job.spec.kind).found(job.object_name, job.options) if job.object_name else None

    def on_progress(self, callback: Callable[[Handle], None]) -> Handle:
        """Have this called on Blender's main thread whenever state, stage or fraction has changed. Gives the handle."""
        link.current().watch(self.id, lambda job: callback(self))
        return self

    def on_end(self, callback: Callable[[Handle], None]) -> Handle:
        """Have this called once, on Blender's main thread, when the job has ended, well or not. Gives the handle."""
        link.current().watch(self.id, lambda job: callback(self) if job.over else None)
        return self

    def cancel(self) -> None:
        """Ask the hub to end the job; nothing happens when it is over."""
        link.current().cancel(self.id)

    def pause(self) -> None:
        """Ask the hub to let the job rest; it keeps what it has done."""
        link.current().pause(self.id)

    def resume(self) -> None:
        """Let a paused job go on."""
        link.current().resume(self.id)
