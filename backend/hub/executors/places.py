# SPDX-License-Identifier: GPL-3.0-or-later
"""A place for a worker: one device, the process that has it, and whoever can start such a process.

`Keeper` has the rules; a machine or a cluster has a `Launcher` of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from backend.hub.executors.devices import Device
from backend.hub.executors.environment import FRESH_PROCESS

FIRST_WAIT = 1.0  # seconds before a process that ended too soon is replaced; doubles
LONGEST_WAIT = 30.0


class Life(Protocol):
    """One worker process, wherever it runs."""

    def code(self) -> int | None:
        """Exit code, negative for a signal; None while it lives."""

    def signal(self, hard: bool) -> None:
        """Ask it to end, or kill it. Nothing happens to one that has ended."""


@dataclass(frozen=True)
class Found:
    """A process that an earlier hub started. life is None when it has ended."""

    slot: str
    worker: str
    life: Life | None
    lent_to: str = ""


class Launcher(Protocol):
    """Starts processes; knows the machine or the cluster."""

    def devices(self) -> list[Device] | None:
        """What there is now, or None while that is still being found out."""

    def launch(self, device: Device, worker: str, share: int) -> Life:
        """Start a worker. share: how many workers of this machine divide its CPU. Raises OSError."""

    def found(self) -> list[Found]:
        """Processes of an earlier hub, asked once."""

    def remember(self, places: Sequence[Place]) -> None:
        """Write down what lives where, for the next hub."""


@dataclass
class Place:
    """One device and the worker process that has it."""

    device: Device
    life: Life | None = None
    worker: str = ""
    began: float = 0.0
    lease: tuple[str, int] | None = None
    lent_to: str = ""  # the worker that computes on this device from another place
    gone: bool = False  # the device is no longer there
    meant: bool = False  # its process ends because we want it to
    short_lives: int = 0
    start_at: float = 0.0
    kill_at: float | None = None
    reason: str = ""

    def put_off(self, now: float) -> None:
        """A process ended too soon, or did not start: the next one waits, twice as long each time."""
        self.short_lives += 1
        self.start_at = now + min(FIRST_WAIT * 2 ** (self.short_lives - 1), LONGEST_WAIT)


def worker_log(device: Device) -> str:
    """The name of the file that takes what workers of this place print."""
    return f"worker-{device.slot}.log"


def describe_end(worker: str, code: int, lived: float) -> str:
    """How a process ended, for people."""
    if code == FRESH_PROCESS:
        return f"Worker {worker} made room for a fresh process after {lived:.0f} s."
    if code == -9:
        return (f"Worker {worker} was killed (signal 9) after {lived:.0f} s; if nobody did that, "
                "the machine may have run out of memory.")
    if code < 0:
        return f"Worker {worker} was ended by signal {-code} after {lived:.0f} s."
    return f"Worker {worker} ended with exit code {code} after {lived:.0f} s."
