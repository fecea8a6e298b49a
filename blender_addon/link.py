# SPDX-License-Identifier: GPL-3.0-or-later
"""The link to the hub: the only place of the add-on that talks to it.

One `Link` holds the client, the table of jobs and, where the hub is this machine's own, its process. Everything
happens in `pump`, on Blender's main thread and under a time budget: a persistent timer calls it in the program, a
script calls it itself or through `wait`, because timers never fire in background mode. No Python thread is made and
no datablock is kept.
"""

from __future__ import annotations

import enum
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from . import addresses, compat, local_hub, preferences, wire
from .apply import preview, result
from .apply.image import BrokenImage
from .apply.mesh import BrokenMesh
from .apply.placement import Place, object_name
from .jobs import Job, JobTable, latest_previews

log = logging.getLogger(__name__)

BUDGET_S = 0.004
"""Main-thread time a tick may take."""
TICK_WORKING_S = 0.03
TICK_IDLE_S = 0.5
FOUND_HUB_S = 1.5
FOUND_HUB_LOOKS = 25
"""A hub that left a connection file counts as gone after this time and this many looks: while Blender itself is busy,
time passes without a chance to hear the answer."""


RESTART_AFTER_S = 10.0
"""A hub that lived longer than this is started again when it ends; one that ends sooner would only end again."""
START_TRIES = 3
START_PAUSE_S = 2.0
"""Except at first: a hub that is just being stopped holds the data folder for some seconds more."""


QUIT_PATIENCE_S = 1.0
"""How long Blender's window may stand still for a hub that ends."""


class State(enum.Enum):
    """How the link stands; the value is what the panel shows."""

    OFF = "not connected"
    STARTING = "starting the hub of this machine"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    PROBLEM = "there is a problem"


