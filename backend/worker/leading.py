# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that leads: starts a process for every further device of a job, and ends them with the job.

All ranks run on this machine and meet at a file in the job's scratch folder. A rank that ends early breaks the
leader's next sum; where that does not come through (a GPU waiting for a message that never comes), the leader's
process ends itself, and the hub tries the job again from its last checkpoint.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.hub.executors.environment import worker_environment
from backend.worker.rank import Task, save_inputs
from protocol.errors import WorkerCrashed

if TYPE_CHECKING:
    import torch

    from backend.distillation.ranks import Ranks

log = logging.getLogger("maquette.worker")

NOTICE_SECONDS = 15.0  # for the leader to notice by itself that a rank is gone
LOOK_SECONDS = 0.2


class Band:
    """The other ranks of one job. devices: the leader's own first."""

    def __init__(
        self, devices: Sequence[str], kind: str, spec: dict[str, Any], folder: Path, inputs: Mapping[str, np.ndarray],
        jobs: str, log_file: Path, environ: Mapping[str, str], end_process: Callable[[int], object] = os._exit,
    ) -> None:
        self.world = len(devices)
        self.lost: tuple[int, int] | None = None  # a rank that ended early, and its exit code
        self._folder = folder
        self._meeting = folder / f"meeting-{secrets.token_hex(4)}"
        self._end_process = end_process
        self._closed = False
        self._ready = [folder / f"{self._meeting.name}-ready{rank}" for rank in range(1, self.world)]
        arrays = save_inputs(folder / "inputs.npz", inputs)
        self._processes: list[subprocess.Popen[str]] = []
        with open(log_file, "a", encoding="utf-8") as output:
            for rank, device in enumerate(devices[1:], 1):
                own = worker_environment({**environ, **local_network(environ)}, device)
                process = subprocess.Popen(
                    [sys.executable, "-m", "backend.worker.rank"], stdin=subprocess.PIPE, stdout=output, stderr=output,
                    env=own, text=True,
                )
                self._processes.append(process)
                task = Task(rank, self.world, str(self._meeting), str(self._ready[rank - 1]), jobs, kind, spec,
                            str(folder), arrays)
                assert process.stdin is not None
                process.stdin.write(task.to_line())
                process.stdin.flush()
        threading.Thread(target=self._watch, name="ranks", daemon=True).start()

    def meet(self, device: torch.device, check: Callable[[], None]) -> Ranks:
        """Wait until all have loaded, then join them. check: raises when the job should stop. Raises WorkerCrashed."""
        from backend.distillation.ranks import Ranks

        while not all(one.exists() for one in self._ready):
            check()
            self.raise_if_lost()
            time.sleep(0.05)
        os.environ.update(local_network(os.environ))
        return Ranks.join(self._meeting, 0, self.world, device)

    def raise_if_lost(self) -> None:
        """Raises WorkerCrashed when a rank is gone."""
        if self.lost is None:
            return
        rank, code = self.lost
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        detail = {"rank": rank, **({"signal": -code} if code < 0 else {"exit_code": code})}
        raise WorkerCrashed(f"Rank {rank} of {self.world} {how}.", detail=detail)

    def why(self, patience: float = 2.0) -> None:
        """After an error of the leader: raises WorkerCrashed when a lost rank was the cause."""
        until = time.monotonic() + patience
        while self.lost is None and time.monotonic() < until:
            time.sleep(LOOK_SECONDS / 2)
        self.raise_if_lost()

    def close(self) -> None:
        """End all ranks; returns with them dead."""
        self._closed = True
        for one in self._processes:
            one.kill()
        for one in self._processes:
            one.wait()
            if one.stdin is not None:
                with contextlib.suppress(OSError):
                    one.stdin.close()
        for path in self._folder.glob(f"{self._meeting.name}*"):
            path.unlink(missing_ok=True)

    def _watch(self) -> None:
        while self.lost is None and not self._closed:
            for rank, one in enumerate(self._processes, 1):
                code = one.poll()
                if code and not self._closed:
                    log.error("rank %d ended with code %d", rank, code)
                    self.lost = (rank, code)
            time.sleep(LOOK_SECONDS)
        until = time.monotonic() + NOTICE_SECONDS
        while not self._closed:
            if time.monotonic() > until:
                log.error("the leader waits for a rank that is gone; its process ends")
                logging.shutdown()
                self._end_process(1)
                return
            time.sleep(LOOK_SECONDS)


def local_network(environ: Mapping[str, str]) -> dict[str, str]:
    """Ranks of one machine talk over its loopback interface, unless the environment says otherwise."""
    if not sys.platform.startswith("linux"):
        return {}
    return {name: environ.get(name) or "lo" for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")}
