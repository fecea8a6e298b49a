# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker processes on a Ray cluster: Ray finds the machine, reserves the device, and ends the process. Nothing else.

Each place is one GPU of the cluster (or one CPU, where it has no GPU or CPUs were asked for), held by one Ray actor
that starts our ordinary worker on its machine and watches it. The worker dials the hub like any other; the queue,
leases, retries and results never go through Ray, which would lose them with its head node. The address and key of the
hub reach a worker through the actor's call and then its standard input, never as an argument, in the environment or
in a log. When the hub ends, Ray ends its actors, and the workers end with them.

Needs the package `ray` (the extra of the same name) with one version of Python and Ray on all machines.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.hub.executors.devices import MOST_SLOTS, Device
from backend.hub.executors.environment import CPU
from backend.hub.executors.keeper import Keeper
from backend.hub.executors.places import Found, Life, Place, worker_log
from protocol.errors import BadRequest

log = logging.getLogger("maquette.hub")

NAMESPACE = "maquette"
LOST_CODE = 70  # exit code of a worker whose actor or machine is gone


def connect(address: str) -> Any:
    """The module `ray`, connected to the cluster at `address` (`auto`: the one of this machine).

    Raises BadRequest when Ray is not installed or there is no cluster.
    """
    try:
        import ray
    except ImportError as problem:
        raise BadRequest(
            "The executor `ray` needs the package ray.", path="executor", hint="Run: pip install 'maquette[ray]'"
        ) from problem
    if not ray.is_initialized():
        ours = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.WARNING,
                     configure_logging=False)
        except (ConnectionError, ValueError, RuntimeError) as problem:
            raise BadRequest(
                f"There is no Ray cluster at {address}: {problem}", path="ray",
                hint="Start one with: ray start --head",
            ) from problem
        for number, handler in ours.items():  # Ray's own end the process without a word to anybody
            signal.signal(number, handler)
    return ray


class Keeping:
    """What runs as a Ray actor: one worker process on the actor's machine. Methods are called from the hub."""

    def __init__(self) -> None:
        self._process: Any = None

    def run(self, command: list[str], line: str, folder: str, log_name: str, environ: dict[str, str]) -> int:
        """Start the worker and wait for it; gives its exit code. line: the hub's address and key, for its input.

        Ray has set CUDA_VISIBLE_DEVICES for this actor, and it is kept.
        """
        import subprocess
        import sys
        from pathlib import Path

        from backend.hub.executors.environment import worker_environment

        home = Path(folder)
        (home / "logs").mkdir(parents=True, exist_ok=True)
        own = {**os.environ, **environ, "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "")}
        with open(home / "logs" / log_name, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *command], stdin=subprocess.PIPE, stdout=output, stderr=output,
                env=worker_environment(own), cwd=folder,
            )
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()  # stays open: it closes with this actor, and the worker ends
        return int(self._process.wait())

    def signal(self, hard: bool) -> None:
        """Ask the worker to end, or kill it with all that it leads."""
        import psutil

        if self._process is None or self._process.poll() is not None:
            return
        if not hard:
            self._process.terminate()
            return
        for one in (*psutil.Process(self._process.pid).children(recursive=True), self._process):
            one.kill()

    def process(self) -> int:
        """The worker's process id, 0 before it runs."""
        return 0 if self._process is None else int(self._process.pid)