class Link:
    """The conversation with one hub. clock: seconds, monotonic. data_folder: of this machine's own hub."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, data_folder: Path | None = None) -> None:
        self.jobs = JobTable()
        self.problem: Exception | None = None
        self.sweep_due = False
        self._clock = clock
        self._data_folder = data_folder
        self._client: Any = None  # protocol.client.Client once there was a reason to connect
        self._hub: local_hub.LocalHub | None = None
        self._is_local = False
        self._waiting_since = 0.0
        self._looks = 0
        self._starts = 0

    # --- how it stands ---

    @property
    def state(self) -> State:
        if self.problem is not None:
            return State.PROBLEM
        if self._client is None:
            return State.OFF
        if self._client.state is wire.updates.ConnectionState.READY:
            return State.CONNECTED
        return State.STARTING if self._hub is not None else State.CONNECTING

    @property
    def hub_pid(self) -> int | None:
        """Process id of the hub that this link started, None when it started none."""
        return self._hub.pid if self._hub is not None else None

    # --- connecting ---

    def connect(self) -> None:
        """Reach for the hub of the preferences, or find or start this machine's own. Does not wait for it.

        Does nothing while a connection stands or is being tried. Raises MaquetteError when the settings name no hub
        that could be reached.
        """
        if self._client is not None and self.problem is None:
            return
        self.disconnect()
        self._starts = 0
        try:
            self._open()
        except wire.errors.MaquetteError as error:
            self.disconnect()
            self.problem = error
            raise
        for job in self.jobs.running():  # the same id makes no second job, and brings back what was missed
            self._client.submit(job.spec, job=job.id)

    def _open(self) -> None:
        settings = preferences.settings()
        address = settings.address.strip()
        self._is_local = not address
        if address:
            address = addresses.normalise(address)
            if not addresses.is_loopback(address) and not compat.is_module() and not compat.online_access():
                raise wire.errors.NotAllowed(
                    "Blender is set to work offline, so Maquette does not contact another machine.",
                    hint="Turn on Preferences > System > Network > Allow Online Access.",
                )
            self._client = wire.client.Client(address, software=self._software())
        else:
            folder = self._folder()
            self._client = wire.client.Client(
                connection_file=folder / wire.local.FILE_NAME, software=self._software()
            )
            if not (folder / wire.local.FILE_NAME).exists():
                self._start_hub()
        self._waiting_since, self._looks = self._clock(), 0

    def disconnect(self) -> None:
        """Say goodbye and end the hub if this link started it; its jobs stay in its store.

        With a window Blender does not wait until the hub has put its worker away: it does that by itself.
        """
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._hub is not None:
            self._hub.stop(local_hub.STOP_LIMIT_S if bpy.app.background else QUIT_PATIENCE_S)
            self._hub = None
        self.problem = None

    def _folder(self) -> Path:
        return self._data_folder or wire.local.default_data_folder()

    def _start_hub(self) -> None:
        python = local_hub.find_python(preferences.settings().python, os.environ, compat.python_executable())
        self._hub = local_hub.LocalHub(python, self._folder(), os.environ)
        self._starts += 1

    @staticmethod
    def _software() -> str:
        return f"blender-{bpy.app.version_string.split()[0]}"

    def _mind_hub(self) -> None:
        """Start this machine's hub when the one that was found does not answer; report one that ended."""
        if self._client is None:
            return
        now = self._clock()
        if self._client.state is wire.updates.ConnectionState.READY:
            self._waiting_since, self._looks, self._starts = now, 0, 0
        elif not self._is_local:
            return
        elif self._hub is not None:
            if self._hub.alive():
                self._hub.ready()
            elif self._hub.age > RESTART_AFTER_S or self._starts < START_TRIES:
                if self._hub.age > START_PAUSE_S:
                    log.warning("the hub of this machine ended; starting it again")
                    self._start_hub()  # its store has the jobs, and the client goes on where it was
            else:
                self._hub.ready()  # raises with what it said
        elif now - self._waiting_since > FOUND_HUB_S and self._looks >= FOUND_HUB_LOOKS:
            self._start_hub()
        else:
            self._looks += 1

    # --- jobs ---

    def submit(self, spec: Any, place: Place) -> Job:
        """Ask for a job; its result will stand at `place`. Connects first where needed, and does not wait.

        Raises MaquetteError when there is no way to a hub.
        """
        self.connect()
        job = Job(wire.client.new_job_id(), spec, place, pressed=self._clock())
        self.jobs.add(job)
        self._client.submit(spec, job=job.id)
        return job

    def cancel(self, job_id: str) -> None:
        """Ask the hub to end a job; the table shows it as cancelled once the hub has said so."""
        job = self.jobs.get(job_id)
        if job is None or job.over or self._client is None:
            return
        job.state = "CANCEL_REQ"
        self._client.cancel(job_id)

    # --- the pump ---

    def pump(self, budget_s: float = BUDGET_S) -> bool:
        """Take what has come and bring it into the scene; True when something changed. Never waits."""
        if self.sweep_due:
            self.sweep_due = False
            preview.sweep({job.id for job in self.jobs.running()})
        if self._client is None or self.problem is not None:
            return False
        try:
            self._mind_hub()
            updates = self._client.poll(budget_s)
        except wire.errors.MaquetteError as error:
            self.problem = error
            return True
        for update in latest_previews(updates):
            self._handle(update)
        return bool(updates)

    def _handle(self, update: Any) -> None:
        kinds = wire.updates
        if isinstance(update, kinds.ConnectionChanged):
            self.problem = update.problem if update.state is kinds.ConnectionState.REFUSED else None
            return
        now = self._clock()
        job = self.jobs.take(update, now)
        if job is None:
            return
        if isinstance(update, kinds.PreviewMesh):
            self._show_preview(job, update)
        elif isinstance(update, kinds.JobFinished):
            self._deliver(job, update.result)
        elif isinstance(update, kinds.JobFailed):
            preview.remove(job.id)
            self._forget(job)

    def _show_preview(self, job: Job, update: Any) -> None:
        if not preferences.settings().show_preview:
            return
        arrays = {"vertices": update.vertices, "faces": update.faces, "colours": update.colours}
        try:
            preview.show(job.id, job.spec.name or object_name(job.spec.prompt), job.place, arrays)
        except BrokenMesh as error:  # the job goes on, and so does the next preview
            log.warning("a preview of job %s was left out: %s", job.id, error)

    def _deliver(self, job: Job, outcome: Any) -> None:
        wanted = result.Delivery(
            job.id, job.spec.prompt, job.spec.name, job.place, outcome.arrays, outcome.report
        )
        try:
            name = result.deliver(wanted)
        except (BrokenMesh, BrokenImage) as error:
            preview.remove(job.id)
            fault = wire.errors.ProtocolError(
                f"The result cannot be used: {error}.",
                hint="Generate it again; if that ends the same way, the hub and the add-on may differ in version.",
            )
            self.jobs.failed(job, fault, self._clock())
        else:
            self.jobs.delivered(job, name, self._clock())
        self._forget(job)

    def _forget(self, job: Job) -> None:
        if self._client is not None:
            self._client.forget(job.id)  # frees the arrays

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
            if self.problem is not None:
                raise self.problem
            if end is not None and self._clock() > end:
                raise wire.errors.TimedOut(f"The job has not ended after {timeout:g} seconds; it goes on.")
        return job


# --- the add-on's one link and its timer ------------------------------------------------------------------------------

_link: Link | None = None


def current() -> Link:
    """The add-on's link; raises RuntimeError when the add-on is not registered."""
    if _link is None:
        raise RuntimeError("the Maquette add-on is not registered")
    return _link


def _tick() -> float:
    """What the timer runs. It must not raise: Blender would drop the timer, and the panel would freeze for good."""
    link = _link
    if link is None:
        return TICK_IDLE_S
    try:
        if link.pump(BUDGET_S):
            compat.redraw_panels()
    except Exception:
        log.exception("Maquette could not handle what the hub sent")
    return TICK_WORKING_S if link.jobs.running() else TICK_IDLE_S


@bpy.app.handlers.persistent
def _after_undo_or_load(*_: Any) -> None:
    """Previews may have come back; the next tick removes them. A handler is no place to remove datablocks."""
    if _link is not None:
        _link.sweep_due = True


_HANDLERS = ("undo_post", "redo_post", "load_post")


def register() -> None:
    global _link
    _link = Link()
    for name in _HANDLERS:
        getattr(bpy.app.handlers, name).append(_after_undo_or_load)
    bpy.app.timers.register(_tick, first_interval=TICK_IDLE_S, persistent=True)


def unregister() -> None:
    global _link
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    for name in _HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if _after_undo_or_load in handlers:
            handlers.remove(_after_undo_or_load)
    if _link is not None:
        _link.disconnect()
        _link = None
