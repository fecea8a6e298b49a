# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the hub on real sockets: `poll` for a GUI timer, `wait` for scripts, and no Python thread.

Two DEALER sockets go to the hub, `ctl` for control and `blk` for bulk, so that a cancel never waits behind a
mesh (`sockets`). libzmq's own I/O thread is C++ and never runs Python, which is what makes this safe inside Blender.
What is said on them is decided by `session`; here it is driven.

    client = Client.local()                      # the hub of this machine, found by its connection file
    job = client.submit(TextTo3DSpec("a red mushroom"))
    result = client.wait(job)                    # scripts; or poll() from a timer and look at the updates
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from . import compress
from .errors import BadRequest, MaquetteError, NotAllowed, NotConnected, TimedOut
from .keys import Keys, Pairing
from .line import CTL
from .local import ConnectionInfo, default_data_folder, read_connection_file
from .messages import Continue, Pause, Reprioritise
from .session import Session
from .sockets import Ready, Sockets
from .specs import JobSpec
from .updates import ConnectionState, JobView, Result, Update

__all__ = ["Client", "new_job_id"]

NEAR = ("tcp://127.", "tcp://localhost:", "tcp://[::1]:")  # this very machine, where compressing never pays
GONE_AFTER = 0.5  # seconds without an open connection before the session counts as lost
LOOK_AGAIN = 0.5  # seconds between looks at the connection file while there is no hub
REFUSED_AGAIN = 5.0  # seconds before a hub that did not accept our key, or had another one, is tried again


def new_job_id() -> str:
    """A fresh id of a job: 32 hex digits."""
    return os.urandom(16).hex()


