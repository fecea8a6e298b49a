# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of this Blender and their way through the hub: asked for, followed, brought into the scene, written down.

Everything happens in `pump`, on Blender's main thread and under a time budget: a persistent timer calls it in the
program (`ticking`), a script calls it itself or through `wait`, because timers never fire in background mode. No
Python thread is made and no datablock is kept.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import __package__ as base_package
from . import compat, connection, filemark, identities, kinds, preferences, wire
from .apply import preview
from .apply.placement import IDENTITY, Place, selection
from .arrivals import Arrivals
from .connection import State
from .history import History, Record
from .jobs import Job, JobTable, Watchers, latest_previews
from .results import Results
from .seeds import spec_seed

log = logging.getLogger(__name__)

BUDGET_S = 0.002
"""Main-thread time a tick may take before it looks at the clock; one more message may follow."""
PLACES_EVERY_S = 3.0
LIST_LIMIT = 200
"""How often and among how many open jobs the places in the queue are asked for."""


class Link:
    """One conversation with one hub. clock: seconds, monotonic. data_folder: of this machine's own hub. store: where
    the history lies, the user's folder by default."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        data_folder: Path | None = None,
        store: Path | None = None,
    ) -> None:
        store = store or compat.user_folder(base_package, "history")
        self.jobs = JobTable()
        self.connection = connection.Connection(clock, data_folder)
        self.history = History(store / "jobs")
        self.results = Results(store / "results", preferences.settings().cache_megabytes << 20)
        self.arrivals = Arrivals(self.jobs, self.history, self.results, clock, self._let_go)
        self.sweep_due = False
        self._clock = clock
        self._asked = float("-inf")
        self._inputs: dict[str, Mapping[str, np.ndarray]] = {}
        self._watchers = Watchers()

    # --- the connection ---

    @property
    def state(self) -> State:
        return self.connection.state

    @property
    def problem(self) -> Exception | None:
        return self.connection.problem

    @problem.setter
    def problem(self, problem: Exception | None) -> None:
        self.connection.problem = problem

    @property
    def hub_pid(self) -> int | None:
        """Process id of the hub that this link started, None when it started none."""
        return self.connection.hub_pid

    @property
    def _client(self) -> Any:
        return self.connection.client

    def connect(self) -> None:
        """Reach for the hub, and follow all jobs of this session that have not ended there. Does not wait for it.

        Jobs of another hub rest in the history until that one is connected again. Does nothing while a connection
        stands or is being tried. Raises MaquetteError when the settings name no hub that could be reached.
        """
        if self._client is not None and self.problem is None:
            return
        self.connection.close()
        self.connection.open()
        here, mine = connection.hub_key(), os.getpid()
        for job in self.jobs.running():
            record = self.history.get(job.id)
            if job.outcome is not None:
                continue
            if record is not None and record.hub != here:
                self.jobs.drop(job.id)
                preview.remove(job.id)
            else:
                self._follow(job)
        for job in self._adopt([one for one in self.history.orphans(here, mine) if one.owner == mine]):
            self._follow(job)

    def disconnect(self) -> None:
        """Say goodbye and end the hub if this link started it; its jobs stay in its store."""
        self.connection.close()

    def close(self) -> None:
        """The add-on ends: what is still to be written is, and the next Blender may take the running jobs up."""
        self.disconnect()
        self.results.finish()
        self.history.disown(os.getpid())

    def take_up(self) -> list[Job]:
        """Mind the jobs again that an earlier Blender left running at this hub, and connect when there are any."""
        self.history.refresh()
        found = self._adopt(self.history.orphans(connection.hub_key(), os.getpid()))
        if found and self._client is None:
            self.connect()
        else:
            for job in found:
                self._follow(job)
        return found

    def _adopt(self, records: list[Record]) -> list[Job]:
        """Put jobs of the history that run and are not in the table there; they are this process's from now on."""
        found = []
        for record in records:
            if self.jobs.get(record.id) is not None:
                continue
            try:
                spec = wire.specs.spec_from_map(record.kind, record.spec)
            except wire.errors.MaquetteError as error:
                self.history.change(record.id, state="FAILED", problem=str(error), ended=time.time())
                continue
            place = Place(record.scene, record.matrix or IDENTITY, record.collection)
            job = Job(record.id, spec, place, self._clock(), record.file, record.target, options=record.options)
            self.jobs.add(job)
            self.history.change(record.id, owner=os.getpid())
            found.append(job)
        return found

    # --- jobs ---

    def submit(
        self, spec: Any, place: Place, inputs: Mapping[str, np.ndarray] | None = None, target: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> Job:
        """Ask for a job; its result will stand at `place`, or change the object called `target`.

        Learned words that the prompt speaks go in too. Connects first where needed, and does not wait. Written down
        before it is sent. Raises MaquetteError when there is no way to a hub, or for inputs that this kind does not
        take.
        """
        self.connect()
        inputs = identities.with_words(identities.mine(), spec, inputs or {})
        options = kinds.noted(spec.kind, inputs, options or {})
        job = Job(wire.client.new_job_id(), spec, place, self._clock(), filemark.current(), target, options=options,
                  target_id=compat.session_id(bpy.data.objects.get(target)),
                  selection=selection(bpy.context.view_layer))
        self.history.put(
            Record(
                job.id, spec.kind, spec.to_map(), spec.title, connection.hub_key(), job.file, place.scene,
                place.matrix, place.collection, target, options, time.time(), owner=os.getpid(), seed=spec_seed(spec),
            )
        )
        try:
            self._client.submit(spec, inputs, job=job.id)
        except wire.errors.MaquetteError:
            self.history.delete(job.id)
            raise
        self.jobs.add(job)
        self._inputs[job.id] = inputs
        return job

    def _follow(self, job: Job) -> None:
        """Ask the hub for a job once more: the same id makes no second job, and what was missed comes again."""
        record = self.history.get(job.id)
        job.warnings.clear()
        if record is not None and record.accepted:
            self._client.watch(job.id, 0)
        else:
            self._client.submit(job.spec, self._inputs.get(job.id, {}), job=job.id)

    def _let_go(self, job: Job) -> None:
        """The hub has nothing more to say about a job: free what is held for it."""
        if self._client is not None:
            self._client.forget(job.id)
        self._inputs.pop(job.id, None)

    def cancel(self, job_id: str) -> None:
        """Ask the hub to end a job; the table shows it as cancelled once the hub has said so."""
        job = self.jobs.get(job_id)
        if job is None or job.over or self._client is None:
            return
        if job.outcome is not None:  # it has ended at the hub and only waits for its way into the scene
            self.arrivals.failed(job, wire.errors.Cancelled())
            return
        job.state = "CANCEL_REQ"
        self._client.cancel(job_id)

    def pause(self, job_id: str) -> None:
        """Ask the hub to let a job rest; it keeps what it has done."""
        job = self.jobs.get(job_id)
        if job is not None and not job.over and self._client is not None:
            self._client.pause(job_id)

    def resume(self, job_id: str) -> None:
        """Let a paused job go on."""
        job = self.jobs.get(job_id)
        if job is not None and not job.over and self._client is not None:
            self._client.resume(job_id)

    def inputs_of(self, job_id: str) -> Mapping[str, np.ndarray]:
        """The arrays that went in with a job of this session; none once it has ended."""
        return self._inputs.get(job_id, {})

    def fetch(self, job: Job) -> None:
        """Follow an ended job of the history once more, for its result. Connects first where needed."""
        self.connect()
        self.jobs.forget(job.id)
        self.jobs.add(job)
        job.state = "SUCCEEDED"
        self._client.watch(job.id, 0)

    def delete(self, job_id: str) -> None:
        """Strike a job out of the history, its kept result and picture too; one that runs is cancelled."""
        self.cancel(job_id)
        self.jobs.forget(job_id)
        self.history.delete(job_id)
        self.results.drop(job_id)

    # --- the pump ---

    def watch(self, job_id: str, callback: Callable[[Job], None]) -> None:
        """Call back from `pump` whenever the job's state, stage or fraction changed, for the last time at its end."""
        self._watchers.add(job_id, callback)

    def pump(self, budget_s: float = BUDGET_S) -> bool:
        """Take what has come and bring it into the scene; True when something changed. Never waits."""
        changed = self._take_what_came(budget_s)
        self._watchers.call(self.jobs)
        return changed

    def _take_what_came(self, budget_s: float) -> bool:
        end = self._clock() + budget_s
        if self.sweep_due:
            self.sweep_due = False
            preview.sweep({job.id for job in self.jobs.running()})
        changed = self.arrivals.land_held()
        if self._client is not None and self.problem is None:
            try:
                self.connection.mind()
                self._ask_for_places()
                updates = self._client.poll(budget_s)
            except wire.errors.MaquetteError as error:
                self.problem = error
                return True
            for update in latest_previews(updates):
                self._handle(update)
            changed = changed or bool(updates)
        while self._clock() < end and self.results.step():
            pass
        return changed

    def _ask_for_places(self) -> None:
        """How many are before each waiting job changes with what others do: ask now and then."""
        now = self._clock()
        if now - self._asked > PLACES_EVERY_S and self.jobs.waiting() and self.state is State.CONNECTED:
            self._asked = now
            self._client.request_list(limit=LIST_LIMIT, open_only=True)

    def _handle(self, update: Any) -> None:
        say = wire.updates
        if isinstance(update, say.ConnectionChanged):
            self.problem = update.problem if update.state is say.ConnectionState.REFUSED else None
            return
        if isinstance(update, say.JobsListed):
            for one in update.jobs:
                self.jobs.place_in_queue(one.job, one.ahead)
            return
        now = self._clock()
        job = self.jobs.take(update, now)
        if job is None:
            return
        if isinstance(update, say.JobAccepted):
            self.history.change(job.id, accepted=True)
        elif isinstance(update, say.JobProgress):
            self.arrivals.plan(job, now)
        elif isinstance(update, say.PreviewImage):
            self.history.set_picture(job.id, update.png)
        elif isinstance(update, say.PreviewMesh):
            self.arrivals.preview(job, update)
        elif isinstance(update, say.PreviewMotion):
            self.arrivals.motion(job, update)
        elif isinstance(update, say.JobFinished):
            self.arrivals.result(job, kinds.completed(job.spec.kind, update.result, self.inputs_of(job.id)))
        elif isinstance(update, say.JobFailed):
            self.arrivals.failed(job, update.error)

    def wait(self, job_id: str, timeout: float | None = None, tick: Callable[[Job], None] | None = None) -> Job:
        """Pump until a job is over. For scripts: it blocks Blender. tick: called after each round.

        Raises the link's problem, or TimedOut after `timeout` seconds (the job goes on). A failed job is returned,
        not raised: its error is in `job.error`.
        """
        job = self.jobs.get(job_id)
        if job is None:
            raise wire.errors.UnknownJob(f"This session has no job {job_id}.")
        end = None if timeout is None else self._clock() + timeout
        while not job.over:
            if not self.pump(0.05):
                time.sleep(0.02)
            if tick is not None:
                tick(job)
            if self.problem is not None and not job.over:
                raise self.problem
            if end is not None and self._clock() > end:
                raise wire.errors.TimedOut(f"The job has not ended after {timeout:g} seconds; it goes on.")
        return job


_link: Link | None = None


def current() -> Link:
    """The add-on's one link; raises RuntimeError when the add-on is not registered."""
    if _link is None:
        raise RuntimeError("the Maquette add-on is not registered")
    return _link


def start() -> None:
    """Make the add-on's link; nothing is connected yet."""
    global _link
    _link = Link()


def stop() -> None:
    """Let go of everything that the link holds."""
    global _link
    if _link is not None:
        _link.close()
        _link = None