@dataclass
class RayLife:
    """One actor and its worker."""

    ray: Any
    actor: Any
    running: Any  # what `Keeping.run` will give
    began: float
    clock: Callable[[], float]
    ended: int | None = None
    killed_at: float | None = None

    def code(self) -> int | None:
        """Exit code of the worker; LOST_CODE when its actor or machine is gone. Does not wait for Ray."""
        if self.ended is None:
            done, _ = self.ray.wait([self.running], timeout=0)
            if done:
                try:
                    self.ended = int(self.ray.get(done[0]))
                except Exception as problem:  # any error of Ray's means that nobody holds the process any more
                    log.warning("a Ray actor is gone: %s", str(problem).splitlines()[0] if str(problem) else problem)
                    self.ended = -9 if self.killed_at is not None else LOST_CODE
                self.ray.kill(self.actor)  # gives the device back to Ray
        return self.ended

    def signal(self, hard: bool) -> None:
        """Ask the worker to end, or kill it. An actor that does not answer is killed by Ray a little later."""
        if self.ended is not None:
            return
        now = self.clock()
        if hard and self.killed_at is not None and now - self.killed_at > 2.0:
            self.ray.kill(self.actor)
            return
        if hard and self.killed_at is None:
            self.killed_at = now
        self.actor.signal.remote(hard)


class RayLauncher:
    """Places workers on a cluster.

    count: places, or 0 for as many as the cluster has GPUs (CPUs where it has none). cpu: take CPUs even so.
    line: gives the hub's address and key at the moment of a start. folder: name of the folder that a worker makes for
    itself on its machine, below that machine's own data folder.
    """

    def __init__(
        self, ray: Any, line: Callable[[], str], folder: Path, count: int, cpu: bool, clock: Callable[[], float],
        environ: dict[str, str],
    ) -> None:
        self._ray = ray
        self._line = line
        self._folder = folder
        self._count = count
        self._cpu = cpu
        self._clock = clock
        self._environ = environ

    def devices(self) -> list[Device] | None:
        try:
            resources = self._ray.cluster_resources()
        except Exception as problem:  # the head is away; what we know stays
            log.warning("the Ray cluster does not answer: %s", problem)
            return None
        gpus = 0 if self._cpu else int(resources.get("GPU", 0))
        there = gpus or int(resources.get("CPU", 0))
        count = min(there, self._count or there, MOST_SLOTS)
        kind = "gpu" if gpus else CPU
        # Which machine a place will be on is Ray's choice at each start, so no place lends its device to another.
        return [Device(f"ray-{kind}{number}", "" if gpus else CPU, f"{kind} of the Ray cluster",
                       machine=f"ray-{number}") for number in range(count)]

    def launch(self, device: Device, worker: str, share: int) -> Life:
        on_cpu = device.id == CPU
        actor = self._ray.remote(Keeping).options(
            name=worker, namespace=NAMESPACE, num_cpus=1 if on_cpu else 0, num_gpus=0 if on_cpu else 1,
            max_restarts=0, max_task_retries=0, max_concurrency=3,
        ).remote()
        command = ["-m", "backend.worker", "--data", str(self._folder / device.slot), "--name", worker, "--hub", "-"]
        running = actor.run.remote(
            command, self._line(), str(self._folder / device.slot), worker_log(device), self._environ
        )
        return RayLife(self._ray, actor, running, self._clock(), self._clock)

    def found(self) -> list[Found]:
        return []  # actors end with the hub that made them

    def remember(self, places: Sequence[Place]) -> None:
        """There is nothing to find again."""


class RayExecutor(Keeper):
    """Workers on a Ray cluster; see the module. address: of the cluster. slots: `auto`, `gpu:4` or `cpu:2`."""

    def __init__(
        self, address: str, line: Callable[[], str], folder: Path, slots: str = "auto",
        clock: Callable[[], float] = time.monotonic, environ: dict[str, str] | None = None,
    ) -> None:
        count, cpu = ray_slots(slots)
        launcher = RayLauncher(connect(address), line, folder, count, cpu, clock, dict(environ or {}))
        super().__init__(launcher, clock)


def ray_slots(text: str) -> tuple[int, bool]:
    """(count or 0 for all, whether on CPUs) of `--slots`. Raises BadRequest."""
    name, _, count = text.partition(":")
    if name not in ("auto", "", "gpu", CPU) or (count and not (count.isdecimal() and 1 <= int(count) <= MOST_SLOTS)):
        raise BadRequest(f"The slots {text!r} make no sense.", path="slots", hint="Say auto, gpu:4 or cpu:2.")
    return int(count or 0), name == CPU