class Client:
    """One conversation with one hub. Not safe to share between threads; make one for each.

    address: `tcp://host:port`. keys: those of its pairing string; without them the connection is not encrypted, which
    only a hub of this machine allows. token: the secret of such a hub. connection_file: read instead of the three,
    and read again whenever the hub is lost, so that a restarted hub is found under its new address and key. Nothing
    here blocks except `wait`; making a client does not need a hub to be there.

    Where the connection does not stand, `problem` says why: NotConnected (nobody listens there), WrongKey (our key
    was revoked or never added), WrongHub (not the hub we were paired with), VersionMismatch, or another refusal.
    """

    def __init__(
        self,
        address: str = "",
        *,
        keys: Keys | None = None,
        token: bytes = b"",
        connection_file: Path | None = None,
        software: str = "maquette",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if bool(address) == bool(connection_file):
            raise BadRequest("A client needs an address or a connection file.", path="address")
        self._clock = clock
        self._file = connection_file
        self._address = address
        self._keys = keys
        self._session = Session(software=software, token=token, new_id=lambda: os.urandom(16))
        self._sockets = Sockets()
        self._gone_since: float | None = None
        self._dear = 0.0  # seconds that one of the last messages took
        self._look_at = 0.0
        self._seen_file: ConnectionInfo | None = None
        self._look_for_hub(clock())

    @classmethod
    def local(cls, data_folder: Path | None = None, *, software: str = "maquette") -> Client:
        """The client of this machine's own hub (`data_folder` defaults to this user's), running or not yet."""
        folder = default_data_folder() if data_folder is None else Path(data_folder)
        return cls(connection_file=folder / "connection.json", software=software)

    @classmethod
    def paired(cls, pairing: Pairing, *, software: str = "maquette") -> Client:
        """The client of the hub that a pairing string names. Raises BadRequest for a worker's."""
        if pairing.kind != "client":
            raise BadRequest("This pairing string is for a worker.", path="pairing", hint="Ask for one for yourself.")
        return cls(pairing.address, keys=pairing.keys, software=software)

    # How it stands

    @property
    def state(self) -> ConnectionState:
        """OFFLINE, CONNECTING, READY or REFUSED."""
        return self._session.state

    @property
    def problem(self) -> MaquetteError | None:
        """Why the connection does not stand, where that is known."""
        return self._session.problem

    @property
    def hub(self) -> str:
        """Name and version of the hub's software, empty before the first welcome."""
        return self._session.welcome.software if self._session.welcome is not None else ""

    @property
    def user(self) -> str:
        """Who the hub takes this client for, empty before the first welcome."""
        return self._session.welcome.user if self._session.welcome is not None else ""

    @property
    def jobs(self) -> dict[str, JobView]:
        """All jobs that this client submitted or watches, by id. To be read, not changed."""
        return self._session.jobs

    # What can be asked; none of these block

    def submit(self, spec: JobSpec, inputs: Mapping[str, NDArray[Any]] | None = None, *, job: str = "") -> str:
        """Ask for a job and give its id back at once; JobAccepted follows when the hub has it on disk.

        inputs: arrays that this kind of job takes (`spec.INPUTS` says which); they are copied and sent by their hash,
        and the recipe finds them as `context.inputs`. A file such as a PNG goes as the uint8 array of its bytes.
        job: an id made earlier by `new_job_id` and written down; submitting the same spec and inputs under it again,
        also from another process, makes no second job and goes on with an upload that was interrupted.

        Raises BadRequest or TooLarge for inputs that this kind of job does not take.
        """
        if inputs is not None and not isinstance(inputs, Mapping):
            raise BadRequest("inputs must map names to arrays.", path="inputs", hint="The id goes in as job=...")
        name = job or new_job_id()
        self._session.submit(spec, name, self._clock(), inputs)
        self._flush()
        return name

    def cancel(self, job: str) -> None:
        """End a job; JobFailed with errors.Cancelled follows. A job that had already ended stays as it is."""
        self._session.cancel(job, self._clock())
        self._flush()

    def pause(self, job: str) -> None:
        """Let a job rest: it keeps what it has done and frees its device. JobChanged tells PAUSE_REQ, then PAUSED."""
        self._session.pace(Pause(job), self._clock())
        self._flush()

    def resume(self, job: str) -> None:
        """Let a paused job go on; it waits its turn again."""
        self._session.pace(Continue(job), self._clock())
        self._flush()

    def reprioritise(self, job: str, *, priority: str = "", place: str = "") -> None:
        """Put a job into another class (one of messages.PRIORITIES) or `first` or `last` of the own waiting jobs."""
        self._session.move(Reprioritise(job, priority, place), self._clock())
        self._flush()

    def watch(self, job: str, after_seq: int = 0) -> None:
        """Follow a job submitted earlier. after_seq=0 replays all its events, the result included."""
        self._session.watch(job, after_seq, self._clock())
        self._flush()

    def forget(self, job: str) -> None:
        """Stop following a job and free its result here; it goes on at the hub."""
        self._session.forget(job)

    def request_list(self, limit: int = 50, open_only: bool = False, before: str = "") -> None:
        """Ask for the own newest jobs, newest first; a JobsListed update follows.

        limit: 1 to 256. before: a job's id, to get those older than it: the history, piece by piece.
        """
        self._session.list_jobs(limit, open_only, self._clock(), before)
        self._flush()

    # Driving it

    def poll(self, budget_seconds: float = 0.004) -> list[Update]:
        """Take what has arrived and send what is due, for at most `budget_seconds` or one message; never blocks.

        A message is begun only where the last ones would fit into what is left: a chunk that is copied into memory
        which the system must find first takes ten times as long as the next. Gives back the updates in the order in
        which they happened. Call it from a timer, every 20 to 50 ms while jobs run and a few times a second otherwise.
        """
        now = self._clock()
        end = now + budget_seconds
        self._look_for_hub(now)
        ready = self._sockets.ready()
        if self._sockets.stirred(ready):
            self._watch_handshake(now)
        self._watch_connection(now, ready)
        busy, first = True, True
        while busy:
            busy = False
            for channel in self._sockets.channels:
                if not self._sockets.readable(channel, ready) or not first and now + self._dear > end:
                    continue
                frames = self._sockets.take(channel)
                if frames is None:
                    continue
                self._session.receive(channel, frames, now)
                self._flush()
                began, now = now, self._clock()
                self._dear = max(now - began, 0.5 * self._dear)
                busy, first = True, False
            ready = self._sockets.ready() if busy and now + self._dear <= end else {}
        self._session.tick(now)
        self._flush()
        updates = list(self._session.updates)
        self._session.updates.clear()
        return updates

    def wait(
        self, job: str, timeout: float | None = None, on_update: Callable[[Update], None] | None = None
    ) -> Result:
        """Block until the job has ended and give its result back; `on_update` sees every update meanwhile.

        Raises the job's own error when it failed (errors.Cancelled when it was cancelled), TimedOut after `timeout`
        seconds (the job goes on), the hub's refusal when it does not let this client in, BadRequest for a job that is
        neither submitted nor watched here. A hub that is gone is waited for.
        """
        if job not in self.jobs:
            raise BadRequest(f"Job {job} is not followed by this client.", path="job", hint="Call watch(job) first.")
        end = None if timeout is None else self._clock() + timeout
        while True:
            for update in self.poll(0.05):
                if on_update is not None:
                    on_update(update)
            view = self.jobs[job]
            if view.result is not None:
                return view.result
            if view.error is not None:
                raise view.error
            if self.state is ConnectionState.REFUSED and self.problem is not None:
                raise self.problem
            if end is not None and self._clock() > end:
                raise TimedOut(f"Job {job} has not ended after {timeout:g} seconds; it goes on.")
            self._sockets.wait(0.05)

    def wait_connected(self, timeout: float) -> None:
        """Block until the hub answers. Raises its refusal, or NotConnected after `timeout` seconds."""
        end = self._clock() + timeout
        pending: list[Update] = []
        while self.state is not ConnectionState.READY:
            pending += self.poll(0.05)
            if self.state is ConnectionState.REFUSED and self.problem is not None:
                raise self.problem
            if self._clock() > end:
                if isinstance(self.problem, NotAllowed):  # a connection file whose keys are not the hub's
                    raise self.problem
                where = self._address or str(self._file)
                raise NotConnected(f"No hub answers at {where}.", hint="Start one with: maquette serve")
            self._sockets.wait(0.02)
        self._session.updates.extendleft(reversed(pending))

    def reconnect(self) -> None:
        """Start the connection over, for example after a refusal was put right."""
        self._look_at, self._seen_file = 0.0, None
        self._sockets.close()
        self._look_for_hub(self._clock())

    def close(self) -> None:
        """Say goodbye and free the sockets; returns at once, never waits for the hub."""
        if self._sockets.ended:
            return
        self._session.leave()
        self._flush()
        self._sockets.close()
        self._session.closed()
        self._sockets.end()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The connection

    def _look_for_hub(self, now: float) -> None:
        """Open the sockets, once there is an address; while there is no hub, see whether the file names a new one."""
        if self._session.state is ConnectionState.READY or now < self._look_at:
            return
        self._look_at = now + LOOK_AGAIN
        if self._file is None:
            if not self._sockets:
                self._open_sockets(self._address, now)
            return
        try:
            info: ConnectionInfo = read_connection_file(self._file)
        except NotConnected:
            if self._session.state is ConnectionState.OFFLINE:
                self._session.lost(now)
            return
        if info == self._seen_file:
            return
        self._seen_file, self._address, self._keys = info, info.address, info.keys
        self._session.token = info.secret
        self._sockets.close()
        self._open_sockets(info.address, now)

    def _open_sockets(self, address: str, now: float) -> None:
        far = compress.available() and not address.startswith(NEAR)
        self._session.features = (compress.FEATURE,) if far else ()
        self._sockets.open(address, self._keys)
        self._gone_since = None
        self._session.opened(now)

    def _watch_handshake(self, now: float) -> None:
        """Say why no connection comes about; give a hub up for a while that does not let us in, or is not ours."""
        watch = self._sockets.watch
        if watch is None:
            return
        before = watch.trouble
        if self._sockets.broke() and self._session.state is ConnectionState.READY:
            # libzmq connects again within a moment, as somebody whom the hub has never met, and says nothing.
            self._session.lost(now, NotConnected("The connection to the hub broke.", hint="It is tried again."))
        trouble = watch.trouble
        if trouble is None or trouble is before:
            return
        if watch.final and self._file is None:
            self._sockets.close()
            self._look_at = now + REFUSED_AGAIN
            self._session.refused(trouble)
        else:  # a hub of this machine that was started anew has new keys; its file says them in a moment
            self._session.hindered(trouble)

    def _watch_connection(self, now: float, ready: Ready) -> None:
        """With IMMEDIATE=1 a socket that cannot send has no connection, which is seen long before a ping is due."""
        if self._session.state is not ConnectionState.READY or self._session.outbox[CTL]:
            self._gone_since = None
            return
        if self._sockets.writable(ready):
            self._gone_since = None
        elif self._gone_since is None:
            self._gone_since = now
        elif now - self._gone_since > GONE_AFTER:
            self._gone_since = None
            self._session.lost(now, NotConnected("The connection to the hub broke.", hint="It is tried again."))

    def _flush(self) -> None:
        self._sockets.flush(self._session.outbox)
