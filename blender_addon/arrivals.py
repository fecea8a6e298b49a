# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes back from the hub, on its way into the scene: previews, results, failures.

A result lands in the file that it was asked for in, and in no other; while an edit mode, a transform or a render is
going on it waits. A copy is kept and the history told in every case, so that nothing that has come is lost again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import bpy

from . import compat, filemark, kinds, preferences, wire
from .apply import action, preview
from .apply.image import BrokenImage
from .apply.mesh import BrokenMesh
from .apply.placement import object_name
from .apply.result import Delivery
from .history import History
from .jobs import Job, JobTable
from .results import Results

log = logging.getLogger(__name__)


class Arrivals:
    """clock: seconds, monotonic. let_go: called with a job that the hub need say nothing more about."""

    def __init__(
        self, jobs: JobTable, history: History, results: Results, clock: Callable[[], float],
        let_go: Callable[[Job], None],
    ) -> None:
        self.notice: tuple[str, bool, float] | None = None
        """(what ended, whether well, when): what the status bar tells for a while."""
        self.epoch = 0
        """Goes up with every undo, redo and load: what was in the scene before may be gone without anyone's wish."""
        self._jobs, self._history, self._results = jobs, history, results
        self._clock, self._let_go = clock, let_go

    def plan(self, job: Job, now: float) -> None:
        """Write down how long the worker first thinks it needs, for the estimate before the next one is pressed."""
        record = self._history.get(job.id)
        if record is not None and not record.told and job.seconds_left is not None and job.began is not None:
            self._history.change(job.id, told=round(now - job.began + job.seconds_left, 1))

    def preview(self, job: Job, update: Any) -> None:
        """Show a rough mesh, unless the artist wants none or has deleted it."""
        beside = kinds.find(job.spec.kind).place is not None
        if job.target and not beside or not preferences.settings().show_preview:
            return
        if job.file != filemark.current() or compat.hands_full():
            return
        if job.epoch == self.epoch and preview.find(job.id) is None:
            return  # it was there, and nothing but a person can have taken it away
        arrays = {"vertices": update.vertices, "faces": update.faces, "colours": update.colours}
        try:
            name = getattr(job.spec, "name", "") or object_name(job.prompt)
            preview.show(job.id, name, job.place, arrays, in_metres=not beside)
        except BrokenMesh as error:  # the job goes on, and so does the next preview
            log.warning("a preview of job %s was left out: %s", job.id, error)
        else:
            job.epoch = self.epoch

    def motion(self, job: Job, update: Any) -> None:
        """Play what there is of a motion, on an armature that is there already, unless the artist wants none."""
        if not job.target or not preferences.settings().show_preview:
            return
        self._follow_target(job)
        if job.file == filemark.current() and not compat.hands_full():
            action.preview(job.id, job.target, job.options, update.motion)

    def result(self, job: Job, outcome: Any) -> None:
        """A result is here, whole: keep a copy, then bring it into its file when that is open and nobody's hands are
        in it."""
        job.outcome, job.report = outcome, dict(outcome.report)
        self._results.keep(job.id, outcome.arrays, job.report)
        picture = outcome.arrays.get("thumbnail")
        if picture is not None:
            self._history.set_picture(job.id, picture.tobytes())
            job.pictures += 1
        seed = job.report.get("seed")
        took = sum(float(one.get("seconds", 0.0)) for one in job.report.get("stages", ()) if isinstance(one, dict))
        if not took and job.began is not None:
            took = self._clock() - job.began
        self._history.change(
            job.id, seconds=round(took, 3), **({"seed": seed} if isinstance(seed, int) else {})
        )
        self._let_go(job)
        if job.file != filemark.current():
            preview.remove(job.id)
            self._jobs.kept(job, self._clock())
            self._history.change(job.id, state="KEPT", ended=time.time())
            self._tell(job, True)
        elif compat.hands_full() and not kinds.find(job.spec.kind).anytime:
            job.state = "HELD"
        else:
            self._land(job)

    def land_held(self) -> bool:
        """Let in the results that waited, where nothing is in their way any more; True when there were any."""
        held = self._jobs.held()
        if not held or (not any(job.file != filemark.current() for job in held) and compat.hands_full()):
            return False
        for job in held:
            job.state = "SUCCEEDED"  # it is tried once: what goes wrong now would go wrong with every tick
            self.result(job, job.outcome)
        return True

    def _follow_target(self, job: Job) -> None:
        """The artist may have given the object another name meanwhile."""
        present = bpy.data.objects.get(job.target) if job.target else None
        if job.target_id is None or compat.session_id(present) == job.target_id:
            return
        renamed = next((one for one in bpy.data.objects if compat.session_id(one) == job.target_id), None)
        if renamed is not None:
            job.target = renamed.name
            self._history.change(job.id, target=job.target)

    def _land(self, job: Job) -> None:
        self._follow_target(job)
        outcome = job.outcome
        wanted = Delivery(
            job.id, job.prompt, str(getattr(job.spec, "name", "")), job.place, outcome.arrays, outcome.report,
            job.target, job.options, preferences.settings().external_images, job.selection,
        )
        try:
            name = kinds.find(job.spec.kind).deliver(wanted)
        except (BrokenMesh, BrokenImage) as error:
            fault = wire.errors.ProtocolError(
                f"The result cannot be used: {error}.",
                hint="Generate it again; if that ends the same way, the hub and the add-on may differ in version.",
            )
            self.failed(job, fault)
        except RuntimeError as error:  # what Blender raises when it will not do something
            self.failed(job, wire.errors.InternalError(f"Blender could not take the result: {str(error).strip()}"))
        except wire.errors.MaquetteError as error:  # for example: the object that it was for is gone
            self.failed(job, error)
        else:
            self._jobs.delivered(job, name, self._clock())
            self._history.change(job.id, state="DONE", object_name=name, ended=time.time())
            self._tell(job, True)

    def failed(self, job: Job, error: Exception) -> None:
        """A job has ended without a result that could be used."""
        preview.remove(job.id)
        action.discard(job.id)
        if not job.over:
            self._jobs.failed(job, error, self._clock())
        record = self._history.get(job.id)
        if record is not None and record.open:  # bringing back what was done once may fail and changes nothing
            message, hint = str(getattr(error, "message", error)), str(getattr(error, "hint", ""))
            self._history.change(job.id, state=job.state, problem=message, hint=hint, ended=time.time())
        self._let_go(job)
        self._tell(job, False)

    def _tell(self, job: Job, well: bool) -> None:
        if job.state != "CANCELLED":
            self.notice = (job.object_name or job.prompt, well, self._clock())
