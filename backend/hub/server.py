# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub as one process and one loop: two ROUTER ports, the store, the blobs, and a worker process.

`Hub` takes a data folder for itself (a second hub in the same folder is refused), listens (encrypted, and beyond the
loopback interface only with keys of its own), writes the connection file, and then only reacts. It starts within a
second and imports nothing heavy; the worker imports torch in its own process meanwhile.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import zmq

from backend import __version__
from backend.hub import keys
from backend.hub.accounts import Accounts
from backend.hub.back import Back
from backend.hub.blobs import RESERVE_BYTES, BlobStore, free_bytes
from backend.hub.collect import Collector, Limits
from backend.hub.desk import Desk
from backend.hub.executors import Executor, NoExecutor, ProcessExecutor, worker_command
from backend.hub.executors.devices import wanted_slots
from backend.hub.front import Front
from backend.hub.gate import Gate
from backend.hub.report import Report
from backend.hub.store import Store
from backend.hub.wire import Port
from backend.hub.zap import BACK, FRONT, Doorkeeper, Lock
from protocol.errors import BadRequest, NotAllowed, OutOfSpace
from protocol.keys import KeyPair
from protocol.local import FILE_NAME, ConnectionInfo, write_connection_file

if TYPE_CHECKING:
    from backend.hub.metrics import MetricsServer

log = logging.getLogger("maquette.hub")

LOOPBACK = "127.0.0.1"
TICK_SECONDS = 0.25
CHECKPOINT_SECONDS = 900.0  # protocol reference, section 10
MESSAGES_A_TURN = 200
FOR_RAY_WORKERS = (  # that they get from the hub's environment
    "MAQUETTE_JOBS_MODULE", "MAQUETTE_MOST_JOBS", "MAQUETTE_ALONE_SECONDS", "MAQUETTE_MOTION_FOLDER",
    "MAQUETTE_CLIP_FOLDER", "PYTHONPATH", "OMP_NUM_THREADS", "HF_HOME",
)


@dataclass(frozen=True)
class HubOptions:
    """data: folder of the store, the blobs, the logs. port: for clients, 0 for the last one used or any free one.

    worker: whether to keep worker processes. slots: where, see `executors.devices.wanted_slots`. ray: address of a
    Ray cluster that runs them, empty for this machine. free: bytes left on the disk, reserve: how many to leave
    alone. drain_seconds: that running jobs get to finish when the hub stops, stop_patience: then to store a
    checkpoint. limits: how long and how much is kept. metrics_port: for Prometheus, 0 for any free one, None for
    none. host: address to listen on, other than the loopback's only with keys. keys: folder of the hub's keys, None
    for `keys` in the data folder. encrypt: False for an unencrypted loopback (for measuring what it costs).
    """

    data: Path
    port: int = 0
    worker: bool = True
    slots: str = "auto"
    ray: str = ""
    free: Callable[[Path], int] = free_bytes
    reserve: int = RESERVE_BYTES
    drain_seconds: float = 0.0
    stop_patience: float = 5.0
    limits: Limits = Limits()
    metrics_port: int | None = None
    metrics_host: str = LOOPBACK
    host: str = LOOPBACK
    back_port: int = 0
    keys: Path | None = None
    encrypt: bool = True

    @property
    def keys_folder(self) -> Path:
        """Where the hub's own keys are, if it has any."""
        return self.keys or self.data / keys.FOLDER


