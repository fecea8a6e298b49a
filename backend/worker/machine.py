# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that works for a hub somewhere else: one worker a device, each dialling the hub, kept alive from here.

This process only starts workers and starts them again; it never talks to the hub. It may be stopped and started while
they work: the next one finds them by what is written down in its folder.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from backend.hub.executors import ProcessExecutor
from backend.hub.executors.devices import wanted_slots
from backend.worker.hubs import paired
from protocol.keys import read_pairing_file

log = logging.getLogger("maquette.worker")

TICK_SECONDS = 0.25


def work_for(
    pairing_file: Path, folder: Path, slots: str, keep_on: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Keep workers until `keep_on` says no. Raises BadRequest or NotAllowed for a pairing that is not right.

    pairing_file: made by the hub for this machine. folder: for logs and scratch files. slots: see `wanted_slots`.
    """
    pairing = read_pairing_file(pairing_file)
    paired(pairing)  # says here what is wrong with it, not in the log of a worker
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "backend.worker", "--data", str(folder), "--hub", str(pairing_file.resolve())]
    executor = ProcessExecutor(folder, command, wanted_slots(slots), prefix=f"{pairing.name}-")
    log.info("working for %s; workers' logs are in %s", pairing.address, folder / "logs")
    try:
        while keep_on():
            executor.tick()
            executor.ended()  # the keeper has logged them; nobody else asks
            sleep(TICK_SECONDS)
    finally:
        executor.stop(0.0)
        log.info("stopped; jobs at hand go to other workers")
