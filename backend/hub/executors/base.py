# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface between the hub and whatever runs its workers, and the executor of a hub that runs none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Slot:
    """A place for one worker process, as it is now.

    Attributes:
        name: "gpu0", "cpu1"; unique in the hub.
        device: what the worker sees: a CUDA UUID, or "cpu".
        memory: bytes of the device, 0 when unknown.
        machine: host name, empty for the hub's own.
        state: "running" a process is there; "starting" one will be started at once; "waiting" one will be started
            later, because the last ones ended too soon; "lent" its device serves a job that leads from another place;
            "leaving" it goes as soon as its job is over; "drained" nothing is started any more.
        worker: name of the process that is there, or empty.
        job: what it runs, or empty.
        reason: why it is not running, for people.
    """

    name: str
    device: str
    memory: int = 0
    machine: str = ""
    state: str = "starting"
    worker: str = ""
    job: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Handle:
    """One lease on its worker. devices: what the job may compute on, the worker's own first; "cpu" for no GPU."""

    job: str
    fence: int
    worker: str
    devices: tuple[str, ...] = ("",)


class Executor(Protocol):
    """Worker processes. Nothing here waits, except `stop`; time passes in `tick`."""

    def slots(self) -> list[Slot]:
        """Every place, with what is there now."""

    def room(self, worker: str, gpus: int = 1) -> bool:
        """Whether `start` would say yes: the worker is not on its way out, and enough devices beside it are idle."""

    def start(self, job: str, fence: int, worker: str, gpus: int = 1) -> Handle | None:
        """A lease goes to this worker. The same (job, fence) gives the same handle again. None when there is no room.

        A job of several devices takes those of idle places of the same machine; their processes end at once. It gets
        fewer than `gpus` where the machine has fewer.
        """

    def end(self, job: str, fence: int) -> None:
        """The lease is over; lent devices go back. Unknown ones are nothing new."""

    def cancel(self, worker: str, grace: float) -> None:
        """End this worker's process: ask it now, kill it `grace` seconds later; 0 kills at once. May be repeated."""

    def drain(self, on: bool = True) -> None:
        """Start nothing more; processes without a job end now, others after their job. False: go on as before."""

    def ended(self) -> list[tuple[str, int]]:
        """Workers that ended since the last call: name and exit code, negative for a signal, 0 when it was meant."""

    def alive(self, name: str) -> bool:
        """Whether this worker's process is known to live."""

    def knows_dead(self, name: str) -> bool:
        """Whether this worker's process is known to have ended."""

    def tick(self) -> None:
        """Notice what ended, kill what was given time, start what is missing."""

    def stop(self, patience: float) -> None:
        """End everything: `patience` seconds to go by itself, then asked, then killed. Returns with all dead."""


class NoExecutor:
    """For a hub whose workers are started by somebody else."""

    def slots(self) -> list[Slot]:
        return []

    def room(self, worker: str, gpus: int = 1) -> bool:
        return True

    def start(self, job: str, fence: int, worker: str, gpus: int = 1) -> Handle | None:
        return Handle(job, fence, worker)

    def end(self, job: str, fence: int) -> None:
        """Nothing was lent."""

    def cancel(self, worker: str, grace: float) -> None:
        """There is no process of ours."""

    def drain(self, on: bool = True) -> None:
        """There is nothing to start or end."""

    def ended(self) -> list[tuple[str, int]]:
        return []

    def alive(self, name: str) -> bool:
        return False

    def knows_dead(self, name: str) -> bool:
        return False

    def tick(self) -> None:
        """There is nothing to start."""

    def stop(self, patience: float) -> None:
        """There is nothing to end."""
