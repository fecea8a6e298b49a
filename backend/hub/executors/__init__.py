# SPDX-License-Identifier: GPL-3.0-or-later
"""Where worker processes come from, behind one interface: one process a device, here or wherever Ray puts it.

The hub keeps the queue and decides who does what; an executor only knows places for workers, keeps a process alive in
each, lends the devices of idle ones to a job that asks for several, and ends processes. Workers dial the hub by
themselves, so an executor never sees a job's content.
"""

from __future__ import annotations

from backend.hub.executors.base import Executor, Handle, NoExecutor, Slot
from backend.hub.executors.environment import worker_environment
from backend.hub.executors.process import ProcessExecutor, worker_command

__all__ = ["Executor", "Handle", "NoExecutor", "ProcessExecutor", "Slot", "worker_command", "worker_environment"]