class Hub:
    """One running hub. Raises NotAllowed when another one has the folder."""

    def __init__(self, options: HubOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self.options = options
        self._clock = clock
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._open()
        except BaseException:
            self._context.destroy(linger=0)  # or its end would wait for ever for sockets that nobody has
            raise

    def _open(self) -> None:
        options, clock = self.options, self._clock
        own_keys = keys.load(options.keys_folder)
        keys.require_for(options.host, own_keys if options.encrypt else None, options.keys_folder)
        options.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = lock_folder(options.data)
        self.store = Store(options.data / "hub.sqlite", time.time)
        self.epoch = self.store.begin_epoch()
        secret = self.store.meta("token") or secrets.token_hex(32)
        if self.store.meta("token") is None:
            self.store.set_meta("token", secret)
        self.blobs = BlobStore(options.data / "blobs", options.free, options.reserve)
        self.accounts = Accounts(self.store, time.time)
        self.gate = Gate(self.accounts, self.store, clock)
        self.doorkeeper = Doorkeeper(self._context, self.accounts.may_enter, self.gate.knocked)  # before any bind
        pair = own_keys.pair if own_keys is not None else KeyPair.new()
        client, worker = KeyPair.new(), KeyPair.new()  # for whoever can read the connection file of this start
        self.accounts.admit(client.public, FRONT)
        self.accounts.admit(worker.public, BACK)
        front_port = self._bind("front_port", options.port, Lock(FRONT, pair.secret) if options.encrypt else None)
        back_port = self._bind("back_port", options.back_port, Lock(BACK, pair.secret) if options.encrypt else None)
        self.desk = Desk(self.store, clock)
        self.desk.check_room, self.desk.check_priority = self.accounts.check_room, self.accounts.check_priority
        self.desk.scheduler.may_run = self.accounts.may_run
        self.executor: Executor = NoExecutor()
        if options.worker:
            self.executor = self._executor()
        token = b"" if options.encrypt else bytes.fromhex(secret)
        self.back = Back(back_port, self.desk, self.blobs, self.executor, self.gate, clock, token, self.epoch)
        self.front = Front(
            front_port, self.desk, self.blobs, self.gate, clock, token, self.epoch, self.back.leases.dispatch
        )
        self.back.attendance.expect_back(self.desk.recover())
        self.collector = Collector(options.data, self.store, self.blobs, options.limits, clock)
        self.report = Report(
            self.desk, self.back, self.blobs, self.collector, lambda: len(self.front.sessions), clock, self.epoch
        )
        self.front.snapshot = self.report.snapshot
        self.metrics: MetricsServer | None = None
        if options.metrics_port is not None:
            from backend.hub.metrics import MetricsServer  # a server of the standard library that few hubs need

            self.metrics = MetricsServer(self.report, options.metrics_host, options.metrics_port, clock)
            log.info("metrics at http://%s:%d/metrics", options.metrics_host, self.metrics.port)
        self.info = ConnectionInfo(
            _reachable(front_port.address), _reachable(back_port.address), secret, self.epoch, os.getpid(),
            f"maquette {__version__}",
        )
        if options.encrypt:
            self.info = replace(
                self.info, server_key=pair.public.hex(), client_key=client.secret.hex(), worker_key=worker.secret.hex()
            )
        write_connection_file(options.data, self.info)
        self.stopping = False
        self._next_tick = 0.0
        self._next_checkpoint = clock() + CHECKPOINT_SECONDS
        log.info(
            "hub %s listens on %s, data in %s (SQLite %s, epoch %d)", __version__, front_port.address, options.data,
            sqlite3.sqlite_version, self.epoch,
        )

    def _executor(self) -> Executor:
        """Who runs the workers."""
        options = self.options
        if not options.ray:
            devices = wanted_slots(options.slots)
            return ProcessExecutor(options.data, worker_command(options.data), devices, self._clock)
        from backend.hub.executors.ray_cluster import RayExecutor  # imports Ray, which takes a second
        from backend.worker.hubs import Hub as HubAddress

        def line() -> str:
            return HubAddress(self.info.back_address, self.info.secret, self.info.worker_keys).to_line()

        environ = {name: os.environ[name] for name in FOR_RAY_WORKERS if name in os.environ}
        return RayExecutor(options.ray, line, options.data / "ray", options.slots, self._clock, environ)

    def _bind(self, name: str, wanted: int, lock: Lock | None) -> Port:
        """The wanted port; or the last one, so that clients and workers find a restarted hub where it was; or any."""
        host = self.options.host
        if wanted:
            return Port(self._context, host, wanted, lock)
        last = self.store.meta(name)
        try:
            port = Port(self._context, host, int(last or 0), lock)
        except BadRequest:
            port = Port(self._context, host, 0, lock)
        if port.number != last:
            self.store.set_meta(name, port.number)
        return port

    def run(self, keep_on: Callable[[], bool], hurry: Callable[[], bool] = lambda: False) -> None:
        """React until `keep_on` says no, then stop in good order; `hurry` cuts the waiting short."""
        try:
            while keep_on() and not self.stopping:
                self.turn()
            self.drain(hurry)
        finally:
            self.stop()

    def drain(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Let running jobs finish, then store their checkpoints and go back into the queue; nothing new is started."""
        if self.stopping:
            return
        leases, seconds = self.back.leases, self.options.drain_seconds
        log.info("draining: %d jobs run, they have %.0f s to finish", leases.working, seconds)
        self.front.drain("The hub stops; waiting jobs stay in its queue.")
        leases.drain()
        self._wait_for_jobs(seconds, hurry)
        leases.save_all()
        self._wait_for_jobs(self.options.stop_patience, hurry)

    def _wait_for_jobs(self, seconds: float, hurry: Callable[[], bool]) -> None:
        end = self._clock() + seconds
        while self.back.leases.working and self._clock() < end and not hurry():
            self.turn(0.05)

    def turn(self, longest_wait: float = TICK_SECONDS) -> None:
        """One round: wait for something, take what came, send what can be sent, let time pass."""
        poller = zmq.Poller()
        poller.register(self.front.port.socket, zmq.POLLIN)
        poller.register(self.back.port.socket, zmq.POLLIN)
        poller.register(self.doorkeeper.socket, zmq.POLLIN)
        moved = self._pump()
        busy = self.front.busy or self.back.busy
        wait = 0.0 if moved and busy else 0.01 if busy else longest_wait
        poller.poll(int(1000 * max(0.0, min(wait, self._next_tick - self._clock(), self.desk.seconds_to_next()))))
        self.doorkeeper.turn()
        for port, handle in ((self.back.port, self.back.handle), (self.front.port, self.front.handle)):
            for _ in range(MESSAGES_A_TURN):
                received = port.receive()
                if received is None:
                    break
                try:
                    handle(received)
                except Exception:  # the outermost loop: a defect must cost one message, not everybody's hub
                    log.exception("%s from a peer could not be handled", received.envelope.type)
        self._pump()
        if self._clock() >= self._next_tick or self.desk.seconds_to_next() == 0.0:
            self._next_tick = self._clock() + TICK_SECONDS
            self._tick()

    def _pump(self) -> bool:
        moved = self.front.pump()
        return self.back.pump() or moved

    def _tick(self) -> None:
        try:
            self.executor.tick()
            self.desk.tick()
            self.back.tick()
            self.front.tick()
            self.collector.turn()
            if self.metrics is not None:
                self.metrics.tick()
            if self._clock() >= self._next_checkpoint:
                self._next_checkpoint = self._clock() + CHECKPOINT_SECONDS
                self.store.checkpoint()
        except (OutOfSpace, OSError) as problem:  # nothing was changed; the next tick tries again
            log.error("%s", problem)
            self._next_tick = self._clock() + 2.0

    def stop(self) -> None:
        """Tell everybody, let the worker give its job back, close the store. Safe to call twice."""
        if self.stopping:
            return
        self.stopping = True
        self.front.drain("The hub stops.")
        self.back.leases.stop_workers()
        end = self._clock() + self.options.stop_patience
        while self.back.workers and self._clock() < end and any(self.executor.alive(w.name) for w in self.back.workers):
            self.back.port.socket.poll(50)
            received = self.back.port.receive()
            if received is not None:
                try:
                    self.back.handle(received)
                except OutOfSpace as problem:
                    log.error("%s", problem)
        self.executor.stop(1.0)  # said goodbye, or did not listen
        (self.options.data / FILE_NAME).unlink(missing_ok=True)
        if self.metrics is not None:
            self.metrics.close()
        self.front.port.close()
        self.back.port.close()
        self.doorkeeper.close()
        self._context.term()
        self.store.close()
        self._lock.close()
        log.info("hub stopped")


def lock_folder(folder: Path) -> IO[bytes]:
    """Take the folder for this process until the file given back is closed. Raises NotAllowed when it is taken."""
    file = open(folder / "hub.lock", "a+b")  # noqa: SIM115
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        file.close()
        raise NotAllowed(
            f"Another hub already runs in {folder}.", hint="Use it, or give this one its own folder with --data."
        ) from problem
    return file


def _reachable(address: str) -> str:
    """Where this machine reaches a port that listens on all its addresses."""
    return address.replace("tcp://0.0.0.0:", f"tcp://{LOOPBACK}:").replace("tcp://[::]:", "tcp://[::1]:")
